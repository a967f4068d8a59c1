"""PURE. What to write instead of an unknown field: the field that it is a misspelling or a foreign
name of, the section where it belongs, or what to do if the gateway has no such thing.

foreign_names.py has the names, foreign_values.py the values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from klingflow.manifest.fields import OUTPUT_OPTIONS, SHOT
from klingflow.manifest.folds import letters
from klingflow.manifest.foreign_names import Name, rows_of
from klingflow.manifest.limits import RUN
from klingflow.manifest.sections import TOP
from klingflow.manifest.settings import GATEWAY
from klingflow.manifest.spelling import did_you_mean, nearest
from klingflow.words import _

# A field that stands in the wrong section → where it goes.
_SECTIONS: Final[tuple[tuple[Mapping[str, object], str], ...]] = (
    (SHOT, _("in one shot, or under 'defaults:' for all shots")),
    (RUN, _("under 'run:'")),
    (GATEWAY, _("under 'gateway:'")),
    (OUTPUT_OPTIONS, _("under 'output_config:'")),
    (TOP, _("at the top of the file, without indentation")),
)


def hint(key: str, known: Collection[str]) -> str:
    """Return what completes "unknown field 'key'": what to write instead of it; "" if nothing is
    known.
    """
    here = meant(key, known)
    if here in known and letters(str(here)) == letters(key):
        return _("; did you mean '{here}'?", here=here)
    rows = rows_of(key)
    for row in rows:
        if row.field in known:
            return row.advice
    return _elsewhere(key, known, rows) or did_you_mean(key, known)


def _elsewhere(key: str, known: Collection[str], rows: Iterable[Name]) -> str:
    """Return where a field goes that does not belong to this section; "" if no section has it."""
    if "shots" in known and key in TOP:
        return _("; write it in the manifest: an included file has vars, presets and shots")
    if place := _own_place(key):
        return place
    for row in rows:
        if row.field is None:
            return _("; {write}", write=row.write)
    for row in rows:
        for table, place in _SECTIONS:
            if row.field in table:
                return _("; write '{field}' {place}", field=row.field, place=place)
    return ""


def _own_place(key: str) -> str:
    """Return where a field of our own goes, in whatever spelling; "" for another name."""
    same = letters(key)
    for table, place in _SECTIONS:
        for name in table:
            if letters(name) != same:
                continue
            if name == key:
                return _("; write it {place}", place=place)
            return _("; write '{field}' {place}", field=name, place=place)
    return ""


def meant(key: str, known: Collection[str]) -> str | None:
    """Return the known field that an unknown key will be reported to be; None if there is none."""
    same = letters(key)
    for name in known:
        if letters(name) == same:
            return name
    for row in rows_of(key):
        if row.field in known:
            return row.field
    return nearest(key, known)

"""PURE. Which ids and output paths are taken. Two names that some file system takes for one count
as one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from klingflow.errors import Diagnostic, Mark, shortened
from klingflow.manifest.drafts import Draft
from klingflow.manifest.folds import same_file
from klingflow.model import Json
from klingflow.words import _, joined


class Part(NamedTuple):
    """A value that an id is made of: that of a matrix axis, or the `key` of a row."""

    name: str
    value: Json
    mark: Mark


# The parts of an id, asked for only where two ids clash.
Parts = Callable[[], Sequence[Part]]


def no_parts() -> Sequence[Part]:
    """Return no parts: the id is written out."""
    return ()


class Claims:
    """The ids and outputs of the shots so far, each with its place."""

    def __init__(self) -> None:
        self.ids: dict[str, Mark] = {}
        self._names: dict[str, tuple[str, Parts]] = {}
        self._outputs: dict[str, tuple[Draft, Mark]] = {}

    def claim_id(self, id: str, place: Mark, parts: Parts = no_parts) -> Diagnostic | None:
        """Take an id. Return a diagnostic if another shot has it.

        `parts` returns the values that the id is made of.
        """
        claim = (id, parts)
        before = self._names.setdefault(same_file(id), claim)
        if before is claim:
            self.ids[id] = place
            return None
        first, firsts = before
        related = self.ids[first]
        self.ids.setdefault(id, place)
        if first != id:
            message = _("some file systems take this id for '{first}'; rename one", first=first)
        else:
            message = _(
                "this id is taken already, at {related}; make the values differ", related=related
            )
        clash = None
        if _key(first) == _key(id):
            clash = _clash(firsts(), parts(), same_id=first == id)
        mark, message, related = clash or (place, message, related)
        return Diagnostic(
            mark, "duplicate-id", message, related=related, subject=_("shot '{id}'", id=id)
        )

    def claim_output(self, draft: Draft, place: Mark) -> Diagnostic | None:
        """Take an output path. Return a diagnostic if another take has it."""
        first, mark = self._outputs.setdefault(same_file(draft.output), (draft, place))
        if first is draft or (first.id, first.take) == (draft.id, draft.take):
            return None
        if first.id == draft.id:
            who, advice = (
                _("takes {first} and {second}", first=first.take, second=draft.take),
                "{take}",
            )
        else:
            who, advice = _("it and shot '{id}'", id=first.id), "{shot}"
        message = _(
            "{who} have the same output '{output}'; put {advice} into output",
            who=who,
            output=draft.output,
            advice=advice,
        )
        subject = _("shot '{id}'", id=draft.id)
        return Diagnostic(place, "duplicate-output", message, related=mark, subject=subject)


def _key(id: str) -> str:
    """Return the key of a shot's entry, without what its values add."""
    return id.split("@")[0]


class _Clash(NamedTuple):
    """Two ids that clash by their values: where the second value stands, what to say, and where the
    first stands.
    """

    mark: Mark
    message: str
    related: Mark


def _clash(first: Sequence[Part], second: Sequence[Part], *, same_id: bool) -> _Clash | None:
    """Return how the values of two ids of one shot clash; None if the ids share no name of a
    value.
    """
    pairs = _pairs(first, second)
    if not pairs:
        return None
    apart = [(one, other) for one, other in pairs if _shown(one) != _shown(other)]
    one, other = zip(*(apart or pairs), strict=True)
    mark, related = other[0].mark, one[0].mark
    if not apart:
        where = _(" (first at {related})", related=related) if related != mark else ""
        message = _("{other} is there twice{where}; drop one", other=_listed(other), where=where)
        return _Clash(mark, message, related)
    where = _(" ({related})", related=related) if related != mark else ""
    now, before = _listed(other), f"{_listed(one)}{where}"
    if same_id:
        text = _("{now} makes the same id as {before}", now=now, before=before)
    else:
        text = _("some file systems take {now} for {before}", now=now, before=before)
    return _Clash(mark, _("{text}; write one of them otherwise", text=text), related)


def _pairs(first: Sequence[Part], second: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Return the parts of two ids that have one name."""
    known = {part.name: part for part in first}
    return [(known[part.name], part) for part in second if part.name in known]


def _listed(parts: Sequence[Part]) -> str:
    return joined(", ", map(_shown, parts))


def _shown(part: Part) -> str:
    if isinstance(part.value, str):
        return f"{part.name} '{shortened(part.value)}'"
    return f"{part.name} {json.dumps(part.value)}"

"""PURE. Profiles: what one is called, and what it lays over a shot.

A profile makes drafts of a film: the same shots with other fields, in a ledger of their own, whose
files have the profile's name in theirs (klingflow.ledger.places).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.fields import SHOT
from klingflow.manifest.folds import same_file
from klingflow.manifest.layers import merge, without_nulls
from klingflow.manifest.request import infer_kind
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Node, composed
from klingflow.words import _, joined

# What decides which shots there are, what they are, or what a pasted body holds.
WITHOUT_EFFECT: Final = frozenset(("use", "matrix", "foreach", "key", "kind", "request"))

OPTION: Final = "--profile"

# No dot: in `film.draft.lock` the name is what stands behind the last dot but one.
_NAME: Final = re.compile(r"[^\W_][\w-]{0,39}")
_PICKS: Final = "picks"  # `film.picks.yaml` is the file of picks
_CUTS: Final = "multi-shot"  # whose length is the sum of its cuts


def laid_over(shot: Node, profile: Node) -> Node:
    """Return a shot, its layers merged, under what a profile has for a shot of its kind."""
    shot = without_nulls(shot)
    kind = infer_kind({name: node.value for name, node in shot.value.items()})
    fields = {name: node for name, node in profile.value.items() if _is_taken(name, kind)}
    return merge([shot, profile.holding(fields)])


def _is_taken(name: str, kind: str) -> bool:
    field = SHOT.get(name)
    if field is None or name in WITHOUT_EFFECT:
        return False
    return kind in field.kinds and not (name == "seconds" and kind == _CUTS)


def chosen(name: str, profiles: Mapping[str, Node]) -> Node | Diagnostic:
    """Return the profile that a user names, or what is wrong with the name."""
    wanted = composed(name)
    found = next((node for key, node in profiles.items() if composed(key) == wanted), None)
    if found is not None:
        return found if type(found.value) is dict else found.holding({})
    return Diagnostic(Mark(OPTION, 1, 1), "unknown-profile", why_unknown(name, profiles))


def why_unknown(name: str, profiles: Collection[str]) -> str:
    """Return what to say of the name of a profile that is not there."""
    there_are = (
        _("; there are {profiles}", profiles=joined(", ", profiles))
        if profiles
        else _("; add it to profiles: first")
    )
    return _(
        "there is no profile '{name}'{did_you_mean}",
        name=name,
        did_you_mean=did_you_mean(name, profiles) or there_are,
    )


def check_names(profiles: Mapping[str, Node]) -> list[Diagnostic]:
    """Return what is wrong with the names of profiles, which become parts of file names."""
    found: list[Diagnostic] = []
    first: dict[str, str] = {}
    for name, node in profiles.items():
        other = first.setdefault(same_file(name), name)
        fault = name_fault(name)
        if fault is None and other != name:
            fault = _("some file systems take this name for '{other}'; rename one", other=other)
        if fault:
            subject = _("profile '{name}'", name=name[:40])
            found.append(Diagnostic(node.place, "bad-profile", fault, subject=subject))
    return found


def name_fault(name: str) -> str | None:
    """Return what is wrong with one name, if anything."""
    if not _NAME.fullmatch(composed(name)):
        return _(
            "the name stands in file names: write letters, digits, '-' and '_', at most 40,"
            " beginning with a letter or a digit"
        )
    if same_file(name) == _PICKS:
        return _("the file of picks has this name; write another")
    return None


def names_of(profiles: Collection[str]) -> tuple[str, ...]:
    """Return the names of profiles in the form that file names have."""
    return tuple(map(composed, profiles))

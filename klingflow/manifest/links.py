"""PURE. Which shot waits for which: every id that is named must exist, and no shot may wait for
itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.spelling import near_id
from klingflow.model import split_key
from klingflow.words import _


class Link(NamedTuple):
    """Shot `waiting` needs shot `target`, or one take of it (`opening#2`), because of what stands
    at `mark`.
    """

    waiting: str
    target: str
    mark: Mark


def check_links(
    links: Iterable[Link], takes: Mapping[str, int | None], unsure: Collection[str]
) -> list[Diagnostic]:
    """Return what is wrong with the links. `takes` has how many takes each shot has, None if that
    cannot be told. `unsure` are keys whose ids are not all known: links to them are not judged.
    """
    found = []
    needs: dict[str, list[Link]] = {}
    for link in links:
        id, take = split_key(link.target) if "#" in link.target else (link.target, 1)
        if id in takes:
            needs.setdefault(link.waiting, []).append(link._replace(target=id))
            if fault := _no_such_take(id, take, takes[id]):
                found.append(_diagnostic(link, "unknown-shot", fault))
        elif id.split("@")[0] not in unsure:
            found.append(_diagnostic(link, "unknown-shot", _unknown(id, takes)))
    return found + _cycles(needs)


def _no_such_take(id: str, take: int, takes: int | None) -> str | None:
    if takes is None or 1 <= take <= takes:
        return None
    there_are = _("one take") if takes == 1 else _("{takes} takes", takes=takes)
    return _("'{id}' has {there_are}, not {take}", id=id, there_are=there_are, take=take)


def _unknown(target: str, ids: Collection[str]) -> str:
    several = [id for id in ids if id.startswith(f"{target}@")]
    if several:
        return _(
            "'{target}' is {number} shots; name one, such as '{first}'",
            target=target,
            number=len(several),
            first=several[0],
        )
    return _("there is no shot '{target}'{near_id}", target=target, near_id=near_id(target, ids))


def _cycles(needs: Mapping[str, list[Link]]) -> list[Diagnostic]:
    """Return each cycle once. Iterative: a chain of 10,000 shots is deeper than Python's stack."""
    found: list[Diagnostic] = []
    finished: set[str] = set()
    for start in needs:
        path: dict[str, Link | None] = {start: None}
        todo = [iter(needs[start])] if start not in finished else []
        while todo:
            link = next(todo[-1], None)
            if link is None:
                todo.pop()
                finished.add(path.popitem()[0])
            elif link.target in path:
                found.append(_cycle(list(path), link))
            elif link.target not in finished:
                path[link.target] = link
                todo.append(iter(needs.get(link.target, ())))
    return found


def _cycle(path: list[str], last: Link) -> Diagnostic:
    chain = [*path[path.index(last.target) :], last.target]
    shown = " → ".join(chain if len(chain) < 12 else [*chain[:8], "…", *chain[-2:]])
    return _diagnostic(
        last, "cycle", _("waits for itself: {shown}; drop one of these", shown=shown)
    )


def _diagnostic(link: Link, code: str, message: str) -> Diagnostic:
    return Diagnostic(link.mark, code, message, subject=_("shot '{id}'", id=link.waiting))

"""PURE. Takes beyond those that a manifest asks for: those that `--rerun rejected` bought, and the
one that it buys for each shot of which no take stands.

A further take belongs to its shot because its purchase says so. Any other purchase with a number
above `takes` is an orphan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import NamedTuple

from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.manifest.folds import same_file
from klingflow.model import Action, Manifest, Plan, Purchase, Request, Shot, Verb

Take = tuple[str, int]
# What a take does that stands, whatever people say of its purchase.
_STANDS: frozenset[Verb] = frozenset({"in_doubt", "resume"})


class Again(NamedTuple):
    """What `--rerun rejected` buys: takes once more, by their keys, and further takes."""

    keys: frozenset[str] = frozenset()
    takes: tuple[Take, ...] = ()

    def __bool__(self) -> bool:
        """Return True if there is anything to buy."""
        return bool(self.keys or self.takes)


# ---------------------------------------------------------------- in the manifest


def with_further(manifest: Manifest, book: Book) -> Manifest:
    """Return the manifest with the further takes that a ledger has of its shots."""
    bought = list(book.takes())
    if not bought:
        return manifest
    wanted = manifest.takes
    ids = {id for id, _ in wanted}
    above = (take for take in bought if take not in wanted and take[0] in ids)
    found = [take for take in above if any(map(_is_further, book.bought(*take)))]
    return with_takes(manifest, found)


def _is_further(purchase: Purchase) -> bool:
    """True for a further purchase, and for a doubt of which a damaged line says no more: it may be
    one.
    """
    if purchase.state in IN_DOUBT and not purchase.fingerprint:
        return True
    return bool(purchase.further)


def with_takes(manifest: Manifest, takes: Iterable[Take]) -> Manifest:
    """Return the manifest with these takes too, each behind the other takes of its shot. Nothing is
    done about a take that is there, or whose shot is not.
    """
    takes = set(takes)
    if not takes:
        return manifest
    known = manifest.takes
    added: dict[str, list[int]] = {}
    for id, take in sorted(takes - known):
        added.setdefault(id, []).append(take)
    if not added:
        return manifest
    pairs = list(_paired(manifest, added))
    shots, requests = (tuple(part) for part in zip(*pairs, strict=True))
    return replace(manifest, shots=shots, requests=requests)


def _paired(manifest: Manifest, added: Mapping[str, list[int]]) -> Iterator[tuple[Shot, Request]]:
    last = {shot.id: shot for shot in manifest.shots}
    claimed = {same_file(shot.output) for shot in manifest.shots}
    again = manifest.more({id: max(takes) for id, takes in added.items()}) if manifest.more else {}
    for shot, request in manifest:
        yield shot, request
        if shot is not last[shot.id]:
            continue
        for take in added.get(shot.id, ()):
            made, own = again.get((shot.id, take), (replace(shot, take=take), request))
            # The fields of most takes are equal, and more may be known of the request that is here.
            own = request if made.fields == shot.fields else own
            yield replace(made, output=_output(made, claimed), further=True), own


def _output(shot: Shot, claimed: set[str]) -> str:
    """Return a place for a video that no other take has: `{take}` may not be in `output:`, or
    another shot may be called so.
    """
    output = shot.output
    while same_file(output) in claimed:
        output = f"{output[: -len('.mp4')]}-take{shot.take}.mp4"
    claimed.add(same_file(output))
    return output


def without_empty(manifest: Manifest, book: Book, wanted: Set[Take]) -> Manifest:
    """Return the manifest without further takes that have no purchase, because all of theirs went
    to other takes; those that are `wanted` stay.
    """
    pairs = [
        (shot, request)
        for shot, request in manifest
        if not shot.further or (shot.id, shot.take) in wanted or book.bought(shot.id, shot.take)
    ]
    if len(pairs) == len(manifest.shots):
        return manifest
    shots, requests = (tuple(part) for part in zip(*pairs, strict=True))
    return replace(manifest, shots=shots, requests=requests)


# ---------------------------------------------------------------- what is to be bought


def wanted_again(plan: Plan, book: Book) -> Again:
    """Return what to buy for the selected shots of which no take stands un-rejected: one take each.

    `plan` is the plan without that, `book` its ledger. A rejected take whose body has changed since
    is bought again; otherwise one that failed is tried again at its own number; otherwise there is
    a further take.
    """
    selected = {a.shot.id for a in plan.actions if a.shot}
    keys: set[str] = set()
    spent: list[str] = []
    for id, takes in _of_shots(plan, selected).items():
        if not _is_spent(plan, takes):
            continue
        again = next(filter(_has_changed, takes), None)
        again = again or next((a for a in takes if a.verb == "failed"), None)
        if again is None:
            spent.append(id)
        else:
            keys.add(again.key)
    return Again(frozenset(keys), tuple(_next_takes(plan.manifest, book, spent)))


def _of_shots(plan: Plan, selected: Set[str]) -> dict[str, list[Action]]:
    """Return the actions of all takes of the selected shots of which one is rejected."""
    said = {key for key, verdict in plan.verdicts.items() if verdict.word == "rejected"}
    spoken = {key.partition("#")[0] for key in said} & selected
    found: dict[str, list[Action]] = {}
    for shot in plan.manifest.shots if spoken else ():
        if shot.id in spoken:
            found.setdefault(shot.id, []).append(plan.by_key[shot.key])
    return found


def _is_spent(plan: Plan, takes: Iterable[Action]) -> bool:
    """True if no take of a shot stands: each is rejected or has failed."""
    for action in takes:
        verdict = plan.verdicts.get(action.key)
        rejected = verdict is not None and verdict.word == "rejected"
        if action.verb in _STANDS or not (rejected or action.verb == "failed"):
            return False
    return True


def _has_changed(action: Action) -> bool:
    """True if a take was bought with another body than the manifest's. One that failed has none."""
    wanted = action.request.fingerprint if action.request else None
    bought = action.purchase.fingerprint if action.purchase else None
    return action.verb != "failed" and None not in (wanted, bought) and wanted != bought


def _next_takes(manifest: Manifest, book: Book, ids: Iterable[str]) -> Iterator[Take]:
    """Yield the next number of each shot that no purchase has, or had before it moved."""
    ids = [*ids]
    if not ids:
        return
    highest: dict[str, int] = {}
    bought = (p for p in book.everything() if p.state != "rejected")
    known = (take for p in bought for take in ((p.shot, p.take), p.bought_for))
    for id, take in (*known, *manifest.takes):
        highest[id] = max(take, highest.get(id, 0))
    yield from ((id, highest[id] + 1) for id in ids)

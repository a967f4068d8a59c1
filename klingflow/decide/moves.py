"""PURE. Which purchases go over to another take: a shot was renamed, a storyboard renumbered, and
what is paid for goes with its body.

All moves of a plan are decided together, so that swaps and shifts come out in one step. What a take
then needs is decided in take.py; here only the ledger's bodies are compared with the manifest's.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import NamedTuple

from klingflow.decide.picks import NOTHING_SAID, keys_needed, source_of
from klingflow.ledger.book import Book, in_order
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, UNFINISHED, last_event, placed
from klingflow.manifest.request import finish
from klingflow.model import Action, Manifest, Move, Picks, Purchase, Request, Shot, Terms, key_of

Take = tuple[str, int]
# The purchase that a plan by this book leaves to a take; None where another one is to come.
Left = Callable[[Shot, Request, Book], Purchase | None]


@dataclass(frozen=True, slots=True)
class _Group:
    """All purchases of one take that have one fingerprint and one origin: they move as a whole.

    `worth` says what they brought: 0 a video, 1 one that may yet come, 2 a doubt, 3 nothing.
    """

    take: Take
    fingerprint: str
    purchases: tuple[Purchase, ...]
    worth: int


class _Want(NamedTuple):
    """A take without a purchase of its body, or with one that came to nothing. `least` is the worth
    from which on a group is of no use to it.
    """

    shot: Shot
    fingerprint: str
    least: int

    @property
    def take(self) -> Take:
        return self.shot.id, self.shot.take


_FINISHED = frozenset({"succeeded", "done"})
_NOTHING = 3  # the worth of a group that brought nothing and will not
_ANY = _NOTHING + 1
_FAILED = 2  # the `least` of a take whose own purchase came to nothing: only a video is better
# In which order groups go to takes: the worth of the groups, the `least` of the takes. Of equal
# groups a take that would be bought comes before one that has failed, which costs nothing while it
# waits.
_ROUNDS = ((0, _ANY), (0, _FAILED), (1, _ANY), (1, _FAILED), (2, _ANY), (_NOTHING, _ANY))


def decide_moves(
    manifest: Manifest, book: Book, terms: Terms, left: Left
) -> tuple[Book, tuple[Move, ...]]:
    """Return the book as it stands after all moves, and the moves, each purchase once.

    Fingerprints of dependants hang on their source's purchase. So takes are looked at after those
    that their bodies refer to.
    """
    if not (book.purchases or book.pruned):
        return book, ()
    ahead = book.copy()
    moving = _Moving(manifest, ahead, terms, left)
    moving.enter_pruned()
    while moving.go_through():
        pass  # a take that was held by its own unfinished purchase may be free of it now
    known = {**book.pruned, **book.purchases} if moving.moved else {}
    moves = tuple(Move(ahead.purchases[uid], known[uid].key) for uid in moving.moved)
    return (ahead, moves) if moves else (book, ())


def is_free(purchase: Purchase, fingerprints: Mapping[Take, str | None]) -> bool:
    """True if a purchase stands for no take of a manifest: its take is not there, or has another
    body now.

    `fingerprints` are those of every take of the manifest, None while one is not final.
    """
    take = purchase.shot, purchase.take
    return take not in fingerprints or fingerprints[take] != purchase.fingerprint


def is_rejected(purchase: Purchase, picks: Picks) -> bool:
    """True if a person has rejected a purchase: it goes to no other take by itself."""
    return picks.said.get(purchase.uid, NOTHING_SAID).rejected


def is_spare(purchase: Purchase, by_key: Mapping[str, Action], origin: str) -> bool:
    """True if a purchase stands for no take of a plan whose actions are `by_key`, and was made at
    `origin`. A take whose body is not final may be the one that it stands for.
    """
    action = by_key.get(purchase.key)
    wanted = action.request.fingerprint if action and action.request else None
    stands = action is not None and wanted in (None, purchase.fingerprint)
    return not stands and purchase.origin in ("", origin)


class _Moving:
    """The moves of one plan while they are being decided. `moved` are uids, in order."""

    def __init__(self, manifest: Manifest, book: Book, terms: Terms, left: Left) -> None:
        self.moved: dict[str, None] = {}
        self._book = book
        self._terms = terms
        self._left = left
        self._known_left: dict[str, Purchase | None] = {}  # by key
        self._wanted = {shot.key: (shot, request) for shot, request in manifest}
        self._fingerprints = {(s.id, s.take): r.fingerprint for s, r in manifest}
        self._generations = list(_generations(manifest, terms.takes))

    def enter_pruned(self) -> None:
        """Enter again what was pruned of takes that are wanted again, because it is paid for."""
        for purchase in list(self._book.pruned.values()):
            if (purchase.shot, purchase.take) in self._fingerprints:
                self._enter(purchase)

    def go_through(self) -> bool:
        """Decide for every take once. True if anything moved, so that another look may find
        more.
        """
        before = len(self.moved)
        self._known_left.clear()
        for generation in self._generations:
            wants = [want for want in map(self._want, generation) if want]
            self._go(wants)
        return len(self.moved) > before

    def _want(self, shot: Shot) -> _Want | None:
        """Return what a take lacks, if its body is final and it has no purchase of that body."""
        take = shot.id, shot.take
        fingerprint = self._fingerprints[take] = self._final(shot).fingerprint
        if fingerprint is None or shot.key in self._terms.again:
            return None
        own = [p for p in self._book.bought(*take) if self._counts_for(p, fingerprint)]
        if any(p.state in PAID | IN_DOUBT for p in own):
            return None
        # A body that came to nothing here may have been paid for elsewhere in this ledger.
        return _Want(shot, fingerprint, _FAILED if own else _ANY)

    def _counts_for(self, purchase: Purchase, fingerprint: str) -> bool:
        """True if a purchase is one of this body that the run's gateway knows, or that is done."""
        is_known = purchase.state == "done" or self._is_of_this_gateway(purchase)
        return is_known and purchase.fingerprint == fingerprint

    def _final(self, shot: Shot) -> Request:
        """Return what would be sent for a shot; its fingerprint is None while a shot that it refers
        to is not there. The addresses in its body are left out.
        """
        _, request = self._wanted[shot.key]
        sources = {r.shot: self._source(r.shot) for r in shot.references}
        uids = {key: source.uid for key, source in sources.items() if source}
        if uids.keys() != sources.keys():
            return request
        return finish(request, lambda _: "", uids.__getitem__)

    def _source(self, need: str) -> Purchase | None:
        """Return the finished purchase that meets a need; None where there is none yet."""
        source = self._left_to(source_of(need, self._terms, self._uid_left).key)
        return source if source and source.state in _FINISHED else None

    def _left_to(self, key: str) -> Purchase | None:
        if key not in self._known_left:
            shot, _ = self._wanted.get(key, (None, None))
            left = self._left(shot, self._final(shot), self._book) if shot else None
            self._known_left[key] = left
        return self._known_left[key]

    def _uid_left(self, key: str) -> str:
        left = self._left_to(key)
        return left.uid if left else ""

    def _go(self, wants: Sequence[_Want]) -> None:
        """Move what these takes want."""
        candidates = self._candidates(wants)
        held: set[Take] = set()
        while candidates:
            free_to_go = [want for want in wants if want.take not in held]
            chosen = _matched(free_to_go, candidates)
            dropped = self._held(chosen)
            if not dropped:
                return self._apply(chosen)
            held |= dropped

    def _candidates(self, wants: Iterable[_Want]) -> dict[str, list[_Group]]:
        """Return the groups that stand for no take of the manifest, by fingerprint."""
        found: dict[str, list[_Group]] = {}
        for fingerprint in dict.fromkeys(want.fingerprint for want in wants):
            free = [p for p in self._book.bought_as(fingerprint) if self._may_go(p)]
            if free:
                found[fingerprint] = _groups(fingerprint, free)
        return found

    def _may_go(self, purchase: Purchase) -> bool:
        """True if a purchase stands for no take, nobody has rejected it, and it was made here."""
        if not is_free(purchase, self._fingerprints):
            return False
        return self._is_of_this_gateway(purchase) and not is_rejected(purchase, self._terms.picks)

    def _is_of_this_gateway(self, purchase: Purchase) -> bool:
        origins = {purchase.origin, self._terms.origin} - {""}
        return len(origins) < 2

    def _held(self, chosen: Mapping[Take, _Group]) -> set[Take]:
        """Return the takes among `chosen` that keep an unfinished purchase of their own: they take
        nothing over before it has ended.
        """
        leaving = {p.uid for group in chosen.values() for p in group.purchases}
        held: set[Take] = set()
        looked_at = deque(chosen)
        while looked_at:
            take = looked_at.popleft()
            if take in held or take not in chosen:
                continue
            stays = (p for p in self._book.bought(*take) if p.uid not in leaving)
            if any(map(self._holds, stays)):
                held.add(take)
                group = chosen[take]
                leaving -= {p.uid for p in group.purchases}
                looked_at.append(group.take)  # which keeps this group now
        return held

    def _holds(self, purchase: Purchase) -> bool:
        """True if a purchase has to end at its take: nobody would ask after it once
        another one serves there.
        """
        if purchase.state in IN_DOUBT | UNFINISHED:
            return True
        given_up = last_event(purchase) in ("undelivered", "resubmitted")
        waits_for_its_file = purchase.state == "succeeded" and not given_up
        return waits_for_its_file and "changed" not in self._terms.rerun

    def _apply(self, chosen: Mapping[Take, _Group]) -> None:
        for (shot, take), group in chosen.items():
            wanted, _ = self._wanted[key_of(shot, take)]
            for purchase in group.purchases:
                output = None if purchase.sha256 else wanted.output
                at = self._terms.at or purchase.times.get("updated", "")
                self._enter(placed(purchase, at, shot=shot, take=take, output=output))

    def _enter(self, purchase: Purchase) -> None:
        self._book.put(purchase)
        self.moved[purchase.uid] = None


def _groups(fingerprint: str, bought: Iterable[Purchase]) -> list[_Group]:
    """Return the purchases of one body in the ledger's order, grouped by take and origin."""
    together: defaultdict[tuple[Take, str], list[Purchase]] = defaultdict(list)
    for purchase in in_order(bought):
        together[(purchase.shot, purchase.take), purchase.origin].append(purchase)
    return [
        _Group(take, fingerprint, tuple(several), min(map(_worth, several)))
        for (take, _), several in together.items()
    ]


def _worth(purchase: Purchase) -> int:
    if purchase.state == "done":
        return 0
    if last_event(purchase) == "resubmitted":
        return _NOTHING
    if purchase.state in PAID:
        return 1
    return 2 if purchase.state in IN_DOUBT else _NOTHING


def _matched(
    wants: Sequence[_Want], candidates: Mapping[str, Sequence[_Group]]
) -> dict[Take, _Group]:
    """Return which take gets which group."""
    by_fingerprint: defaultdict[str, list[_Want]] = defaultdict(list)
    for want in wants:
        by_fingerprint[want.fingerprint].append(want)
    chosen: dict[Take, _Group] = {}
    for fingerprint, several in by_fingerprint.items():
        chosen |= _matched_of_one_body(several, candidates.get(fingerprint, ()))
    return chosen


def _matched_of_one_body(wants: Sequence[_Want], groups: Sequence[_Group]) -> dict[Take, _Group]:
    """Return which take gets which group, in the order of `_ROUNDS`. Of equal groups take k goes
    to take k, and otherwise the first of the ledger to the first of the manifest.
    """
    chosen: dict[Take, _Group] = {}
    for worth, least in _ROUNDS:
        given = set(map(id, chosen.values()))
        left = [group for group in groups if group.worth == worth and id(group) not in given]
        useful = [want for want in wants if want.least == least and want.take not in chosen]
        chosen |= _pairs(useful, left)
    return chosen


def _pairs(wants: Sequence[_Want], groups: Sequence[_Group]) -> dict[Take, _Group]:
    """Return pairs of takes and groups of one worth, each once: take k with take k first, and what
    is left in order.
    """
    pairs: dict[Take, int] = {}
    for likeness in (_number, _anything):
        alike: defaultdict[object, deque[int]] = defaultdict(deque)
        used = set(pairs.values())
        for number, group in enumerate(groups):
            if number not in used:
                alike[likeness(group.take)].append(number)
        for want in wants:
            left = alike[likeness(want.take)]
            if left and want.take not in pairs:
                pairs[want.take] = left.popleft()
    return {take: groups[number] for take, number in pairs.items()}


def _number(take: Take) -> int:
    return take[1]


def _anything(take: Take) -> None:
    return None


def _generations(manifest: Manifest, takes: Mapping[str, Sequence[str]]) -> Iterator[list[Shot]]:
    """Yield the shots of a manifest, each after those that its body refers to, in lots that do not
    refer to one another.
    """
    yield [shot for shot in manifest.shots if not shot.references]
    dependants = {shot.key: shot for shot in manifest.shots if shot.references}
    numbers = {key: number for number, key in enumerate(dependants)}
    sorter = _referred_to_first(dependants.values(), takes)
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        lot = sorted(dependants.keys() & set(ready), key=numbers.__getitem__)
        if lot:
            yield [dependants[key] for key in lot]


def _referred_to_first(
    shots: Iterable[Shot], takes: Mapping[str, Sequence[str]]
) -> TopologicalSorter[str]:
    """Return what gives the keys of shots, each after those that its body refers to."""
    sorter = TopologicalSorter[str]()
    for shot in shots:
        for reference in shot.references:
            sorter.add(shot.key, *keys_needed(reference.shot, takes))
    sorter.prepare()
    return sorter

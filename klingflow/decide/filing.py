"""PURE. Where each bought video lies: at its take's output, or in `earlier/` once another video
took that place.

Decides which purchases get another output, and which files another name. Nothing is written over.
Names and facts of files are handed in; klingflow.runner.settle renames. What names our files have
is for file_names.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from klingflow.decide.file_names import (
    earlier_paths,
    home_of,
    is_name_of_ours,
    is_passing,
    passing_name,
)
from klingflow.decide.verbs import VERBS
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import PAID
from klingflow.manifest.folds import same_file
from klingflow.model import Action, FileFact, Filing, Plan, Purchase, Shot, Step
from klingflow.words import _

Places = Mapping[str, str]  # uid → output


def fact_of(purchase: Purchase) -> FileFact | None:
    """Size and hash of a purchase's video; None before it was delivered."""
    if purchase.state != "done" or not purchase.sha256 or purchase.size_bytes is None:
        return None
    return FileFact(purchase.size_bytes, purchase.sha256)


# ---------------------------------------------------------------- what a plan wants


def serving_places(
    actions: Iterable[Action], book: Book, files: Mapping[str, FileFact]
) -> dict[str, str]:
    """Return the outputs of the purchases that serve a take of the manifest, by uid.

    A take that is to be bought again keeps the video that it has until the new one is here.
    """
    places: dict[str, str] = {}
    for action in actions:
        purchase = action.purchase
        if action.shot is None or purchase is None:
            continue
        if VERBS[action.verb].may_buy:
            purchase = _had(action.shot, book, files)
        if purchase is not None:
            places[purchase.uid] = action.shot.output
    return places


def _had(shot: Shot, book: Book, files: Mapping[str, FileFact]) -> Purchase | None:
    """Return the purchase whose video a take has now: the one at its output, otherwise the last one
    that no other replaced.
    """
    here = [p for p in book.bought(shot.id, shot.take) if _lies_well(p, files)]
    at_its_place = [p for p in here if p.output == shot.output]
    not_replaced = [p for p in here if not is_name_of_ours(p.output or "")]
    return next(reversed(at_its_place or not_replaced), None)


def _lies_well(purchase: Purchase, files: Mapping[str, FileFact]) -> bool:
    """True if the purchase's video is where the ledger has it."""
    fact = fact_of(purchase)
    return fact is not None and files.get(purchase.output or "") == fact


# ---------------------------------------------------------------- the decision


def file_away(
    purchases: Sequence[Purchase],
    serving: Places,
    files: Mapping[str, FileFact],
    *,
    shots: Iterable[Shot] = (),
) -> Filing:
    """Decide where the video of every purchase goes.

    `serving` are the places of those that serve, by uid; no two are one file. `files` are the files
    on disk by path, those under other names of ours (`is_name_of_ours`) among them. `shots` are the
    manifest's, whose outputs are free for their own takes alone.
    """
    places: dict[str, str] = {}
    others: list[Purchase] = []
    for purchase in purchases:
        if purchase.uid in serving:
            places[purchase.uid] = serving[purchase.uid]
        elif purchase.output:
            others.append(purchase)
    if others:
        _keep(others, purchases, places, files, shots)
    placed: dict[str, str] = {}
    for purchase in purchases:
        place = places.get(purchase.uid)
        if place is not None and place != purchase.output:
            placed[purchase.uid] = place
    return Filing(placed, *_steps(purchases, places, files))


def _keep(
    others: Iterable[Purchase],
    purchases: Sequence[Purchase],
    places: dict[str, str],
    files: Mapping[str, FileFact],
    shots: Iterable[Shot],
) -> None:
    """Give the purchases that serve no take their places, beside those that others have.

    Each in turn keeps the place that it has if nobody before it got it: first those whose file is
    there, then the latest.
    """
    takes = {same_file(shot.output): (shot.id, shot.take) for shot in shots}
    ours = set(filter(None, map(fact_of, purchases)))
    desk = _Places(takes, files, ours, places)
    for purchase in purchases:
        if place := places.get(purchase.uid):
            desk.give(purchase, place)
    latest_first = [*others][::-1]
    for purchase in sorted(latest_first, key=lambda p: not _lies_well(p, files)):
        desk.keep(purchase)


def arrival(purchase: Purchase, fact: FileFact, there: FileFact | None, book: Book) -> Filing:
    """Decide how a video that was downloaded whole, beside its place, gets that place.

    `there` is the file that lies at the place: a video that this one replaces, or nobody's.
    """
    output = purchase.output or ""
    part = f"{output}.part"
    done = replace(purchase, state="done", size_bytes=fact.size_bytes, sha256=fact.sha256)
    files = {part: fact} | ({output: there} if there else {})
    replaced = [] if there is None else _owners(purchase, there, book)
    filing = file_away([done, *replaced], {done.uid: output}, files)
    if there == fact and not filing.steps:  # fetched by a run that could not write it down
        return replace(filing, spare=(part,))
    return filing


def _owners(purchase: Purchase, there: FileFact, book: Book) -> list[Purchase]:
    """Return the other purchases whose video, `there`, lies at the output of this one."""
    key = same_file(purchase.output or "")

    def are_here(purchases: Iterable[Purchase]) -> list[Purchase]:
        others = [p for p in purchases if fact_of(p) == there and p.uid != purchase.uid]
        return [p for p in others if p.output and same_file(p.output) == key]

    # Nearly always another purchase of this take; the whole book is long.
    return are_here(book.of(purchase.shot, purchase.take)) or are_here(book.purchases.values())


@dataclass(slots=True)
class _Places:
    """The places given so far, by uid. `holders` are the uids of what was delivered, by place as
    `same_file` has it; `takes` are the manifest's by their outputs, likewise.
    """

    takes: Mapping[str, tuple[str, int]]
    files: Mapping[str, FileFact]
    ours: Set[FileFact]
    of: dict[str, str]
    holders: dict[str, str] = field(default_factory=dict)

    def give(self, purchase: Purchase, place: str) -> None:
        """Give a purchase its place. Until it is delivered, what lies there is not replaced."""
        self.of[purchase.uid] = place
        if fact_of(purchase):
            self.holders[same_file(place)] = purchase.uid

    def keep(self, purchase: Purchase) -> None:
        """Leave a purchase that serves no take where it is, unless that place is another's."""
        place = purchase.output or ""
        key = same_file(place)
        if fact_of(purchase):
            is_taken = key in self.holders or self._is_in_the_way(place)
        else:  # it must not come to the place of a take that is not its own
            take = self.takes.get(key)
            comes = purchase.state in PAID
            is_taken = comes and take not in (None, (purchase.shot, purchase.take))
        self.give(purchase, self._earlier(purchase) if is_taken else place)

    def _is_in_the_way(self, place: str) -> bool:
        """True if a file that no purchase knows lies at `place`."""
        there = self.files.get(place)
        return there is not None and there not in self.ours

    def _earlier(self, purchase: Purchase) -> str:
        for path in earlier_paths(purchase):
            key = same_file(path)
            if key not in self.takes and self.holders.get(key, purchase.uid) == purchase.uid:
                return path
        raise AssertionError("there is always one more name")


def _steps(
    purchases: Sequence[Purchase],
    places: Places,
    files: Mapping[str, FileFact],
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Return the files to rename or to copy, and the names that are left over where the same video
    lies at its place.
    """
    owners = _owners_of_displaced(purchases, places, files)
    if not owners:
        return (), ()
    sources: defaultdict[FileFact, list[str]] = defaultdict(list)
    for path in sorted(files, key=lambda path: (is_passing(path), path)):
        sources[files[path]].append(path)
    steps: list[Step] = []
    spare: list[str] = []
    for fact, several in owners.items():
        to_place = {p.uid: places[p.uid] for p in several}
        more, left = _steps_of_a_video(fact, to_place, sources[fact])
        steps += more
        spare += filter(is_passing, left)
    return tuple(steps), tuple(spare)


def _steps_of_a_video(
    fact: FileFact, places: Places, sources: Sequence[str]
) -> tuple[list[Step], list[str]]:
    """Return the steps that bring one video from its `sources` to the places of its purchases, and
    the sources that are left over. Where there are too few sources, the first is copied.
    """
    at_home = {*places.values()}.intersection(sources)
    free = [path for path in sources if path not in at_home]
    steps: list[Step] = []
    for uid, place in places.items():
        if place in at_home:
            continue
        if free:
            steps.append(Step(uid, free.pop(0), place, fact, stays=False))
        else:
            steps.append(Step(uid, sources[0], place, fact, stays=True))
    return steps, free


def _owners_of_displaced(
    purchases: Sequence[Purchase], places: Places, files: Mapping[str, FileFact]
) -> Mapping[FileFact, list[Purchase]]:
    """Return the purchases of each video that is here, but at the place of none of them."""
    contents = set(files.values())
    owners: defaultdict[FileFact, list[Purchase]] = defaultdict(list)
    displaced: set[FileFact] = set()
    for purchase in purchases:
        fact = fact_of(purchase)
        if fact is None or fact not in contents:
            continue
        place = places.get(purchase.uid)
        if place is not None:
            owners[fact].append(purchase)
        if files.get(place or "") != fact:
            displaced.add(fact)
    return {fact: several for fact, several in owners.items() if fact in displaced}


def sparing(filing: Filing, of_others: Set[str]) -> Filing:
    """Return the same filing, except that what lies at the paths `of_others` is copied, never taken
    away: it belongs to another manifest too.
    """
    steps = [s._replace(stays=s.stays or s.source in of_others) for s in filing.steps]
    return replace(filing, steps=tuple(steps))


def far_sources(filing: Filing) -> list[str]:
    """Return the sources of a filing that lie in other folders than their targets: they would not
    be found again once the places of their videos are recorded.
    """
    return [step.source for step in filing.steps if home_of(step.source) != home_of(step.target)]


# ---------------------------------------------------------------- how it is carried out


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do with one file: `copy` or `rename` it to a name of passage, `put` it at its
    place and whatever lies there aside, `drop` a name that is left over.
    """

    kind: Literal["copy", "rename", "put", "drop"]
    source: str
    target: str
    fact: FileFact | None = None


def operations(filing: Filing, nonce: str) -> list[Operation]:
    """Return the operations of a filing, in an order that may end anywhere: every video then has a
    name by which it is found again.

    All sources leave their names before any place is taken, so that videos may change places.
    `nonce` as for `passing_name`.
    """
    passing = {step.target: _passage(step, nonce) for step in filing.steps}
    leave = [
        Operation("copy" if step.stays else "rename", step.source, passing[step.target], step.fact)
        for step in sorted(filing.steps, key=lambda step: not step.stays)
        if passing[step.target] != step.source
    ]
    put = [Operation("put", passing[s.target], s.target, s.fact) for s in filing.steps]
    return [*leave, *put, *(Operation("drop", path, "") for path in filing.spare)]


def _passage(step: Step, nonce: str) -> str:
    """Return the name that a video has on the way; its own, if that is one already in the same
    folder.
    """
    near = step.source.rpartition("/")[0] == step.target.rpartition("/")[0]
    leaves = near and not step.stays
    return step.source if leaves and is_passing(step.source) else passing_name(step.target, nonce)


def filed(plan: Plan, book: Book) -> Plan:
    """Return the same plan after its filing: nothing else is bought, held or asked for, but
    purchases stand where `book` says.
    """
    by_key = {key: _standing(action, book) for key, action in plan.by_key.items()}
    actions = tuple(_standing(action, book) for action in plan.actions)
    return replace(plan, actions=actions, by_key=by_key, filing=Filing())


def _standing(action: Action, book: Book) -> Action:
    known = action.purchase and book.purchases.get(action.purchase.uid)
    return action if known in (None, action.purchase) else replace(action, purchase=known)


# ---------------------------------------------------------------- what a plan says of it


def note(action: Action, steps: Mapping[str, Step]) -> str:
    """Return what a plan says of the file of an action's purchase; "" where it stays. `steps` are
    by uid.
    """
    purchase = action.purchase
    step = steps.get(purchase.uid) if purchase else None
    if purchase is None or step is None or VERBS[action.verb].may_buy:
        return ""
    if step.target == purchase.output:
        return _("; its file comes back from {source}", source=step.source)
    return _("; its file moves to {target}", target=step.target)

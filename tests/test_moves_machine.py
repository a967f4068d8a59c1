"""Any sequence of renames, edits, runs, crashes, reverts, prunes and merges of two clones: no body
is paid for while the ledger holds it for no other take, and every delivered video keeps a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from klingflow.decide.filing import operations
from klingflow.decide.plan import make_plan
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT, UNFINISHED, advance, begin, last_event, placed
from klingflow.ledger.unite import Telling, unite
from klingflow.model import Action, Event, FileFact, Manifest, Plan, Purchase
from tests.planned import manifest, request, shot
from tests.purchases import ORIGIN

IDS = "abcdef"
BODIES = "ABCD"
# What may become of a create, and of a task that is asked for.
OUTCOMES: tuple[tuple[Event, ...], ...] = (
    ("accepted", "succeeded", "downloaded"),
    ("accepted", "succeeded", "downloaded"),
    ("accepted", "succeeded"),
    ("accepted", "failed"),
    ("accepted",),
    ("doubted",),
    ("refused",),
)
ENDS: tuple[tuple[Event, ...], ...] = (("succeeded", "downloaded"), ("succeeded",), ("failed",), ())


@dataclass
class Clone:
    """One person's folder: the film (id → body and takes), the ledger, and the files on disk."""

    film: dict[str, tuple[str, int]]
    book: Book = field(default_factory=Book)
    files: dict[str, FileFact] = field(default_factory=dict)
    here: set[FileFact] = field(default_factory=set)  # every video that was ever downloaded here

    def manifest(self) -> Manifest:
        pairs = [
            (replace(shot(name, take=take), output=f"out/{name}-{take}.mp4"), request(body))
            for name, (body, takes) in self.film.items()
            for take in range(1, takes + 1)
        ]
        return manifest(*pairs)

    def took(self, purchases: Iterable[Purchase], pruned: Iterable[Purchase] = ()) -> None:
        """Hold these from now on."""
        self.book = Book(purchases)
        self.book.remember(pruned)


class Film(RuleBasedStateMachine):
    """Two clones of one film."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = count()
        self.numbers = count(1)
        self.clones: list[Clone] = []

    def now(self) -> str:
        minutes, seconds = divmod(next(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"2026-06-08T{hours:02}:{minutes:02}:{seconds:02}.000Z"

    @initialize()
    def begins(self) -> None:
        self.clones = [Clone({"a": ("A", 1), "b": ("B", 2)}) for _ in range(2)]

    # ---- what an author does

    @rule(who=st.integers(0, 1), old=st.sampled_from(IDS), new=st.sampled_from(IDS))
    def renames(self, who: int, old: str, new: str) -> None:
        """Or swaps two names."""
        film, names = self.clones[who].film, {old: new, new: old}
        self.clones[who].film = {names.get(name, name): what for name, what in film.items()}

    @rule(who=st.integers(0, 1))
    def inserts(self, who: int) -> None:
        """In front: every later shot is called otherwise from then on."""
        film = self.clones[who].film
        bodies = [("D", 1), *film.values()][: len(IDS)]
        self.clones[who].film = dict(zip(IDS, bodies, strict=False))

    @rule(
        who=st.integers(0, 1),
        name=st.sampled_from(IDS),
        body=st.sampled_from(BODIES),
        takes=st.integers(0, 2),
    )
    def edits(self, who: int, name: str, body: str, takes: int) -> None:
        """Adds, changes or takes out a shot; the same body again is a revert."""
        self.clones[who].film.pop(name, None)
        if takes:
            self.clones[who].film[name] = (body, takes)

    # ---- what klingflow does

    @rule(
        who=st.integers(0, 1),
        rerun=st.sampled_from(["", "", "changed", "failed"]),
        ends=st.lists(st.integers(0, 6), min_size=12, max_size=12),
        cut=st.sampled_from([None, None, None, 0, 1, 2, 5]),
    )
    def runs(self, who: int, rerun: str, ends: list[int], cut: int | None) -> None:
        """To its end, or killed between two renames."""
        clone = self.clones[who]
        terms = frozenset({rerun} - {""})
        made = make_plan(
            clone.manifest(), clone.book, clone.files, rerun=terms, origin=ORIGIN, at=self.now()
        )
        for move in made.moves:
            clone.book.put(move.purchase)
        self._file_away(clone, made, cut)
        if cut is not None:
            return
        again = make_plan(clone.manifest(), clone.book, clone.files, rerun=terms, origin=ORIGIN)
        assert again.moves == ()
        assert [(a.verb, a.key) for a in again.actions] == [(a.verb, a.key) for a in made.actions]
        for action, end in zip(again.actions, ends, strict=False):
            self._acts(clone, again, action, end)

    def _file_away(self, clone: Clone, made: Plan, cut: int | None) -> None:
        for uid, output in made.filing.placed.items():
            clone.book.put(placed(clone.book.purchases[uid], self.now(), output=output))
        nonce = f"{next(self.numbers):08x}"
        for operation in operations(made.filing, nonce)[:cut]:
            fact = clone.files[operation.source]
            if operation.kind != "copy":
                del clone.files[operation.source]
            if operation.kind == "put" and (there := clone.files.pop(operation.target, None)):
                clone.files[f"{operation.target}.bak{next(self.numbers)}"] = there
            if operation.kind != "drop":
                assert operation.target not in clone.files, "nothing is written over"
                clone.files[operation.target] = fact

    def _acts(self, clone: Clone, made: Plan, action: Action, end: int) -> None:
        if action.verb == "create":
            self._buys(clone, made, action, end)
        elif action.verb in ("resume", "download") and action.purchase:
            purchase = clone.book.purchases[action.purchase.uid]
            events = ("downloaded",) if action.verb == "download" else ENDS[end % len(ENDS)]
            if purchase.state == "parked":
                purchase = advance(purchase, "unparked", self.now())
            self._happens(clone, purchase, events)

    def _buys(self, clone: Clone, made: Plan, action: Action, end: int) -> None:
        assert action.shot and action.request and action.request.fingerprint
        body = action.request.fingerprint
        if not _is_consented(clone.book.of(action.shot.id, action.shot.take)):
            self._must_be_new(clone, made, body)
        attempt = clone.book.next_attempt(action.shot.id, action.shot.take)
        uid = f"20260608-{next(self.numbers):012x}"
        intent = begin(
            action.shot, action.request, uid=uid, attempt=attempt, origin=ORIGIN, at=self.now()
        )
        self._happens(clone, intent, OUTCOMES[end % len(OUTCOMES)])

    def _must_be_new(self, clone: Clone, made: Plan, body: str) -> None:
        """There are more takes that want this body than places in the ledger that hold it."""
        held = {p.key for p in clone.book.bought_as(body) if counts(p, made)}
        wanted = {
            a.key for a in made.by_key.values() if a.request and a.request.fingerprint == body
        }
        assert len(held) < len(wanted), f"{body} is paid for: {held} for {wanted}"

    def _happens(self, clone: Clone, purchase: Purchase, events: Iterable[Event]) -> None:
        for event in events:
            changes: dict[str, object] = {}
            if event == "accepted":
                changes = {"task_id": f"task-{purchase.uid}"}
            if event == "downloaded":
                fact = FileFact(10, purchase.sha256 or purchase.uid)
                changes = {"sha256": fact.sha256, "size_bytes": 10}
                self._arrives(clone, purchase.output or "", fact)
            purchase = advance(purchase, event, self.now(), **changes)
            clone.book.put(purchase)
        clone.book.put(purchase)

    def _arrives(self, clone: Clone, output: str, fact: FileFact) -> None:
        there = clone.files.get(output)
        if there is not None and there != fact:
            clone.files[f"{output}.bak{next(self.numbers)}"] = there
        clone.files[output] = fact
        clone.here.add(fact)

    # ---- what a person does with the ledger

    @rule(who=st.integers(0, 1), event=st.sampled_from(["abandoned", "resubmitted"]))
    def settles(self, who: int, event: Event) -> None:
        book = self.clones[who].book
        for purchase in [p for p in book.purchases.values() if p.state == "in_doubt"][:1]:
            book.put(advance(purchase, event, self.now()))

    @rule(who=st.integers(0, 1))
    def prunes(self, who: int) -> None:
        """Takes that the manifest has no more, except what is not settled."""
        clone = self.clones[who]
        wanted = clone.manifest().takes
        gone: list[Purchase] = []
        for take in sorted(set(clone.book.takes()) - wanted):
            purchases = clone.book.of(*take)
            if not any(p.state in IN_DOUBT | UNFINISHED for p in purchases):
                gone += purchases
        uids = {p.uid for p in gone}
        left = [p for p in clone.book.purchases.values() if p.uid not in uids]
        clone.took(left, [*clone.book.pruned.values(), *gone])

    @rule(takes_film=st.booleans())
    def merge(self, takes_film: bool) -> None:
        """Both hold all that one of them knew, in whatever order they are merged."""
        tellings = [Telling([*clone.book.purchases.values()]) for clone in self.clones]
        told = unite(tellings)
        assert unite(reversed(tellings)) == told
        pruned = {uid: p for clone in self.clones for uid, p in clone.book.pruned.items()}
        for clone in self.clones:
            clone.took(told.purchases, pruned.values())
        if takes_film:
            self.clones[1].film = dict(self.clones[0].film)

    # ---- what always holds

    @invariant()
    def every_video_has_a_name(self) -> None:
        for clone in self.clones:
            assert clone.here <= set(clone.files.values())

    @invariant()
    def no_number_is_given_twice(self) -> None:
        """Within one clone's ledger, except by two clones that knew nothing of each other."""
        for clone in self.clones:
            for purchase in clone.book.purchases.values():
                if purchase.state != "rejected":
                    shot_, take = purchase.bought_for
                    assert clone.book.next_attempt(shot_, take) > purchase.attempt


def counts(purchase: Purchase, made: Plan) -> bool:
    """True if a purchase forbids to buy its body once more for its take."""
    if last_event(purchase) == "resubmitted":
        return False
    return purchase.state not in ("failed", "abandoned") or not made.terms.rerun


def _is_consented(bought: Sequence[Purchase]) -> bool:
    """True if a person has said that this take is to be bought again, and it was not since."""
    return bool(bought) and last_event(bought[-1]) == "resubmitted"


def test_no_history_pays_twice_or_loses_a_video(long: bool) -> None:
    run_state_machine_as_test(
        Film,
        settings=settings(
            max_examples=3000 if long else 100,
            stateful_step_count=40 if long else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""PURE. The ledger's content, indexed: purchases by uid, by take and by task id.

What is wrong with the content itself (a shot paid twice, an id held twice) is found here; what is
wrong with the files is reported by those who read and write them (lines.py, stored.py).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import pairwise

from klingflow.ledger.accounts import merge
from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, advance
from klingflow.model import Bought, Problem, ProblemKind, Purchase
from klingflow.model.sayings import saying
from klingflow.words import _

_PLANS_NAMED = 100


class Book:
    """Every purchase that the ledger knows.

    `lineage` names the ledger across its copies, `serial` counts its folds. `plans` are the saved
    plans that were used: when, by their ids. `lost` purchases were in the lock once, and no file
    names them any more.
    """

    def __init__(
        self,
        purchases: Iterable[Purchase] = (),
        *,
        lineage: str = "",
        serial: int = 0,
        plans: Mapping[str, str] | None = None,
        lost: int = 0,
    ) -> None:
        self.purchases: dict[str, Purchase] = {}
        self.task_ids: dict[str, str] = {}  # task id → uid, also of what was pruned
        self.problems: list[Problem] = []
        self.pruned: dict[
            str, Purchase
        ] = {}  # by uid: paid for, and taken out of the lock by a person
        # By uid: what the black box knows that this place bought under another lineage. It is
        # entered only where today's manifest has that very body.
        self.recallable: dict[str, Purchase] = {}
        self.former: set[tuple[str, int]] = set()  # takes of the film that was here before
        self.lineage = lineage
        self.serial = serial
        self.plans: dict[str, str] = dict(plans or {})
        self.lost = lost
        self._takes: dict[tuple[str, int], list[str]] = {}  # uids, by where they stand
        self._moved: dict[Bought, list[str]] = {}  # uids of what stands elsewhere now
        self._pruned_attempts: dict[tuple[str, int], int] = {}  # the largest, by take
        # uids by fingerprint, pruned ones included; made when it is first asked for
        self._bodies: dict[str, dict[str, None]] | None = None
        for purchase in purchases:
            self.put(purchase)

    def put(self, purchase: Purchase) -> None:
        """Enter a purchase, or what became of one. One that was pruned is no longer."""
        known = self.purchases.get(purchase.uid)
        if known is None or (known.shot, known.take) != (purchase.shot, purchase.take):
            if known is not None:
                self._leave(known)
            self._takes.setdefault((purchase.shot, purchase.take), []).append(purchase.uid)
            if purchase.was is not None:
                self._moved.setdefault(purchase.was, []).append(purchase.uid)
        if self._bodies is not None:
            self._bodies.setdefault(purchase.fingerprint, {})[purchase.uid] = None
        self.purchases[purchase.uid] = purchase
        self.pruned.pop(purchase.uid, None)
        if purchase.task_id:
            self.task_ids.setdefault(purchase.task_id, purchase.uid)

    def use_plan(self, plan: str, at: str) -> None:
        """Remember that a saved plan was used at a time.

        The lock names the newest hundred. An older plan is stale as soon as one of them has changed
        the ledger, and where none has it would do what it says.
        """
        used = sorted({**self.plans, plan: at}.items(), key=lambda item: item[1])
        self.plans = dict(used[-_PLANS_NAMED:])

    def drop(self, uid: str) -> None:
        """Forget a purchase that was never made (see `superseded`)."""
        self._leave(self.purchases.pop(uid))

    def _leave(self, purchase: Purchase) -> None:
        self._takes[purchase.shot, purchase.take].remove(purchase.uid)
        if purchase.was is not None:
            self._moved[purchase.was].remove(purchase.uid)

    def copy(self) -> Book:
        """Return a book of the same content, for looking ahead."""
        again = copy(self)
        again.purchases, again.pruned = dict(self.purchases), dict(self.pruned)
        again.task_ids, again.problems = dict(self.task_ids), list(self.problems)
        again.recallable, again.former = dict(self.recallable), set(self.former)
        again._takes = {take: list(uids) for take, uids in self._takes.items()}
        again._moved = {take: list(uids) for take, uids in self._moved.items()}
        again._bodies = None
        return again

    def remember(self, pruned: Iterable[Purchase]) -> None:
        """Remember what was pruned and is not in the book, so that the ids of its tasks stay
        taken.
        """
        self.pruned = {p.uid: p for p in pruned if p.uid not in self.purchases}
        self._bodies = None
        for uid, purchase in self.pruned.items():
            if purchase.task_id:
                self.task_ids.setdefault(purchase.task_id, uid)
            if purchase.state == "rejected":
                continue
            for take in {purchase.bought_for, (purchase.shot, purchase.take)}:
                known = self._pruned_attempts.get(take, 0)
                self._pruned_attempts[take] = max(known, purchase.attempt)

    def add_recallable(self, purchases: Iterable[Purchase], *, former: bool) -> None:
        """Know of purchases of this place's other lineages; `former` ones hold their takes."""
        for purchase in purchases:
            if purchase.uid in self.purchases or purchase.uid in self.pruned:
                continue
            self.recallable[purchase.uid] = purchase
            if former and purchase.state != "rejected":
                self.former.add((purchase.shot, purchase.take))

    def everything(self) -> Iterator[Purchase]:
        """Yield every purchase that the ledger knows, pruned ones included."""
        yield from self.purchases.values()
        yield from self.pruned.values()

    def of(self, shot: str, take: int) -> list[Purchase]:
        """Return every purchase of one take, the oldest first. One that was moved here is as old as
        its move.
        """
        found = [self.purchases[uid] for uid in self._takes.get((shot, take), ())]
        found.sort(key=_order)
        if any("moved" in p.times for p in found):
            found.sort(key=_here_since)
        return found

    def bought(self, shot: str, take: int) -> list[Purchase]:
        """Return every purchase of one take except those that were refused, the oldest first."""
        return [p for p in self.of(shot, take) if p.state != "rejected"]

    def bought_as(self, fingerprint: str) -> list[Purchase]:
        """Return every purchase of one body except those that were refused, also those that were
        pruned.
        """
        if self._bodies is None:
            self._bodies = {}
            for uid, purchase in (*self.purchases.items(), *self.pruned.items()):
                self._bodies.setdefault(purchase.fingerprint, {})[uid] = None
        uids = self._bodies.get(fingerprint, ())
        known = [self.purchases.get(uid) or self.pruned.get(uid) for uid in uids]
        return [p for p in known if p and p.fingerprint == fingerprint and p.state != "rejected"]

    def latest(self, shot: str, take: int) -> Purchase | None:
        """Return the last purchase of one take."""
        return next(reversed(self.of(shot, take)), None)

    def next_attempt(self, shot: str, take: int) -> int:
        """Return the number of the next attempt, which no purchase has that was bought for this
        take or stands there, also if it was moved or pruned. A rejected one bought nothing, so its
        number is used again.
        """
        moved = (self.purchases[uid] for uid in self._moved.get(Bought(shot, take), ()))
        told = [*self.bought(shot, take), *(p for p in moved if p.state != "rejected")]
        pruned = self._pruned_attempts.get((shot, take), 0)
        return 1 + max((pruned, *(p.attempt for p in told)))

    def takes(self) -> Iterable[tuple[str, int]]:
        """Return every (shot, take) with a purchase."""
        return (take for take, uids in self._takes.items() if uids)


def _order(purchase: Purchase) -> tuple[int, bool, str]:
    """Sort by attempt; within an attempt, refusals before what was bought.

    Refusals stay in the order they were entered in, because a clock that went back may have made
    their uids.
    """
    bought = purchase.state != "rejected"
    return purchase.attempt, bought, purchase.uid if bought else ""


def _here_since(purchase: Purchase) -> str:
    """Return the time since which a purchase stands at its take."""
    return purchase.times.get("moved") or purchase.times.get("intent", "")


def in_order(purchases: Iterable[Purchase]) -> list[Purchase]:
    """Sort by shot, take and attempt, as the lock keeps them."""
    return sorted(purchases, key=lambda p: (p.shot, p.take, p.attempt, p.uid))


def fold(
    accounts: Iterable[Purchase], doubts: Iterable[Purchase] = ()
) -> tuple[list[Purchase], list[Purchase]]:
    """Return one purchase per uid out of all accounts in any order, and the accounts that
    contradict them.

    `doubts` are what damaged lines may have said; a doubt counts only where no account has its uid.
    """
    first: dict[str, Purchase] = {}
    several: dict[str, list[Purchase]] = {}
    for account in accounts:
        if (known := first.setdefault(account.uid, account)) is not account:
            several.setdefault(account.uid, [known]).append(account)
    contradicting = []
    for uid, told in several.items():
        first[uid], others = merge(told)
        contradicting += others
    alone = {d.uid: d for d in in_order(doubts) if d.uid not in first}
    return [*first.values(), *alone.values()], contradicting


def content(book: Book) -> str:
    """Return a sha256 of what a book says of its purchases: whatever happens to one changes it.

    When a doubt was noticed does not count, because every reading notices it again.
    """
    known = sorted(book.everything(), key=lambda p: p.uid)
    return hashlib.sha256("\n".join(map(_said_of, known)).encode()).hexdigest()


def _said_of(purchase: Purchase) -> str:
    doubtful = purchase.state in IN_DOUBT
    happened = "in doubt" if doubtful else (purchase.state, purchase.times.get("updated"))
    return repr((purchase.uid, purchase.shot, purchase.take, purchase.task_id, happened))


def superseded(purchases: Sequence[Purchase]) -> set[str]:
    """Return the uids of rejected purchases that are not the last that was bought for their take:
    they cost nothing, and no longer explain anything. Where purchases stand does not matter,
    because two ledgers may still differ in it.
    """
    rejected = [p for p in purchases if p.state == "rejected"]
    if not rejected:
        return set()
    last = {p.bought_for: p for p in rejected}
    for purchase in purchases:
        take = purchase.bought_for
        if take in last:
            last[take] = max(purchase, last[take], key=_order)
    return {p.uid for p in rejected if last[p.bought_for].uid != p.uid}


def doubt(intent: Purchase, until: str | None) -> Purchase:
    """Return an intent without a recorded outcome as a doubt: its POST may have gone out between
    its time and `until`.
    """
    begun = intent.times.get("intent", "")
    evidence = {
        **(intent.evidence or {}),
        "from": begun,
        "to": until,
        "model": intent.body.get("model"),
        **saying(
            "received",
            _("nothing was recorded: klingflow ended before the answer was on disk"),
        ),
    }
    return advance(intent, "doubted", until or begun, evidence=evidence)


def settled(purchases: Iterable[Purchase], until: str | None) -> list[Purchase]:
    """Return the purchases with a doubt for every intent, because no process waits for its outcome
    any more; except for those at a cluster, whose hosts this process does not see.
    """
    return [doubt(p, until) if _is_left(p) else p for p in purchases]


def _is_left(purchase: Purchase) -> bool:
    return purchase.state == "intent" and not is_at_cluster(purchase)


def contradictions(purchases: Iterable[Purchase]) -> list[Problem]:
    """Return what cannot be: one task under two purchases, a take that was paid for twice."""
    purchases = list(purchases)
    shared = [_of_two("task_held_twice", *pair) for pair in held_twice(purchases)]
    return shared + [_of_two("paid_twice", *pair) for pair in paid_twice(purchases)]


def contradicting(purchase: Purchase) -> Problem:
    """Return the report of an account that was set aside by `fold`."""
    return Problem("contradicting_line", keys=(purchase.key,), tasks=(purchase.task_id,))


def _of_two(kind: ProblemKind, a: Purchase, b: Purchase) -> Problem:
    return Problem(
        kind,
        keys=(a.key, b.key),
        tasks=(a.task_id, b.task_id),
        attempts=(a.attempt, b.attempt),
    )


def alike(purchases: Iterable[Purchase]) -> list[list[Purchase]]:
    """Return the purchases that several tasks delivered one and the same file for.

    A gateway that mixes up its tasks does so, and a placeholder in the place of videos.
    """
    by_file: defaultdict[tuple[str, int | None], dict[str, Purchase]] = defaultdict(dict)
    for purchase in purchases:
        if purchase.state == "done" and purchase.sha256 and purchase.task_id:
            by_file[purchase.sha256, purchase.size_bytes].setdefault(purchase.task_id, purchase)
    return [in_order(several.values()) for several in by_file.values() if len(several) > 1]


def same_video(several: Sequence[Purchase]) -> Problem:
    """Return the report of purchases that are `alike`."""
    keys, tasks = tuple(p.key for p in several), tuple(p.task_id for p in several)
    return Problem("same_video", keys=keys, tasks=tasks, count=len(several))


def held_twice(purchases: Iterable[Purchase]) -> list[tuple[Purchase, Purchase]]:
    """Return pairs of purchases that name the same task."""
    by_task: dict[str, Purchase] = {}
    return [
        (other, p)
        for p in purchases
        if p.task_id and (other := by_task.setdefault(p.task_id, p)) is not p
    ]


def paid_twice(purchases: Iterable[Purchase]) -> list[tuple[Purchase, Purchase]]:
    """Return pairs of purchases of one take that were both paid for, and cannot both be meant."""
    by_take: dict[tuple[str, int], Purchase] = {}
    again: defaultdict[tuple[str, int], list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        take = purchase.shot, purchase.take
        if purchase.state in PAID and by_take.setdefault(take, purchase) is not purchase:
            again[take].append(purchase)
    paid = (in_order([by_take[take], *others]) for take, others in again.items())
    return [(a, b) for several in paid for a, b in pairwise(several) if _unexplained(a, b)]


def _unexplained(earlier: Purchase, later: Purchase) -> bool:
    """True if nobody can have meant to pay for both: two branches bought the same body, or used one
    attempt's number twice.
    """
    if (earlier.bought_for, earlier.attempt) == (later.bought_for, later.attempt):
        return True
    meant = earlier.times.keys() & {"resubmitted", "undelivered"}
    return earlier.fingerprint == later.fingerprint and not meant

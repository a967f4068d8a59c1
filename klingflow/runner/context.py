"""What the steps of one run share: its ledgers, the gateway, what decides for it, clocks and
chance, and where events go.

Knows how a Verdict is carried out and how an event is told; what follows from an outcome is decided
in klingflow.decide.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio

from klingflow.assets.stores import Store
from klingflow.decide.belief import Names
from klingflow.decide.chains import ALONE, Chain, chains
from klingflow.decide.history import expectation, together
from klingflow.decide.patience import Patience, Verdict
from klingflow.decide.schedule import Schedule, Wanted
from klingflow.decide.sending import Sending
from klingflow.decide.spending import added, counted, share, spending
from klingflow.decide.waiting import Waiting
from klingflow.errors import LedgerBroken
from klingflow.gateway.http import Gateway
from klingflow.ledger import lifecycle
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.ledger.store import Ledger
from klingflow.manifest.addresses import is_address
from klingflow.manifest.chained import exchanged
from klingflow.manifest.held_files import Record, replaced
from klingflow.media.kept import Kept
from klingflow.model import Action, Failure, Json, Limits, Plan, Purchase, Share
from klingflow.model import Event as PurchaseEvent
from klingflow.runner.events import Emit, Event, EventName, facts_of_end
from klingflow.runner.look import Looking
from klingflow.words import _


class Claims(Protocol):
    """The right to buy, where hosts of a cluster may buy too. `goes_on` says whether the run still
    wants to wait for the store of claims.
    """

    def uid(self, book: Book, shot: str, take: int, attempt: int) -> str:
        """Return the uid of the next try of an attempt."""
        ...

    def named(self, intent: Purchase) -> Purchase:
        """Return an intent as this execution claims it."""
        ...

    async def claim(self, intent: Purchase, goes_on: Callable[[], bool]) -> Purchase | None:
        """Return None where the claim is ours, otherwise whose it is. Raises StoreAway once the run
        does not go on, and for a claim that nobody can read.
        """
        ...

    def is_fresh(self, intent: Purchase) -> bool:
        """True if a claim of ours may still be used."""
        ...

    async def answered(self, purchase: Purchase, goes_on: Callable[[], bool]) -> None:
        """Tell the store what became of a claim of ours."""
        ...

    async def hand_in(self, book: Book) -> None:
        """Tell the store what it does not know of earlier claims. Raises StoreAway."""
        ...

    async def video(self, purchase: Purchase, target: Path) -> bool:
        """Copy the video that a host has brought to where the bytes for `target` go. Return False
        where there is none.
        """
        ...

    async def fold(self, job: Job, at: str) -> None:
        """Let the ledger know what hosts have done meanwhile. Raises LedgerBroken."""
        ...


@dataclass(slots=True)
class Job:
    """One manifest of a run: its plan, its open ledger and its site.

    `write_results` writes the run manifest, and returns why where it cannot. `plan_again` plans the
    same shots again. `store` takes its local references, if it has any. `media` keeps what its
    videos are. `claims` is there where hosts of a cluster may buy the same shots.
    """

    plan: Plan
    ledger: Ledger
    site: Site
    write_results: Callable[[], str | None]
    plan_again: Callable[[], Plan]
    store: Store | None = None
    media: Kept | None = None
    claims: Claims | None = None

    @property
    def results(self) -> Path:
        """The path of the run manifest."""
        return self.site.record(self.plan.manifest.name)


@dataclass(slots=True)
class Outcome:
    """What ended a run. `abandoned`: it was interrupted twice, and left what was on its way."""

    interrupted: bool = False
    abandoned: bool = False
    refused: Failure | None = None  # the gateway refuses us, not one shot
    unreachable: str | None = None
    broken: LedgerBroken | None = None
    crash: Exception | None = None  # a mistake of ours, met while doing one step


@dataclass(slots=True)
class Context:
    """`clock` gives monotonic seconds, `now` UTC as ISO 8601, `chance` numbers in [0, 1), `new_uid`
    a fresh purchase id. `emit` gets every event and must not raise. `wake` tells the
    dispatcher to look again. `bought` names every intent, by manifest number and uid. `waiting` has
    what waits, and `chains` what each take holds up, of each manifest; `sending` has what waits for
    its local files. `unstorable` says of a manifest why its store takes nothing. `looking` has what
    is looked at.
    """

    jobs: list[Job]
    gateway: Gateway
    limits: Limits
    schedule: Schedule
    patience: Patience
    emit: Emit
    clock: Callable[[], float]
    now: Callable[[], str]
    chance: Callable[[], float]
    new_uid: Callable[[], str]
    names: Names = field(default_factory=Names)
    outcome: Outcome = field(default_factory=Outcome)
    wake: Callable[[], None] = lambda: None
    bought: list[tuple[int, str]] = field(default_factory=list)
    waiting: list[Waiting] = field(init=False)
    chains: list[Mapping[str, Chain]] = field(init=False)
    sending: Sending = field(default_factory=Sending)
    unstorable: dict[int, str] = field(default_factory=dict)
    looking: Looking = field(default_factory=Looking)
    left: bool = False
    _shields: list[anyio.CancelScope] = field(default_factory=list)
    _leaving: list[anyio.CancelScope] = field(default_factory=list)

    def __post_init__(self) -> None:
        plans = [job.plan for job in self.jobs]
        self.waiting = [Waiting(plan) for plan in plans]
        expected = expectation(together(plan.history for plan in plans))
        self.chains = [chains(plan, expected) for plan in plans]

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Finish what is begun here, also if the run is cancelled; only `abandon` breaks it off."""
        with anyio.CancelScope(shield=not self.outcome.abandoned) as shield:
            self._shields.append(shield)
            try:
                yield
            finally:
                self._shields.remove(shield)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Do what may be broken off without loss: a download goes on later from where it stands.

        The block is left in its midst where `leave` is called, at once where it was before.
        """
        with anyio.CancelScope() as scope:
            self._leaving.append(scope)
            if self.left:
                scope.cancel()
            try:
                yield
            finally:
                self._leaving.remove(scope)

    def leave(self) -> None:
        """Break off what can be: who ends us by a signal does not wait for a slow download."""
        self.left = True
        for scope in self._leaving:
            scope.cancel()

    def abandon(self) -> None:
        """Let a cancellation of the run break off what is on its way: a create is in doubt then."""
        self.outcome.abandoned = True
        for shield in self._shields:
            shield.shield = False

    def wanted(self, job: int, action: Action) -> Wanted:
        """Return a take as the plan decided on it, with the purchases that the plan took into
        account: of the take, and of the body.
        """
        if action.shot is None:  # an orphan's, which is never bought again
            return Wanted(job, action)
        book = self.jobs[job].ledger.book
        taken = book.of(action.shot.id, action.shot.take)
        fingerprint = action.request.fingerprint if action.request else None
        alike = book.bought_as(fingerprint) if fingerprint else []
        known = frozenset(p.uid for p in (*taken, *alike))
        return Wanted(job, action, known, self.chains[job].get(action.key, ALONE))

    def sent(self, job: int, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return a body as it is sent: with an address in the place of each local file, and of what
        is taken from another shot's video. What it returns is written nowhere.
        """

        def address(record: Record) -> Json:
            name, store = self.sending.name_of(job, record), self.jobs[job].store
            if is_address(name):
                return name
            assert store is not None, "its files are there"
            return store.address(name)

        return exchanged(replaced(body, address), address)

    def share(self, job: int, purchase: Purchase) -> Share | None:
        """Return what has become of the money for a purchase."""
        prices = self.jobs[job].plan.manifest.prices
        return share(purchase, prices.failed_tasks if prices else None)

    def recount(self) -> None:
        """Count what came into the ledgers from elsewhere against their budgets."""
        ours = {uid for _, uid in self.bought}
        for number, job in enumerate(self.jobs):
            others = (p for p in job.ledger.book.everything() if p.uid not in ours)
            ledger = spending([others], job.plan.manifest.prices)
            before = counted(added([ledger, job.plan.beside]))
            self.schedule.caps.purses[number].count(before)

    def task_ids(self) -> list[Container[str]]:
        """Return the task ids that each ledger of the run knows."""
        return [job.ledger.book.task_ids for job in self.jobs]

    async def record(
        self, job: int, purchase: Purchase, event: PurchaseEvent, **changes: Any
    ) -> Purchase:
        """`purchase` after `event`, durable in its ledger on return. Raises LedgerBroken."""
        purchase = lifecycle.advance(purchase, event, self.now(), **changes)
        await self.jobs[job].ledger.record(purchase)
        return purchase

    def tell(self, event: EventName, wanted: Wanted, **facts: Any) -> None:
        """Emit an event about one shot."""
        manifest = self.jobs[wanted.job].plan.manifest
        about = {"manifest": manifest.name, "path": manifest.path, "shot": wanted.action.key}
        self._emit(event, {**about, **facts})

    def inform(self, event: EventName, **facts: Any) -> None:
        """Emit an event that is about no shot."""
        self._emit(event, facts)

    def _emit(self, event: EventName, facts: Event) -> None:
        self.emit({"at": self.now(), "event": event, **facts})

    def ended(self, exit_code: int, purchases: Sequence[Purchase], money: Json) -> None:
        """Emit the last event: with what exit code, and what this run's purchases cost."""
        self._emit("end", facts_of_end(exit_code, purchases, money))

    def obey(self, verdict: Verdict) -> None:
        """Stop what the verdict stops, and remember why. Its pause is the caller's to begin."""
        self.outcome.refused = self.outcome.refused or verdict.refused
        self.outcome.unreachable = verdict.unreachable or self.outcome.unreachable
        if verdict.stop == "buying":
            self.stop_buying(verdict.reason)
        elif verdict.stop == "everything":
            self.stop(verdict.reason)

    def stop_buying(self, reason: str) -> None:
        """Buy nothing more; what was bought is still polled and downloaded."""
        if self.schedule.buying:
            self.schedule.stop_buying()
            self._emit("stopped", {"reason": reason})

    def stop(self, reason: str) -> None:
        """Start nothing more of any kind."""
        if self.schedule.working:
            self.schedule.stop()
            self._emit("leaving", {"reason": reason})
            self.wake()

    def crashed(self, error: Exception, shot: str) -> None:
        """Buy nothing more after a step failed in a way that nobody foresaw. What was bought is
        still polled and downloaded.
        """
        self.outcome.crash = self.outcome.crash or error
        self.stop_buying(
            _(
                "internal error with {shot}: {name}: {error}",
                shot=shot,
                name=type(error).__name__,
                error=error,
            )
        )

    def broke(self, error: LedgerBroken) -> None:
        """Stop everything: the ledger cannot be written, and nothing that happens now could be
        kept.
        """
        self.outcome.broken = self.outcome.broken or error
        self.stop(str(error))


def as_data(failure: Failure) -> dict[str, str]:
    """Return a failure as a fact of an event."""
    return {"kind": failure.kind, "code": failure.code, "message": failure.message}

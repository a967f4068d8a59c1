"""What the steps of one run share: its ledgers, the gateway, the schedule, clocks and chance, and
where events go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klingflow.decide.schedule import Schedule, Wanted
from klingflow.errors import LedgerBroken
from klingflow.gateway.http import Gateway
from klingflow.ledger import lifecycle
from klingflow.ledger.places import Site
from klingflow.ledger.store import Ledger
from klingflow.model import Action, Failure, Limits, Plan, Purchase

Emit = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Job:
    """One manifest of a run: its plan, its open ledger and its site. `write_results` writes the run
    manifest, and says why if it cannot. `plan_again` plans the same shots again.
    """

    plan: Plan
    ledger: Ledger
    site: Site
    write_results: Callable[[], str | None]
    plan_again: Callable[[], Plan]

    @property
    def results(self) -> Path:
        """Where the run manifest is written."""
        return self.site.record(self.plan.manifest.name)


@dataclass(slots=True)
class Outcome:
    """What ended a run."""

    interrupted: bool = False
    refused: Failure | None = None  # the gateway refuses us, not one shot
    unreachable: str | None = None
    broken: LedgerBroken | None = None
    crash: Exception | None = None  # a mistake of ours, met while doing one step


@dataclass(slots=True)
class Context:
    """`clock` gives monotonic seconds, `now` UTC as ISO 8601, `chance` numbers in [0, 1), `new_uid`
    a fresh purchase id. `emit` is told of every event and must not raise. `wake` tells the
    dispatcher to look again.
    """

    jobs: list[Job]
    gateway: Gateway
    limits: Limits
    schedule: Schedule
    emit: Emit
    clock: Callable[[], float]
    now: Callable[[], str]
    chance: Callable[[], float]
    new_uid: Callable[[], str]
    buying: bool = True
    fail_fast: bool = False
    outcome: Outcome = field(default_factory=Outcome)
    wake: Callable[[], None] = lambda: None
    waiting: dict[tuple[int, str], Wanted] = field(
        default_factory=dict
    )  # by (manifest number, shot key)
    waiting_for: defaultdict[tuple[int, str], list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )
    reached: bool = False  # the gateway has answered a create in this run
    unsent_in_a_row: int = 0
    off_the_mark: int = 0  # creates that were answered as by a wrong address
    bought: list[tuple[int, str]] = field(default_factory=list)  # intents: (manifest number, uid)
    blind_rounds: int = 0
    other_names: dict[str, str] = field(
        default_factory=dict
    )  # see runner.poll: name → uid, "" if several

    def wanted(self, job: int, action: Action) -> Wanted:
        """A take as the plan decided on it, with the purchases that the plan took into account."""
        assert action.shot is not None, "only shots of the manifest are bought"
        taken = self.jobs[job].ledger.book.of(action.shot.id, action.shot.take)
        return Wanted(job, action, frozenset(p.uid for p in taken))

    async def record(self, job: int, purchase: Purchase, event: str, **changes: Any) -> Purchase:
        """What became of `purchase`, durable in its ledger on return."""
        purchase = lifecycle.advance(purchase, event, self.now(), **changes)
        await self.jobs[job].ledger.record(purchase)
        return purchase

    def tell(self, event: str, wanted: Wanted, **facts: Any) -> None:
        """Emit an event about one shot."""
        name = self.jobs[wanted.job].plan.manifest.name
        self.emit(
            {"at": self.now(), "event": event, "manifest": name, "shot": wanted.action.key, **facts}
        )

    def stop_buying(self, reason: str) -> None:
        """Buy nothing more; what was bought is still polled and downloaded."""
        if self.schedule.buying:
            self.schedule.stop_buying()
            self.emit({"at": self.now(), "event": "stopped", "reason": reason})

    def stop(self, reason: str) -> None:
        """Start nothing more of any kind."""
        if self.schedule.working:
            self.schedule.stop()
            self.emit({"at": self.now(), "event": "leaving", "reason": reason})
            self.wake()

    def crashed(self, error: Exception, shot: str) -> None:
        """A step failed in a way nobody foresaw: buy nothing more, but bring home what was bought."""
        self.outcome.crash = self.outcome.crash or error
        self.stop_buying(f"internal error with {shot}: {type(error).__name__}: {error}")

    def broke(self, error: LedgerBroken) -> None:
        """The ledger cannot be written: nothing that happens now could be kept."""
        self.outcome.broken = self.outcome.broken or error
        self.stop(str(error))

    def refuse(self, failure: Failure) -> None:
        """The gateway refuses us: remember the first time it said so, and buy nothing more."""
        self.outcome.refused = self.outcome.refused or failure
        self.stop_buying(f"the gateway refuses us ({failure.kind}): {failure.message}")


def as_data(failure: Failure) -> dict[str, str]:
    """A failure for an event."""
    return {"kind": failure.kind, "code": failure.code, "message": failure.message}

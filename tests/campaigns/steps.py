"""The real runner over the real ledger and real HTTP, in this process; timeouts, clock and chance
are the test's.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from klingflow.api import running, site
from klingflow.decide.patience import Patience
from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Schedule
from klingflow.gateway.http import Gateway, Timeouts
from klingflow.ledger import uids
from klingflow.model import Limits, Manifest, Rate
from klingflow.runner.context import Context, Job, Outcome
from klingflow.runner.dispatch import run as run_context

KEY = "sk-test-0123456789abcdef"
QUICK = Limits(
    max_running=50,
    submit=Rate(6000, 1.0),
    poll=Rate(6000, 1.0),
    poll_floor_s=0.01,
    downloads=8,
    connections=16,
    deadline_s=1.0,
)


@dataclass
class Rig:
    """How runs go. `leave` looks at each event and says whether to stop as after one Ctrl-C."""

    base: str
    timeouts: Timeouts
    limits: Limits = QUICK
    now: Callable[[], str] = site.now
    leave: Callable[[dict[str, Any]], bool] = lambda event: False
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    told: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, jobs: Sequence[Job]) -> Outcome:
        """One run of plans whose ledgers are held."""
        durations = Durations()
        for job in jobs:
            durations.learn_from(job.ledger.book.purchases.values())
        async with Gateway(self.base, KEY, timeouts=self.timeouts) as gateway:
            context = Context(
                jobs=[*jobs],
                gateway=gateway,
                limits=self.limits,
                schedule=Schedule(self.limits, durations),
                patience=Patience(self.limits),
                emit=self.told.append,
                clock=time.monotonic,
                now=self.now,
                chance=self.chance.random,
                new_uid=lambda: uids.new_uid(self.now(), secrets.token_hex),
            )

            def emit(event: dict[str, Any]) -> None:
                self.told.append(event)
                if self.leave(event):
                    context.stop("the test has seen enough")

            context.emit = emit
            return await run_context(context, lambda: None)

    async def run_manifest(self, manifest: Manifest, within_s: float = 240.0) -> Outcome:
        """Open, run, close. Raises TimeoutError when it hangs."""
        with running.open_job(manifest, site.Wish(), self.base) as job, anyio.fail_after(within_s):
            return await self.run([job])

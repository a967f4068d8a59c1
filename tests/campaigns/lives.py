"""One seed of the simulation, played: a batch run again and again by real runner and ledger, on a
simulated disk and against a simulated gateway, while its process dies at any moment, power fails,
disks fill up, and a person settles what is in doubt. The gateway's list of charges is the judge, at
every start and in the end.

The disk is that of the power campaign: files in memory whose every operation is recorded, so that a
death leaves what the kernel had (a kill), or whatever part of the unsynced operations, torn or not,
may have reached the disk.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from unittest import mock

import anyio
import anyio.to_thread

from klingflow.api import planning
from klingflow.decide.patience import Patience
from klingflow.decide.polling import Durations
from klingflow.decide.resolve import abandon, adopt, resubmit
from klingflow.decide.schedule import Schedule
from klingflow.errors import LedgerBroken, LedgerError
from klingflow.gateway import http as real
from klingflow.ledger import store as ledgers
from klingflow.ledger import uids
from klingflow.ledger.lifecycle import IN_DOUBT, last_event
from klingflow.ledger.places import Site, site_at
from klingflow.model import Limits, Manifest, Plan, Purchase, Rate
from klingflow.runner.context import Context, Job, Outcome
from klingflow.runner.dispatch import run as run_context
from tests.campaigns.door import Door, Found
from tests.campaigns.powercut import Disk, a_crash, disk_with, tree_at
from tests.campaigns.recorder import Op, Recorder
from tests.campaigns.virtual import Died, Stuck, VirtualLoop, in_line, live
from tests.campaigns.world import FAIR, ORIGIN, SETTLED_S, Gateway, Rerun, Weather, video_of

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_LONGEST_LIFE_S = 3 * 24 * 3600.0
_FAIR_LIVES = 8
PRICE = Decimal(2)
RATES = (Rate(30, 60.0), Rate(6, 1.0), Rate(6000, 1.0))

# What klingflow is given in place of the watched gateway, or of a ledger: bugs that are sown on
# purpose.
SowGateway = Callable[[Any], Any]
SowLedger = Callable[[Any], Any]


@dataclass
class Figures:
    """What was tried, over all seeds."""

    seeds: int = 0
    lives: int = 0
    events: int = 0
    kills: int = 0
    power_cuts: int = 0
    disk_errors: int = 0
    posts: int = 0
    charges: int = 0
    settled: int = 0
    virtual_hours: float = 0.0

    def counted(self) -> dict[str, int]:
        """For `Report.add`."""
        return {name.replace("_", " "): int(number) for name, number in vars(self).items()}


@dataclass
class Plight:
    """What befalls one life: when it ends, by its own clock or the number of its steps, and what
    its disk refuses.
    """

    dies_at_s: float | None = None
    dies_at_op: int | None = None
    dies_at_event: int | None = None
    power: bool = False  # the machine dies, not the process alone
    asked_to_end_at_s: float | None = None
    refuses: tuple[int, range, str] | None = (
        None  # an errno, for these operations on names that begin so
    )

    @classmethod
    def drawn(cls, chance: random.Random) -> Plight:
        plight = cls(power=chance.random() < 0.5)
        way = chance.randrange(5)
        if way == 0:
            plight.dies_at_s = chance.choice((1.0, 10.0, 100.0, 1000.0)) * chance.random()
        elif way == 1:
            plight.dies_at_op = int(chance.choice((20, 60, 200)) * chance.random())
        elif way == 2:
            plight.dies_at_event = int(chance.choice((10, 40, 120)) * chance.random())
        if chance.random() < 0.15:
            plight.asked_to_end_at_s = 200 * chance.random()
        if chance.random() < 0.2:
            begins = chance.randrange(80)
            lasts = chance.choice((1, 2, 20, 10_000))
            where = chance.choice(("", "", ".klingflow/", "state/", "outputs/"))
            plight.refuses = (
                chance.choice((errno.ENOSPC, errno.EIO)),
                range(begins, begins + lasts),
                where,
            )
        return plight


@dataclass
class Seed:
    """One history. `found` says what went wrong in it; `told` is what happened, for whoever looks
    for the cause.
    """

    number: int
    folder: Path
    manifests: tuple[Manifest, ...]
    figures: Figures = field(default_factory=Figures)
    sow_gateway: SowGateway = lambda gateway: gateway
    sow_ledger: SowLedger = lambda ledger: ledger
    found: Found = field(default_factory=Found)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.number)
        self.now_s = 1000.0
        self.loop: VirtualLoop | None = None
        self.skew_s = 0.0
        self.gateway = Gateway(random.Random(f"gateway {self.number}"), self.clock)
        self.promised: dict[str, str] = {}  # uid → the task id of which klingflow has told
        self.boxed = self.chance.random() < 0.5

    # -------- time

    def clock(self) -> float:
        """Seconds of the world's own time, which goes on over deaths."""
        return self.loop.time() if self.loop else self.now_s

    def now(self) -> str:
        """What the machine's clock shows, which may have been set wrong."""
        at = _EPOCH + timedelta(seconds=self.clock() + self.skew_s)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # -------- the history

    def play(self) -> Found:
        """Live, die, settle, live; then in fair weather until nothing is left to do."""
        self.figures.seeds += 1
        try:
            for _ in range(self.chance.randint(1, 5)):
                self._life(Weather.drawn(self.chance, self.now_s), Plight.drawn(self.chance))
                self._pause()
            self.gateway.brighten()
            self._fair_lives()
            self._judge_the_end()
        except (Stuck, AssertionError) as error:
            self.found.add(
                "hangs" if isinstance(error, Stuck) else "crashes",
                f"{type(error).__name__}: {error}",
            )
        self.figures.posts += self.gateway.posts
        self.figures.charges += len(self.gateway.tasks)
        self.figures.virtual_hours += self.now_s / 3600
        return self.found

    def _pause(self) -> None:
        self.now_s += self.chance.choice((0.01, 5.0, 400.0, 5000.0)) * self.chance.random()
        self.skew_s = self.chance.choice((0.0, 0.0, 0.0, -3600.0, 3600.0)) * self.chance.random()

    def _fair_lives(self) -> None:
        self.now_s += SETTLED_S
        self.skew_s = 0.0
        for _ in range(_FAIR_LIVES):
            left = self._life(FAIR, Plight(), settles=1.0, capped=False)
            if not left:
                return
            self.now_s += SETTLED_S
        self.found.add("hangs", f"in fair weather there is always something left to do: {left}")

    def _life(
        self, weather: Weather, plight: Plight, settles: float = 0.4, capped: bool = True
    ) -> list[str]:
        """One process from its start to its end, however it ends. What it leaves to be done, by key
        and verb.
        """
        self.figures.lives += 1
        self.gateway.weather = weather
        life = Life(self, plight, self.chance, settles=settles, capped=capped)
        self.gateway.allowed = Rerun(self.figures.lives, life.rerun, life.limits.retries)
        self.tell(f"life {self.figures.lives}: {plight}")
        left = life.through()
        self.gateway.settle()
        return left

    def tell(self, what: str) -> None:
        self.told.append(f"{self.clock():10.3f} {what}")

    def _judge_the_end(self) -> None:
        books = [ledgers.read(self.site(m).paths) for m in self.manifests]
        self.gateway.settle()
        self.found.add_all("charged twice", self.gateway.twice)
        bought = {p.task_id: p for book in books for p in book.purchases.values() if p.task_id}
        for task in self.gateway.tasks.values():
            purchase = bought.get(task.id)
            if purchase is None or purchase.key != task.key:
                self.found.add(
                    "ids lost",
                    f"{task.key}: {task.id} was charged, and the ledger has no such task",
                )
            elif not task.failed and purchase.state != "done":
                self.found.add(
                    "rules broken",
                    f"{task.key}: {task.id} is paid and finished, yet {purchase.state}",
                )
            elif purchase.state == "done":
                self._judge_file(purchase)
        for book in books:
            for shot, take in book.takes():
                last = book.latest(shot, take)
                assert last
                if last.state not in ("done", "failed", "abandoned", "rejected"):
                    self.found.add("rules broken", f"{last.key} ends {last.state}")
                if last.state in ("failed", "rejected") and not (last.error and last.error.message):
                    self.found.add(
                        "rules broken", f"{last.key} is {last.state} and nobody knows why"
                    )

    def _judge_file(self, purchase: Purchase) -> None:
        assert purchase.output and purchase.task_id
        path = self.folder / purchase.output
        if path.read_bytes() != video_of(purchase.task_id):
            self.found.add(
                "rules broken", f"{purchase.key}: its file is not the video of {purchase.task_id}"
            )

    def site(self, manifest: Manifest) -> Site:
        state = self.folder / "state" if self.boxed else None
        return site_at(manifest.path, origin=ORIGIN, state=state)


class Life:
    """One process. `through` lives it; what dies, dies in `_step`, which everything that it does
    passes.
    """

    def __init__(
        self, seed: Seed, plight: Plight, chance: random.Random, *, settles: float, capped: bool
    ) -> None:
        self.seed, self.plight = seed, plight
        self.chance = random.Random(chance.getrandbits(64))
        self.settles = settles
        self.rerun = capped and chance.random() < 0.2
        self.limits = _limits(chance, capped)
        self.dead_at: int | None = None  # how many operations had been done
        self._steps = self._events = 0
        self._recorder = Recorder(seed.folder, self._trouble)
        self._disk = disk_with(tree_at(self._recorder.root), self._recorder.names)
        self._fed = 0
        self._slow = chance.choice((0.0, 0.01, 0.05, 2.0))
        self._jobs: list[Job] = []

    def through(self) -> list[str]:
        left: list[str] = []
        temporary = mock.patch.object(tempfile, "tempdir", str(self._recorder.root / "tmp"))
        threads = mock.patch.object(anyio.to_thread, "run_sync", in_line(self._latency_s))
        with temporary, threads, self._recorder.recording():
            try:
                left = self._lived()
            except Died:
                assert self.dead_at is not None
            except LedgerError as error:
                self.seed.tell(f"no start: {error}")
                left = [str(error)]
        for fd in [*self._recorder._open]:
            with suppress(OSError):
                os.close(fd)
        if self.dead_at is not None:
            self._remains()
        self._judge_the_caps()
        return left

    # -------- what the machine does to it

    def _latency_s(self) -> float:
        return self._slow * self.chance.random()

    def _trouble(self, op: Op) -> int | None:
        if self.dead_at is not None:
            raise Died
        self._steps += 1
        if self._steps == self.plight.dies_at_op:
            self.die(f"at operation {op.kind} {_named(op)}")
        refusal = self.plight.refuses
        if refusal and self._steps in refusal[1] and op.name.startswith(refusal[2]):
            self.seed.figures.disk_errors += 1
            self.seed.tell(f"{op.kind} {_named(op)}: {errno.errorcode[refusal[0]]}")
            return refusal[0]
        return None

    def die(self, why: str) -> None:
        """Raises Died."""
        if self.dead_at is None:
            self.dead_at = len(self._recorder.ops)
            self.seed.tell(f"dies {why}")
        raise Died

    def _remains(self) -> None:
        """What the next life finds: all that was written, or what of it the power left."""
        figures, root = self.seed.figures, self._recorder.root
        disk = self.disk(self.dead_at)
        if self.plight.power:
            figures.power_cuts += 1
            tree = a_crash(disk, self.chance)
        else:
            figures.kills += 1
            tree = disk.after(disk.pending)
        shutil.rmtree(root)
        tree.put(root)

    def disk(self, until: int | None = None) -> Disk:
        """The disk with all that was done by now, durable or not."""
        for op in self._recorder.ops[self._fed : until]:
            self._disk.do(op)
        self._fed = len(self._recorder.ops)
        return self._disk

    # -------- its own doings

    def _lived(self) -> list[str]:
        with self._opened():
            self._judge_the_start()
            if self.chance.random() < self.settles:
                try:
                    self._on_loop(self._settle)
                except (
                    LedgerBroken
                ) as error:  # `resolve` ends with it, and no run follows on the same ledger
                    self.seed.tell(f"not settled: {error}")
                    return [str(error)]
            purchases = [p for job in self._jobs for p in job.ledger.book.purchases.values()]
            if any(last_event(p) == "undelivered" for p in purchases):  # which it would buy again
                self.rerun = self.seed.gateway.allowed.failed = False
            for job in self._jobs:
                job.plan = self._plan(job)
            self._on_loop(self._run)
            return [
                f"{a.key} {a.verb}"
                for job in self._jobs
                for a in job.plan_again().actions
                if a.verb in ("create", "resume", "download", "in_doubt", "held")
            ]

    @contextmanager
    def _opened(self) -> Iterator[None]:
        for manifest in self.seed.manifests:
            site = self.seed.site(manifest)
            held = self.seed.sow_ledger(ledgers.open_ledger(site.paths, self.seed.now))
            plan = Plan(manifest, ())

            def plan_again(manifest: Manifest = manifest, held: Any = held) -> Plan:
                return planning.planned(manifest, held.book, self.seed.site(manifest))

            self._jobs.append(Job(plan, held, site, lambda: None, plan_again))
        yield
        for job in self._jobs:
            with suppress(LedgerBroken):
                job.ledger.close()

    def _plan(self, job: Job) -> Plan:
        rerun = frozenset({"failed"}) if self.rerun else frozenset()
        return planning.planned(job.plan.manifest, job.ledger.book, job.site, rerun=rerun)

    def _judge_the_start(self) -> None:
        """What was charged is known or in doubt, and what klingflow once told of is as it was."""
        seed = self.seed
        seed.gateway.settle()
        books = [job.ledger.book for job in self._jobs]
        known = {task_id for book in books for task_id in book.task_ids}
        doubtful = {p.key for book in books for p in book.purchases.values() if p.state in IN_DOUBT}
        for task in seed.gateway.tasks.values():
            if task.id not in known and task.key not in doubtful:
                seed.found.add(
                    "ids lost", f"{task.key}: {task.id} was charged, and nobody knows of it"
                )
        by_uid = {uid: p for book in books for uid, p in book.purchases.items()}
        for uid, task_id in seed.promised.items():
            if uid not in by_uid or by_uid[uid].task_id != task_id:
                seed.found.add("ids lost", f"{task_id} of {uid} was told of, and is gone")

    def _judge_the_caps(self) -> None:
        """Every price is the same, so both caps are on the number of this life's orders that the
        gateway took.
        """
        bought = sum(t.life == self.seed.gateway.allowed.life for t in self.seed.gateway.accepted())
        most = self.limits.max_tasks
        if self.limits.max_spend is not None:
            most = min(most or 1000, int(self.limits.max_spend / PRICE))
        if most is not None and bought > most:
            self.seed.found.add("rules broken", f"a cap of {most}, and {bought} were bought")

    def _on_loop(self, main: Callable[[], Any]) -> None:
        seed = self.seed
        loop = VirtualLoop(seed.now_s, seed.now_s + _LONGEST_LIFE_S)
        if self.plight.dies_at_s is not None:
            loop.call_later(self.plight.dies_at_s, self.die, "at a moment")
        if self.plight.asked_to_end_at_s is not None:
            loop.call_later(self.plight.asked_to_end_at_s, self._ask_to_end)
        seed.loop = loop
        try:
            live(loop, main)
        finally:
            seed.now_s, seed.loop = loop.time(), None

    def _ask_to_end(self) -> None:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            self.seed.tell("asked to end")
            signal.raise_signal(signal.SIGTERM)

    async def _run(self) -> None:
        seed = self.seed
        durations = Durations()
        for job in self._jobs:
            durations.learn_from(job.ledger.book.purchases.values())
        door = Door(
            seed.gateway,
            self.limits,
            self._jobs,
            self.disk,
            seed.found,
            slack_s=20 * self._slow + 1,
        )
        context = Context(
            jobs=self._jobs,
            gateway=cast(real.Gateway, seed.sow_gateway(door)),
            limits=self.limits,
            schedule=Schedule(self.limits, durations),
            patience=Patience(self.limits),
            emit=self._told,
            clock=seed.clock,
            now=seed.now,
            chance=self.chance.random,
            new_uid=lambda: uids.new_uid(
                seed.now(), lambda n: f"{self.chance.getrandbits(8 * n):0{2 * n}x}"
            ),
        )
        outcome: Outcome = await run_context(context, lambda: self.die("at the second signal"))
        door.judge_the_whole()
        if outcome.crash:
            seed.found.add("crashes", f"{type(outcome.crash).__name__}: {outcome.crash}")
        seed.tell(f"the run ends: {outcome}")

    def _told(self, event: dict[str, Any]) -> None:
        if self.dead_at is not None:
            return
        self.seed.figures.events += 1
        self._events += 1
        self.seed.tell(
            " ".join(f"{k}={v}" for k, v in event.items() if k not in ("at", "manifest"))
        )
        if event["event"] == "submitted":
            book = next(
                j.ledger.book for j in self._jobs if event["task_id"] in j.ledger.book.task_ids
            )
            self.seed.promised[book.task_ids[event["task_id"]]] = event["task_id"]
            self.seed.gateway.kept.add(event["task_id"])
        if self._events == self.plight.dies_at_event:
            self.die(f"at event {event['event']}")

    # -------- the person, who looks at the gateway's list before deciding, and is never wrong

    async def _settle(self) -> None:
        await anyio.sleep(SETTLED_S)
        seed = self.seed
        seed.gateway.settle()
        for job in self._jobs:
            book = job.ledger.book
            for purchase in [*book.purchases.values()]:
                if purchase.state not in IN_DOUBT:
                    continue
                mine = [t.id for t in seed.gateway.of(purchase.key) if t.id not in book.task_ids]
                seed.figures.settled += 1
                at = seed.now()
                if mine:
                    records = adopt(
                        book, purchase.key, mine[0], wanted=None, origin=ORIGIN, new_uid=str, at=at
                    )
                elif self.chance.random() < 0.8:
                    seed.gateway.allowed_takes.add(purchase.key)
                    records = resubmit(book, purchase.key, origin=ORIGIN, at=at, held=False)
                else:
                    records = abandon(book, purchase.key, origin=ORIGIN, at=at)
                for record in records:
                    await job.ledger.record(record)
                seed.tell(f"settled: {purchase.key} {[r.state for r in records]} {mine}")


def _limits(chance: random.Random, capped: bool) -> Limits:
    """Limits that bind, at least now and then."""
    limits = Limits(
        max_running=chance.choice((1, 2, 5)),
        submit=chance.choice(RATES),
        poll=chance.choice(RATES),
        poll_floor_s=chance.choice((1.0, 5.0)),
        downloads=chance.choice((1, 4)),
        connections=chance.choice((1, 3, 16)),
        deadline_s=chance.choice((300.0, 1800.0)),
    )
    if not capped:
        return limits
    cap = chance.choice((None, None, 1, 3))
    return replace(
        limits,
        retries=chance.choice((0, 0, 1)),
        max_tasks=cap if chance.random() < 0.5 else None,
        max_spend=None if cap is None else PRICE * cap,
    )


def _named(op: Op) -> str:
    """Its file, without what depends on where the folder is."""
    return op.name.rpartition("/")[2].partition("-")[0]

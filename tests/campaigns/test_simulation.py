"""Simulation: runner, decisions and ledger as they are, against a virtual clock, a gateway of
numbers and a simulated disk; a seed is a history of several lives with everything that can go wrong
in them (see lives.py).

One seed again: `pytest tests/campaigns/test_simulation.py -k one_seed --seed NUMBER -s`, which
tells its history.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.api import loading
from klingflow.gateway.outcomes import Answer, NoReply, Reply
from klingflow.model import Manifest, Purchase
from tests.campaigns.figures import Report
from tests.campaigns.lives import Figures, Seed

AGAIN = "pytest tests/campaigns/test_simulation.py -k one_seed -s --seed {}"
SHORT, LONG = 100, 3000

Batch = dict[str, dict[str, Any]]


def shot(prompt: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, **more}


ONE: Batch = {"film": {"a": shot("one")}}
FEW: Batch = {"film": {f"s{n}": shot(f"few {n}") for n in range(4)}}
MANY: Batch = {"film": {f"m{n}": shot(f"many {n}") for n in range(9)}}
TAKES: Batch = {"film": {"t": shot("takes", takes=3), "u": shot("another")}}
FIRST = {"video": "${{ shots.first.video_url }}", "reference_type": "feature"}
NEEDS: Batch = {
    "film": {
        "first": shot("first"),
        "then": shot("then", files=[FIRST], model="kling-3.0-omni"),
        "last": shot("last", after=["then", "side"]),
        "side": shot("side"),
    }
}
TWO: Batch = {
    "film": {f"f{n}": shot(f"film {n}") for n in range(3)},
    "other": {f"o{n}": shot(f"other {n}") for n in range(2)},
}
BATCHES = (ONE, FEW, FEW, MANY, TAKES, NEEDS, TWO)


class Theatre:
    """A folder in which seeds are played one after the other, and the manifests that are played
    there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "film"
        self._manifests: dict[int, tuple[Manifest, ...]] = {}
        self.figures = Figures()

    def play(self, number: int, **sown: Any) -> Seed:
        which = random.Random(number).randrange(len(BATCHES))
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name, shots in BATCHES[which].items():
            document = {
                "version": 1,
                "prices": "prices.yaml",
                "defaults": {"model": "kling-2.5"},
                "shots": shots,
            }
            (self._folder / f"{name}.yaml").write_text(json.dumps(document))
        prices = {"currency": "CNY", "as_of": "2026-01-01", "tiers": {"*": {"per_request": 2}}}
        (self._folder / "prices.yaml").write_text(json.dumps(prices))
        if which not in self._manifests:
            self._manifests[which] = tuple(
                loading.load(self._folder / f"{n}.yaml") for n in BATCHES[which]
            )
        seed = Seed(number, self._folder, self._manifests[which], self.figures, **sown)
        seed.play()
        return seed


# A run that dies between making a step and starting it leaves that step; a dead process warns
# nobody.
@pytest.mark.filterwarnings("ignore:coroutine '_Dispatcher._take' was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_many_seeds(folder: Path, long: bool, report: Report) -> None:
    """No history charges twice, loses an id, breaks a limit, or does not end."""
    theatre = Theatre(folder)
    wrong: Counter[str] = Counter(
        {"charged twice": 0, "ids lost": 0, "crashes": 0, "hangs": 0, "rules broken": 0}
    )
    found: list[str] = []
    for number in range(LONG if long else SHORT):
        seed = theatre.play(number)
        for kind, some in seed.found.by_kind.items():
            wrong[kind] += len(some)
            found.append(f"{kind}: {some[0]}; again: {AGAIN.format(number)}")
    report.add("simulation", theatre.figures.counted(), wrong=wrong, found="\n".join(found[:20]))


def test_one_seed(folder: Path, request: pytest.FixtureRequest) -> None:
    """The same seed twice is the same history, so that what was found can be looked at."""
    number = int(request.config.getoption("--seed"))
    first, second = (Theatre(folder).play(number) for _ in range(2))
    print(*first.told, first.found, sep="\n")
    assert first.told == second.told
    assert not first.found, f"seed {number}: {first.found}"


# ---------------------------------------------------------------- bugs sown on purpose


class Sown:
    """What it stands before, save for the bug."""

    def __init__(self, sound: Any) -> None:
        self._sound = sound

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sound, name)


class Repeating(Sown):
    """A transport that repeats a create whose answer did not come."""

    async def create(self, body: bytes, request_id: str) -> Answer:
        answer: Answer = await self._sound.create(body, request_id)
        if isinstance(answer, NoReply) and answer.sent:
            answer = await self._sound.create(body, request_id)
        return answer


class Impatient(Sown):
    """404 to a query is taken for the task's end."""

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        answer: Answer = await self._sound.query(task_id, apart=apart)
        if isinstance(answer, Reply) and answer.status == 404:
            gone = {
                "id": task_id,
                "status": "failed",
                "error": {"code": "gone", "message": "no such task"},
            }
            return Reply(200, {}, json.dumps(gone).encode())
        return answer


class Forgiving(Sown):
    """A broken answer to a create is taken for a refusal."""

    async def create(self, body: bytes, request_id: str) -> Answer:
        answer: Answer = await self._sound.create(body, request_id)
        if isinstance(answer, Reply) and answer.status >= 500:
            return Reply(400, {}, b'{"error":{"code":"error","message":"server error"}}')
        return answer


class Careless(Sown):
    """No intent is written: the outcome's line holds everything anyway."""

    async def record(self, purchase: Purchase) -> None:
        if purchase.state == "intent":
            self._sound.book.put(purchase)
        else:
            await self._sound.record(purchase)


class Dawdling(Sown):
    """A task's id is written some time after its place was given free."""

    def __init__(self, sound: Any) -> None:
        super().__init__(sound)
        self._late: set[asyncio.Task[None]] = set()

    async def record(self, purchase: Purchase) -> None:
        if purchase.state != "submitted":
            await self._sound.record(purchase)
            return
        self._sound.book.put(purchase)
        self._late.add(asyncio.create_task(self._write_late(purchase.uid)))

    async def _write_late(self, uid: str) -> None:
        await anyio.sleep(20)
        await self._sound.record(self._sound.book.purchases[uid])


BUGS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "a second POST after a timeout": {"sow_gateway": Repeating},
    "404 is the end of a task": {"sow_gateway": Impatient},
    "5xx is a refusal": {"sow_gateway": Forgiving},
    "no intent before the POST": {"sow_ledger": Careless},
    "an id is written late": {"sow_ledger": Dawdling},
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_sown_on_purpose_is_found(bug: str, folder: Path) -> None:
    """Within few seeds; which one is printed."""
    theatre = Theatre(folder)
    for number in range(200):
        if found := theatre.play(number, **BUGS[bug]).found:
            print(f"\n{bug}: found by seed {number}, after {number + 1} seeds\n{found}")
            return
    pytest.fail(f"{bug}: not found in 200 seeds")

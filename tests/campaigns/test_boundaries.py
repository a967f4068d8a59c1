"""kill -9 between every two system calls of a run, of the run after a crash, of fetch and of
resolve.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from klingflow.sandbox.child import Sandbox
from tests.campaigns.aftermath import Found, ends, examine
from tests.campaigns.figures import Report
from tests.campaigns.tampering import Call, calls, needs_strace, tampered
from tests.harness import Pipeline, charges, pipeline_at, sandboxed

KILL = "signal=KILL"
RUN = ("run", "film.yaml", "-y", "-q")
JOURNAL = ".klingflow/film.journal"
# After the second shot's reply, before it is written down: what a shot in doubt comes from.
BEFORE_THE_SECOND_OUTCOME = Call("write", JOURNAL, 4, worker=True)
BEFORE_THE_FIRST_VIDEO = Call("linkat", "outputs/film/shot1.mp4.part", 1, worker=True)


def fresh(film: Pipeline, label: str) -> None:
    """A batch of three whose prompts, and so charges, are its own."""
    shots = {f"shot{n}": {"prompt": f"{label} a quiet street, number {n}"} for n in (1, 2, 3)}
    film.write(shots, run={"connections": 1})


def crashed(film: Pipeline, label: str) -> None:
    """One that was killed with one shot bought, one in doubt and one to buy."""
    fresh(film, label)
    assert tampered(film, BEFORE_THE_SECOND_OUTCOME, KILL, *RUN).killed


def undelivered(film: Pipeline, label: str) -> None:
    """One that was killed with all bought and no video here."""
    fresh(film, label)
    assert tampered(film, BEFORE_THE_FIRST_VIDEO, KILL, *RUN).killed


def doubtful(film: Pipeline, label: str) -> None:
    """One that has ended, with one shot in doubt."""
    crashed(film, label)
    film.do(*RUN, code=4)


@dataclass(frozen=True)
class Scene:
    """What is killed: `command`, in a pipeline as `prepare` leaves it. Where nothing is `bought`
    any more, all trials work on copies of one pipeline. In `command`, ID is the doubtful shot's
    task.
    """

    name: str
    prepare: Callable[[Pipeline, str], None]
    command: tuple[str, ...]
    bought: bool = True


SCENES = [
    Scene("run", fresh, RUN),
    Scene("run after a crash", crashed, RUN),
    Scene("fetch", undelivered, ("fetch", "film.yaml", "-q"), bought=False),
    Scene("resolve", doubtful, ("resolve", "film.yaml", "shot2", "--task", "ID"), bought=False),
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all trials, which tell their charges by their prompts."""
    with sandboxed(tmp_path_factory.mktemp("sandbox")) as (_, sandbox):
        yield sandbox


@needs_strace
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_kill_9_at_each_boundary(
    scene: Scene, sandbox: Sandbox, tmp_path: Path, long: bool, report: Report
) -> None:
    """Nothing is charged twice, no id is lost; the next run ends the batch, says doubts, and leaves
    nothing behind.
    """
    trials = _Trials(scene, sandbox, tmp_path)
    boundaries = calls(*trials.stage("0"))
    chosen = boundaries if long else _sample(boundaries, 5 if scene.name == "run" else 2)
    if not long and scene.name == "run":
        chosen.append(BEFORE_THE_SECOND_OUTCOME)  # where most depends on what was written before
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(trials.kill, chosen, map(str, range(1, len(chosen) + 1))))
    found = trials.found
    tried = {"boundaries": len(boundaries), "kills": trials.kills, "in doubt": found.doubts}
    report.add(
        f"kill at boundaries: {scene.name}", tried, wrong=found.counts(), found=found.complaints
    )
    assert trials.kills >= 0.9 * len(chosen), (
        "a socket is asked a little less often in some runs, no more"
    )


class _Trials:
    def __init__(self, scene: Scene, sandbox: Sandbox, folder: Path) -> None:
        self.scene, self.sandbox, self.folder = scene, sandbox, folder
        self.found = Found()
        self.kills = 0
        self.name = scene.name.replace(" ", "-")
        if not scene.bought:
            self.original = pipeline_at(folder / "original", sandbox.base_url)
            scene.prepare(self.original, self._label("original"))

    def _label(self, number: str) -> str:
        return f"{self.name}/{number if self.scene.bought else 'original'}:"

    def stage(self, number: str) -> tuple[Pipeline, *tuple[str, ...]]:
        """A pipeline for one trial, and the command to be killed."""
        film = pipeline_at(self.folder / number, self.sandbox.base_url)
        if self.scene.bought:
            self.scene.prepare(film, self._label(number))
        else:
            shutil.copytree(self.original.folder, film.folder, dirs_exist_ok=True)
        return film, *(self._task(number) if word == "ID" else word for word in self.scene.command)

    def _task(self, number: str) -> str:
        """What the gateway's account says of the second shot."""
        prompts = {c["prompt"]: c["task_id"] for c in charges(self.sandbox)}
        task: str = next(
            task
            for p, task in prompts.items()
            if p.startswith(self._label(number)) and p.endswith("2")
        )
        return task

    def kill(self, call: Call, number: str) -> None:
        film, *command = self.stage(number)
        ended = tampered(film, call, KILL, *command)
        self.kills += ended.killed
        if not ended.killed and ended.code not in (0, 4):
            self.found.blame("crashes", call, f"exit {ended.code} without a kill: {ended.said}")
        if self.scene.name == "resolve":
            code, said = ends(film, *command)
            if code not in (0, 2):  # 2: settled already
                self.found.blame("crashes", call, f"resolve again ended with exit {code}: {said}")
        examine(film, self.sandbox, self._label(number), call, self.found)


def _sample(boundaries: list[Call], number: int) -> list[Call]:
    """Some of each kind, as evenly as it goes, and the same every time."""
    chance = random.Random(7)
    shuffled = chance.sample(boundaries, len(boundaries))
    nth_of_kind: dict[Call, int] = {}
    for call in shuffled:
        nth_of_kind[call] = sum(other.kind == call.kind for other in nth_of_kind)
    return sorted(shuffled, key=nth_of_kind.__getitem__)[:number]

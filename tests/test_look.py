"""Videos are looked at beside everything else, each once, and whatever comes of it buys nothing."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import anyio
import pytest

from klingflow.ledger.lifecycle import advance
from klingflow.media.inspector import Inspector
from klingflow.media.kept import Kept
from klingflow.model import Json, Media, Purchase
from klingflow.runner import look
from klingflow.runner.fetch import fetch
from klingflow.runner.look import Looking, Remarked
from tests.clips import FPS, HEIGHT, WIDTH, black, clip
from tests.purchases import LATER, succeeded
from tests.runs import Run, Video, a_run

pytestmark = pytest.mark.anyio

DARK = clip(black)
SHA = hashlib.sha256(DARK).hexdigest()
FOUND = Media(width=WIDTH, height=HEIGHT, seconds=1.0, fps=float(FPS), black=True, frozen=True)
SIZE = f"{WIDTH}x{HEIGHT}"
REMARKS: list[dict[str, Json]] = [
    {"kind": "black"},
    {"kind": "shorter", "got": 1.0, "bought": 5},
    {"kind": "smaller", "got": SIZE, "bought": "720P"},
]
NEVER = "print('ready', flush=True); import time; time.sleep(600)"


async def looked_on(run: Run) -> None:
    """Look at all that waits, as a run does before it ends."""
    async with anyio.create_task_group() as group:
        group.start_soon(run.context.looking.go_on, run.context)
        await run.context.looking.finish(run.context)


def kept(folder: Path) -> Media | None:
    return Kept(folder / ".klingflow" / "media.jsonl").get(SHA)


def here(folder: Path, name: str = "shot001", video: bytes = DARK) -> Purchase:
    """A video that an earlier run brought."""
    path = folder / "outputs" / "film" / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(video)
    sha256, size_bytes = hashlib.sha256(video).hexdigest(), len(video)
    return advance(succeeded(name), "downloaded", LATER, sha256=sha256, size_bytes=size_bytes)


async def test_what_arrives_is_looked_at_once(tmp_path: Path) -> None:
    """It is kept by its content: when it comes again, it is remarked on without another look."""
    with a_run(tmp_path, videos=[Video(200, DARK)]) as run:
        run.context.looking = Looking(Inspector())
        await fetch(run.context, await run.finished())
        await looked_on(run)
        assert kept(tmp_path) == FOUND
        run.context.looking.inspector = None
        look.arrived(run.context, run.context.wanted(0, run.job.plan.actions[0]), run.purchases[0])
    assert run.context.looking.remarked == [Remarked(0, "shot001", REMARKS)] * 2
    assert run.events == ["downloading", "done", "remarked", "remarked"]
    assert run.told[2]["remarks"] == REMARKS


async def test_a_remark_changes_no_state(tmp_path: Path) -> None:
    """The video is delivered before anybody looks at it, and stays so."""
    with a_run(tmp_path, videos=[Video(200, DARK)]) as run:
        run.context.looking = Looking(Inspector())
        await fetch(run.context, await run.finished())
        before = run.purchases
        await looked_on(run)
        assert (run.states, run.purchases) == (["done"], before)


async def test_what_an_earlier_run_brought_is_looked_at(tmp_path: Path) -> None:
    """Its run may have been killed, or had no PyAV."""
    with a_run(tmp_path, bought=[here(tmp_path)]) as run:
        run.context.looking = Looking(Inspector())
        look.begin(run.context)
        await looked_on(run)
        again = Looking(Inspector(("/no/such/program",)))
        run.context.looking = again
        look.begin(run.context)
        await looked_on(run)
    assert kept(tmp_path) == FOUND
    assert (again.remarked, again.unseen) == ([], 0)


async def test_what_is_not_on_this_disk_is_not_looked_at(tmp_path: Path) -> None:
    """Another file may lie at its place."""
    purchase = here(tmp_path)
    (tmp_path / "outputs/film/shot001.mp4").write_bytes(clip())
    with a_run(tmp_path, bought=[purchase]) as run:
        run.context.looking = Looking(Inspector(("/no/such/program",)))
        look.begin(run.context)
        await looked_on(run)
    assert run.context.looking.unseen == 0


@pytest.mark.parametrize(
    ("inspector", "is_able"),
    [
        (None, False),
        (Inspector(("/no/such/program",)), False),
        (Inspector((sys.executable, "-c", "print('ready')")), True),
    ],
)
async def test_what_nobody_can_tell_is_counted(
    tmp_path: Path, inspector: Inspector | None, is_able: bool
) -> None:
    """The end of the run says so once; nothing is kept, so that the next run tries again."""
    with a_run(tmp_path, videos=[Video(200, DARK)]) as run:
        run.context.looking = Looking(inspector)
        await fetch(run.context, await run.finished())
        await looked_on(run)
    looking = run.context.looking
    assert (looking.unseen, looking.is_able, kept(tmp_path)) == (1, is_able, None)


async def test_an_interrupted_run_does_not_wait(tmp_path: Path) -> None:
    """What nobody has looked at waits for the next run."""
    with a_run(tmp_path, bought=[here(tmp_path)]) as run:
        run.context.looking = Looking(Inspector((sys.executable, "-c", NEVER)))
        look.begin(run.context)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(run.context.looking.go_on, run.context)
                await anyio.wait_all_tasks_blocked()
                run.context.looking.stop()
                await run.context.looking.finish(run.context)
    assert kept(tmp_path) is None


async def test_many_videos_that_the_end_waits_for_are_announced(tmp_path: Path) -> None:
    """Otherwise a run after an installation of PyAV would seem to hang."""
    names = [f"shot{number:03}" for number in range(1, 13)]
    videos = [here(tmp_path, name, clip(times=[0, number])) for number, name in enumerate(names, 1)]
    with a_run(tmp_path, shots=12, bought=videos) as run:
        run.context.looking = Looking(Inspector())
        look.begin(run.context)
        await looked_on(run)
    assert run.told[0]["event"] == "looking"
    assert run.told[0]["videos"] == 12
    assert len(run.context.looking.remarked) == 12


async def test_a_mistake_of_ours_ends_no_run(tmp_path: Path) -> None:
    """It is told at the end; what is bought and downloaded meanwhile is worth more."""
    with a_run(
        tmp_path, bought=[here(tmp_path), here(tmp_path, "shot002", clip())], shots=2
    ) as run:
        run.context.looking = Looking(Broken())
        look.begin(run.context)
        await looked_on(run)
    assert str(run.context.outcome.crash) == "a mistake"
    assert run.context.schedule.buying


class Broken(Inspector):
    """One that nobody foresaw."""

    async def look(self, path: Path) -> Media | None:
        raise AssertionError("a mistake")

"""A finished video comes home, or the ledger says why it did not; nothing here can buy anything."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.decide.delivery import FROM_AN_EARLIER_RUN, Delivery
from klingflow.decide.schedule import Fetch
from klingflow.gateway.outcomes import NoReply
from klingflow.model import Failure, Purchase, Rate
from klingflow.runner.fetch import fetch
from tests.runs import LOST, ORIGIN, VIDEO, Run, Video, a_run, said

pytestmark = pytest.mark.anyio

OWN, NEW = "https://cdn.example.com/a.mp4", "https://cdn.example.com/new.mp4"
CONTENT = f"{ORIGIN}/v1/videos/task_1/content"
BAD = Video(502)


async def fetched(run: Run, times: int, **about: object) -> list[str | float | None]:
    """So many tries; after each the pause before the next one, or None."""
    step, pauses = await run.finished(**about), list[str | float | None]()
    for _ in range(times):
        await fetch(run.context, step)
        due = run.next()
        pauses.append(due - run.at if isinstance(due, float) else None)
        if isinstance(due, float):
            run.at = due
            assert run.next() is step
    return pauses


async def test_a_video_comes_home(tmp_path: Path) -> None:
    """Under the name that its purchase says; the ledger knows its hash and size."""
    with a_run(tmp_path, videos=[Video(200, VIDEO)]) as run:
        assert await fetched(run, 1, video_url=OWN) == [None]
        (purchase,) = run.purchases
        target = tmp_path / "outputs/film/shot001.mp4"
        assert target.read_bytes() == VIDEO
        assert (purchase.state, purchase.output) == ("done", "outputs/film/shot001.mp4")
        assert purchase.sha256 == hashlib.sha256(VIDEO).hexdigest()
        assert purchase.size_bytes == len(VIDEO)
    assert run.events == ["downloading", "done"]
    assert (run.told[1]["file"], run.told[1]["size_bytes"]) == (str(target), len(VIDEO))
    assert run.gateway.asked == [f"open {OWN}"]


async def test_a_video_that_is_brought_again_is_no_news(tmp_path: Path) -> None:
    """Its ledger says what it said, to the byte: so do those of others. Another video is news."""
    other = VIDEO + b"\0\0\0\x08free"
    with a_run(tmp_path, videos=[Video(200, VIDEO), Video(200, VIDEO), Video(200, other)]) as run:
        step = await run.finished(video_url=OWN)
        await fetch(run.context, step)
        (before,) = run.purchases
        (tmp_path / "outputs/film/shot001.mp4").unlink()
        known = list[Purchase]()
        for _ in range(2):
            run.at += 60
            run.context.schedule.fetch(Fetch(0, before, step.wanted), run.at)
            await fetch(run.context, run.next_of(Fetch))
            known += run.purchases
    assert known[0] == before
    assert known[1].size_bytes == len(other)
    assert known[1].times["done"] > before.times["done"]
    assert run.events == ["downloading", "done"] * 3


async def test_tries_take_the_two_addresses_in_turn(tmp_path: Path) -> None:
    """And pause between them, twice as long each time."""
    with a_run(tmp_path, videos=[Video(502) for _ in range(4)], queries=[LOST]) as run:
        assert await fetched(run, 4, video_url=OWN) == [0.5, 1.0, 2.0, 4.0]
    opened = [asked for asked in run.gateway.asked if asked.startswith("open")]
    assert opened == [f"open {url}" for url in (OWN, CONTENT, OWN, CONTENT)]
    assert [e["pause_s"] for e in run.told if e["event"] == "download_retry"] == [0.5, 1, 2, 4]
    assert run.told[1]["reason"] == "HTTP 502"


async def test_a_stale_address_is_renewed(tmp_path: Path) -> None:
    """After two tries that brought nothing the gateway is asked for the present one."""
    done = said(id="task_1", status="completed", video_url=NEW)
    videos = [Video(403), Video(502), Video(200, VIDEO)]
    with a_run(tmp_path, videos=videos, queries=[done]) as run:
        await fetched(run, 3, video_url=OWN)
        assert (run.states, run.purchases[0].video_url) == (["done"], NEW)
    asked = [f"open {OWN}", f"open {CONTENT}", "query task_1", f"open {NEW}"]
    assert run.gateway.asked == asked


async def test_an_address_of_an_earlier_run_is_renewed_before_it_is_used(tmp_path: Path) -> None:
    """The gateway's own route goes first."""
    done = said(id="task_1", status="completed", video_url=NEW)
    with a_run(tmp_path, videos=[Video(502), Video(200, VIDEO)], queries=[done]) as run:
        await fetched(run, 2, video_url=OWN, delivery=FROM_AN_EARLIER_RUN)
    assert run.gateway.asked == [f"open {CONTENT}", "query task_1", f"open {NEW}"]


@pytest.mark.parametrize(
    "answer",
    [
        said(status="completed", video_url=NEW),
        said(id="task_2", status="completed", video_url=NEW),
        said(id="task_1", status="failed", error={"code": "x", "message": "no"}),
        said(id="task_1", status="completed"),
        LOST,
    ],
    ids=["names no task", "another's", "failed", "no address", "no answer"],
)
async def test_only_an_address_of_this_very_task_is_news(tmp_path: Path, answer: NoReply) -> None:
    """What else such a reply says changes nothing: the task has succeeded."""
    with a_run(tmp_path, videos=[Video(502) for _ in range(3)], queries=[answer]) as run:
        await fetched(run, 3, video_url=OWN)
        assert (run.states, run.purchases[0].video_url) == (["succeeded"], OWN)
    assert run.gateway.asked[-1] == f"open {OWN}"


async def test_no_address_is_asked_for_where_the_polls_leave_no_room(tmp_path: Path) -> None:
    """Questions beside the polls have no budget of their own."""
    with a_run(tmp_path, videos=[Video(502), Video(502)], poll=Rate(1, 1000.0)) as run:
        while run.context.schedule.spare_poll(0.0):
            pass
        await fetched(run, 2, video_url=OWN)
    assert [asked.split()[0] for asked in run.gateway.asked] == ["open", "open"]


async def test_a_server_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    """Up to a minute."""
    videos = [Video(503, b"", **{"retry-after": wait}) for wait in ("7", "9999")]
    with a_run(tmp_path, videos=videos, queries=[LOST]) as run:
        assert await fetched(run, 2) == [7.0, 60.0]


async def test_eight_tries_that_brought_nothing_are_enough(tmp_path: Path) -> None:
    """The ledger says why; the next run tries again."""
    with a_run(tmp_path, videos=[Video(502) for _ in range(8)], queries=[LOST]) as run:
        pauses = await fetched(run, 8)
        assert pauses[-2:] == [32.0, None]
        assert run.states == ["succeeded"]
        assert run.purchases[0].error == Failure("unknown", "undelivered", "HTTP 502")
    assert run.events[-1] == "undelivered"
    assert run.told[-1]["reason"] == "HTTP 502"


async def test_words_in_place_of_an_address_are_told_at_the_end(tmp_path: Path) -> None:
    """A person may know what they mean."""
    with a_run(tmp_path, videos=[Video(502) for _ in range(8)], queries=[LOST]) as run:
        late = await run.finished()
        late.purchase = replace(late.purchase, evidence={"video_url": "see the console"})
        late.delivery = Delivery(tries=7)
        await fetch(run.context, late)
    assert run.told[-1]["reason"] == (
        "HTTP 502; in place of an address the gateway gave 'see the console'"
    )


async def test_a_slow_server_is_not_a_dead_one(tmp_path: Path) -> None:
    """A try that was cut, but got further than before, is the first again."""
    half = VIDEO[:1000] + bytes(99_000)
    videos = [Video(502), Video(200, half, **{"content-length": "200000"})]
    with a_run(tmp_path, videos=videos) as run:
        step = await run.finished()
        await fetch(run.context, step)
        await fetch(run.context, step)
        assert step.delivery == Delivery(1, 100_000)


@pytest.mark.parametrize("size", ["53687091200", "450000000"])
async def test_a_video_larger_than_its_seconds_is_not_begun(tmp_path: Path, size: str) -> None:
    """5 seconds have 416 MiB at the most: what the server states counts before a byte is kept."""
    videos = [Video(200, VIDEO[:1000], **{"content-length": size})]
    with a_run(tmp_path, videos=videos) as run:
        assert await fetched(run, 1) == [None]
    assert run.told[-1]["reason"] == f"longer than {416 * 1024**2} bytes"
    assert [*(tmp_path / "outputs/film").iterdir()] == []


async def test_what_another_try_cannot_help_is_given_up_at_once(tmp_path: Path) -> None:
    """The reason lies on this side, and nothing is written of the gateway."""
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/film").write_text("a file")
    with a_run(tmp_path) as run:
        assert await fetched(run, 1) == [None]
        assert run.purchases[0].error is None
    assert run.events == ["downloading", "undelivered"]
    assert run.gateway.asked == []


async def test_a_link_out_of_the_outputs_is_not_followed(tmp_path: Path) -> None:
    """Nothing is fetched."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "film/outputs").mkdir(parents=True)
    (tmp_path / "film/outputs/film").symlink_to(tmp_path / "elsewhere")
    with a_run(tmp_path / "film") as run:
        await fetched(run, 1)
    said_of = "outputs/film/shot001.mp4 leads elsewhere by a link"
    assert run.told[-1]["reason"] == said_of
    assert run.events == ["downloading", "undelivered"]
    assert run.gateway.asked == []
    assert [*(tmp_path / "elsewhere").iterdir()] == []


@pytest.mark.parametrize("output", [None, ""])
async def test_a_purchase_without_an_output_goes_where_its_shot_does(
    tmp_path: Path, output: str | None
) -> None:
    """Known from a damaged line only, or from elsewhere."""
    with a_run(tmp_path, videos=[Video(200, VIDEO)]) as run:
        step = await run.finished()
        step.purchase = replace(step.purchase, output=output)
        await fetch(run.context, step)
        assert run.purchases[0].output == "outputs/film/shot001.mp4"
        assert run.states == ["done"]


async def test_a_video_that_may_go_nowhere_is_not_fetched(tmp_path: Path) -> None:
    """Neither its purchase nor its shot says where."""
    with a_run(tmp_path) as run:
        step = await run.finished()
        step.purchase = replace(step.purchase, output=None)
        step.wanted.action = run.job.plan.actions[0].__class__("orphan", "shot001", "")
        await fetch(run.context, step)
    assert run.told[-1]["reason"] == "the ledger does not say where its video goes"
    assert run.events == ["downloading", "undelivered"]


async def test_a_download_gives_its_place_free(tmp_path: Path) -> None:
    """Before it is tried again, and when it is done."""
    with a_run(tmp_path, videos=[BAD, Video(200, VIDEO)], downloads=1) as run:
        step = await run.finished()
        await fetch(run.context, step)
        run.at = 0.5
        assert run.next() is step
        await fetch(run.context, step)
        assert run.context.schedule._downloading == 0


async def test_a_download_that_crashed_gives_its_place_free(tmp_path: Path) -> None:
    """Otherwise a run that goes on after an error that nobody foresaw downloads nothing more."""
    with a_run(tmp_path, downloads=1) as run:
        step = await run.finished()
        with pytest.raises(RuntimeError, match="StopIteration"):  # no answer for the download
            await fetch(run.context, step)
        assert run.context.schedule._downloading == 0

"""Shots that are made from videos of other shots: nothing is bought before what they need is where
the gateway can read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.assets.fitness import forbidden
from klingflow.assets.folders import FolderStore
from klingflow.assets.stores import Snapshot
from klingflow.decide.schedule import Fetch, Wanted
from klingflow.decide.sending import also_fetched
from klingflow.gateway.outcomes import NoReply
from klingflow.manifest.values import Fault
from klingflow.model import Json, Purchase
from klingflow.runner.buy import buy
from klingflow.runner.fetch import fetch
from klingflow.runner.queues import queue
from klingflow.words import Text
from tests.greys import film
from tests.pictures import png
from tests.purchases import done, succeeded
from tests.runs import Run, Shown, Video, a_run, said, uploaded

PUBLIC = "https://cdn.example.com/refs"
FILM, SMALL = film(5), film(5, (320, 180))
END = {"from": "opening", "frame": "last"}
ACCEPTED = said(id="task_1", model="kling-2.5-720p", status="queued")


def here(folder: Path, content: bytes = FILM) -> Purchase:
    """The purchase of `opening`, with its video on this disk."""
    path = folder / "outputs" / "film" / "opening.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(done("opening", uid="uid-0"), sha256=sha256, size_bytes=len(content))


@contextmanager
def a_film(
    folder: Path,
    source: Purchase,
    *videos: Video | NoReply,
    door: Json = None,
    also: Json = None,
    **about: Any,
) -> Iterator[Run]:
    """A run of a shot `door` after `opening`, which is bought, with a store beside the film."""
    shots = {"opening": {"prompt": "x"}, "door": {"prompt": "y", "image": END, **(door or {})}}
    shots |= also or {}
    with a_run(folder, shots=shots, videos=videos, bought=[source], **about) as run:
        run.job.store = FolderStore(folder / "store", PUBLIC)
        for action in (*run.job.plan.actions, *also_fetched(run.job.plan)):
            queue(run.context, run.context.wanted(0, action))
        yield run


def kept(folder: Path) -> list[Path]:
    """The frames that are kept."""
    return sorted((folder / ".klingflow" / "frames").rglob("*.png"))


def marks(folder: Path) -> list[tuple[int, int]]:
    """What changes of a frame that is kept, and of one in the store, when it is written again."""
    files = [*kept(folder), *(folder / "store").iterdir()]
    return [(stat.st_ino, stat.st_mtime_ns) for stat in map(Path.stat, files)]


def why(run: Run) -> str:
    """Why the last take was not sent, which can be translated; nothing was bought, and nothing is
    left to do.
    """
    assert run.events[-1] == "unsendable" and run.next() is None
    assert [p.shot for p in run.purchases] == ["opening"]
    reason = run.told[-1]["reason"]
    assert isinstance(reason, Text)
    return reason


def test_a_shot_begins_with_a_frame_of_another(tmp_path: Path) -> None:
    """The frame's address is sent; shot, words and purchase are in the ledger."""
    with a_film(tmp_path, here(tmp_path), Shown(tmp_path / "store"), creates=[ACCEPTED]) as run:
        assert run.next() is None
        uploaded(run)
        anyio.run(buy, run.context, run.next_of(Wanted))
        (frame,) = kept(tmp_path)
        name = f"{hashlib.sha256(frame.read_bytes()).hexdigest()}.png"
        assert frame.name == f"last.{name}"
        assert run.gateway.bodies[0]["image"] == f"{PUBLIC}/{name}"
        assert run.purchases[1].body["image"] == {**END, "purchase": "uid-0"}
        assert PUBLIC not in "".join(map(str, run.told))
    named = [e["file"] for e in run.told if e["event"] == "uploading"]
    assert named == ["the last frame of opening"]


def test_a_frame_is_decoded_and_stored_once(tmp_path: Path) -> None:
    """A run that was killed after either goes on from there."""
    source = here(tmp_path)
    with a_film(tmp_path, source, Shown(tmp_path / "store")) as run:
        uploaded(run)
    before = marks(tmp_path)
    with a_film(tmp_path, source, Shown(tmp_path / "store")) as run:
        uploaded(run)
        assert run.next_of(Wanted).action.key == "door"
    assert marks(tmp_path) == before and len(before) == 2


def test_a_frame_waits_for_its_video(tmp_path: Path) -> None:
    """A video that is missing on this disk is fetched first."""
    source = here(tmp_path)
    (tmp_path / "outputs/film/opening.mp4").unlink()
    videos = [Video(200, FILM), Shown(tmp_path / "store")]
    with a_film(tmp_path, source, *videos) as run:
        uploaded(run)
        assert kept(tmp_path) == [] and run.events == []
        anyio.run(fetch, run.context, run.next_of(Fetch))
        uploaded(run)
        assert run.next_of(Wanted).action.key == "door" and len(kept(tmp_path)) == 1


def test_a_video_that_does_not_come_buys_nothing(tmp_path: Path) -> None:
    """What waits for it is told of, as soon as that is known."""
    source = here(tmp_path)
    (tmp_path / "outputs/film/opening.mp4").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outputs/film").rmdir()
    (tmp_path / "outputs/film").symlink_to(tmp_path / "elsewhere")
    with a_film(tmp_path, source) as run:
        anyio.run(fetch, run.context, run.next_of(Fetch))
        uploaded(run)
        assert why(run) == (
            "the last frame of opening needs its video, which is not on this disk;"
            f" `klingflow fetch {run.job.site.named}` tries to bring it"
        )


@pytest.mark.parametrize(
    ("content", "frame", "named", "reason"),
    [
        (b"no video", "last", "last frame", "it cannot be decoded (InvalidDataError)"),
        (FILM, "9s", "frame at 9s", "it is 0.2 s long, so nothing is seen after 9 s"),
    ],
)
def test_a_frame_that_cannot_be_taken_buys_nothing(
    tmp_path: Path, content: bytes, frame: str, named: str, reason: str
) -> None:
    """What is wrong with the video is said."""
    door = {"image": {"from": "opening", "frame": frame}}
    with a_film(tmp_path, here(tmp_path, content), door=door) as run:
        uploaded(run)
        assert why(run) == (f"the {named} of opening cannot be taken out of opening.mp4: {reason}")


def test_a_frame_that_the_service_does_not_take_buys_nothing(tmp_path: Path) -> None:
    """Its size is known only now. Nothing is uploaded either."""
    with a_film(tmp_path, here(tmp_path, SMALL)) as run:
        uploaded(run)
        assert run.events == ["unsendable"] and not (tmp_path / "store").exists()
        assert why(run) == (
            "'the last frame of opening' is 320x180; the service takes images with sides of at"
            " least 300 pixels"
        )


def test_one_shot_may_allow_what_another_does_not(tmp_path: Path) -> None:
    """Both begin with one frame, which goes with the one that allows it."""
    source = here(tmp_path, SMALL)
    shots = {"wall": {"prompt": "z", "image": END, "allow": ["image-size"]}}
    with a_film(tmp_path, source, Shown(tmp_path / "store"), also=shots) as run:
        uploaded(run)
        assert run.events == ["unsendable", "uploading", "uploaded"]
        assert run.next_of(Wanted).action.key == "wall"


def test_a_frame_that_one_shot_allowed_is_judged_for_a_later_one(tmp_path: Path) -> None:
    """It is in the store by then."""
    shots = {"wall": {"prompt": "z", "image": END, "allow": ["image-size"]}}
    with a_film(tmp_path, here(tmp_path, SMALL), Shown(tmp_path / "store"), also=shots) as run:
        uploaded(run)
        assert run.next_of(Wanted).action.key == "wall"
        later = next(a for a in run.job.plan.actions if a.key == "door")
        queue(run.context, run.context.wanted(0, later))
        uploaded(run)
        assert why(run).startswith("'the last frame of opening' is 320x180")


class Busy(FolderStore):
    """A store that `then` happens beside, while it takes a file."""

    then: Callable[[], None]

    async def keep(self, snapshot: Snapshot) -> None:
        await super().keep(snapshot)
        self.then()


def test_a_shot_that_comes_while_a_frame_is_uploaded_is_judged(tmp_path: Path) -> None:
    """The frame goes for a shot that allows it."""
    shots = {"wall": {"prompt": "z", "image": END, "allow": ["image-size"]}}
    with a_film(tmp_path, here(tmp_path, SMALL), Shown(tmp_path / "store"), also=shots) as run:
        door = next(a for a in run.job.plan.actions if a.key == "door")
        run.job.store = store = Busy(tmp_path / "store", PUBLIC)
        store.then = lambda: queue(run.context, run.context.wanted(0, door))
        uploaded(run)
        assert run.events == ["unsendable", "uploading", "uploaded", "unsendable"]
        assert [run.next_of(Wanted).action.key, run.next()] == ["wall", None]


def test_a_shot_allows_what_it_names_and_no_more() -> None:
    """Whatever is found first."""
    found = [Fault((), "file-size", "large"), Fault((), "image-ratio", "long")]
    assert forbidden(found, ["file-size"]) == "long"
    assert forbidden(found, ["image-ratio", "file-size"]) == ""


def test_a_shot_may_allow_what_the_service_does_not_take(tmp_path: Path) -> None:
    """The service may know better."""
    door = {"allow": ["image-size"]}
    with a_film(tmp_path, here(tmp_path, SMALL), Shown(tmp_path / "store"), door=door) as run:
        uploaded(run)
        assert run.next_of(Wanted).action.key == "door"


def test_a_whole_video_goes_by_its_address(tmp_path: Path) -> None:
    """While a video answers there: nothing is uploaded, nor has it to be on this disk."""
    door = {"image": None, "video": {"from": "opening"}, "model": "kling-3.0-omni"}
    source, answers = succeeded("opening", uid="uid-0"), Video(206, FILM[:4096])
    with a_film(tmp_path, source, answers, door=door, creates=[ACCEPTED]) as run:
        uploaded(run)
        assert not (tmp_path / "store").exists()
        anyio.run(buy, run.context, run.next_of(Wanted))
        assert run.gateway.bodies[0]["metadata"]["video_url"] == source.video_url
        record = run.purchases[1].body["metadata"]["video_url"]
        assert record == {"from": "opening", "purchase": "uid-0"}


def test_a_whole_video_is_uploaded_once_its_address_is_gone(tmp_path: Path) -> None:
    """The kept file goes, as soon as it is here."""
    door = {"image": None, "video": {"from": "opening"}, "model": "kling-3.0-omni"}
    source = here(tmp_path)
    videos = [Video(404), Shown(tmp_path / "store")]
    with a_film(tmp_path, source, *videos, door=door, creates=[ACCEPTED]) as run:
        uploaded(run)
        anyio.run(buy, run.context, run.next_of(Wanted))
        assert run.gateway.bodies[0]["metadata"]["video_url"] == f"{PUBLIC}/{source.sha256}.mp4"


def test_a_video_that_is_neither_there_nor_here_waits(tmp_path: Path) -> None:
    """It is on its way."""
    door = {"image": None, "video": {"from": "opening"}, "model": "kling-3.0-omni"}
    source = succeeded("opening", uid="uid-0")
    videos = [Video(404), Video(200, FILM), Video(404), Shown(tmp_path / "store")]
    with a_film(tmp_path, source, *videos, door=door) as run:
        uploaded(run)
        assert run.events == []
        anyio.run(fetch, run.context, run.next_of(Fetch))
        uploaded(run)
        assert run.next_of(Wanted).action.key == "door"


def test_a_video_on_its_way_is_not_looked_for(tmp_path: Path) -> None:
    """It could come in the middle of the look, and then nothing would wait for it any more."""
    door = {"image": None, "video": {"from": "opening"}, "model": "kling-3.0-omni"}
    source = here(tmp_path)
    (tmp_path / "outputs/film/opening.mp4").unlink()
    videos = [Video(404), Video(404), Shown(tmp_path / "store")]
    with a_film(tmp_path, source, *videos, door=door) as run:
        here(tmp_path)
        uploaded(run)
        assert run.events == [] and not (tmp_path / "store").exists()
        run.context.sending.arrived(0, "uid-0")
        uploaded(run)
        assert run.events == ["uploading", "uploaded"]


def test_without_a_store_no_frame_is_sent(tmp_path: Path) -> None:
    """The others of the run would fail alike."""
    with a_film(tmp_path, here(tmp_path)) as run:
        run.job.store = None
        uploaded(run)
        assert why(run).endswith("there is no store for local files")


def test_a_still_of_another_name_is_no_frame(tmp_path: Path) -> None:
    """A folder from elsewhere may hold pictures that were never in the video."""
    source = here(tmp_path)
    false = tmp_path / ".klingflow" / "frames" / str(source.sha256) / f"last.{'0' * 64}.png"
    false.parent.mkdir(parents=True)
    false.write_bytes(png())
    with a_film(tmp_path, source, Shown(tmp_path / "store")) as run:
        uploaded(run)
    (stored,) = (tmp_path / "store").iterdir()
    assert stored.read_bytes() != png() and len(kept(tmp_path)) == 2

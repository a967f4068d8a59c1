"""Local files put into a store before anything that needs them is bought."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow import disk
from klingflow.assets.folders import FolderStore
from klingflow.assets.stores import Snapshot
from klingflow.decide.schedule import Wanted
from klingflow.gateway.outcomes import NoReply
from klingflow.runner.buy import buy
from klingflow.runner.queues import queue
from tests.pictures import png
from tests.runs import Run, Video, a_run, said, uploaded

STILL = png()
NAME = f"{hashlib.sha256(STILL).hexdigest()}.png"
PUBLIC = "https://cdn.example.com/refs"
SHOTS = {"a": {"prompt": "x", "image": "refs/a.png"}, "b": {"prompt": "y", "image": "refs/a.png"}}
BACK = {"content-range": f"bytes 0-4095/{len(STILL)}"}


@contextmanager
def a_film(folder: Path, *videos: Video | NoReply, **about: Any) -> Iterator[Run]:
    """A run of two shots that begin at one still, with a store beside the film."""
    (folder / "refs").mkdir()
    (folder / "refs" / "a.png").write_bytes(STILL)
    with a_run(folder, shots=SHOTS, videos=videos, **about) as run:
        run.job.store = FolderStore(folder / "store", PUBLIC)
        for action in run.job.plan.actions:
            queue(run.context, run.context.wanted(0, action))
        yield run


def good() -> Video:
    return Video(206, STILL[:4096], **BACK)


def test_nothing_is_wanted_before_its_files_are_there(tmp_path: Path) -> None:
    """Not even a place among the running is taken."""
    with a_film(tmp_path, good()) as run:
        assert run.next() is None
        uploaded(run)
        assert run.next_of(Wanted).action.key == "a"
        assert (tmp_path / "store" / NAME).read_bytes() == STILL
        assert run.events == ["uploading", "uploaded"]


def test_the_address_is_sent_and_written_nowhere(tmp_path: Path) -> None:
    """The ledger has path and content."""
    answer = said(id="task_1", model="kling-2.5-720p", status="queued")
    with a_film(tmp_path, good(), creates=[answer]) as run:
        uploaded(run)
        anyio.run(buy, run.context, run.next_of(Wanted))
        assert run.gateway.bodies[0]["image"] == f"{PUBLIC}/{NAME}"
        (purchase,) = run.purchases
        assert purchase.body["image"] == {"file": "refs/a.png", "sha256": NAME[:-4]}
        assert PUBLIC not in "".join(map(str, run.told))


def test_a_still_that_has_changed_is_not_bought_with(tmp_path: Path) -> None:
    """The plan was another; nothing is uploaded either."""
    with a_film(tmp_path) as run:
        (tmp_path / "refs" / "a.png").write_bytes(png(shade=5))
        uploaded(run)
        assert run.next() is None and not (tmp_path / "store").exists()
        assert run.events == ["uploading", "unsendable", "unsendable"]
        assert run.told[-1]["reason"] == (
            "refs/a.png could not be uploaded: it has changed since the plan was made; run again"
        )
        assert run.purchases == []


@pytest.mark.parametrize(
    ("back", "why"),
    [
        (NoReply(False, "no connection"), "cannot be read: no connection"),
        (
            Video(403),
            "answers HTTP 403: the store must be open to everybody, or have no public_url",
        ),
        (Video(404), "answers HTTP 404"),
        (
            Video(200, b"<html>", **{"content-type": "text/html"}),
            "holds something else than the file (text/html)",
        ),
        (
            Video(206, STILL[:4096], **{"content-range": "bytes 0-4095/99"}),
            "holds something else than the file",
        ),
    ],
)
def test_what_the_gateway_could_not_read_is_not_bought_with(
    tmp_path: Path, back: Video | NoReply, why: str
) -> None:
    """Whatever the store said when it took the file."""
    with a_film(tmp_path, back) as run:
        uploaded(run)
        assert run.next() is None and run.purchases == []
        assert run.told[-1]["reason"].endswith(f"{PUBLIC}/{NAME} {why}")


def test_a_store_that_takes_nothing_is_not_asked_again(tmp_path: Path) -> None:
    """Its trouble is told for every shot."""
    (tmp_path / "store").write_text("a file where the folder should be")
    with a_film(tmp_path) as run:
        uploaded(run)
        assert list(run.context.unstorable) == [0]
        queue(run.context, run.context.wanted(0, run.job.plan.actions[0]))
        uploaded(run)
        assert run.events == ["uploading", *["unsendable"] * 3]


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    """A run that was killed uploads nothing twice."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / NAME).write_bytes(STILL)
    before = (tmp_path / "store" / NAME).stat()
    with a_film(tmp_path, good()) as run:
        uploaded(run)
        assert run.next_of(Wanted)
    after = (tmp_path / "store" / NAME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_two_manifests_may_store_one_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither takes away the copy that the other is about to give its name."""
    (tmp_path / NAME).write_bytes(STILL)
    store = FolderStore(tmp_path / "store", PUBLIC)
    taken, sync = Snapshot("a.png", tmp_path / NAME, NAME, len(STILL), STILL), disk.sync

    def meanwhile(fd: int) -> None:
        monkeypatch.setattr(disk, "sync", sync)
        anyio.run(store.keep, taken)
        sync(fd)

    monkeypatch.setattr(disk, "sync", meanwhile)
    anyio.run(store.keep, taken)
    assert [path.name for path in (tmp_path / "store").iterdir()] == [NAME]
    assert (tmp_path / "store" / NAME).read_bytes() == STILL

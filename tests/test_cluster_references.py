"""What orders refer to is where the gateway can read it before they are handed over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from klingflow.assets.folders import FolderStore as Assets
from klingflow.cluster.orders import content_of
from klingflow.cluster.references import Uploaded, Uploading
from klingflow.cluster.store import FolderStore
from klingflow.cluster.waits import supply_of, waiting
from klingflow.errors import StoreAway
from klingflow.gateway.http import Gateway
from klingflow.ledger.lines import journal_line
from klingflow.model import Json, Purchase
from tests.clusters import Shelf, a_store, order
from tests.greys import film
from tests.pictures import png
from tests.purchases import done
from tests.runs import Run, a_run

pytestmark = pytest.mark.anyio

STILL, FILM, SMALL = png(), film(5), film(5, (320, 180))
PUBLIC = "https://cdn.example.com/refs"
SHA256 = hashlib.sha256(STILL).hexdigest()
MEI: Json = {"file": "mei.png", "sha256": SHA256}
END: Json = {"from": "opening", "frame": "last", "purchase": "uid-0"}
WHOLE: Json = {"from": "opening", "purchase": "uid-0"}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store of claims that nobody has used yet."""
    return a_store(tmp_path / "claims")


@contextmanager
def a_film(folder: Path, video: bytes | None = FILM, url: str | None = None) -> Iterator[Run]:
    """A film with a still, and with `opening`, whose `video` is on this disk."""
    (folder / "mei.png").write_bytes(STILL)
    source = replace(done("opening", uid="uid-0"), video_url=url)
    if video is not None:
        path = folder / "outputs" / "film" / "opening.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes(video)
        sha256 = hashlib.sha256(video).hexdigest()
        source = replace(source, sha256=sha256, size_bytes=len(video))
    with a_run(folder, shots={"opening": {"prompt": "x"}}, bought=[source]) as run:
        run.job.store = Assets(folder / "public", PUBLIC)
        yield run


def made_from(shot: str, image: Json, *allow: str) -> Purchase:
    """An order of a shot that begins with something else."""
    intent = replace(order(shot), body={"prompt": "x", "image": image})
    needs = {"opening": supply_of(done("opening", uid="uid-0"))} if "from" in image else {}
    return waiting(intent, needs, allow) if needs else intent


async def uploaded(run: Run, store: FolderStore, *orders: Purchase) -> tuple[Uploaded, list[str]]:
    """Upload what orders refer to. Return also what was told."""
    told: list[str] = []
    shelf = Shelf(run.job.site.folder / "public")

    def inform(event: str, **facts: Any) -> None:
        told.append(f"{event} {facts['file']}")

    reader = cast(Gateway, shelf)
    uploading = Uploading(run.job, store, lambda _: nullcontext(reader), inform, 2)
    return await uploading.upload(orders), told


async def test_each_content_is_uploaded_once(store: FolderStore, tmp_path: Path) -> None:
    """However many shots begin with it; it is read back before anything is handed over."""
    orders = [made_from("a", MEI), made_from("b", MEI), made_from("c", {**MEI, "file": "m.png"})]
    with a_film(tmp_path) as run:
        found, told = await uploaded(run, store, *orders)
    assert found == Uploaded({SHA256: f"{PUBLIC}/{SHA256}.png"})
    assert told == ["uploading mei.png", "uploaded mei.png"]


async def test_a_frame_of_a_video_that_is_here_goes_before(
    store: FolderStore, tmp_path: Path
) -> None:
    """No host has to have the video."""
    with a_film(tmp_path) as run:
        found, told = await uploaded(run, store, made_from("a", END))
    (frame,) = (tmp_path / "public").iterdir()
    assert found == Uploaded({content_of(END): f"{PUBLIC}/{frame.name}"})
    assert told[-1] == "uploaded the last frame of opening"


async def test_a_store_of_claims_that_is_away_is_told_as_such(
    store: FolderStore, tmp_path: Path
) -> None:
    """It is asked whether hosts have a video that is not here."""
    (store.folder / "store.json").unlink()
    with a_film(tmp_path, video=None) as run, pytest.raises(StoreAway):
        await uploaded(run, store, made_from("a", END))


@pytest.mark.parametrize("answers", [True, False])
async def test_a_whole_video_goes_by_its_address_while_that_answers(
    store: FolderStore, tmp_path: Path, answers: bool
) -> None:
    """Otherwise as a copy of the video on this disk."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "old.mp4").write_bytes(FILM if answers else b"gone")
    url = f"{PUBLIC}/old.mp4"
    with a_film(tmp_path, url=url) as run:
        found, _ = await uploaded(run, store, made_from("a", WHOLE))
    copy = f"{PUBLIC}/{hashlib.sha256(FILM).hexdigest()}.mp4"
    assert found.addresses == {content_of(WHOLE): url if answers else copy}


@pytest.mark.parametrize("at_hosts", [True, False])
async def test_a_video_that_is_not_here_is_the_hosts(
    store: FolderStore, tmp_path: Path, at_hosts: bool
) -> None:
    """If they have brought it; otherwise nobody could make the shot."""
    if at_hosts:
        store.put("purchases/uid-0.done", journal_line(done("opening", uid="uid-0")))
    wanted = made_from("a", END)
    with a_film(tmp_path, None) as run:
        found, told = await uploaded(run, store, wanted)
    assert found.addresses == {} and told == []
    whys = list(found.unsendable.values())
    assert not whys if at_hosts else "needs its video, which is not on this disk" in whys[0]


async def test_what_the_service_does_not_take_is_not_handed_over(
    store: FolderStore, tmp_path: Path
) -> None:
    """Except for a shot that allows it."""
    orders = [made_from("a", END), made_from("b", END, "image-size")]
    with a_film(tmp_path, SMALL) as run:
        found, _ = await uploaded(run, store, *orders)
    assert [*found.unsendable] == [orders[0].uid]
    assert "is 320x180" in found.unsendable[orders[0].uid] and len(found.addresses) == 1


async def test_a_film_without_a_store_for_files_sends_none(
    store: FolderStore, tmp_path: Path
) -> None:
    """The order says so, and others go."""
    with a_film(tmp_path) as run:
        run.job.store = None
        found, _ = await uploaded(run, store, made_from("a", MEI), order("b"))
    assert [*found.unsendable] == [order("a").uid]

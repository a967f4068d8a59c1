"""The references of a manifest: listed, uploaded, and asked for as the gateway would ask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api.loading import load
from klingflow.api.references import references
from klingflow.api.site import Wish, site_of
from klingflow.model import LocalFile, Manifest
from klingflow.results.references import Listed, State, listed
from klingflow.sandbox.child import start
from klingflow.sandbox.options import Options
from tests.harness import Pipeline, pipeline_at
from tests.keeping import keep
from tests.pictures import png
from tests.purchases import done

AWAY = "https://cdn.example.com/a.png"
SHOTS = {
    "a": {"prompt": "x", "image": "refs/a.png"},
    "b": {"prompt": "y", "image": "refs/a.png"},
    "c": {"prompt": "z", "image": "refs/gone.png"},
    "d": {"prompt": "z", "image": AWAY},
}


@pytest.fixture
def film(tmp_path: Path) -> Pipeline:
    pipeline = pipeline_at(tmp_path / "film")
    pipeline.write(SHOTS)
    (pipeline.folder / "refs").mkdir()
    (pipeline.folder / "refs" / "a.png").write_bytes(png())
    return pipeline


def manifest_of(film: Pipeline) -> Manifest:
    return load(film.manifest)


def test_each_reference_is_listed_once_with_its_shots(film: Pipeline) -> None:
    """A file that is here with its size, one that is not with what the ledger has of it."""
    found = listed(manifest_of(film), [], {"refs/gone.png": "2"})
    sha256 = hashlib.sha256(png()).hexdigest()
    assert found == [
        Listed("refs/a.png", "local", ("a", "b"), len(png()), sha256),
        Listed("refs/gone.png", "missing", ("c",), None, "2"),
        Listed(AWAY, "remote", ("d",)),
    ]


@pytest.mark.parametrize(
    ("known", "state"),
    [({"refs/a.png": "1"}, "there"), ({"refs/a.png": "2"}, "changed"), ({"b.png": "1"}, "there")],
)
def test_the_ledger_says_what_became_of_a_file(
    film: Pipeline, known: dict[str, str], state: str
) -> None:
    """Uploaded with this content, under this name or another, or with another content."""
    files = {"refs/a.png": LocalFile("refs/a.png", 5, "1", "png", 640, 360)}
    made = replace(manifest_of(film), files=files)
    assert listed(made, [], known)[0].state == state


def test_what_no_shot_names_any_more_is_unused(film: Pipeline) -> None:
    """It may be deleted; the ledger keeps path and content."""
    body = {"image": {"file": "refs/old.png", "sha256": "3"}}
    keep(site_of(film.manifest, Wish()).paths, replace(done("old"), body=body))
    told = film.data("refs", "film.yaml")["references"]
    assert told[-1] == {"name": "refs/old.png", "state": "unused", "shots": ["old"]}
    assert "missing  refs/gone.png" in film.do("refs", "film.yaml")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which a server shows it."""
    folder = tmp_path / "film" / "store"
    with start(Options(refs=str(folder), plain_clips=True)) as sandbox:
        yield folder, f"{sandbox.base_url}/refs"


def test_push_uploads_what_is_here(film: Pipeline, served: tuple[Path, str]) -> None:
    """Each file once, read back; a folder that nothing shows is told of with exit code 3."""
    folder, public = served
    film.write(SHOTS, assets={"store": f"file://{folder}", "public_url": public})
    assert "uploaded refs/a.png" in film.do("refs", "film.yaml", "--push")
    (stored,) = folder.iterdir()
    assert stored.read_bytes() == png()
    film.write(SHOTS, assets={"store": f"file://{folder}", "public_url": f"{public}/no"})
    said = film.do("refs", "film.yaml", "--push", code=3)
    assert "NOT uploaded refs/a.png" in said and "answers HTTP 404" in said


def test_push_in_the_sandbox_needs_no_store(film: Pipeline) -> None:
    """The sandbox keeps the files itself, as in a run; what it has is not the user's store."""
    assert "uploaded refs/a.png" in film.do("refs", "film.yaml", "--push", "--sandbox")
    (stored,) = film.folder.glob(".klingflow/**/refs/*.png")
    assert stored.read_bytes() == png()


def test_push_needs_a_store(film: Pipeline) -> None:
    """It says how to name one."""
    assert "name one in assets:, or set KLINGFLOW_UPLOAD" in film.do(
        "refs", "film.yaml", "--push", code=2
    )


def test_check_and_doctor_say_what_the_gateway_cannot_read(
    film: Pipeline, served: tuple[Path, str]
) -> None:
    """A host of this network is not asked at all."""
    film.write({"a": {"prompt": "x", "image": f"{served[1]}/a.png"}})
    said = film.do("refs", "film.yaml", "--check", code=3)
    assert f"can NOT be read: {served[1]}/a.png: only your own network knows '127.0.0.1'" in said
    assert f"the gateway cannot read {served[1]}/a.png" in film.do(
        "doctor", "film.yaml", "--refs", code=2
    )


def test_refs_says_how_large_a_file_is_and_that_nothing_is_to_be_asked_for(film: Pipeline) -> None:
    """A small still is not of 0.0 MB, and `--check` without an address is not silent."""
    film.write({"a": {"prompt": "x", "image": "refs/a.png"}})
    assert "  local  refs/a.png  1 kB  a\n" in film.do("refs", "film.yaml")
    assert "film.yaml: no reference to ask for\n" in film.do("refs", "film.yaml", "--check")


CHAIN = {
    "door": {"prompt": "x"},
    "after": {"prompt": "y", "image": {"from": "door", "frame": "last"}},
    "wide": {"prompt": "z", "image": {"from": "door", "frame": "last"}},
}


@pytest.mark.parametrize(
    ("takes", "here", "state"),
    [
        ({}, False, "later"),
        ({"door": ""}, True, "local"),
        ({"door": ""}, False, "later"),
        ({"door": "", "after": "now"}, True, "there"),
        ({"door": "", "after": "before"}, True, "changed"),
    ],
)
def test_a_frame_of_another_shots_video_is_listed(
    film: Pipeline, takes: dict[str, str], here: bool, state: State
) -> None:
    """Once, with the shots that begin with it; and how it stands beside the ledger."""
    film.write(CHAIN)
    video = b"a video"
    sha256, place = hashlib.sha256(video).hexdigest(), "outputs/film/door.mp4"
    door = replace(done("door"), output=place, sha256=sha256, size_bytes=len(video))
    source = {"now": door.uid, "before": "20260608065249123-0123456789ab"}
    kept = [door] if "door" in takes else []
    if take := takes.get("after"):
        record = {"from": "door", "frame": "last", "purchase": source[take]}
        kept.append(replace(done("after"), body={"image": record}))
    keep(site_of(film.manifest, Wish()).paths, *kept)
    if here:
        (film.folder / "outputs" / "film").mkdir(parents=True)
        (film.folder / "outputs" / "film" / "door.mp4").write_bytes(video)
    found = references(manifest_of(film), Wish())
    assert found == [Listed("the last frame of door", state, ("after", "wide"))]


def test_a_frame_that_no_shot_begins_with_any_more_is_unused(film: Pipeline) -> None:
    """The ledger has a purchase that began with it."""
    body = {"image": {"from": "old", "frame": "50%", "purchase": done("old").uid}}
    keep(site_of(film.manifest, Wish()).paths, replace(done("after"), body=body))
    film.write(CHAIN)
    assert [(one.name, one.state) for one in references(manifest_of(film), Wish())] == [
        ("the last frame of door", "later"),
        ("the frame at 50% of old", "unused"),
    ]

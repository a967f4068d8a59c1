"""What the ledger says of a manifest's shots, and why one of them counts as changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klingflow.api.loading import load
from klingflow.api.planning import book_of
from klingflow.api.reporting import only_tried, status, status_by, why
from klingflow.api.site import Wish, site_of
from klingflow.errors import NothingSelected, UsageError
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import SANDBOX
from klingflow.model import Manifest
from tests.harness import pipeline_at
from tests.keeping import keep
from tests.purchases import LATER, done, doubtful


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Two takes of `a`, and `b`."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x", "takes": 2}, "b": {"prompt": "y"}})
    return load(film.manifest)


def lock_of(manifest: Manifest) -> Path:
    return site_of(manifest.path, Wish()).paths.lock


@pytest.fixture
def bought(manifest: Manifest) -> Manifest:
    """The first take of `a` is here, `b` in doubt."""
    keep(site_of(manifest.path, Wish()).paths, done("a"), doubtful("b"))
    return manifest


def told(record: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Each shot's id, take and state."""
    return [(shot["id"], shot["take"], shot["state"]) for shot in record["shots"]]


def test_every_shot_is_told_by_the_ledger(bought: Manifest) -> None:
    """In the manifest's order, with what is in doubt and the commands that settle it."""
    record = status(bought, Wish())
    assert told(record) == [("a", 1, "done"), ("a", 2, "new"), ("b", 1, "in_doubt")]
    assert [doubt["key"] for doubt in record["doubts"]] == ["b"]
    assert f"klingflow resolve {bought.path} b" in str(record["doubts"])
    assert record["problems"] == []


def test_doubts_stand_as_the_manifest_has_their_takes(tmp_path: Path) -> None:
    """A storyboard is gone through from its beginning; what is no longer in it comes last."""
    film = pipeline_at(tmp_path)
    film.write({"z": {"prompt": "x"}, "b": {"prompt": "y"}})
    manifest = load(film.manifest)
    keep(site_of(manifest.path, Wish()).paths, doubtful("a"), doubtful("b"), doubtful("z"))
    assert [doubt["key"] for doubt in status(manifest, Wish())["doubts"]] == ["z", "b", "a"]


def test_what_was_only_tried_in_the_sandbox_is_told_apart(manifest: Manifest) -> None:
    """Who forgets `--sandbox` sees nothing but new takes."""
    assert not only_tried(manifest, status(manifest, Wish()), Wish())
    keep(site_of(manifest.path, Wish(sandbox=True)).paths, done("a"))
    assert only_tried(manifest, status(manifest, Wish()), Wish())
    in_sandbox = Wish(sandbox=True)
    assert not only_tried(manifest, status(manifest, in_sandbox), in_sandbox)
    keep(site_of(manifest.path, Wish()).paths, done("a"))
    assert not only_tried(manifest, status(manifest, Wish()), Wish())


def test_a_book_that_is_read_already_is_not_read_again(bought: Manifest) -> None:
    """A run may write meanwhile, and what is made of one reading has to fit together."""
    site = site_of(bought.path, Wish())
    book = book_of(bought, site)
    keep(site.paths, done("a", 2))
    record = status_by(bought, book, Wish(), site)
    assert told(record) == [("a", 1, "done"), ("a", 2, "new"), ("b", 1, "in_doubt")]


def test_only_selected_shots_are_told(bought: Manifest) -> None:
    """Nor is a doubt about another one."""
    record = status(bought, Wish(select=["a"]))
    assert told(record) == [("a", 1, "done"), ("a", 2, "new")]
    assert record["doubts"] == []


def test_what_is_wrong_with_the_ledger_is_said(bought: Manifest) -> None:
    """In words, for a person."""
    lock = lock_of(bought)
    lock.write_bytes(b"<<<<<<< HEAD\n" + lock.read_bytes())
    assert any("film.lock" in problem for problem in status(bought, Wish())["problems"])


def test_the_sandboxs_status_is_its_own(bought: Manifest) -> None:
    """Nothing that was really bought counts there."""
    record = status(bought, Wish(sandbox=True))
    assert {state for _, _, state in told(record)} == {"new"}
    assert record["gateway"] == SANDBOX


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("a", "a has changed since it was bought (task_a)"),
        ("a#2", "a#2 was never bought."),
        ("b", "b has changed since it was bought"),
    ],
)
def test_one_take_is_explained(bought: Manifest, key: str, says: str) -> None:
    """`a` is what every table calls its first take."""
    answer = why(bought, key, Wish())
    assert answer["shot"] == key
    assert str(answer["says"]).startswith(says)


def test_several_takes_are_not_explained_at_once(bought: Manifest) -> None:
    """Nor is one that does not exist."""
    with pytest.raises(UsageError, match=r"^'\*' means 3 takes; name one$"):
        why(bought, "*", Wish())
    with pytest.raises(NothingSelected, match="gone"):
        why(bought, "gone", Wish())


def test_every_video_of_a_take_is_listed(manifest: Manifest) -> None:
    """Those that were replaced too, and whether they are here."""
    site = site_of(manifest.path, Wish())
    data = b"0123456789"
    away = "outputs/film/earlier/a.1-00000001.mp4"
    (site.folder / away).parent.mkdir(parents=True)
    (site.folder / away).write_bytes(data)
    first = replace(done("a"), output=away, sha256=hashlib.sha256(data).hexdigest())
    keep(site.paths, first, done("a", attempt=2))
    shot = status(manifest, Wish())["shots"][0]
    assert shot["file"] == "outputs/film/a.mp4"
    assert [(v["attempt"], v["file"], v["present"]) for v in shot["versions"]] == [
        (1, away, True),
        (2, "outputs/film/a.mp4", False),
    ]


def test_a_video_that_cannot_be_had_has_its_ways_out(manifest: Manifest) -> None:
    """As at the end of the run that gave it up; not once a copy is in its place."""
    site = site_of(manifest.path, Wish())
    data = b"0123456789"
    there = replace(done("a"), sha256=hashlib.sha256(data).hexdigest())
    keep(site.paths, advance(there, "undelivered", LATER))
    assert status(manifest, Wish())["ways_out"][-1].endswith("-s a --rerun failed`")
    copy = site.folder / "outputs/film/a.mp4"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(data)
    assert status(manifest, Wish())["ways_out"] == []

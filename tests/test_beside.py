"""What the other manifests of a folder hold by their locks."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.ledger.beside import Holding, Owner, holdings, keeper, of_others, owner_of
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import lock_line
from klingflow.ledger.places import SANDBOX, Site, site_at
from klingflow.manifest.folds import same_file
from klingflow.model import Purchase
from tests.purchases import done, intent, submitted


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "ep2.yaml").touch()
    return site_at(tmp_path / "ep2.yaml")


def lock(path: Path, *purchases: Purchase, profile: str = "") -> Path:
    """A lock with these purchases."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = lock_header("l1", 1, len(purchases), profile=profile)
    path.write_bytes(header + b"".join(map(lock_line, purchases)))
    return path


def test_what_the_locks_beside_a_manifest_hold(site: Site) -> None:
    """Everything that was or may be bought, wherever it goes; not what was refused."""
    folder = site.folder
    (folder / "ep1.yml").touch()
    refused = replace(intent("d"), state="rejected")
    named = replace(submitted('Ü,"output":"x.mp4'), output="outputs/Ü/é.mp4")
    ours = lock(folder / "ep1.lock", done("a"), submitted("b"), refused, named)
    outputs = map(same_file, ("outputs/film/a.mp4", "outputs/film/b.mp4", "outputs/Ü/é.mp4"))
    assert holdings(site) == [Holding(folder / "ep1.yml", ours, frozenset(outputs))]


def test_a_lock_without_its_manifest_holds_nothing(site: Site) -> None:
    """Nor does one's own, or another program's."""
    for name in ("ep2", "gone", "uv"):
        lock(site.folder / f"{name}.lock", done("a"))
    (site.folder / "ep3.yaml").touch()
    (site.folder / "ep3.lock").mkdir()
    assert holdings(site) == []


def test_the_sandbox_has_locks_of_its_own(site: Site) -> None:
    """What it sold is no real film's."""
    sandbox = site_at(site.file, origin=SANDBOX)
    (site.folder / "ep1.yaml").touch()
    held = lock(site.folder / ".klingflow/sandbox/ep1.lock", done("a"))
    assert holdings(site) == []
    assert [one.lock for one in holdings(sandbox)] == [held]


@pytest.mark.parametrize(
    "line",
    [b"", b"\xff\x00", b'{"shot":"a","output":"', b'{"shot":"a","output":"\\x"}', b'{"output":5}'],
)
def test_a_damaged_lock_is_read_as_far_as_it_goes(site: Site, line: bytes) -> None:
    """The lines before and behind count."""
    (site.folder / "ep1.yaml").touch()
    held = lock(site.folder / "ep1.lock", done("a"))
    held.write_bytes(line + b"\n" + held.read_bytes() + line)
    assert [one.outputs for one in holdings(site)] == [{"outputs/film/a.mp4"}]


def test_a_body_names_no_place(site: Site) -> None:
    """A request may hold any word."""
    (site.folder / "ep1.yaml").touch()
    odd = replace(done("a"), output=None, body={"output": "outputs/film/x.mp4"})
    lock(site.folder / "ep1.lock", odd)
    assert [one.outputs for one in holdings(site)] == [frozenset()]


@pytest.mark.parametrize(
    ("text", "kept_by"),
    [
        (
            json.dumps({"name": "drama", "manifest": "a/ep1.yaml", "shots": []}, indent=1),
            "ep1.yaml",
        ),
        (json.dumps({"manifest": '片"头.yaml'}), '片"头.yaml'),
        (json.dumps({"manifest": "a/ep1.yaml", "profile": "draft"}), "ep1.draft.yaml"),
        (json.dumps({"manifest": "a/ep1.yaml", "profile": None}), "ep1.yaml"),
        (json.dumps({"manifest": "a/ep1.yaml", "profile": "../x"}), "ep1.../x.yaml"),
        (
            json.dumps({"manifest": "ep1.yaml", "profile": None, "shots": [{"profile": "x"}]}),
            "ep1.yaml",
        ),
        ("{}", ""),
        ("", ""),
    ],
)
def test_a_record_says_whose_it_is(tmp_path: Path, text: str, kept_by: str) -> None:
    """By the manifest that it names."""
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    assert keeper(tmp_path / "manifest.json") == kept_by
    assert keeper(tmp_path / "absent.json") is None


def test_a_record_that_is_a_pipe_is_none(tmp_path: Path) -> None:
    """Nobody writes to it, so a reader would wait for ever."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(tmp_path / "manifest.json")
    assert keeper(tmp_path / "manifest.json") is None


def test_files_of_other_manifests_are_known(site: Site) -> None:
    """By a lock beside this one, on every file system; and all below a folder with a ledger."""
    (site.folder / "ep1.yaml").touch()
    lock(site.folder / "ep1.lock", done("a"))
    (site.folder / "sub/.klingflow").mkdir(parents=True)
    (site.folder / ".klingflow").mkdir()
    theirs = {"outputs/film/a.mp4", "Outputs/Film/A.mp4", "sub/outputs/x.mp4", "sub/x.mp4"}
    assert of_others(site, {*theirs, "outputs/film/b.mp4", "x.mp4"}) == theirs


@pytest.mark.parametrize(
    ("profile", "manifests", "owner"),
    [
        ("draft", ["film.yml"], ("film.yml", "draft")),
        ("draft", [], ("film.yaml", "draft")),
        ("draft", ["film.yaml", "film.draft.yaml"], ("film.draft.yaml", "")),
        ("", ["film.yaml"], ("film.draft.yaml", "")),
        ("rough", ["film.yaml"], ("film.draft.yaml", "")),
    ],
)
def test_a_lock_of_drafts_says_so_itself(
    tmp_path: Path, profile: str, manifests: list[str], owner: tuple[str, str]
) -> None:
    """`film.v2.lock` may as well be what a manifest `film.v2.yaml` has left."""
    for name in manifests:
        (tmp_path / name).touch()
    held = lock(tmp_path / "film.draft.lock", profile=profile)
    assert owner_of(held, tmp_path) == Owner(tmp_path / owner[0], owner[1])


def test_drafts_of_a_film_hold_their_videos(site: Site) -> None:
    """Against the film itself, too: `output:` may have no {name}."""
    held = lock(site.folder / "ep2.draft.lock", done("a"), profile="draft")
    outputs = frozenset({"outputs/film/a.mp4"})
    assert holdings(site) == [Holding(site.manifest, held, outputs, "draft")]
    assert holdings(site)[0].named == f"{site.manifest} --profile draft"

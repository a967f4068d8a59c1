"""What a run writes is its manifest's alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from klingflow.api.apart import check_apart, problems
from klingflow.api.loading import load
from klingflow.errors import UsageError
from klingflow.ledger.places import Site, site_at
from klingflow.ledger.problems import worded
from klingflow.model import Manifest
from tests.harness import Pipeline, pipeline_at
from tests.purchases import done
from tests.test_beside import lock


def film(folder: Path, stem: str, shot: str = "a", **top: Any) -> tuple[Site, Manifest]:
    """A manifest with its site."""
    pipeline = Pipeline(folder, pipeline_at(folder).environ, stem)
    pipeline.write({shot: {"prompt": "x"}}, **top)
    return site_at(pipeline.manifest), load(pipeline.manifest)


def test_two_manifests_with_names_of_their_own_are_apart(tmp_path: Path) -> None:
    """Beside each other, and in one run."""
    lock(tmp_path / "film.lock", done("a"))
    films = [film(tmp_path, "film"), film(tmp_path, "other")]
    check_apart(films)
    assert [problems(*one) for one in films] == [[], []]


@pytest.mark.parametrize(
    ("top", "path"),
    [
        ({"name": "film"}, "outputs/film/manifest.json"),
        ({"output": "outputs/film/{shot}.mp4"}, "outputs/film/a.mp4"),
        ({"output": "outputs/FILM/A.mp4"}, "outputs/FILM/A.mp4"),
    ],
    ids=["name", "output", "a name that some file systems take for one"],
)
def test_what_another_manifest_s_lock_has_is_refused(
    tmp_path: Path, top: dict[str, str], path: str
) -> None:
    """Both manifests, the file, and what to change are named; `plan` says it too."""
    film(tmp_path, "film")
    held = lock(tmp_path / "film.lock", done("a"))
    ours = film(tmp_path, "other", **top)
    with pytest.raises(UsageError) as refused:
        check_apart([ours])
    other, mine = tmp_path / "film.yaml", tmp_path / "other.yaml"
    assert str(refused.value) == (
        f"{other} and {mine} both write {path}, which {held} has; give one of them another name:"
        " or output:"
    )
    assert [worded(problem) for problem in problems(*ours)] == [
        f"{other} has {path} by its lock; no run writes there: give one of the two another name:"
        " or output:"
    ]


def test_shots_that_differ_still_share_a_record(tmp_path: Path) -> None:
    """Two episodes of one name: the record of one would say nothing of the other's videos."""
    film(tmp_path, "film")
    lock(tmp_path / "film.lock", done("a"))
    with pytest.raises(UsageError, match=r"both write outputs/film/manifest\.json, which"):
        check_apart([film(tmp_path, "other", "b", name="film")])


@pytest.mark.parametrize(("names", "refused"), [("film.yaml", True), ("other.yaml", False)])
def test_a_record_that_is_there_says_whose_it_is(tmp_path: Path, names: str, refused: bool) -> None:
    """Whatever videos lie beside it."""
    film(tmp_path, "film", output="clips/{shot}.mp4")
    lock(tmp_path / "film.lock", done("z"))
    (tmp_path / "outputs/film").mkdir(parents=True)
    (tmp_path / "outputs/film/manifest.json").write_text(json.dumps({"manifest": names}))
    ours = film(tmp_path, "other", name="film", output="x/{shot}.mp4")
    assert [p.place.file for p in problems(*ours)] == ["outputs/film/manifest.json"] * refused


def test_once_the_other_manifest_is_gone_nothing_is_held(tmp_path: Path) -> None:
    """Its lock alone is for `lock merge`."""
    lock(tmp_path / "film.lock", done("a"))
    check_apart([film(tmp_path, "other", name="film")])


def test_two_manifests_of_one_run_must_not_write_one_file(tmp_path: Path) -> None:
    """Also in two folders, through a link of the user's."""
    (tmp_path / "disk").mkdir()
    films = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "outputs").symlink_to(tmp_path / "disk")
        films.append(film(tmp_path / name, "film"))
    with pytest.raises(UsageError, match=r"both write .*; give one of them another name: or"):
        check_apart(films)


@pytest.mark.parametrize("trace", ["film.lock", ".klingflow/film.journal"])
@pytest.mark.parametrize("output", ["sub/{shot}.mp4", "sub/deep/outputs/{shot}.mp4"])
def test_nothing_is_written_into_a_project_below(tmp_path: Path, trace: str, output: str) -> None:
    """Whether it was run here or only checked out; `plan` says it too."""
    (tmp_path / "sub").mkdir()
    film(tmp_path / "sub", "film")
    (tmp_path / "sub" / trace).parent.mkdir(exist_ok=True)
    (tmp_path / "sub" / trace).touch()
    ours = film(tmp_path, "other", output=output)
    path = output.replace("{shot}", "a")
    with pytest.raises(UsageError, match=rf"writes {path}, but .*/sub is a project with a ledger"):
        check_apart([ours])
    assert [(one.kind, one.place.file) for one in problems(*ours)] == [("place_below", path)]
    check_apart([film(tmp_path, "other", output="subtitles/{shot}.mp4")])


@pytest.mark.parametrize("output", ["ref.png/{shot}.mp4", "ref.png/deep/{shot}.mp4"])
def test_a_file_where_a_folder_is_needed_is_said_before_anything_is_bought(
    tmp_path: Path, output: str
) -> None:
    """What was bought could not be put down; `plan` says it too."""
    (tmp_path / "ref.png").touch()
    ours = film(tmp_path, "film", output=output)
    path = output.replace("{shot}", "a")
    with pytest.raises(UsageError) as refused:
        check_apart([ours])
    manifest, blocker = tmp_path / "film.yaml", tmp_path / "ref.png"
    assert str(refused.value) == (
        f"{manifest} writes {path}, but {blocker} is no folder; move it away or change output:"
    )
    assert [(one.kind, one.place.file) for one in problems(*ours)] == [("place_blocked", path)]

"""What the page of a film shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from klingflow.api.gallery import Gallery, look
from klingflow.api.loading import load
from klingflow.api.site import Wish, site_of
from klingflow.errors import UsageError
from klingflow.model import Json
from tests.harness import pipeline_at
from tests.keeping import keep
from tests.purchases import done

SHOTS = {
    "a": {"prompt": "x", "takes": 2, "scene": "雨夜", "image": "https://example.com/a.png"},
    "b": {"prompt": "y"},
}


def shown(folder: Path, *, log: str | None = None) -> Gallery:
    """The page of a film of which the first take of `a` and a shot that is gone were bought."""
    film = pipeline_at(folder)
    film.write(SHOTS)
    manifest = load(film.manifest)
    paths = site_of(manifest.path, Wish()).paths
    keep(paths, done("a", uid="u1"), done("gone", uid="u2"))
    return look(manifest, Wish(), log)


def by_key(gallery: Gallery) -> dict[str, Any]:
    return {take["key"]: take for take in gallery.data["takes"]}


def test_every_take_is_shown_with_what_was_bought_beyond_the_manifest(tmp_path: Path) -> None:
    """In the manifest's order; what was paid for is never hidden."""
    takes = by_key(shown(tmp_path))
    assert [*takes] == ["a", "a#2", "b", "gone"]
    assert [take.get("gone", False) for take in takes.values()] == [False, False, False, True]


def test_a_take_says_what_differs_from_the_manifest(tmp_path: Path) -> None:
    """With the author's field, as `why` does; and what it is made from."""
    take = by_key(shown(tmp_path))["a"]
    assert "prompt" in {change["field"] for change in take["changes"]}
    assert take["references"] == [{"kind": "image", "address": "https://example.com/a.png"}]


def test_a_take_says_its_lines_and_the_prompts_of_its_cuts(tmp_path: Path) -> None:
    """Whoever speaks them, and however they are written down."""
    film = pipeline_at(tmp_path)
    cuts = [{"seconds": 2, "prompt": "门开"}, {"seconds": 3, "prompt": "雨"}]
    film.write({"a": {"cuts": cuts, "seconds": 5, "dialogue": ["走", {"林夏": "好"}]}})
    (take,) = look(load(film.manifest), Wish()).data["takes"]
    assert (take["dialogue"], take["prompt"]) == (["走", "林夏：好"], "门开\n雨")


@pytest.mark.parametrize("dialogue", ["", " ", [], [" ", {}]])
def test_a_take_in_which_nothing_is_said_has_no_lines(tmp_path: Path, dialogue: Json) -> None:
    """A text in place of a list would end the script that draws the page."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x", "dialogue": dialogue}})
    (take,) = look(load(film.manifest), Wish()).data["takes"]
    assert "dialogue" not in take


def test_a_change_of_any_file_that_was_read_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whatever folder the command is called: the page follows prices, rows and references."""
    film = pipeline_at(tmp_path / "film")
    film.write(SHOTS)
    monkeypatch.chdir(tmp_path)
    watched = look(load("film/film.yaml"), Wish()).watched
    assert {"film.yaml", "prices.yaml"} <= {path.name for path in watched if path.exists()}


def test_money_is_summed_by_scene_and_by_day(tmp_path: Path) -> None:
    """By the same account as everywhere."""
    data = shown(tmp_path).data
    assert [(one["name"], [*one["shares"]]) for one in data["by_scene"]] == [
        ("雨夜", ["spent"]),
        ("", ["spent"]),
    ]
    assert sum(one["shares"]["spent"]["purchases"] for one in data["by_day"]) == 2


def test_scenes_are_summed_in_the_order_of_the_film(tmp_path: Path) -> None:
    """Whichever was bought first."""
    film = pipeline_at(tmp_path)
    film.write({n: {"prompt": n, "scene": f"scene {n}"} for n in "ab"} | {"c": {"prompt": "c"}})
    manifest = load(film.manifest)
    bought = [done(n, uid=f"u{at}") for at, n in enumerate("cba")]
    keep(site_of(manifest.path, Wish()).paths, *bought)
    sums = look(manifest, Wish()).data["by_scene"]
    assert [one["name"] for one in sums] == ["scene a", "scene b", ""]


def test_only_videos_of_the_ledger_are_shown(tmp_path: Path) -> None:
    """A video that is not there, or is another than was bought, is none."""
    assert shown(tmp_path).videos == {}


def test_the_log_of_a_run_says_when_the_gateway_was_busy(tmp_path: Path) -> None:
    """Whatever else stands in it."""
    log = tmp_path / "run.jsonl"
    line = '{"at":"2026-06-08T12:00:05.000Z","event":"limited"}'
    log.write_text(f'nothing\n[]\n{line}\n{{"event":"poll","at":"limited"}}\n', "utf-8")
    assert shown(tmp_path, log=str(log)).data["marks"] == [{"at": "2026-06-08T12:00:05.000Z"}]


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It was asked for."""
    with pytest.raises(UsageError, match=r"none\.jsonl"):
        shown(tmp_path, log=str(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("name", ["outputs", "outputs/film"])
def test_a_link_in_the_folder_leads_no_report_elsewhere(tmp_path: Path, name: str) -> None:
    """A folder may come from a stranger; nothing is written where its links lead."""
    film, mine = pipeline_at(tmp_path / "film"), tmp_path / "mine"
    film.write(SHOTS)
    mine.mkdir()
    link = film.folder / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(mine)
    assert name in film.do("report", "film.yaml", code=2)
    assert [*mine.iterdir()] == []

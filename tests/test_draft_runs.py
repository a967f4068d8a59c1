"""Drafts as a user makes them: bought, picked, and the film bought after them, from the command
line.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.harness import Pipeline, charges, pipeline_at, sandboxed

SHOTS = {
    "opening": {"prompt": "rain over the city", "takes": 2},
    "alley": {"prompt": "she walks into the alley"},
    "pasted": {"request": {"model": "kling-2.5", "prompt": "x", "seconds": "5"}},
}
PROFILES = {"draft": {"seconds": 5, "takes": 1}, "rough": {"seconds": 5, "audio": False}}


def written(film: Pipeline, **top: Any) -> None:
    defaults = {"model": "kling-2.5", "resolution": "720P", "seconds": 10}
    film.write(SHOTS, profiles=PROFILES, defaults=defaults, **top)


def test_drafts_are_bought_and_picked_and_then_the_film(tmp_path: Path) -> None:
    """Nothing of a draft counts for the film; a body that both have is told, and bought by both."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        written(film)
        assert "film.draft: 3 done" in film.do("run", "film.yaml", "--profile", "draft", "-y")
        assert "Plan: 3 kept." in film.do("plan", "film.yaml", "--profile", "draft")
        film.do("pick", "film.yaml", "opening", "--profile", "draft")
        film.do("pick", "film.yaml", "pasted", "--profile", "draft")
        said = film.do("run", "film.yaml", "--approved", "draft", "-y")
        assert "film: 3 done" in said
        assert "film.yaml: pasted: also paid for in film.draft.lock" in said
        assert len(charges(sandbox)) == 6
    assert [line["shot"] for line in film.purchases()] == ["opening", "opening", "pasted"]
    assert sorted(path.relative_to(film.folder).as_posix() for path in film.videos()) == [
        "outputs/film.draft/alley.mp4",
        "outputs/film.draft/opening.mp4",
        "outputs/film.draft/pasted.mp4",
        "outputs/film/opening-2.mp4",
        "outputs/film/opening.mp4",
        "outputs/film/pasted.mp4",
    ]
    assert film.record()["profile"] is None


def test_a_film_and_two_drafts_are_run_at_once(tmp_path: Path) -> None:
    """Each holds a ledger of its own; together they buy every take once."""
    with sandboxed(tmp_path / "film", task_time="300ms") as (film, sandbox):
        written(film)
        runs = [
            film.begin("run", "film.yaml", "-y", *profile)
            for profile in ((), ("--profile", "draft"), ("--profile", "rough"))
        ]
        codes = [run.wait(timeout=240) for run in runs]
        assert codes == [0, 0, 0], [run.communicate() for run in runs]
        assert len(charges(sandbox)) == 4 + 3 + 4
    for run in runs:
        run.communicate()
    assert Counter(path.parent.name for path in film.videos()) == {
        "film": 4,
        "film.draft": 3,
        "film.rough": 4,
    }


def test_an_output_without_a_name_never_puts_a_draft_over_the_film(tmp_path: Path) -> None:
    """The second of them is refused before it buys; a profile may have an output of its own."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        written(film, output="videos/{shot}{take}.mp4")
        film.do("run", "film.yaml", "-y")
        said = film.do("run", "film.yaml", "--profile", "draft", "-y", code=2)
        assert "film.yaml and film.yaml --profile draft both write videos/opening.mp4" in said
        assert len(charges(sandbox)) == 4


def test_a_saved_plan_of_drafts_names_its_profile(tmp_path: Path) -> None:
    """It runs by itself, and never as a plan of the film."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        written(film)
        film.do("plan", "film.yaml", "--profile", "draft", "-o", "draft.json")
        said = film.do("run", "--plan", "draft.json", "--profile", "rough", "-y", code=2)
        assert "--profile comes from the plan" in said
        said = film.do("run", "--plan", "draft.json", "-y")
        assert "plan film.yaml --profile draft -o draft.json" in said
        assert not film.lock.exists()
        assert len(charges(sandbox)) == 3


def test_a_mistyped_name_of_drafts_is_told_where_it_was_typed(tmp_path: Path) -> None:
    """As an option, with the name that is meant."""
    film = pipeline_at(tmp_path / "film")
    written(film)
    said = film.do("plan", "film.yaml", "--approved", "drft", code=2)
    assert "--approved: there is no profile 'drft'; did you mean 'draft'? (film.yaml)" in said
    assert "--profile" not in said

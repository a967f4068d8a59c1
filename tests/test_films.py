"""The other ledgers of a film, and what they have cost."""

from __future__ import annotations

import sys
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from klingflow.api.films import at_stake, check_profile, other_ledgers, spent_beside
from klingflow.api.loading import load
from klingflow.api.planning import plan
from klingflow.api.reporting import status
from klingflow.api.site import Wish, site_of
from klingflow.errors import LinksRefused, UsageError
from klingflow.ledger.places import LedgerPaths
from klingflow.model import Sum
from klingflow.terminal import lineage_commands, lock_commands
from klingflow.terminal.options import Options
from tests.harness import Pipeline, pipeline_at
from tests.keeping import keep
from tests.purchases import done, submitted

PROFILES = {"draft": {"seconds": 5}, "rough": None}


@pytest.fixture
def film(tmp_path: Path) -> Pipeline:
    """A film with two profiles and a budget."""
    pipeline = pipeline_at(tmp_path)
    pipeline.write({"a": {"prompt": "x"}}, profiles=PROFILES, budget=20)
    return pipeline


def paths(film: Pipeline, profile: str = "") -> LedgerPaths:
    return site_of(film.manifest, Wish(), profile=profile).paths


def others(film: Pipeline, profile: str = "") -> list[str]:
    """The names of the other locks."""
    site = site_of(film.manifest, Wish(), profile=profile)
    return [one.lock.name for one in other_ledgers(site, PROFILES)]


def test_the_ledgers_of_a_film_are_its_own_and_those_of_its_drafts(film: Pipeline) -> None:
    """As far as they are there; also of a profile that the manifest has no more."""
    assert others(film) == others(film, "draft") == []
    for profile in ("", "draft", "gone"):
        keep(paths(film, profile), done("a"))
    assert others(film) == ["film.draft.lock", "film.gone.lock"]
    assert others(film, "draft") == ["film.lock", "film.gone.lock"]


def test_a_run_that_was_killed_before_its_lock_counts(film: Pipeline) -> None:
    keep(paths(film, "draft"), submitted("a"))
    paths(film, "draft").lock.unlink()
    assert others(film) == ["film.draft.lock"]


def test_the_ledger_of_another_manifest_is_no_draft(film: Pipeline) -> None:
    """Even if its name is that of a profile."""
    (film.folder / "film.draft.yaml").touch()
    keep(site_of(film.folder / "film.draft.yaml", Wish()).paths, done("a"))
    assert others(film) == []


def test_a_budget_counts_all_ledgers_of_a_film(film: Pipeline) -> None:
    """In plan and status, of the film and of its drafts; by the film's prices."""
    keep(paths(film), done("a"))
    keep(paths(film, "draft"), done("a"), done("b", uid="b"))
    for profile, beside in (("", 2), ("draft", 1)):
        manifest = load(film.manifest, profile=profile)
        here = site_of(film.manifest, Wish(), profile=profile)
        assert spent_beside(manifest, here)["spent"].number == beside
        made = plan(manifest)
        assert made.spending["spent"] == Sum(3, {"CNY": Decimal(9)}, {})
        assert status(manifest, Wish())["money"]["left"] == "11.00"


def test_a_budget_that_drafts_have_used_up_leaves_the_film_out(film: Pipeline) -> None:
    keep(paths(film, "draft"), *(done(f"s{n}", uid=f"s{n}") for n in range(10)))
    assert plan(load(film.manifest)).left_out["a"].cap == "budget"


def test_a_mistyped_profile_makes_no_ledger(film: Pipeline) -> None:
    """Neither is it a ledger that is well. One that the manifest has, or had, is meant."""
    for profile in ("draft", "gone"):
        keep(paths(film, "gone"), done("a"))
        check_profile(site_of(film.manifest, Wish(), profile=profile))
    options = Options(profile="darft")
    file = str(film.manifest)
    for command in (
        partial(lineage_commands.fork, file, "darft"),
        partial(lock_commands.check, file, options, "text"),
        partial(lock_commands.merge, file, ["film.gone.lock"], options),
    ):
        with pytest.raises(UsageError, match="no profile 'darft', and there is no ledger"):
            command()
    assert not paths(film, "darft").lock.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
@pytest.mark.parametrize("name", ["film.draft.lock", ".klingflow/film.draft.journal"])
def test_a_ledger_of_drafts_that_is_a_link_is_not_read_unasked(
    film: Pipeline, tmp_path: Path, name: str
) -> None:
    """A folder from elsewhere may lead to another project, whose money is not this film's."""
    keep(paths(film, "draft"), done("a"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / name).rename(tmp_path / "elsewhere" / "film")
    (tmp_path / name).symlink_to(tmp_path / "elsewhere" / "film")
    for command in ("plan", "status"):
        said = " ".join(film.do(command, "film.yaml", code=2).split())
        assert f"{Path(name).name} is a link to {tmp_path / 'elsewhere' / 'film'}" in said
    assert "is a link to" in film.do("doctor", "film.yaml", code=2)
    with pytest.raises(LinksRefused):
        others(film)


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_a_ledger_of_drafts_may_be_a_link_that_the_user_allows(
    film: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on a terminal asks about it as about the film's own."""
    keep(paths(film, "draft"), done("a"))
    (tmp_path / "elsewhere").mkdir()
    lock = paths(film, "draft").lock.rename(tmp_path / "elsewhere" / "film.draft.lock")
    (link := tmp_path / "film.draft.lock").symlink_to(lock)
    site = site_of(film.manifest, Wish())
    assert [one.path for one in at_stake(site, PROFILES)] == [link]
    monkeypatch.setenv("KLINGFLOW_WRITE_BELOW", str(tmp_path / "elsewhere"))
    assert at_stake(site, PROFILES) == []
    assert others(film) == ["film.draft.lock"]

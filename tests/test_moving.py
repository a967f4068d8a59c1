"""`lock move`, and what a rename looks like to a user: in the ledger, in words and on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.api.loading import load
from klingflow.api.moving import move
from klingflow.api.planning import plan
from klingflow.api.pruning import prune
from klingflow.api.reporting import status, why
from klingflow.api.site import Wish, now, site_of
from klingflow.errors import NothingSelected
from klingflow.ledger.store import open_ledger, read
from klingflow.model import Purchase
from tests.harness import Pipeline, pipeline_at
from tests.keeping import write
from tests.purchases import done


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A manifest of one shot, `night`, of whose body the ledger has a purchase as `alley`."""
    film = pipeline_at(tmp_path)
    film.write({"night": {"prompt": "x"}})
    (request,) = load(film.manifest).requests
    with open_ledger(site_of(film.manifest, Wish()).paths, now) as ledger:
        write(ledger, done("alley", fingerprint=str(request.fingerprint)), done("other"))
    return film


def known(pipeline: Pipeline) -> list[Purchase]:
    return [*read(site_of(pipeline.manifest, Wish()).paths).purchases.values()]


def test_a_renamed_shot_is_kept_and_every_command_says_what_it_was(pipeline: Pipeline) -> None:
    """Before a run has written that down, too."""
    film = load(pipeline.manifest)
    action, other = plan(film).actions
    assert (action.verb, other.verb) == ("download", "orphan")
    assert "was alley" in action.reason
    shot = status(film, Wish())["shots"][0]
    assert (shot["id"], shot["was"]) == ("night", {"shot": "alley", "take": 1})
    says = why(film, "night", Wish())["says"]
    assert says == "night was alley and has not changed since it was bought (task task_alley)."
    assert {p.key for p in known(pipeline)} == {"alley", "other"}


def test_what_goes_over_to_another_take_is_not_pruned(pipeline: Pipeline) -> None:
    found, did = prune(load(pipeline.manifest), Wish(), lambda found: True)
    assert ([p.key for p in found.pruned], did) == (["other"], True)
    assert [(p.key, p.was and p.was.key) for p in known(pipeline)] == [("night", "alley")]
    with pytest.raises(NothingSelected):
        prune(load(pipeline.manifest), Wish(select=["alley"]), lambda found: True)


def test_a_persons_move_is_written_and_a_dry_run_is_not(pipeline: Pipeline) -> None:
    pipeline.write({"night": {"prompt": "x"}, "day": {"prompt": "y"}})
    film = load(pipeline.manifest)
    (would,) = move(film, "other", "day", Wish(), dry_run=True)
    assert (would.before, would.purchase.key) == ("other", "day")
    assert {p.key for p in known(pipeline)} == {"alley", "other"}
    move(film, "other", "day", Wish(), dry_run=False)
    assert {p.key for p in known(pipeline)} == {"night", "day"}

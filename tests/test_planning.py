"""What a run would do now, by the ledger and the outputs as they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api.loading import load
from klingflow.api.picking import pick
from klingflow.api.planning import (
    book_of,
    files_of,
    plan,
    planned,
    plans_of_run,
    selected,
    selected_keys,
)
from klingflow.api.site import Wish, site_for, site_of
from klingflow.errors import NothingSelected, UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.places import SANDBOX
from klingflow.model import FileFact, Manifest, Plan, Purchase
from tests.harness import Pipeline, pipeline_at
from tests.keeping import keep
from tests.purchases import ORIGIN, done, submitted


@pytest.fixture
def film(tmp_path: Path) -> Pipeline:
    """A manifest of two shots, `a` and `b`."""
    pipeline = pipeline_at(tmp_path)
    pipeline.write({"a": {"prompt": "x"}, "b": {"prompt": "y"}})
    return pipeline


@pytest.fixture
def manifest(film: Pipeline) -> Manifest:
    return load(film.manifest)


def bought(manifest: Manifest, *purchases: Purchase, wish: Wish = Wish()) -> None:
    """Put purchases into the ledger of the wish."""
    paths = site_of(manifest.path, wish).paths
    paths.lock.parent.mkdir(parents=True, exist_ok=True)
    keep(paths, *purchases)


def made(manifest: Manifest, output: str) -> Purchase:
    """A purchase of `a` as the manifest has it, whose video lies at `output`."""
    video = Path(manifest.path).parent / output
    video.parent.mkdir(parents=True)
    video.write_bytes(b"video")
    sha256 = hashlib.sha256(b"video").hexdigest()
    fingerprint = manifest.requests[0].fingerprint
    assert fingerprint
    purchase = done("a", fingerprint=fingerprint)
    return replace(purchase, output=output, sha256=sha256, size_bytes=5)


def verbs(made_plan: Plan) -> dict[str, str]:
    return {action.key: action.verb for action in made_plan.actions}


def test_a_plan_follows_the_ledger_and_the_videos(film: Pipeline, manifest: Manifest) -> None:
    """A video that is here is kept; one that was paid for and is gone is downloaded."""
    assert verbs(plan(manifest)) == {"a": "create", "b": "create"}
    bought(manifest, made(manifest, "outputs/film/a.mp4"))
    assert verbs(plan(manifest)) == {"a": "keep", "b": "create"}
    (film.folder / "outputs" / "film" / "a.mp4").unlink()
    assert verbs(plan(manifest)) == {"a": "download", "b": "create"}


def test_a_plan_changes_nothing(film: Pipeline, manifest: Manifest) -> None:
    """Not even the hidden folder is made."""
    before = sorted(film.folder.rglob("*"))
    plan(manifest)
    assert sorted(film.folder.rglob("*")) == before


def test_a_plan_is_made_by_the_wish_and_the_gateway(manifest: Manifest) -> None:
    """What is selected, what may be bought again, and where."""
    wish = Wish(select=["a"], rerun=frozenset({"changed"}))
    found = plan(manifest, wish, origin=ORIGIN)
    assert verbs(found) == {"a": "create"}
    assert (found.terms.rerun, found.terms.origin) == ({"changed"}, ORIGIN)


def test_the_sandboxs_plan_knows_the_sandboxs_purchases_alone(manifest: Manifest) -> None:
    """By its own ledger, and with its own outputs."""
    bought(manifest, submitted("b"))
    wish = Wish(sandbox=True)
    mine = replace(made(manifest, "outputs/sandbox/film/a.mp4"), origin=SANDBOX)
    bought(manifest, mine, wish=wish)
    found = plan(manifest, wish)
    assert verbs(found) == {"a": "keep", "b": "create"}
    assert [shot.output for shot in found.manifest.shots] == [
        "outputs/sandbox/film/a.mp4",
        "outputs/sandbox/film/b.mp4",
    ]


@pytest.mark.parametrize(
    ("wish", "keys"),
    [
        (Wish(), None),
        (Wish(select=["a"]), {"a"}),
        (Wish(exclude=["a"]), {"b"}),
        (Wish(select=["state:submitted"]), {"b"}),
    ],
)
def test_what_is_meant_is_chosen_by_name_and_by_the_ledger(
    manifest: Manifest, wish: Wish, keys: set[str] | None
) -> None:
    """None means every shot."""
    bought(manifest, submitted("b"))
    assert selected(manifest, wish) == keys
    site = site_of(manifest.path, wish)
    assert selected_keys(manifest, book_of(manifest, site), wish, site) == keys


def test_without_a_selection_no_ledger_is_read(film: Pipeline, manifest: Manifest) -> None:
    """It may be another program's: that is for whoever needs the ledger to say."""
    film.lock.write_text("version = 1\n")
    assert selected(manifest, Wish()) is None


def test_a_selection_that_leaves_nothing_is_a_mistake(manifest: Manifest) -> None:
    """It must not pass as a run that had nothing to do."""
    with pytest.raises(NothingSelected, match=r"film\.yaml: no shot matches the selection$"):
        plan(manifest, Wish(select=["a"], exclude=["a"]))


def test_videos_are_known_where_the_ledger_has_them_and_where_a_crash_left_them(
    film: Pipeline, manifest: Manifest
) -> None:
    """Where a purchase put its video, whatever the manifest says now; if it is not there, under the
    other names that klingflow gives.
    """
    here, fact = film.folder / "old", FileFact(5, hashlib.sha256(b"video").hexdigest())
    (here / "earlier").mkdir(parents=True)
    (here / "earlier/c.mp4").write_bytes(b"video")
    (here / "c.mp4").write_bytes(b"mine")
    one = replace(done("c"), output="old/c.mp4", size_bytes=5, sha256=fact.sha256)
    found = files_of(
        manifest, Book([done("a"), submitted("b"), one]), site_of(film.manifest, Wish())
    )
    edited = FileFact(4, hashlib.sha256(b"mine").hexdigest())
    assert found == {"old/c.mp4": edited, "old/earlier/c.mp4": fact}


def test_a_plan_by_a_book_is_the_plan_by_its_ledger(manifest: Manifest) -> None:
    """A run that holds the ledger plans as a dry run did."""
    bought(manifest, submitted("b"))
    site = site_of(manifest.path, Wish())
    assert planned(manifest, book_of(manifest, site), site) == plan(manifest)
    assert verbs(planned(manifest, book_of(manifest, site), site, {"b"})) == {"b": "resume"}


def test_a_plan_says_how_long_its_run_takes(manifest: Manifest) -> None:
    """By what the ledger remembers, the same at each look; nothing while it remembers nothing."""
    assert plan(manifest, origin=ORIGIN).forecast is None
    tier = manifest.requests[0].predicted_tier
    old = [
        replace(done(f"old{n}", fingerprint=f"sha256:{n}"), billed_tier=tier, finished_after_s=took)
        for n, took in enumerate([(20.0, 30.0), (40.0, 50.0)] * 3)
    ]
    bought(manifest, *old)
    looks = [plan(manifest, origin=ORIGIN).forecast for _ in "ab"]
    assert looks[0] == looks[1]
    assert looks[0] and 25.0 <= looks[0].low_s <= looks[0].high_s <= 75.0
    (quiet,) = plans_of_run([manifest], Wish(), manifest.limits, origin=ORIGIN)
    assert quiet.forecast is None, "only who shows it makes it"


@pytest.fixture
def drafted(film: Pipeline) -> Manifest:
    """A film with a draft of `a` that is kept; nothing is picked."""
    shots = {"a": {"prompt": "x", "takes": 2}, "b": {"prompt": "y"}}
    film.write(shots, profiles={"draft": {"takes": 1}, "rough": {}})
    drafts = load(film.manifest, profile="draft")
    keep(site_for(drafts, Wish()).paths, made(drafts, "outputs/film.draft/a.mp4"))
    return load(film.manifest)


def test_approved_drafts_select_all_takes_of_their_shots(drafted: Manifest) -> None:
    """Beside a selection; the film's own picks have no say."""
    drafts = load(drafted.path, profile="draft")
    pick(drafts, "a", Wish())
    assert verbs(plan(drafted, Wish(approved="draft"))) == {"a": "create", "a#2": "create"}
    assert verbs(plan(drafted, Wish(["a#2"], approved="draft"))) == {"a#2": "create"}
    rough = load(drafted.path, profile="rough")
    assert verbs(plan(rough, Wish(approved="draft"))) == {"a": "create", "a#2": "create"}


def test_a_plan_says_which_picked_drafts_do_not_count(film: Pipeline, drafted: Manifest) -> None:
    """One whose video is not here, for example."""
    pick(load(drafted.path, profile="draft"), "a", Wish())
    (film.folder / "outputs/film.draft/a.mp4").unlink()
    with pytest.raises(NothingSelected, match="picked drafts of a do not count"):
        plan(drafted, Wish(approved="draft"))


@pytest.mark.parametrize("profile", ["draft", "rough"])
def test_where_no_draft_is_picked_nothing_is_selected(drafted: Manifest, profile: str) -> None:
    """It never means all shots."""
    with pytest.raises(NothingSelected, match=f"no draft of the profile '{profile}' is picked"):
        plan(drafted, Wish(approved=profile))


def test_drafts_approve_no_shots_of_themselves(drafted: Manifest) -> None:
    """Nor does a profile that is not there."""
    with pytest.raises(UsageError, match="names the very drafts"):
        plan(load(drafted.path, profile="draft"), Wish(approved="draft"))
    with pytest.raises(UsageError, match="--approved: there is no profile 'x'"):
        plan(drafted, Wish(approved="x"))

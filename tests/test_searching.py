"""Where else a body was paid for: locks beside this one, and the black boxes of other places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import Site, site_at
from klingflow.ledger.searching import Wanted, search
from klingflow.ledger.store import read
from klingflow.model import Elsewhere, Elsewheres, Purchase
from tests.keeping import keep
from tests.purchases import AT, LATER, ORIGIN, doubtful, intent, submitted

BODY = "sha256:1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return at(tmp_path / "here" / "ep1.yaml")


def at(manifest: Path) -> Site:
    """A manifest that is there, with a black box."""
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text("version: 1\n")
    top = manifest.parent.parent
    return site_at(str(manifest), origin=ORIGIN, state=top / "state")


def found(site: Site, *bodies: str, keys: set[str] | None = None) -> Elsewheres:
    book = read(site.paths)
    return search(site, Wanted(set(bodies or {BODY}), keys or {"a"}, {("a", 1)}, book))


def other(site: Site, name: str, *purchases: Purchase) -> Path:
    """Another manifest in the folder, without a black box."""
    manifest = site.manifest.with_name(name)
    manifest.write_text("version: 1\n")
    keep(site_at(manifest).paths, *purchases)
    return manifest


def of_drafts(site: Site, profile: str) -> Site:
    """The drafts of a film in the folder, by this profile."""
    return site_at(
        site.file, origin=ORIGIN, state=site.manifest.parent.parent / "state", profile=profile
    )


def merge(site: Site, *what: str) -> str:
    return " ".join(["klingflow", "lock", "merge", site.file, *what])


def test_a_lock_whose_manifest_is_gone_is_lost(site: Site) -> None:
    """While the manifest is there, somebody looks after the purchase: it is only named."""
    manifest = other(site, "film.yaml", submitted("s01"))
    lock = manifest.with_suffix(".lock")
    command = merge(site, str(lock))
    assert found(site).by_body == {BODY: (Elsewhere("beside", "film.lock", ORIGIN, command),)}
    manifest.unlink()
    assert found(site).by_body == {BODY: (Elsewhere("lost", "film.lock", ORIGIN, command),)}
    assert found(site, "sha256:2") == Elsewheres()


def test_what_was_pruned_from_a_lost_lock_is_lost_with_it(site: Site) -> None:
    """It is still paid for, and the file that has it is named, with the lock or without."""
    paths = site_at(other(site, "film.yaml", submitted("s01"))).paths
    paths.lock.rename(paths.pruned)
    command = merge(site, str(paths.pruned))
    lost = Elsewhere("lost", "film.pruned.jsonl", ORIGIN, command)
    site.manifest.with_name("film.yaml").unlink()
    assert found(site).by_body == {BODY: (lost,)}


@pytest.mark.parametrize(
    "purchase",
    [
        advance(intent("s01"), "unsent", AT),
        advance(submitted("s01"), "failed", AT),
        submitted("s01", fingerprint="sha256:2"),
    ],
)
def test_what_was_not_paid_for_or_has_another_body_is_nowhere(
    site: Site, purchase: Purchase
) -> None:
    other(site, "film.yaml", purchase).unlink()
    assert found(site) == Elsewheres()


def test_a_doubt_counts_and_what_the_ledger_knows_does_not(site: Site) -> None:
    there = doubtful("s01")
    other(site, "film.yaml", there).unlink()
    assert found(site).by_body[BODY][0].kind == "lost"
    keep(site.paths, there)
    assert found(site) == Elsewheres()


UNFINISHED = submitted("s01")
PARKED = advance(UNFINISHED, "parked", AT)


@pytest.mark.parametrize("there", [doubtful("s01"), PARKED])
def test_what_a_person_has_settled_since_is_not_held(site: Site, there: Purchase) -> None:
    """As after a folder was moved: its former place knows the purchase as it was before."""
    other(site, "film.yaml", there).unlink()
    keep(site.paths, advance(there, "resubmitted", LATER))
    assert found(site) == Elsewheres()


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (
            advance(doubtful("s01"), "resubmitted", LATER),
            advance(doubtful("s01"), "found", AT, task_id="task_x"),
        ),
        (advance(PARKED, "resubmitted", LATER), advance(UNFINISHED, "succeeded", AT)),
    ],
)
def test_what_only_the_other_knows_to_be_paid_is_held(
    site: Site, here: Purchase, there: Purchase
) -> None:
    """A task or a video outranks a word that was said without it, even a later one."""
    other(site, "film.yaml", there).unlink()
    keep(site.paths, here)
    assert found(site).by_body[BODY][0].kind == "lost"


def test_other_programs_locks_and_links_are_no_ledgers(site: Site, tmp_path: Path) -> None:
    site.manifest.with_name("uv.lock").write_text("version = 1\n")
    theirs = at(tmp_path / "there" / "film.yaml")
    keep(theirs.paths, submitted("s01"))
    site.manifest.with_name("film.lock").symlink_to(theirs.paths.lock)
    assert found(site) == Elsewheres()


def test_a_place_whose_manifest_is_gone_is_lost_too(site: Site, tmp_path: Path) -> None:
    there = at(tmp_path / "there" / "film.yaml")
    keep(there.paths, submitted("s01"))
    assert found(site) == Elsewheres()
    there.manifest.unlink()
    command = merge(site, "--from-box", str(there.manifest))
    assert found(site).by_body == {BODY: (Elsewhere("box", str(there.manifest), ORIGIN, command),)}
    assert found(replace(site, paths=replace(site.paths, box=None))) == Elsewheres()


def test_what_came_with_a_lock_is_not_of_that_place(site: Site, tmp_path: Path) -> None:
    """Polled there, but not bought: a lock from elsewhere may say so of any body."""
    there = at(tmp_path / "there" / "film.yaml")
    planted = submitted("a")
    keep(site_at(there.file).paths, planted)
    keep(there.paths, advance(planted, "parked", AT))
    there.manifest.unlink()
    assert found(site) == Elsewheres()


def clone_of(site: Site, tmp_path: Path) -> Site:
    clone = at(tmp_path / "clone" / "ep1.yaml")
    clone.paths.lock.write_bytes(site.paths.lock.read_bytes())
    return clone


def test_a_place_of_the_lineage_is_told_of_by_body_and_by_take(site: Site, tmp_path: Path) -> None:
    """A clone that never said that it is the same film. At home only the body counts."""
    keep(site.paths, submitted("old", fingerprint="sha256:0"))
    clone = clone_of(site, tmp_path)
    keep(site.paths, submitted("a", fingerprint="sha256:2"))
    fork = f"klingflow lock fork {clone.file}"
    there = Elsewhere("place", str(site.manifest), ORIGIN, fork)
    assert found(clone) == Elsewheres({}, {("a", 1): there})
    assert found(clone, "sha256:2").by_body == {"sha256:2": (there,)}
    keep(clone.paths, submitted("b", fingerprint="sha256:3"))
    assert found(site, keys={"b"}) == Elsewheres()
    assert [one.kind for one in found(site, "sha256:3").by_body["sha256:3"]] == ["copy"]


def test_takes_of_the_film_that_was_here_before_are_held(site: Site) -> None:
    book = Book([])
    book.add_recallable([submitted("a", fingerprint="sha256:0"), submitted("z")], former=True)
    wanted = Wanted({BODY}, {"a", "b"}, {("a", 1)}, book)
    fork = f"klingflow lock fork {site.file}"
    assert search(site, wanted).by_take == {("a", 1): Elsewhere("former", site.file, command=fork)}


def test_what_another_gateway_sold_this_ledger_is_named(site: Site) -> None:
    """Of a take that stands in the manifest the plan says it itself."""
    elsewhere = "https://other.example.com"
    for shot, kinds in (("gone", ["gateway"]), ("a", [])):
        book = Book([replace(submitted(shot), origin=elsewhere)])
        told = search(site, Wanted({BODY}, set(), {("a", 1)}, book)).by_body.get(BODY, ())
        assert [one.kind for one in told] == kinds


def test_what_was_paid_for_as_a_draft_is_named(site: Site) -> None:
    """The film and its drafts see each other; neither is lost while the manifest is there."""
    draft = of_drafts(site, "draft")
    keep(draft.paths, submitted("s01"))
    one = Elsewhere("beside", "ep1.draft.lock", ORIGIN, merge(site, str(draft.paths.lock)))
    assert found(site).by_body == {BODY: (one,)}
    keep(site.paths, submitted("s02"))
    draft.paths.lock.unlink()
    (named,) = found(of_drafts(site, "draft")).by_body[BODY]
    assert (named.kind, named.where) == ("beside", "ep1.lock")


def test_drafts_of_a_profile_that_is_gone_are_lost_to_other_drafts(site: Site) -> None:
    """A profile was renamed: its drafts are not bought again without a question. The film itself
    never takes them over.
    """
    keep(of_drafts(site, "draft").paths, submitted("s01"))
    rough = of_drafts(site, "rough")
    for profiles, kinds in (({"draft", "rough"}, ["beside"]), ({"rough"}, ["lost", "box"])):
        wanted = Wanted({BODY}, {"a"}, {("a", 1)}, Book(), profiles)
        told = search(rough, wanted).by_body[BODY]
        assert [one.kind for one in told] == kinds
        assert all(one.command.endswith("--profile rough") for one in told)
    wanted = Wanted({BODY}, {"a"}, {("a", 1)}, Book(), {"rough"})
    assert search(site, wanted).by_body[BODY][0].kind == "beside"


def test_drafts_of_a_profile_that_is_gone_are_lost_without_their_lock_too(site: Site) -> None:
    """The black box knows them; they can be taken over out of it."""
    draft, rough = of_drafts(site, "draft"), of_drafts(site, "rough")
    keep(draft.paths, submitted("s01"))
    draft.paths.lock.unlink()
    where = str(draft.manifest.with_name("ep1.draft.yaml"))
    command = merge(site, "--from-box", where, "--profile", "rough")
    lost = Elsewheres({BODY: (Elsewhere("box", where, ORIGIN, command),)})
    for profiles, told in (({"draft", "rough"}, Elsewheres()), ({"rough"}, lost)):
        wanted = Wanted({BODY}, {"a"}, {("a", 1)}, Book(), profiles)
        assert search(rough, wanted) == told
    wanted = Wanted({BODY}, {"a"}, {("a", 1)}, Book(), {"rough"})
    assert search(site, wanted) == Elsewheres()


def test_a_film_that_is_gone_loses_its_drafts(site: Site) -> None:
    """By their lock, and by the black box without it: to other drafts, because a film takes over no
    drafts.
    """
    other_film = other(site, "ep2.yaml", submitted("s01", uid="u9"))
    draft, ours = of_drafts(at(other_film), "draft"), of_drafts(site, "draft")
    keep(draft.paths, submitted("s02"))
    other_film.with_suffix(".lock").unlink()
    assert {one.kind for one in found(ours).by_body[BODY]} == {"beside"}
    other_film.unlink()
    assert {one.kind for one in found(ours).by_body[BODY]} == {"lost", "box"}
    assert {one.kind for one in found(site).by_body[BODY]} == {"beside"}

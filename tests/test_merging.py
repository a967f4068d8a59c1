"""Ledgers made one: on disk, under the ledger's own lock."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from klingflow import ExitCode
from klingflow.api.merging import merge
from klingflow.api.site import now
from klingflow.errors import LedgerHeld, UsageError
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import SANDBOX, LedgerPaths, Site, ledger_paths, site_at
from klingflow.ledger.store import open_ledger, read
from klingflow.model import Purchase
from klingflow.terminal import lock_commands
from klingflow.terminal.options import Options
from tests.keeping import keep, keys, write
from tests.purchases import AT, LATER, done, doubtful, intent, submitted


def film(folder: Path, *purchases: Purchase) -> LedgerPaths:
    """A ledger in a folder of its own, with these purchases."""
    folder.mkdir(exist_ok=True)
    paths = ledger_paths(folder / "film.yaml")
    with open_ledger(paths, now) as ledger:
        write(ledger, *purchases)
    return paths


def at(paths: LedgerPaths) -> Site:
    """The site of a ledger that is real."""
    manifest = paths.lock.with_suffix(".yaml")
    return Site(str(manifest), manifest, paths)


def merged(paths: LedgerPaths, *others: Path) -> bytes:
    merge(at(paths), others, dry_run=False)
    return paths.lock.read_bytes()


def test_the_order_and_the_grouping_of_ledgers_do_not_matter(tmp_path: Path) -> None:
    """Byte for byte, and merging once more changes nothing."""
    shared = intent("a")
    parted = (
        advance(shared, "doubted", AT, evidence={"from": AT}),
        advance(shared, "accepted", AT, task_id="t"),
    )
    sold = [
        film(tmp_path / name, p, done(name))
        for name, p in zip("xyz", (*parted, submitted("b")), strict=True)
    ]
    results = set()
    for number, order in enumerate(permutations(paths.lock for paths in sold)):
        ours = ledger_paths(tmp_path / f"m{number}" / "film.yaml")
        ours.lock.parent.mkdir()
        if number % 2:
            results.add(merged(ours, *order))
        else:
            results |= {
                merged(ours, order[0]) and merged(ours, order[1]) and merged(ours, order[2])
            }
        assert merged(ours, *order) in results
    assert len(results) == 1
    assert keys(ours) == [
        ("a", "submitted"),
        ("b", "submitted"),
        ("x", "done"),
        ("y", "done"),
        ("z", "done"),
    ]


def test_what_is_taken_is_said_and_a_dry_run_takes_nothing(tmp_path: Path) -> None:
    there = doubtful("a")
    ours = film(tmp_path / "ours", there, done("c"))
    other = film(
        tmp_path / "other",
        advance(there, "found", LATER, task_id="t"),
        submitted("b"),
        done("c", task_id="2"),
    )
    before = ours.lock.read_bytes()
    for dry_run in (True, False):
        found = merge(at(ours), [other.lock], dry_run=dry_run)
        assert [p.key for p in found.new] == ["b", "c"]
        assert [(p.key, p.task_id) for p in found.updated] == [("a", "t")]
        assert [{a.task_id, b.task_id} for a, b in found.paid_twice] == [{"task_c", "2"}]
        assert (found.apart, found.same) == (True, False)
        assert (ours.lock.read_bytes() == before) is dry_run
    assert merge(at(ours), [other.lock], dry_run=False).same


def test_two_answers_to_one_doubt_are_both_kept(tmp_path: Path) -> None:
    """The id learned first stays; the other is in .damaged, once, however often the ledgers are
    merged.
    """
    there = doubtful("a")
    ours = film(tmp_path / "ours", advance(there, "found", LATER, task_id="late"))
    other = film(tmp_path / "other", advance(there, "found", AT, task_id="early"))
    for _ in range(2):
        found = merge(at(ours), [other.lock], dry_run=False)
        assert [p.task_id for p in found.contradicting] == ["late"] or found.same
    assert [p.task_id for p in read(ours).purchases.values()] == ["early"]
    assert ours.lock_damaged.read_bytes().count(b"late") == 1


def test_a_merge_in_which_two_ids_contradict_each_other_does_not_end_well(tmp_path: Path) -> None:
    """A script that merges and then runs stops there, and a person looks."""
    there = doubtful("a")
    ours = film(tmp_path / "ours", advance(there, "found", AT, task_id="early"))
    other = film(tmp_path / "other", advance(there, "found", LATER, task_id="late"))
    same = film(tmp_path / "same", advance(there, "found", AT, task_id="early"))
    options = Options(no_black_box=True)
    codes = [lock_commands.merge(str(ours.lock), [str(p.lock)], options) for p in (same, other)]
    assert codes == [ExitCode.OK, ExitCode.UNSETTLED]


@pytest.mark.parametrize("what", ["folder", "manifest", "journal"])
def test_a_ledgers_journal_counts(tmp_path: Path, what: str) -> None:
    """What a runner was killed over is in its journal alone."""
    other = ledger_paths(tmp_path / "other" / "film.yaml")
    other.lock.parent.mkdir()
    ledger = open_ledger(other, now)
    write(ledger, submitted("b"))
    ours = film(tmp_path / "ours", done("a"))
    place = {
        "folder": other.lock.parent,
        "manifest": other.lock.with_suffix(".yaml"),
        "journal": other.journal,
    }[what]
    merge(at(ours), [place], dry_run=False)
    assert keys(ours) == [("a", "done"), ("b", "submitted")]
    ledger.close()


@pytest.mark.parametrize("sandbox", [False, True])
def test_the_sandboxs_purchases_and_real_ones_stay_apart(tmp_path: Path, sandbox: bool) -> None:
    """What the sandbox sold never counts as bought anywhere else."""
    origin = "https://gateway.example.com" if sandbox else SANDBOX
    other = film(tmp_path / "other", replace(done("a"), origin=origin))
    ours = site_at(tmp_path / "ours" / "film.yaml", origin=SANDBOX if sandbox else "")
    with pytest.raises(UsageError, match="the sandbox's"):
        merge(ours, [other.lock], dry_run=False)
    assert not ours.paths.lock.exists()


def test_another_manifests_ledger_is_refused(tmp_path: Path) -> None:
    """Their black boxes would be one for ever. A ledger that begins apart may know other shots of
    ours.
    """
    ours, other = film(tmp_path / "ours", done("a")), film(tmp_path / "other", done("x"))
    for dry_run in (True, False):
        with pytest.raises(
            UsageError, match=r"other/film\.lock began apart and knows no shot and no body of this"
        ):
            merge(at(ours), [other.lock], dry_run=dry_run, wanted={("a", 1), ("b", 1)})
    merge(at(ours), [other.lock], dry_run=False, wanted={("a", 1), ("x", 1)})
    assert keys(ours) == [("a", "done"), ("x", "done")]


def test_a_ledger_with_a_body_in_common_is_taken(tmp_path: Path) -> None:
    """The manifest was renamed, and so were its shots."""
    ours, other = film(tmp_path / "ours", done("a")), film(tmp_path / "other", done("x"))
    bodies = {"sha256:1"}
    merge(at(ours), [other.lock], dry_run=False, wanted={("a", 1)}, bodies=bodies)
    assert keys(ours) == [("a", "done"), ("x", "done")]


def test_what_the_black_box_knows_of_a_manifest_is_taken(tmp_path: Path) -> None:
    """Also where that manifest is gone; the ledger stays what it was, and its box knows from then
    on.
    """
    state = tmp_path / "state"
    ours, other = (site_at(tmp_path / name / "film.yaml", state=state) for name in ("here", "old"))
    for site, purchase in ((ours, done("a")), (other, submitted("x"))):
        site.manifest.parent.mkdir()
        site.manifest.touch()
        keep(site.paths, purchase)
    lineage = read(ours.paths).lineage
    shutil.rmtree(other.manifest.parent)
    merge(ours, [], from_boxes=[other.manifest], dry_run=False)
    assert keys(ours.paths) == [("a", "done"), ("x", "submitted")]
    assert read(ours.paths).lineage == lineage
    ours.paths.lock.write_bytes(ours.paths.lock.read_bytes().splitlines(True)[0])
    assert keys(ours.paths) == [("a", "done"), ("x", "submitted")]
    with pytest.raises(UsageError, match="the black box knows of nothing that was bought there"):
        merge(ours, [], from_boxes=[tmp_path / "none.yaml"], dry_run=True)


@pytest.mark.parametrize("text", ["", "{}", "version = 1\n[[package]]\n", '{"name": "x"}\n'])
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    ours = film(tmp_path / "ours", done("a"))
    (tmp_path / "uv.lock").write_text(text)
    before = ours.lock.read_bytes()
    with pytest.raises(UsageError, match=r"uv\.lock: there is no ledger of klingflow"):
        merge(at(ours), [tmp_path / "uv.lock"], dry_run=False)
    assert ours.lock.read_bytes() == before


def test_a_ledger_that_is_not_there_is_told_with_the_near_one(tmp_path: Path) -> None:
    """A slip in the name of the other ledger."""
    ours, other = film(tmp_path / "ours", done("a")), film(tmp_path / "other", done("b"))
    near = rf"flim\.lock: there is no such file; did you mean '{re.escape(str(other.lock))}'\?$"
    with pytest.raises(UsageError, match=near):
        merge(at(ours), [other.lock.with_name("flim.lock")], dry_run=True)


def test_nobody_merges_into_a_ledger_that_is_held(tmp_path: Path) -> None:
    ours, other = film(tmp_path / "ours", done("a")), film(tmp_path / "other", done("b"))
    with open_ledger(ours, now), pytest.raises(LedgerHeld):
        merge(at(ours), [other.lock], dry_run=False)


@pytest.mark.parametrize(("ours", "theirs"), [("", "draft"), ("draft", "")])
@pytest.mark.parametrize("from_box", [False, True])
def test_drafts_never_become_takes_of_the_film(
    tmp_path: Path, ours: str, theirs: str, from_box: bool
) -> None:
    """Nor the other way round; drafts of a renamed profile are taken over."""
    (tmp_path / "film.yaml").touch()
    here, there, third = (
        site_at(tmp_path / "film.yaml", state=tmp_path / "state", profile=profile)
        for profile in (ours, theirs, "rough")
    )
    keep(there.paths, done("a"))
    box = [there.paths.box.manifest] if there.paths.box and from_box else []
    locks = [] if from_box else [there.paths.lock]
    with pytest.raises(UsageError, match="a draft never stands for a take of the film"):
        merge(here, locks, from_boxes=box, dry_run=False)
    assert not here.paths.lock.exists()
    if theirs:
        merge(third, locks, from_boxes=box, dry_run=False)
        assert keys(third.paths) == [("a", "done")]

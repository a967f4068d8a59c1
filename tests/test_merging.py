"""Ledgers made one, and orphans put away: on disk, under the ledger's own lock."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest

from klingflow import ExitCode
from klingflow.api.loading import load
from klingflow.api.merging import merge
from klingflow.api.planning import plan
from klingflow.api.pruning import Prunable, prune
from klingflow.api.reporting import status
from klingflow.api.site import Wish, now, site_of
from klingflow.errors import LedgerError, LedgerHeld, NothingSelected, UsageError
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import SANDBOX, LedgerPaths, Site, ledger_paths, site_at
from klingflow.ledger.problems import worded
from klingflow.ledger.store import open_ledger, read
from klingflow.model import Price, Purchase
from klingflow.terminal import lock_commands
from tests.harness import Pipeline, pipeline_at
from tests.purchases import AT, LATER, done, intent, submitted
from tests.test_store import write


def doubtful(shot: str, uid: str = "") -> Purchase:
    return advance(intent(shot, uid=uid), "doubted", AT, evidence={"from": AT, "to": LATER})


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


def keys(paths: LedgerPaths) -> list[tuple[str, str]]:
    return sorted((p.key, p.state) for p in read(paths).purchases.values())


def merged(paths: LedgerPaths, *others: Path) -> bytes:
    merge(at(paths), others, dry_run=False)
    return paths.lock.read_bytes()


# ------------------------------------------------------------ merge


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
    codes = [
        lock_commands.merge(str(ours.lock), [str(p.lock)], False, True, False)
        for p in (same, other)
    ]
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
            UsageError, match=r"other/film\.lock began apart and knows no shot of this"
        ):
            merge(at(ours), [other.lock], dry_run=dry_run, wanted={("a", 1), ("b", 1)})
    merge(at(ours), [other.lock], dry_run=False, wanted={("a", 1), ("x", 1)})
    assert keys(ours) == [("a", "done"), ("x", "done")]


@pytest.mark.parametrize("text", ["", "{}", "version = 1\n[[package]]\n", '{"name": "x"}\n'])
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    ours = film(tmp_path / "ours", done("a"))
    (tmp_path / "uv.lock").write_text(text)
    before = ours.lock.read_bytes()
    with pytest.raises(UsageError, match=r"uv\.lock: there is no ledger of klingflow"):
        merge(at(ours), [tmp_path / "uv.lock"], dry_run=False)
    assert ours.lock.read_bytes() == before


def test_nobody_merges_into_a_ledger_that_is_held(tmp_path: Path) -> None:
    ours, other = film(tmp_path / "ours", done("a")), film(tmp_path / "other", done("b"))
    with open_ledger(ours, now), pytest.raises(LedgerHeld):
        merge(at(ours), [other.lock], dry_run=False)


# ------------------------------------------------------------ prune


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A manifest of one shot, `kept`, whose ledger also knows others."""
    film = pipeline_at(tmp_path)
    film.write({"kept": {"prompt": "x"}})
    return film


def bought(pipeline: Pipeline, *purchases: Purchase) -> LedgerPaths:
    paths = site_of(pipeline.manifest, Wish()).paths
    with open_ledger(paths, now) as ledger:
        write(ledger, *purchases)
    return paths


def pruned(pipeline: Pipeline, *select: str) -> tuple[Prunable, bool]:
    return prune(load(pipeline.manifest), Wish(select=select), lambda found: True)


def test_orphans_leave_the_lock_and_stay_on_record(pipeline: Pipeline) -> None:
    """In the pruned file as they were, in the totals as before, and the black box does not bring
    them back.
    """
    paths = bought(pipeline, done("kept"), done("old"), submitted("running"), doubtful("maybe"))
    line = next(x for x in paths.lock.read_bytes().splitlines() if b'"old"' in x)
    before = status(load(pipeline.manifest), Wish())["totals"]
    found, done_ = pruned(pipeline)
    assert ([p.key for p in found.pruned], [p.key for p in found.kept], done_) == (
        ["old"],
        ["maybe", "running"],
        True,
    )
    assert paths.pruned.read_bytes().splitlines() == [line]
    record = status(load(pipeline.manifest), Wish())
    assert (record["totals"], [p["task_id"] for p in record["pruned"]]) == (before, ["task_old"])
    open_ledger(paths, now).close()
    assert keys(paths) == [("kept", "done"), ("maybe", "in_doubt"), ("running", "submitted")]


def test_nothing_happens_without_agreement(pipeline: Pipeline) -> None:
    paths = bought(pipeline, done("old"))
    before = paths.lock.read_bytes()
    assert prune(load(pipeline.manifest), Wish(), lambda found: False)[1] is False
    assert (paths.lock.read_bytes(), paths.pruned.exists()) == (before, False)


def test_a_shot_that_comes_back_is_served_by_what_was_pruned(pipeline: Pipeline) -> None:
    """It is paid for: it is downloaded, not bought again."""
    bought(pipeline, done("old"), done("older"))
    pruned(pipeline)
    pipeline.write({"kept": {"prompt": "x"}, "old": {"prompt": "y"}})
    made = plan(load(pipeline.manifest))
    assert [(a.key, a.verb) for a in made.actions] == [("kept", "create"), ("old", "download")]
    assert made.actions[1].purchase and made.actions[1].purchase.task_id == "task_old"
    assert [p["id"] for p in status(load(pipeline.manifest), Wish())["pruned"]] == ["older"]


def test_a_damaged_line_of_what_was_pruned_is_a_doubt(pipeline: Pipeline) -> None:
    """Its shot is held when it comes back, not bought again, and the damage is said."""
    paths = bought(pipeline, done("old"))
    pruned(pipeline)
    paths.pruned.write_bytes(paths.pruned.read_bytes().replace(b"720p", b"721p"))
    assert paths.box
    paths.box.pruned(read(paths).lineage).unlink()
    pipeline.write({"old": {"prompt": "y"}})
    made = plan(load(pipeline.manifest))
    assert [(a.key, a.verb) for a in made.actions] == [("old", "in_doubt")]
    assert [*map(worded, made.problems)] == [
        "film.pruned.jsonl:1: a damaged line of old; git may have it as it was"
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_what_was_pruned_is_in_the_black_box_too(pipeline: Pipeline, gone: bool) -> None:
    """`git clean` takes a pruned file that is not committed yet."""
    paths = bought(pipeline, done("old"))
    pruned(pipeline)
    if gone:
        paths.pruned.unlink()
    assert keys(paths) == []
    pipeline.write({"old": {"prompt": "y"}})
    assert [a.verb for a in plan(load(pipeline.manifest)).actions] == ["download"]


def test_an_older_lock_learns_what_was_pruned(pipeline: Pipeline) -> None:
    """git brings back a lock that still has the doubt: its task is known."""
    there = doubtful("old")
    paths = bought(pipeline, there)
    before = paths.lock.read_bytes()
    found = advance(there, "found", LATER, task_id="t")
    bought(pipeline, advance(found, "failed", LATER, error=None))
    pruned(pipeline)
    paths.lock.write_bytes(before)
    assert [(p.task_id, p.state) for p in read(paths).purchases.values()] == [("t", "failed")]


def test_a_line_goes_below_one_that_was_torn(pipeline: Pipeline) -> None:
    """A full disk tore the record: what is pruned next must not run into it."""
    paths = bought(pipeline, done("old"))
    paths.pruned.write_bytes(b'{"shot":"older","take":1,"att')
    pruned(pipeline)
    lines = paths.pruned.read_bytes().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["task_id"] == "task_old"


def test_the_task_of_a_pruned_purchase_is_taken(pipeline: Pipeline) -> None:
    bought(pipeline, done("old"))
    pruned(pipeline)
    said = pipeline.do(
        "resolve", "film.yaml", "kept", "--task", "task_old", "--force", code=ExitCode.USAGE
    )
    assert "task task_old already belongs to old" in said


@pytest.mark.parametrize(
    "command", [("check",), ("merge", "film.lock"), ("merge", "film.lock", "-n")]
)
def test_a_slip_of_the_pen_is_no_new_ledger(pipeline: Pipeline, command: tuple[str, ...]) -> None:
    bought(pipeline, done("kept"))
    said = pipeline.do("lock", command[0], "fim.yaml", *command[1:], code=ExitCode.USAGE)
    assert "fim.yaml: there is no such file" in said
    assert not (pipeline.folder / "fim.lock").exists()


def test_a_take_with_an_open_purchase_stays_whole(pipeline: Pipeline) -> None:
    paths = bought(
        pipeline, done("old"), advance(intent("old", attempt=2), "doubted", AT, evidence={})
    )
    assert [p.key for p in pruned(pipeline)[0].pruned] == []
    assert len(read(paths).purchases) == 2


def test_select_means_orphans(pipeline: Pipeline) -> None:
    bought(pipeline, done("kept"), done("ad@1"), done("ad@2"), done("old"))
    assert [p.key for p in pruned(pipeline, "ad@*")[0].pruned] == ["ad@1", "ad@2"]
    with pytest.raises(NothingSelected, match="kept"):
        pruned(pipeline, "kept")


def test_a_record_that_cannot_be_kept_stops_the_pruning(pipeline: Pipeline) -> None:
    paths = bought(pipeline, done("old"))
    paths.pruned.symlink_to(pipeline.folder / "elsewhere")  # written through no link
    before = paths.lock.read_bytes()
    with pytest.raises(
        LedgerError, match=r"pruned\.jsonl: cannot be written, so nothing was pruned"
    ):
        pruned(pipeline)
    assert paths.lock.read_bytes() == before


def test_without_a_terminal_pruning_wants_yes(pipeline: Pipeline) -> None:
    """And says what was paid, with two decimals as everywhere."""
    bought(pipeline, replace(done("old"), price=Price(Decimal("3.0"), "CNY", "5 s × 0.6")))
    said = pipeline.do("lock", "prune", "film.yaml", code=ExitCode.USAGE)
    assert "old, attempt 1, done, task_old" in said
    assert "not a terminal: pass -y to prune these" in said
    assert "paid: 3.00 CNY" in said
    pipeline.do("lock", "prune", "film.yaml", "-y")
    assert [
        json.loads(x)["shot"]
        for x in (pipeline.folder / "film.pruned.jsonl").read_text().splitlines()
    ] == ["old"]
    assert pipeline.purchases() == []

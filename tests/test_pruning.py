"""Orphans put away: out of the lock and never out of the record, under the ledger's own lock."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from klingflow import ExitCode
from klingflow.api.loading import load
from klingflow.api.planning import plan
from klingflow.api.pruning import Prunable, prune
from klingflow.api.reporting import status
from klingflow.api.site import Wish, now, site_of
from klingflow.errors import LedgerError, NothingSelected
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.problems import worded
from klingflow.ledger.store import open_ledger, read
from klingflow.model import Price, Purchase
from tests.harness import Pipeline, pipeline_at
from tests.keeping import keys, write
from tests.purchases import AT, LATER, done, doubtful, intent, submitted


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
    shutil.rmtree(paths.box.state)
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
    assert "task_old already belongs to old" in said


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
    """Nothing is written through a link, not even through one that came after the first look."""
    paths = bought(pipeline, done("old"))
    before = paths.lock.read_bytes()

    def agreed(found: Prunable) -> bool:
        paths.pruned.symlink_to(pipeline.folder / "elsewhere")
        return True

    with pytest.raises(
        LedgerError, match=r"pruned\.jsonl: cannot be written, so nothing was pruned"
    ):
        prune(load(pipeline.manifest), Wish(), agreed)

    assert paths.lock.read_bytes() == before
    assert not (pipeline.folder / "elsewhere").exists()


def test_without_a_terminal_pruning_wants_yes(pipeline: Pipeline) -> None:
    """And says what was paid, with two decimals as everywhere."""
    bought(pipeline, replace(done("old"), price=Price(Decimal("3.0"), "CNY", "5 s × 0.6")))
    said = pipeline.do("lock", "prune", "film.yaml", code=ExitCode.USAGE)
    assert "old, attempt 1, done, task_old" in said
    assert "not a terminal: pass -y to prune these" in said
    assert "3.00 CNY spent (1 purchase)" in said
    pipeline.do("lock", "prune", "film.yaml", "-y")
    assert [
        json.loads(x)["shot"]
        for x in (pipeline.folder / "film.pruned.jsonl").read_text().splitlines()
    ] == ["old"]
    assert pipeline.purchases() == []

"""The black box: what the user's state folder remembers where a lock went back in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from klingflow.api import merging
from klingflow.errors import LedgerError, LedgerHeld, UsageError
from klingflow.ledger import blackbox
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import BoxPlace, LedgerPaths, Site, ledger_paths
from klingflow.ledger.problems import worded
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Place, Problem, Purchase
from tests.purchases import AT, LATER, done, intent, submitted


def now() -> str:
    return LATER


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def paths(tmp_path: Path, state: Path) -> LedgerPaths:
    return paths_in(tmp_path / "film", state)


def paths_in(folder: Path, state: Path) -> LedgerPaths:
    folder.mkdir(exist_ok=True)
    (folder / "film.yaml").write_text("version: 1\n")
    return ledger_paths(folder / "film.yaml", state=state)


def write(ledger: Ledger, *purchases: Purchase) -> None:
    for purchase in purchases:
        anyio.run(ledger.record, purchase)


def keep(paths: LedgerPaths, *purchases: Purchase) -> None:
    with open_ledger(paths, now) as ledger:
        write(ledger, *purchases)


def killed(ledger: Ledger) -> None:
    """What a process leaves that is killed: its descriptors closed, and nothing else done."""
    assert ledger.box
    for fd in (ledger.journal._fd, ledger.journal._anchor, ledger.box._fd):
        if fd is not None:
            os.close(fd)


def clean(paths: LedgerPaths) -> None:
    """`git clean -xfd` where the lock is not committed."""
    paths.lock.unlink(missing_ok=True)
    shutil.rmtree(paths.hidden)


def box_of(paths: LedgerPaths) -> Path:
    assert paths.box
    (folder,) = (paths.box.state / "ledgers").iterdir()
    return folder


def test_an_older_lock_loses_nothing(paths: LedgerPaths) -> None:
    """`git checkout`, `git stash`; and it is said, until the lock knows."""
    keep(paths, submitted("opening"))
    older = paths.lock.read_bytes()
    keep(paths, done("alley"), submitted("door"))
    whole = paths.lock.read_bytes()
    paths.lock.write_bytes(older)
    seen = read(paths)
    assert [*map(worded, seen.problems)] == [
        "film.lock has lost track of 2 purchases, which the black box still knows: alley, door"
    ]
    assert seen.task_ids.keys() == {"task_opening", "task_alley", "task_door"}
    with open_ledger(paths, now) as ledger:
        assert ledger.book.problems == seen.problems
    assert paths.lock.read_bytes().split(b"\n")[1:] == whole.split(b"\n")[1:]
    assert read(paths).problems == []


def test_what_the_lock_knew_less_far_is_told_too(paths: LedgerPaths) -> None:
    first = submitted("opening")
    keep(paths, first)
    older = paths.lock.read_bytes()
    keep(paths, advance(first, "succeeded", LATER))
    paths.lock.write_bytes(older)
    book = read(paths)
    assert [p.state for p in book.purchases.values()] == ["succeeded"]
    assert book.problems == [Problem("lost_by_lock", Place("film.lock"), ("opening",), count=1)]


def test_a_ledger_cleared_away_comes_back_by_the_place_of_its_manifest(paths: LedgerPaths) -> None:
    keep(paths, submitted("opening"))
    clean(paths)
    keep(paths)
    assert read(paths).task_ids.keys() == {"task_opening"}
    assert b"task_opening" in paths.lock.read_bytes()


def test_a_fresh_clone_has_the_same_black_box(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    keep(paths)
    keep(paths, submitted("opening"))
    committed = paths.lock.read_bytes()
    keep(paths, submitted("alley"))
    clone = paths_in(tmp_path / "clone", state)
    clone.lock.write_bytes(committed)
    assert read(clone).task_ids.keys() == {"task_opening", "task_alley"}


@pytest.mark.parametrize("recorded", [intent("opening"), submitted("opening")])
def test_a_run_killed_after_its_folder_was_cleared_loses_nothing(
    paths: LedgerPaths, recorded: Purchase
) -> None:
    ledger = open_ledger(paths, now)
    write(ledger, recorded)
    clean(paths)
    killed(ledger)
    book = read(paths)
    (told,) = book.purchases.values()
    assert (told.uid, told.task_id) == (recorded.uid, recorded.task_id)
    assert told.state == ("in_doubt" if recorded.state == "intent" else "submitted")
    assert told.body == recorded.body
    keep(paths)
    assert read(paths).purchases == book.purchases or told.state == "in_doubt"


def test_two_copies_of_one_ledger_are_not_run_at_once(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    keep(paths, submitted("opening"))
    clone = paths_in(tmp_path / "clone", state)
    clone.lock.write_bytes(paths.lock.read_bytes())
    code = (
        "import sys; from pathlib import Path\n"
        "from klingflow.ledger.places import ledger_paths\n"
        "from klingflow.ledger.store import open_ledger\n"
        f"paths = ledger_paths({str(paths.anchor)!r}, state=Path({str(state)!r}))\n"
        "with open_ledger(paths, lambda: '2026'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(
            LedgerHeld, match=r"film\.yaml, whose ledger this one is a copy of"
        ) as held:
            open_ledger(clone, now)
        assert held.value.pid == other.pid
        shutil.rmtree(paths.hidden)
        assert paths.anchor
        paths.anchor.unlink()
        with pytest.raises(
            LedgerHeld
        ):  # though nothing beside the manifest tells of the other any more
            open_ledger(paths, now)
        other.kill()
    keep(clone)


def test_without_it_neither_is_anything_restored_nor_kept(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    keep(paths, submitted("opening"))
    clean(paths)
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    alone = ledger_paths(tmp_path / "film" / "film.yaml")
    keep(alone, submitted("alley"))
    assert read(alone).task_ids.keys() == {"task_alley"}
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before
    # What was begun anew on purpose stays so.
    assert read(paths).task_ids.keys() == {"task_alley"}


def test_a_black_box_that_cannot_be_written_is_said_and_stops_nothing(
    paths: LedgerPaths, state: Path
) -> None:
    state.write_text("no folder")
    with open_ledger(paths, now) as ledger:
        write(ledger, submitted("opening"))
        assert [p.kind for p in ledger.book.problems] == ["box_unwritable"]
    assert read(paths).task_ids.keys() == {"task_opening"}


def test_a_black_box_that_cannot_be_read_is_not_passed_over(paths: LedgerPaths) -> None:
    keep(paths, submitted("opening"))
    copy = box_of(paths) / "ledger.lock"
    copy.unlink()
    copy.mkdir()
    for opened in (read, lambda paths: open_ledger(paths, now)):
        with pytest.raises(LedgerError, match="--no-black-box does without it"):
            opened(paths)


def test_a_black_box_deleted_during_a_run_is_begun_anew_whole(
    paths: LedgerPaths, state: Path
) -> None:
    keep(paths, submitted("before"))
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"))
    shutil.rmtree(state)
    write(ledger, submitted("b"))
    anyio.run(ledger.fold)
    write(ledger, submitted("c"))
    clean(paths)
    killed(ledger)
    assert read(paths).task_ids.keys() == {"task_before", "task_a", "task_b", "task_c"}


def test_a_black_box_on_a_full_disk_is_said_and_made_whole_later(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(paths, now)
    assert ledger.box
    os.close(ledger.box._fd)
    ledger.box._fd = os.open("/dev/full", os.O_WRONLY)
    write(ledger, submitted("a"))
    assert ledger.box.trouble and "No space left" in worded(ledger.box.trouble)
    anyio.run(ledger.fold)
    assert ledger.box.trouble is None
    ledger.close()
    clean(paths)
    assert read(paths).task_ids.keys() == {"task_a"}


def test_a_damaged_line_counts_for_nothing_and_the_others_do(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"), submitted("b"))
    copy = box_of(paths) / "ledger.lock"
    copy.write_bytes(copy.read_bytes().replace(b"task_a", b"task_x"))
    clean(paths)
    keep(paths)
    book = read(paths)
    assert {p.shot: (p.state, p.task_id) for p in book.purchases.values()} == {
        "a": ("in_doubt", None),
        "b": ("submitted", "task_b"),
    }
    assert b"task_x" in paths.journal_damaged.read_bytes()


def test_it_heals_a_damaged_lock(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"), submitted("b"))
    paths.lock.write_bytes(paths.lock.read_bytes().replace(b"task_a", b"task_x"))
    assert read(paths).task_ids.keys() == {"task_a", "task_b"}


def test_an_undisturbed_ledger_and_its_black_box_are_the_same(paths: LedgerPaths) -> None:
    """So that a start need not read twice, and a plan changes nothing."""
    for shot in ("a", "b"):
        keep(paths, submitted(shot))
        box = box_of(paths)
        assert (box / "ledger.lock").read_bytes() == paths.lock.read_bytes()
        assert (box / "ledger.journal").read_bytes() == b""
    before = {path: path.stat().st_mtime_ns for path in box.iterdir()}
    read(paths)
    assert {path: path.stat().st_mtime_ns for path in box.iterdir()} == before


def test_two_lineages_that_were_merged_are_both_remembered(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    other = paths_in(tmp_path / "other", state)
    keep(paths)
    keep(paths, submitted("a"))
    keep(other, submitted("b"))
    lines = [
        *other.lock.read_bytes().splitlines(True)[:1],
        *paths.lock.read_bytes().splitlines(True)[:1],
    ]
    paths.lock.write_bytes(b"".join(lines))
    assert read(paths).task_ids.keys() == {"task_a", "task_b"}
    keep(paths)
    assert paths.lock.read_bytes().count(b'"lineage":"') == 1


def test_nobody_else_may_look(paths: LedgerPaths, state: Path) -> None:
    keep(paths, submitted("opening"))
    assert state.stat().st_mode & 0o077 == 0


def test_an_unsent_purchase_is_not_restored_as_bought(paths: LedgerPaths) -> None:
    keep(paths, advance(intent("opening"), "unsent", AT))
    clean(paths)
    assert [p.state for p in read(paths).purchases.values()] == ["rejected"]


def test_what_is_recorded_while_somebody_looks_is_not_lost_track_of(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` during a run reads one file after the other."""
    keep(paths, submitted("before"))
    with open_ledger(paths, now) as ledger:
        look = blackbox.look

        def look_and_go_on(place: BoxPlace, lineages: set[str]) -> blackbox.Reading:
            write(ledger, submitted("a"))
            reading = look(place, lineages)
            write(ledger, submitted("b"))
            anyio.run(ledger.fold)
            return reading

        monkeypatch.setattr(blackbox, "look", look_and_go_on)
        book = read(paths)
    assert book.problems == []
    assert book.task_ids.keys() == {"task_before", "task_a", "task_b"}


def test_two_copies_in_one_run_are_told_of_each_other(paths: LedgerPaths, tmp_path: Path) -> None:
    keep(paths)
    keep(paths, submitted("opening"))
    copy = ledger_paths(
        tmp_path / "film" / "copy.yaml", state=paths.box.state if paths.box else None
    )
    copy.lock.write_bytes(paths.lock.read_bytes())
    with open_ledger(paths, now), pytest.raises(UsageError, match="have copies of one ledger"):
        open_ledger(copy, now)


def test_a_refusal_that_something_came_after_is_not_lost_track_of(paths: LedgerPaths) -> None:
    """The lock drops it on purpose."""
    ledger = open_ledger(paths, now)
    write(ledger, advance(intent("opening"), "unsent", AT), submitted("opening"))
    anyio.run(ledger.fold)
    killed(ledger)
    assert read(paths).problems == []


def test_a_state_folder_that_becomes_a_file_during_a_run_is_said_and_stops_nothing(
    paths: LedgerPaths, state: Path
) -> None:
    with open_ledger(paths, now) as ledger:
        write(ledger, submitted("a"))
        shutil.rmtree(state)
        state.write_text("no folder")
        anyio.run(ledger.fold)
        assert ledger.box and ledger.box.trouble and ledger.box.trouble.kind == "box_unwritable"
        write(ledger, submitted("b"))
    assert read(paths).task_ids.keys() == {"task_a", "task_b"}


def both_ways(first: LedgerPaths, second: LedgerPaths) -> tuple[LedgerPaths, LedgerPaths]:
    """The ledger with the larger lineage first: a merge takes the smaller one."""
    first, second = sorted((first, second), key=lambda paths: read(paths).lineage, reverse=True)
    return first, second


@pytest.mark.parametrize("by", ["git", "klingflow"])
def test_a_lock_from_before_two_ledgers_were_merged_loses_nothing(
    by: str, paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    """Whichever of the two it is, and on whichever machine the other one began."""
    other = paths_in(tmp_path / "other", tmp_path / "another's state")
    keep(paths)
    keep(paths, submitted("a"))
    keep(other, submitted("b"))
    assert paths.box and other.box and paths.anchor and other.anchor
    ours, theirs = both_ways(paths, other)
    ours_before, theirs_before = ours.lock.read_bytes(), theirs.lock.read_bytes()
    if by == "git":
        ours.lock.write_bytes(ours_before + theirs_before)
    else:
        merging.merge(Site("film.yaml", ours.lock, ours), [theirs.lock], dry_run=False)
    keep(ours, submitted("c"))
    for older in (ours_before, theirs_before):
        ours.lock.write_bytes(older)
        assert read(ours).task_ids.keys() == {"task_a", "task_b", "task_c"}
    keep(ours)
    assert read(ours).problems == []
    assert (
        ours.lock.read_bytes().split(b",")[1] == theirs_before.split(b",")[1]
    )  # as its lock has it


def test_a_ledger_that_runs_is_merged_with_no_other(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    """Its purchases of this moment would be nobody's else."""
    keep(paths, submitted("a"))
    other = paths_in(tmp_path / "other", state)
    with open_ledger(other, now) as running:
        write(running, submitted("b"))
        anyio.run(running.fold)
        paths.lock.write_bytes(paths.lock.read_bytes() + other.lock.read_bytes())
        with pytest.raises(
            UsageError, match="have copies of one ledger"
        ):  # LedgerHeld in another process
            open_ledger(paths, now)
    keep(paths)
    assert read(paths).task_ids.keys() == {"task_a", "task_b"}


def test_what_was_not_committed_outlives_a_merge_made_elsewhere(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    """`git reset --hard` to a colleague's lock, which is of their lineage and holds what we had
    committed.
    """
    other = paths_in(tmp_path / "other", tmp_path / "another's state")
    keep(paths, submitted("a"))
    keep(other, submitted("b"))
    ours, theirs = both_ways(paths, other)
    theirs.lock.write_bytes(theirs.lock.read_bytes() + ours.lock.read_bytes())
    keep(theirs)
    keep(ours, submitted("c"))
    ours.lock.write_bytes(theirs.lock.read_bytes())
    assert read(ours).task_ids.keys() == {"task_a", "task_b", "task_c"}
    keep(ours)
    assert b"task_c" in ours.lock.read_bytes()

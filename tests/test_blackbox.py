"""The black box: what the user's state folder remembers where a lock went back in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from klingflow.api import merging
from klingflow.errors import LedgerError, LedgerHeld, UsageError
from klingflow.ledger import boxes
from klingflow.ledger.boxplaces import BoxPlace
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import lock_line
from klingflow.ledger.places import LedgerPaths, Site, ledger_paths
from klingflow.ledger.problems import worded
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Failure, Place, Problem, Purchase
from tests.keeping import files_below, now
from tests.purchases import AT, LATER, done, intent, submitted

LIMITED = Failure("limited", "rate_limit", "slow down")


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
    for fd in (ledger.journal._fd, ledger.journal._anchor, *ledger.box.descriptors):
        if fd is not None:
            os.close(fd)


def clean(paths: LedgerPaths) -> None:
    """`git clean -xfd` where the lock is not committed."""
    paths.lock.unlink(missing_ok=True)
    shutil.rmtree(paths.hidden)


def box_of(paths: LedgerPaths) -> Path:
    """The folder of this place in the one black box that there is."""
    assert paths.box
    (folder,) = boxes.folders_of(paths.box)
    return folder


def tasks(paths: LedgerPaths) -> set[str | None]:
    """Every task that is known at a place, also what waits for the manifest's word."""
    book = read(paths)
    return {p.task_id for p in (*book.purchases.values(), *book.recallable.values())}


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


def test_what_was_bought_at_a_place_without_a_lock_waits_for_the_manifests_word(
    paths: LedgerPaths,
) -> None:
    """Another film at the path of an earlier one must not get the earlier one's texts."""
    keep(paths, submitted("opening"))
    clean(paths)
    book = read(paths)
    assert (book.purchases, {p.task_id for p in book.recallable.values()}) == ({}, {"task_opening"})
    assert book.former == {("opening", 1)}
    with open_ledger(paths, now) as ledger:
        ledger.enter(ledger.book.recallable.values())
        ledger.begin_box()
    assert read(paths).task_ids.keys() == {"task_opening"}
    assert b"task_opening" in paths.lock.read_bytes()


def test_what_was_there_before_still_holds_its_takes_once_there_is_a_lock(
    paths: LedgerPaths,
) -> None:
    keep(paths, submitted("opening"))
    clean(paths)
    keep(paths, submitted("other"))
    book = read(paths)
    assert book.task_ids.keys() == {"task_other"}
    assert (tasks(paths), book.former) == ({"task_other", "task_opening"}, {("opening", 1)})
    assert read(said(paths)).task_ids.keys() == {"task_other", "task_opening"}


def said(paths: LedgerPaths) -> LedgerPaths:
    """The same with --same-film."""
    assert paths.box
    return replace(paths, box=replace(paths.box, same_film=True))


def cloned(paths: LedgerPaths, tmp_path: Path, lock: bytes | None = None) -> LedgerPaths:
    """A copy of the folder at another place, with this lock or the present one."""
    assert paths.box
    clone = paths_in(tmp_path / "clone", paths.box.state)
    clone.lock.write_bytes(paths.lock.read_bytes() if lock is None else lock)
    return clone


def test_a_clone_does_not_know_what_was_bought_at_home_until_it_is_said(
    paths: LedgerPaths, tmp_path: Path
) -> None:
    """Said once, by a person; it is remembered, and what the clone buys then counts at home."""
    keep(paths, submitted("opening"))
    committed = paths.lock.read_bytes()
    keep(paths, submitted("alley"))
    clone = cloned(paths, tmp_path, committed)
    assert tasks(clone) == {"task_opening"}
    keep(clone, submitted("door"))  # which is no such word
    assert (tasks(clone), tasks(paths)) == (
        {"task_opening", "task_door"},
        {"task_opening", "task_alley"},
    )
    assert read(said(clone)).task_ids.keys() == {"task_opening", "task_alley", "task_door"}
    with open_ledger(said(clone), now) as ledger:
        ledger.begin_box()
    for one in (clone, paths):
        assert read(one).task_ids.keys() == {"task_opening", "task_alley", "task_door"}


def test_a_folder_that_was_moved_knows_what_its_lock_has_and_what_it_does_then(
    paths: LedgerPaths, tmp_path: Path
) -> None:
    keep(paths, submitted("opening"))
    paths.lock.parent.rename(tmp_path / "moved")
    assert paths.box
    moved = ledger_paths(tmp_path / "moved" / "film.yaml", state=paths.box.state)
    older = moved.lock.read_bytes()
    keep(moved, submitted("door"))
    moved.lock.write_bytes(older)
    assert read(moved).task_ids.keys() == {"task_opening", "task_door"}


def test_looking_and_opening_leave_no_trace(paths: LedgerPaths, state: Path) -> None:
    """Nor does an opened ledger that is closed without a record: a run that was refused."""
    read(paths)
    open_ledger(paths, now).close()
    assert not state.exists()
    keep(paths, submitted("opening"))
    before = files_below(state)
    read(said(paths))
    open_ledger(paths, now).close()
    assert files_below(state) == before


@pytest.mark.parametrize("file", ["lock", "pruned"])
def test_a_ledger_from_elsewhere_tells_the_black_box_nothing(
    paths: LedgerPaths, tmp_path: Path, state: Path, file: str
) -> None:
    """Its lines have our lineage and the right sums; only what is done there is kept, apart. What
    was pruned may come back by a move.
    """
    keep(paths, submitted("opening"))
    clone = cloned(paths, tmp_path)
    planted = submitted("planted")
    with getattr(clone, file).open("ab") as lines:
        lines.write(lock_line(planted))
    before = files_below(state)
    open_ledger(clone, now).close()
    assert files_below(state) == before
    keep(clone, submitted("door"))
    keep(clone, advance(planted, "parked", LATER))
    theirs = {path: data for path, data in files_below(state).items() if path not in before}
    kept = {path.name: data.count(b"\n") for path, data in theirs.items()}
    assert kept == {"bought.jsonl": 1, "asked.jsonl": 1, "place.json": 1}
    assert all(files_below(state)[path] == data for path, data in before.items())
    assert tasks(paths) == {"task_opening"}


@pytest.mark.parametrize("recorded", [intent("opening"), submitted("opening")])
def test_a_run_killed_after_its_folder_was_cleared_loses_nothing(
    paths: LedgerPaths, recorded: Purchase
) -> None:
    ledger = open_ledger(paths, now)
    write(ledger, recorded)
    clean(paths)
    killed(ledger)
    (told,) = read(paths).recallable.values()
    assert (told.uid, told.task_id) == (recorded.uid, recorded.task_id)
    assert told.state == ("in_doubt" if recorded.state == "intent" else "submitted")
    assert told.body == recorded.body


def test_two_copies_of_one_ledger_are_not_run_at_once(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    keep(paths, submitted("opening"))
    clone = cloned(paths, tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "from klingflow.ledger.places import ledger_paths\n"
        "from klingflow.ledger.store import open_ledger\n"
        f"paths = ledger_paths({str(paths.anchor)!r}, state=Path({str(state)!r}))\n"
        "with open_ledger(paths, lambda: '2026') as ledger:\n"
        "    ledger.begin_box()\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        before = files_below(state)
        with (
            pytest.raises(
                LedgerHeld, match=r"film\.yaml, whose ledger this one is a copy of"
            ) as held,
            open_ledger(clone, now) as ledger,
        ):
            ledger.begin_box()
        assert held.value.pid == other.pid
        assert files_below(state) == before
        shutil.rmtree(paths.hidden)
        assert paths.anchor
        paths.anchor.unlink()
        # Though nothing beside the manifest tells of the other any more.
        with pytest.raises(LedgerHeld), open_ledger(paths, now) as ledger:
            ledger.begin_box()
        other.kill()
    keep(clone)


def test_a_cleared_folder_lets_no_second_run_of_the_same_drafts_in(
    paths: LedgerPaths, state: Path
) -> None:
    """The lock on the manifest is the film's; the one in the black box keeps drafts apart."""
    assert paths.anchor
    drafts = ledger_paths(paths.anchor, state=state, profile="draft")
    with open_ledger(drafts, now) as ledger:
        ledger.begin_box()
        write(ledger, submitted("opening"))
        anyio.run(ledger.fold)
        shutil.rmtree(drafts.hidden)
        # A second process is told who holds it; here both are this one.
        with (
            pytest.raises(UsageError, match="copies of one ledger; run them apart"),
            open_ledger(drafts, now) as second,
        ):
            second.begin_box()
    keep(drafts)


def test_what_another_copy_bought_since_the_plan_is_not_passed_over(
    paths: LedgerPaths, tmp_path: Path
) -> None:
    """While the user was asked."""
    keep(paths, submitted("opening"))
    clone = cloned(paths, tmp_path)
    with open_ledger(clone, now) as ledger:
        keep(paths, submitted("alley"))
        with pytest.raises(UsageError, match="was run in the meantime; run again"):
            ledger.begin_box()


def test_without_it_neither_is_anything_restored_nor_kept(
    paths: LedgerPaths, tmp_path: Path, state: Path
) -> None:
    keep(paths, submitted("opening"))
    clean(paths)
    before = files_below(state)
    alone = ledger_paths(tmp_path / "film" / "film.yaml")
    keep(alone, submitted("alley"))
    assert read(alone).task_ids.keys() == {"task_alley"}
    assert files_below(state) == before
    # What was begun anew on purpose stays so, except for bodies that would be bought again.
    assert read(paths).task_ids.keys() == {"task_alley"}
    assert not read(paths).former


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
    copy = box_of(paths) / "bought.jsonl"
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
    assert tasks(paths) == {"task_before", "task_a", "task_b", "task_c"}


def test_a_black_box_on_a_full_disk_is_said_and_made_whole_later(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(paths, now)
    write(ledger, submitted("before"))
    assert ledger.box
    os.close(ledger.box._open["bought.jsonl"])
    ledger.box._open["bought.jsonl"] = os.open("/dev/full", os.O_WRONLY)
    write(ledger, submitted("a"))
    assert ledger.box.trouble and "No space left" in worded(ledger.box.trouble)
    anyio.run(ledger.fold)
    assert ledger.box.trouble is None
    ledger.close()
    clean(paths)
    assert tasks(paths) == {"task_before", "task_a"}


def test_a_damaged_line_counts_for_nothing_and_the_others_do(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"), submitted("b"))
    older = paths.lock.read_bytes().splitlines(True)[0]
    copy = box_of(paths) / "bought.jsonl"
    copy.write_bytes(copy.read_bytes().replace(b"task_a", b"task_x"))
    paths.lock.write_bytes(older)
    keep(paths, submitted("c"))
    book = read(paths)
    assert {p.shot: (p.state, p.task_id) for p in book.purchases.values()} == {
        "a": ("in_doubt", None),
        "b": ("submitted", "task_b"),
        "c": ("submitted", "task_c"),
    }
    assert paths.journal_damaged.read_bytes().count(b"task_x") == 1
    assert [problem.kind for problem in read(paths).problems] == []


def test_it_heals_a_damaged_lock(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"), submitted("b"))
    paths.lock.write_bytes(paths.lock.read_bytes().replace(b"task_a", b"task_x"))
    assert read(paths).task_ids.keys() == {"task_a", "task_b"}


def test_an_undisturbed_black_box_has_the_lines_of_the_lock(paths: LedgerPaths) -> None:
    """So that a start need not parse them twice, and a plan changes nothing."""
    for shot in ("a", "b"):
        begun = intent(shot)
        bought = advance(begun, "accepted", AT, task_id=shot, billed_tier="x")
        keep(paths, begun, bought, advance(bought, "parked", LATER))
    box = box_of(paths)
    assert (box / "bought.jsonl").read_bytes() == b"".join(
        paths.lock.read_bytes().splitlines(True)[1:]
    )
    before = {path: path.stat().st_mtime_ns for path in box.iterdir()}
    read(paths)
    assert {path: path.stat().st_mtime_ns for path in box.iterdir()} == before


def test_nobody_else_may_look(paths: LedgerPaths, state: Path) -> None:
    keep(paths, submitted("opening"))
    assert state.stat().st_mode & 0o077 == 0


def test_an_unsent_purchase_is_not_restored_as_bought(paths: LedgerPaths) -> None:
    keep(paths, advance(intent("opening"), "unsent", AT))
    clean(paths)
    assert [p.state for p in read(paths).recallable.values()] == ["rejected"]
    assert read(paths).former == set()


def test_a_refusal_that_something_came_after_is_not_recalled(paths: LedgerPaths) -> None:
    """Looking says what opening says: the lock drops such a refusal on purpose."""
    refused = advance(intent("opening"), "unsent", AT)
    ledger = open_ledger(paths, now)
    write(ledger, refused, intent("opening", attempt=2))
    killed(ledger)
    clean(paths)
    assert [p.state for p in read(paths).recallable.values()] == ["in_doubt"]


@pytest.mark.parametrize("name", ["place.json", "bought.jsonl", "asked.jsonl"])
@pytest.mark.parametrize("lost", [True, False], ids=["before it had a lock", "with its lock"])
@pytest.mark.parametrize("records", [True, False])
def test_what_a_death_left_half_written_is_removed(
    paths: LedgerPaths, name: str, lost: bool, records: bool
) -> None:
    """By the next run, also if it records nothing; and under the lineage that the ledger had then:
    without a lock it begins another.
    """
    keep(paths, submitted("opening"))
    left = box_of(paths) / f".{name}.tmp"
    left.write_text("{")
    if lost:
        clean(paths)
    with open_ledger(paths, now) as ledger:
        if records:
            ledger.begin_box()
    assert (left.parent.is_dir(), left.exists()) == (True, False)


def test_what_is_recorded_while_somebody_looks_is_not_lost_track_of(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` during a run reads one file after the other."""
    keep(paths, submitted("before"))
    with open_ledger(paths, now) as ledger:
        look = boxes.look

        def look_and_go_on(place: BoxPlace, lineages: frozenset[str]) -> boxes.Reading:
            write(ledger, submitted("a"))
            reading = look(place, lineages)
            write(ledger, submitted("b"))
            anyio.run(ledger.fold)
            return reading

        monkeypatch.setattr(boxes, "look", look_and_go_on)
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
    with open_ledger(paths, now) as one, open_ledger(copy, now) as other:
        one.begin_box()
        with pytest.raises(UsageError, match="have copies of one ledger"):
            other.begin_box()


def test_a_refusal_that_something_came_after_is_not_lost_track_of(paths: LedgerPaths) -> None:
    """The lock drops it on purpose."""
    ledger = open_ledger(paths, now)
    write(ledger, advance(intent("opening"), "unsent", AT), submitted("opening"))
    anyio.run(ledger.fold)
    killed(ledger)
    assert read(paths).problems == []


def test_a_refusal_is_not_forgotten_when_its_intent_is_kept(paths: LedgerPaths) -> None:
    """Written again at the end of a run, the black box knows of no doubt that never was."""
    with open_ledger(paths, now) as ledger:
        ledger.begin_box()
        for attempt in (1, 2, 3):
            begun = intent("opening", attempt=attempt)
            write(ledger, begun)
            write(ledger, advance(begun, "refused", AT, error=LIMITED))
        begun = intent("opening", attempt=4)
        write(ledger, begun)
        write(ledger, advance(begun, "accepted", AT, task_id="task_1"))
        anyio.run(ledger.fold)
    book = read(paths)
    assert book.problems == []
    assert {p.state for p in book.purchases.values()} == {"submitted"}


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
    # What only came by git is git's to remember.
    mine = {p.task_id for p in read(ours).purchases.values()}
    assert mine == {"task_a", "task_b", "task_c"}
    own = {"task_c", "task_a" if ours is paths else "task_b"}
    for older in (ours_before, theirs_before):
        ours.lock.write_bytes(older)
        assert tasks(ours) >= (own if by == "git" else mine)
    keep(ours, submitted("d"))
    assert read(ours).problems == []


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
        with open_ledger(paths, now) as ledger, pytest.raises(UsageError, match="have copies of"):
            ledger.begin_box()  # LedgerHeld in another process
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
    assert tasks(ours) == {"task_a", "task_b", "task_c"}


def test_a_film_and_its_drafts_are_places_of_their_own(tmp_path: Path, state: Path) -> None:
    """What the box knows of one never counts for the other, with or without a lock."""
    film = paths_in(tmp_path / "film", state)
    drafts = ledger_paths(tmp_path / "film" / "film.yaml", state=state, profile="draft")
    keep(drafts, submitted("a"))
    assert drafts.box
    (spot,) = boxes.spots_in(drafts.box.box(read(drafts).lineage))
    assert (Path(spot.manifest).name, spot.profile) == ("film.draft.yaml", "draft")
    assert boxes.exists(spot)
    (tmp_path / "film" / "film.draft.lock").unlink()
    book = read(film)
    assert (book.purchases, book.recallable, book.former) == ({}, {}, set())
    assert [p.key for p in read(drafts).recallable.values()] == ["a"]
    (tmp_path / "film" / "film.yaml").unlink()
    assert not boxes.exists(spot)


def test_a_film_and_its_drafts_are_run_at_once(tmp_path: Path, state: Path) -> None:
    """Two drafts beside them; the same one twice is refused."""
    film = paths_in(tmp_path / "film", state)
    others = [
        ledger_paths(tmp_path / "film" / "film.yaml", state=state, profile=profile)
        for profile in ("draft", "rough")
    ]
    with ExitStack() as held:
        for number, paths in enumerate((film, *others)):
            write(held.enter_context(open_ledger(paths, now)), submitted(f"s{number}"))
        with pytest.raises(LedgerHeld):
            open_ledger(others[0], now)

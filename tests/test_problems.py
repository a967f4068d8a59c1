"""What is wrong with a ledger, in words: one row for each kind, one function for all."""

from __future__ import annotations

from typing import get_args

import pytest

from klingflow.ledger.problems import ROWS, Row, found, worded
from klingflow.model import Place, Problem, ProblemKind

LOCK = Place("film.lock")
LINE = Place("film.lock", 3)


def test_every_kind_has_its_row() -> None:
    """A new kind without words fails here."""
    assert set(ROWS) == set(get_args(ProblemKind))


# Each kind once: what `lock check` shows of it, and what the commands print.
WORDS = [
    (Problem("damaged_line", LINE), "a damaged line", "film.lock:3: a damaged line was set aside"),
    (
        Problem("damaged_purchases", LINE, ("a", "b#2")),
        "a damaged line of a, b#2",
        "film.lock:3: a damaged line of a, b#2 was set aside; if no other line reports it, it is"
        " in doubt",
    ),
    (
        Problem("damaged_pruned", LINE, ("a",)),
        "a damaged line of a",
        "film.lock:3: a damaged line of a; git may have it as it was",
    ),
    (
        Problem("damaged_pruned", LINE),
        "a damaged line",
        "film.lock:3: a damaged line; git may have it as it was",
    ),
    (
        Problem("conflict_markers", LOCK),
        "holds git's conflict markers",
        "film.lock: holds git's conflict markers; the purchases of both sides are kept",
    ),
    (
        Problem("empty_lock", LOCK),
        "is empty",
        "film.lock: is empty; git may have an older version of it",
    ),
    (
        Problem("no_header", LOCK),
        "has no readable header",
        "film.lock: has no readable header; git may have an older version of it",
    ),
    (
        Problem("two_lineages", LOCK),
        "two ledgers that began apart were merged into it",
        "film.lock: two ledgers that began apart were merged into it; both are kept",
    ),
    (
        Problem("lines_missing", LOCK, count=2),
        "2 purchases fewer than its header says",
        "film.lock: 2 purchases fewer than its header says; git may have them",
    ),
    (
        Problem("lost_by_lock", LOCK, ("a",), count=1),
        "film.lock has lost track of one purchase",
        "film.lock has lost track of one purchase, which the black box still knows: a",
    ),
    (
        Problem("lost_by_lock", LOCK, ("a", "b", "c", "d", "e", "a"), count=6),
        "film.lock has lost track of 6 purchases",
        "film.lock has lost track of 6 purchases, which the black box still knows: a, b, c, d, e",
    ),
    (
        Problem("lost_by_lock", LOCK, tuple("abcdef"), count=6),
        "film.lock has lost track of 6 purchases",
        "film.lock has lost track of 6 purchases, which the black box still knows:"
        " a, b, c, d, e, …",
    ),
    (
        Problem("left_in_box", LOCK, count=2),
        "the black box knows 2 purchases more that were made here, of bodies that the manifest has"
        " not",
        "film.lock: the black box knows 2 purchases more that were made here, of bodies that the"
        " manifest has not; --same-film takes them in",
    ),
    (
        Problem("contradicting_line", keys=("a",), tasks=("t",)),
        "a line names task t, others of the same purchase do not",
        "a: a line names task t, others of the same purchase do not; set aside",
    ),
    (
        Problem("task_held_twice", keys=("a", "b"), tasks=("t", "t"), attempts=(1, 2)),
        "task t is in two purchases: a attempt 1 and b attempt 2",
        "task t is in two purchases: a attempt 1 and b attempt 2",
    ),
    (
        Problem("paid_twice", keys=("a", "a"), tasks=("t", "u"), attempts=(1, 1)),
        "a was paid for twice: task t and task u",
        "a was paid for twice: task t and task u; both are kept",
    ),
    (
        Problem("same_video", keys=("a", "b", "c"), tasks=("t", "u", "v"), count=3),
        "a, b, c have one and the same video, from 3 tasks",
        "a, b, c have one and the same video, from 3 tasks; look at them: the gateway may have"
        " mixed up its tasks",
    ),
    (
        Problem("box_unwritable", Place("/state"), detail="No space left"),
        "the black box cannot be written: /state: No space left",
        "the black box cannot be written: /state: No space left; --no-black-box does without it",
    ),
    (
        Problem("link_refused", Place("/film/outputs"), detail="/disk"),
        "/film/outputs is a link to /disk",
        "/film/outputs is a link to /disk, and no run writes there without your word:"
        " `klingflow run` asks for it",
    ),
    (
        Problem("draft_not_kept", Place("film.draft.lock"), ("a",), detail="f.yaml --profile x"),
        "the picked drafts of a do not count, because they are not `=`",
        "film.draft.lock: the picked drafts of a do not count, because they are not `=`;"
        " `klingflow plan f.yaml --profile x` says why",
    ),
    (
        Problem("store_away", detail="the store /films cannot be used now: is not there"),
        "the store /films cannot be used now: is not there",
        "the store /films cannot be used now: is not there; this is what the ledger alone knows,"
        " and nothing is bought meanwhile",
    ),
    (
        Problem("place_taken", Place("outputs/a.mp4"), detail="ep1.yaml"),
        "ep1.yaml has outputs/a.mp4 by its lock",
        "ep1.yaml has outputs/a.mp4 by its lock; no run writes there: give one of the two another"
        " name: or output:",
    ),
    (
        Problem("place_below", Place("sub/a.mp4"), detail="/film/sub"),
        "/film/sub is a project with a ledger of its own",
        "/film/sub is a project with a ledger of its own; no run writes sub/a.mp4 there: give the"
        " manifest another name: or output:",
    ),
    (
        Problem("place_blocked", Place("out/a.mp4"), detail="/film/out"),
        "/film/out is no folder",
        "/film/out is no folder; no run can write out/a.mp4: move it away, or change output:",
    ),
    (
        Problem("foreign_journal", Place("film.journal"), ("a",), count=1, detail="/x/film.yaml"),
        "holds one purchase of /x/film.yaml",
        "film.journal: holds one purchase of /x/film.yaml, which has them too; they are not"
        " counted here, and their lines are set aside",
    ),
    (
        Problem("unknown_field", LINE, ("a",), name="colour"),
        "'colour' was unexpected: there is no such field",
        "film.lock:3: 'colour' was unexpected: there is no such field; it was left out",
    ),
    (
        Problem("wrong_field", LINE, ("a",), name="seconds", detail="'x'"),
        "seconds cannot be 'x'",
        "film.lock:3: seconds cannot be 'x'; it was left out",
    ),
    (
        Problem("small_field", LINE, ("a",), count=1, name="take", detail="0"),
        "take: 0 is less than the minimum of 1",
        "film.lock:3: take: 0 is less than the minimum of 1",
    ),
    (
        Problem("missing_field", LINE, ("a",), name="fingerprint"),
        "'fingerprint' is missing",
        "film.lock:3: 'fingerprint' is missing",
    ),
]


@pytest.mark.parametrize(("problem", "short", "whole"), WORDS)
def test_a_problem_has_its_words(problem: Problem, short: str, whole: str) -> None:
    """`lock check` has columns for the place and for what to do, so it shows less."""
    assert (found(problem), worded(problem)) == (short, whole)


def test_every_kind_is_worded_here() -> None:
    """A kind that nobody has read aloud fails here."""
    assert {problem.kind for problem, _, _ in WORDS} == set(ROWS)


def test_braces_in_a_name_are_no_template() -> None:
    """Shots and files are called what their author likes."""
    problem = Problem("paid_twice", keys=("{tasks}", "{tasks}"), tasks=("{0}", None))
    assert found(problem) == "{tasks} was paid for twice: task {0} and task None"


def test_lock_check_says_how_bad_each_is() -> None:
    """A merge by git is nothing to mend; a double payment is about money, not about the record."""
    levels = {kind: row.level for kind, row in ROWS.items() if row.level != "damaged"}
    assert levels == {
        "conflict_markers": "note",
        "two_lineages": "note",
        "left_in_box": "note",
        "paid_twice": "video",
        "same_video": "note",
        "box_unwritable": "note",
        "link_refused": "note",
        "draft_not_kept": "note",
        "store_away": "note",
        "place_taken": "note",
        "place_below": "note",
        "place_blocked": "note",
        "foreign_journal": "note",
    }


@pytest.mark.parametrize(
    ("kind", "todo"),
    [
        ("unknown_field", "klingflow does not write such a line; find out where it is from"),
        ("lines_missing", "git may have them"),
        ("no_header", "git may have an older version of it"),
        ("two_lineages", "the next run puts it in order"),
        ("contradicting_line", "look both tasks up at the gateway: both may be charged"),
        ("damaged_line", ""),
    ],
)
def test_lock_check_says_what_to_do(kind: ProblemKind, todo: str) -> None:
    """Of a damaged line it depends on the file, so the table has nothing."""
    row: Row = ROWS[kind]
    assert row.todo == todo

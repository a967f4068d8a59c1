"""PURE. What can be wrong with a ledger: one row for each kind of Problem, and the one function
that words a Problem.

Readers report Problems as records; only what is printed, or written as JSON, has their words.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Literal, NamedTuple

from klingflow.model import Problem, ProblemKind, task_named

# How bad a finding of `lock check` is: the record itself is damaged, a person has to say how it
# came out, a video or a payment is wrong, or nobody has to mend anything.
Level = Literal["damaged", "unsettled", "video", "note"]

_OLDER = "git may have an older version of it"
_NOT_OURS = "klingflow does not write such a line; find out where it is from"
_TIDIES = "the next run puts it in order"
_SOME = 5


class Row(NamedTuple):
    """A kind of problem: `found` says what, `then` what became of it, `lead` where (in front).

    `level` and `todo` are for `lock check`, which gives a damaged line what to do by its file.
    """

    found: str
    then: str = ""
    lead: str = "{place}: "
    level: Level = "damaged"
    todo: str = ""


ROWS: Mapping[ProblemKind, Row] = {
    "damaged_line": Row("a damaged line", " was set aside"),
    "damaged_purchases": Row(
        "a damaged line of {keys}",
        " was set aside; if no other line reports it, it is in doubt",
    ),
    "damaged_pruned": Row("a damaged line{of_keys}", "; git may have it as it was"),
    "conflict_markers": Row(
        "holds git's conflict markers",
        "; the purchases of both sides are kept",
        level="note",
        todo=_TIDIES,
    ),
    "empty_lock": Row("is empty", f"; {_OLDER}", todo=_OLDER),
    "no_header": Row("has no readable header", f"; {_OLDER}", todo=_OLDER),
    "two_lineages": Row(
        "two ledgers that began apart were merged into it",
        "; both are kept",
        level="note",
        todo=_TIDIES,
    ),
    "lines_missing": Row(
        "{count} purchases fewer than its header says",
        "; git may have them",
        todo="git may have them",
    ),
    "lost_by_lock": Row(
        "{place} has lost track of {purchases}", ", which the black box still knows: {some}", ""
    ),
    "left_in_box": Row(
        "the black box knows {purchases} more that were made here, of bodies that the manifest has"
        " not",
        "; --same-film takes them in",
        level="note",
        todo="--same-film takes them in",
    ),
    "contradicting_line": Row(
        "a line names {tasks[0]}, others of the same purchase do not",
        "; set aside",
        "{keys}: ",
        todo="look both tasks up at the gateway: both may be charged",
    ),
    "task_held_twice": Row(
        "{tasks[0]} is in two purchases: {attempts[0]} and {attempts[1]}", lead=""
    ),
    "paid_twice": Row(
        "{key} was paid for twice: {tasks[0]} and {tasks[1]}",
        "; both are kept",
        "",
        level="video",
    ),
    "same_video": Row(
        "{some} have one and the same video, from {count} tasks",
        "; look at them: the gateway may have mixed up its tasks",
        "",
        level="note",
        todo="if one is wrong, the gateway has its task: klingflow status names them",
    ),
    "box_unwritable": Row(
        "the black box cannot be written: {place}: {detail}",
        "; --no-black-box does without it",
        "",
        level="note",
    ),
    "link_refused": Row(
        "{place} is a link to {detail}",
        ", and no run writes there without your word: `klingflow run` asks for it",
        "",
        level="note",
    ),
    "draft_not_kept": Row(
        "the picked drafts of {keys} do not count, because they are not `=`",
        "; `klingflow plan {detail}` says why",
        level="note",
    ),
    "place_taken": Row(
        "{detail} has {place} by its lock",
        "; no run writes there: give one of the two another name: or output:",
        "",
        level="note",
    ),
    "place_below": Row(
        "{detail} is a project with a ledger of its own",
        "; no run writes {place} there: give the manifest another name: or output:",
        "",
        level="note",
    ),
    "place_blocked": Row(
        "{detail} is no folder",
        "; no run can write {place}: move it away, or change output:",
        "",
        level="note",
    ),
    "foreign_journal": Row(
        "holds {purchases} of {detail}",
        ", which has them too; they are not counted here, and their lines are set aside",
        level="note",
        todo="if this is a copy of that folder, nothing is to be done",
    ),
    "unknown_field": Row(
        "{name!r} was unexpected: there is no such field", "; it was left out", todo=_NOT_OURS
    ),
    "wrong_field": Row("{name} cannot be {detail}", "; it was left out", todo=_NOT_OURS),
    "small_field": Row("{name}: {detail} is less than the minimum of {count}", todo=_NOT_OURS),
    "missing_field": Row("{name!r} is missing", todo=_NOT_OURS),
}


def worded(problem: Problem) -> str:
    """A Problem in one line for people: where it is, what it is, and what became of it."""
    row = ROWS[problem.kind]
    return (row.lead + row.found + row.then).format_map(_words(problem))


def found(problem: Problem) -> str:
    """What was found alone: `lock check` shows the place before it, and what to do below it."""
    return ROWS[problem.kind].found.format_map(_words(problem))


def _words(problem: Problem) -> dict[str, object]:
    """Everything that a row may name."""
    keys = list(dict.fromkeys(problem.keys))
    joined = ", ".join(keys)
    more = ", …" if len(keys) > _SOME else ""
    return {
        "place": problem.place,
        "key": keys[0] if keys else "",
        "keys": joined,
        "of_keys": f" of {joined}" if keys else "",
        "some": ", ".join(islice(keys, _SOME)) + more,
        "tasks": [*map(task_named, problem.tasks)],
        "attempts": [
            f"{key} attempt {attempt}"
            for key, attempt in zip(problem.keys, problem.attempts, strict=False)
        ],
        "count": problem.count,
        "purchases": "one purchase" if problem.count == 1 else f"{problem.count} purchases",
        "name": problem.name,
        "detail": problem.detail,
    }

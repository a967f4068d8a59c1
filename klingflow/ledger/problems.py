"""PURE. What can be wrong with a ledger: one row for each kind of Problem, and the one function
that words a Problem.

Readers report Problems as records; only what is printed, or written as JSON, has their words.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Literal, NamedTuple

from klingflow.model import Problem, ProblemKind, task_named
from klingflow.words import _, filled, joined, many

# How bad a finding of `lock check` is: the record itself is damaged, a person has to say how it
# came out, a video or a payment is wrong, or nobody has to mend anything.
Level = Literal["damaged", "unsettled", "video", "note"]

_OLDER = _("git may have an older version of it")
_NOT_OURS = _("klingflow does not write such a line; find out where it is from")
_TIDIES = _("the next run puts it in order")
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
    "damaged_line": Row(_("a damaged line"), _(" was set aside")),
    "damaged_purchases": Row(
        _("a damaged line of {keys}"),
        _(" was set aside; if no other line reports it, it is in doubt"),
    ),
    "damaged_pruned": Row(_("a damaged line{of_keys}"), _("; git may have it as it was")),
    "conflict_markers": Row(
        _("holds git's conflict markers"),
        _("; the purchases of both sides are kept"),
        level="note",
        todo=_TIDIES,
    ),
    "empty_lock": Row(_("is empty"), _("; {older}", older=_OLDER), todo=_OLDER),
    "no_header": Row(_("has no readable header"), _("; {older}", older=_OLDER), todo=_OLDER),
    "two_lineages": Row(
        _("two ledgers that began apart were merged into it"),
        _("; both are kept"),
        level="note",
        todo=_TIDIES,
    ),
    "lines_missing": Row(
        _("{count} purchases fewer than its header says"),
        _("; git may have them"),
        todo=_("git may have them"),
    ),
    "lost_by_lock": Row(
        _("{place} has lost track of {purchases}"),
        _(", which the black box still knows: {some}"),
        "",
    ),
    "left_in_box": Row(
        _(
            "the black box knows {purchases} more that were made here, of bodies that the"
            " manifest has"
            " not"
        ),
        _("; --same-film takes them in"),
        level="note",
        todo=_("--same-film takes them in"),
    ),
    "contradicting_line": Row(
        _("a line names {tasks[0]}, others of the same purchase do not"),
        _("; set aside"),
        "{keys}: ",
        todo=_("look both tasks up at the gateway: both may be charged"),
    ),
    "task_held_twice": Row(
        _("{tasks[0]} is in two purchases: {attempts[0]} and {attempts[1]}"), lead=""
    ),
    "paid_twice": Row(
        _("{key} was paid for twice: {tasks[0]} and {tasks[1]}"),
        _("; both are kept"),
        "",
        level="video",
    ),
    "same_video": Row(
        _("{some} have one and the same video, from {count} tasks"),
        _("; look at them: the gateway may have mixed up its tasks"),
        "",
        level="note",
        todo=_("if one is wrong, the gateway has its task: klingflow status names them"),
    ),
    "box_unwritable": Row(
        _("the black box cannot be written: {place}: {detail}"),
        _("; --no-black-box does without it"),
        "",
        level="note",
    ),
    "link_refused": Row(
        _("{place} is a link to {detail}"),
        _(", and no run writes there without your word: `klingflow run` asks for it"),
        "",
        level="note",
    ),
    "draft_not_kept": Row(
        _("the picked drafts of {keys} do not count, because they are not `=`"),
        _("; `klingflow plan {detail}` says why"),
        level="note",
    ),
    "store_away": Row(
        "{detail}",
        _("; this is what the ledger alone knows, and nothing is bought meanwhile"),
        "",
        level="note",
        todo=_("what hosts have done since then is in the store"),
    ),
    "place_taken": Row(
        _("{detail} has {place} by its lock"),
        _("; no run writes there: give one of the two another name: or output:"),
        "",
        level="note",
    ),
    "place_below": Row(
        _("{detail} is a project with a ledger of its own"),
        _("; no run writes {place} there: give the manifest another name: or output:"),
        "",
        level="note",
    ),
    "place_blocked": Row(
        _("{detail} is no folder"),
        _("; no run can write {place}: move it away, or change output:"),
        "",
        level="note",
    ),
    "foreign_journal": Row(
        _("holds {purchases} of {detail}"),
        _(", which has them too; they are not counted here, and their lines are set aside"),
        level="note",
        todo=_("if this is a copy of that folder, nothing is to be done"),
    ),
    "unknown_field": Row(
        _("{name!r} was unexpected: there is no such field"), _("; it was left out"), todo=_NOT_OURS
    ),
    "wrong_field": Row(_("{name} cannot be {detail}"), _("; it was left out"), todo=_NOT_OURS),
    "small_field": Row(_("{name}: {detail} is less than the minimum of {count}"), todo=_NOT_OURS),
    "missing_field": Row(_("{name!r} is missing"), todo=_NOT_OURS),
}


def worded(problem: Problem) -> str:
    """Return a Problem in one line for people: where it is, what it is, and what became of it."""
    row = ROWS[problem.kind]
    values = _words(problem)
    return joined("", [filled(part, values) for part in (row.lead, row.found, row.then) if part])


def found(problem: Problem) -> str:
    """Return the words of a problem that `lock check` shows: the place stands before them, what to
    do below.
    """
    return filled(ROWS[problem.kind].found, _words(problem))


def _words(problem: Problem) -> dict[str, object]:
    """Everything that a row may name."""
    keys = list(dict.fromkeys(problem.keys))
    all_keys = joined(", ", keys)
    more = ", …" if len(keys) > _SOME else ""
    return {
        "place": problem.place,
        "key": keys[0] if keys else "",
        "keys": all_keys,
        "of_keys": _(" of {keys}", keys=all_keys) if keys else "",
        "some": joined(", ", islice(keys, _SOME)) + more,
        "tasks": [*map(task_named, problem.tasks)],
        "attempts": [
            _("{key} attempt {attempt}", key=key, attempt=attempt)
            for key, attempt in zip(problem.keys, problem.attempts, strict=False)
        ],
        "count": problem.count,
        "purchases": many(problem.count, "one purchase", "{number} purchases"),
        "name": problem.name,
        "detail": problem.detail,
    }

"""What `render` and `why` print, and the problems of a ledger that any command reports.

A plan is printed by plan_views.py, a status by status_views.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from klingflow.ledger.problems import worded
from klingflow.model import Json, Problem
from klingflow.terminal import console
from klingflow.terminal.layout import clean, folded, is_unicode, room, showable, width
from klingflow.words import _


def dump_answers(answers: Sequence[Mapping[str, Json]], form: str) -> None:
    """Print the answers of `render`, `{"manifest"?, "shots"}` of each manifest: as JSON or YAML one
    answer, or the list of several; as JSON Lines a line for each shot.
    """
    if form == "jsonl":
        rows = [{**_manifest_of(one), **row} for one in answers for row in one["shots"]]
        console.out("\n".join(map(console.shown_json, rows)))
        return
    value = answers[0] if len(answers) == 1 else answers
    if form == "json":
        console.dump_json(value)
    else:
        console.out(_yaml(value).rstrip())


def _manifest_of(answer: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in answer.items() if name == "manifest"}


def _yaml(value: Json) -> str:
    """Return the value as YAML for stdout; every character beyond ASCII is escaped where one of
    them cannot be shown, or would be obeyed.
    """
    import yaml  # for start-up

    # Through JSON, so that text which is not final yet is plain text to YAML too.
    plain = json.loads(json.dumps(value))
    text: str = yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120)
    is_shown = all(clean(line) == line for line in text.split("\n"))
    if not is_shown or not is_unicode(sys.stdout):
        text = yaml.safe_dump(plain, sort_keys=False, width=120)
    return text


def show_problems(problems: Iterable[Problem]) -> None:
    """Print what is wrong with a ledger."""
    show_worded(map(worded, problems))


def show_worded(problems: Iterable[str]) -> None:
    """Print problems of a ledger that already have their words."""
    for problem in problems:
        console.warn(_("ledger: {problem}", problem=problem))


def show_why(answer: Mapping[str, Any]) -> None:
    """Print the changed fields of one shot, old → new.

    A field that stands in two places of the body (`seconds`, as text and as number) is one line;
    the JSON has both places.
    """
    console.prose(answer["says"])
    shown: set[tuple[str, ...]] = set()
    for change in answer["changes"]:
        what = (change["field"], *(str(change.get(side)) for side in ("old", "new", "where")))
        if what in shown:
            continue
        shown.add(what)
        for line in _change(change, room()):
            console.say(line)


def _change(change: Mapping[str, Any], columns: float) -> list[str]:
    """Return a changed field in one line, or with each value below it where that is too long."""
    old, new = showable(_brief(change, "old")), showable(_brief(change, "new"))
    field = showable(_("  {field}:", field=change["field"]))
    where = showable(_("   {where}", where=change["where"])) if change.get("where") else ""
    line = _("{field} {old} → {new}{where}", field=field, old=old, new=new, where=where)
    if width(line) <= columns:
        return [line]
    values = (folded(old, columns, "      ", "      "), folded(new, columns, "    → ", "      "))
    return [field + where, *values[0], *values[1]]


def _brief(change: Mapping[str, Any], side: str) -> str:
    return json.dumps(change[side], ensure_ascii=False) if side in change else _("(not there)")

"""PURE. What shots, takes and tasks are called: `opening`, `opening#2`, `task 82734`."""

from __future__ import annotations

import unicodedata

from klingflow.words import _


def key_of(shot: str, take: int) -> str:
    """What a take is called everywhere: `opening`, and `opening#2` for its second take."""
    return shot if take == 1 else f"{shot}#{take}"


def task_named(task_id: str | None) -> str:
    """What a task is called in a sentence: `task 82734`, but not `task task_uS28`."""
    return str(task_id) if str(task_id).startswith("task") else _("task {task_id}", task_id=task_id)


def composed(name: str) -> str:
    """Return a shot's id in the one form in which accents belong to their letters (Unicode's NFC):
    what a Mac's file names, a keyboard and a spreadsheet write otherwise is one id.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def split_key(key: str) -> tuple[str, int]:
    """Return the shot's id and the number of the take in a key, as typed. `opening#1` is
    understood, too; what stands behind `#` and is no number belongs to the id.
    """
    shot, mark, take = composed(key).rpartition("#")
    return (shot, int(take)) if mark and take.isdecimal() else (composed(key), 1)

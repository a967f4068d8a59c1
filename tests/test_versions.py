"""The videos of one take, and those that others replaced."""

from __future__ import annotations

from dataclasses import replace

from klingflow.model import FileFact
from klingflow.results.versions import replaced, versions
from tests.purchases import done, submitted

AWAY = "outputs/film/earlier/a.1-00000001.mp4"
FIRST = replace(done("a"), output=AWAY)
SECOND = replace(done("a", attempt=2), sha256="bb")


def test_every_delivered_video_of_a_take_is_listed() -> None:
    """With its attempt, its task and its file, and whether that is here."""
    here = {AWAY: FileFact(10, "aa"), "outputs/film/a.mp4": FileFact(10, "edited")}
    assert versions([FIRST, SECOND, submitted("a", attempt=3)], here) == [
        {
            "attempt": 1,
            "uid": FIRST.uid,
            "task_id": "task_a",
            "file": AWAY,
            "bytes": 10,
            "present": True,
        },
        {
            "attempt": 2,
            "uid": SECOND.uid,
            "task_id": "task_a",
            "file": "outputs/film/a.mp4",
            "bytes": 10,
            "present": False,
        },
    ]


def test_what_lies_in_earlier_was_replaced() -> None:
    """Whichever was bought last: an earlier body may have come back."""
    back = [replace(SECOND, output=AWAY), replace(FIRST, output="outputs/film/a.mp4")]
    assert replaced([FIRST, SECOND, done("b"), submitted("c")]) == [FIRST]
    assert replaced(back) == [back[0]]


def test_of_several_elsewhere_the_last_serves() -> None:
    """The output was changed, and the shot was bought again, before they could be sorted."""
    old = replace(FIRST, output="old/a.mp4")
    assert replaced([old, SECOND]) == [old]

"""What status prints of takes, sums and doubts."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.terminal import status_views

NO_MONEY: dict[str, Any] = {
    "money": {"budget": None, "left": None, "shares": {}, "prices": None}, "ways_out": []
}  # fmt: skip
Capture = pytest.CaptureFixture[str]
UNSENT = {"kind": "not_sent", "code": "not_sent", "message": "no connection"}
AGAIN = {"kind": "unknown", "code": "resubmitted", "message": "to be bought once more"}
REFUSED = {"kind": "parameters", "code": "x", "message": "nonsense"}


def said(capsys: Capture) -> list[str]:
    """The lines on stdout."""
    return capsys.readouterr().out.splitlines()


def shot(state: str, **more: Any) -> dict[str, Any]:
    return {"id": "a", "take": 1, "kind": "text", "state": state, **more}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (shot("done", file="a.mp4", task_id="t"), "  done  a  a.mp4"),
        (
            shot("done", file="a.mp4", versions=[{"file": "a.mp4", "present": False}]),
            "  done  a  a.mp4, not here",
        ),
        (
            shot("done", file="a.mp4", media={"remarks": [{"kind": "black"}, {"kind": "silent"}]}),
            "  done  a  a.mp4; black throughout; silent throughout, and sound was bought",
        ),
        (shot("submitted", task_id="t", take=2), "  submitted  a#2  t"),
        (shot("failed", task_id="t", error={"message": "no"}), "  failed  a  t; no"),
        (shot("new"), "  new  a"),
        (
            {"id": "a", "take": 1, "state": "done", "file": "a.mp4"},
            "  done  a  no longer in the manifest; a.mp4",
        ),
        (shot("rejected", error=UNSENT), "  not sent  a  no connection"),
        (shot("rejected", error=REFUSED), "  refused  a  nonsense"),
        (shot("intent"), "  in doubt  a"),
        (shot("abandoned", error=AGAIN), "  not bought  a  to be bought once more"),
    ],
)
def test_a_shots_line_says_what_came_of_it(
    capsys: Capture, entry: dict[str, Any], line: str
) -> None:
    """Its file, or otherwise its task and what is wrong with it."""
    totals = {"shots": 0, "by_state": {}, "by_tier": {}}
    record = {"name": "film", "manifest": "film.yaml", "totals": totals, "doubts": [], **NO_MONEY}
    status_views.show_status({**record, "shots": [], "orphans": [entry]}, "film.yaml")
    assert said(capsys) == ["film (film.yaml)", line, "0 takes: nothing bought yet."]


LISTED = [f"  new   s{n:02}" for n in range(10)]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (10, [LISTED[0], "  done  a    a.mp4", *LISTED[1:]]),
        (11, ["  done  a  a.mp4", "  new: s00, s01, s02, s03, s04 and 6 more (-v lists all)"]),
    ],
)
def test_many_takes_that_were_never_bought_are_one_line(
    capsys: Capture, number: int, shown: list[str]
) -> None:
    """Among 300 of them the others would not be seen; on demand all are listed."""
    entries = [{**shot("new"), "id": f"s{n:02}"} for n in range(number)]
    entries.insert(1, shot("done", file="a.mp4"))
    totals = {"shots": 0, "by_state": {}, "by_tier": {}}
    record = {"name": "film", "manifest": "film.yaml", "totals": totals, "doubts": [], **NO_MONEY}
    record |= {"shots": entries, "orphans": []}
    status_views.show_status(record, "film.yaml")
    assert said(capsys)[1:-1] == shown
    status_views.show_status(record, "film.yaml", verbose=True)
    assert len(said(capsys)) == number + 3


def test_totals_are_told_by_tier(capsys: Capture) -> None:
    """With their price where it is known."""
    totals = {
        "shots": 4,
        "by_state": {"done": 3, "in_doubt": 1},
        "by_tier": {
            "x": {"tasks": 1, "seconds": 5, "amounts": {"CNY": "2.5"}, "unpriced": 0},
            "y": {"tasks": 2, "seconds": 10, "amounts": {}, "unpriced": 2, "failed": 1},
        },
    }
    record = {"name": "film", "manifest": "film.yaml", "totals": totals, "doubts": [], **NO_MONEY}
    entries = [shot("in_doubt"), shot("rejected", error=UNSENT), shot("intent"), shot("done")]
    status_views.show_status({**record, "shots": entries, "orphans": []}, "film.yaml")
    assert said(capsys)[5:] == [
        "4 takes: 1 done, 2 in doubt, 1 not sent.",
        "  x: 1 task, 5 s, 2.50 CNY",
        "  y: 2 tasks, 10 s, 2 of unknown price, 1 failed",
    ]


def test_every_video_of_a_shot_is_listed_on_demand(capsys: Capture) -> None:
    """Without the option their number alone is told."""
    videos = [
        {"attempt": 1, "file": "earlier/a.1-x.mp4", "task_id": "t1", "present": False},
        {"attempt": 2, "file": "a.mp4", "task_id": "t2", "present": True},
    ]
    totals = {"shots": 1, "by_state": {}, "by_tier": {}}
    record = {"name": "film", "manifest": "film.yaml", "totals": totals, "doubts": [], **NO_MONEY}
    shot = {"id": "a", "take": 1, "kind": "text", "state": "done", "file": "a.mp4"}
    record |= {"shots": [{**shot, "versions": videos}], "orphans": []}
    status_views.show_status(record, "film.yaml")
    assert said(capsys)[1:-1] == ["  done  a  a.mp4; 1 earlier video"]
    status_views.show_status(record, "film.yaml", verbose=True)
    assert [line.strip() for line in said(capsys)[2:-1]] == [
        "attempt 1: earlier/a.1-x.mp4, t1, not here",
        "attempt 2: t2",
    ]

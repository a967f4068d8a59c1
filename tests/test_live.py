"""The live view of a run, drawn for a screen."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from klingflow.terminal import language, live
from klingflow.terminal.layout import width
from klingflow.terminal.live import drawn
from klingflow.terminal.tally import Tally
from tests.plans import action, plan_of, several


def lines(
    tally: Tally,
    height: int = 24,
    now: float = 120.0,
    left_s: float | None = None,
    **prefixes: str,
) -> list[str]:
    """The view as a screen of 100 columns shows it, without bars."""
    terminal = Console(width=100, no_color=True, file=io.StringIO(), record=True)
    terminal.print(drawn(tally, {"film.yaml": prefixes.get("film", "")}, height, now, left_s))
    text = terminal.export_text()
    return [line.replace("━", "").replace("─", "").rstrip() for line in text.splitlines()]


def running(number: int) -> Tally:
    """A run of shots a, b, c … whose tasks were begun one second after the other."""
    tally = Tally.of([several(["create"] * number)], 0.0)
    for n in range(number):
        tally.note({"event": "submitted", "path": "film.yaml", "shot": chr(97 + n)}, float(n))
    return tally


def test_the_view_counts_spends_and_lists_what_runs() -> None:
    """The oldest task first, each with its age."""
    tally = running(3)
    tally.note({"event": "failed", "path": "film.yaml", "shot": "b", "failure": {}}, 60.0)
    assert [" ".join(line.split()) for line in lines(tally, left_s=241.0)] == [
        "2 running 1 failed",
        "spent 6.00 CNY · 2 bought a minute · 2m 00s · about 4m left",
        "a 2m 00s",
        "c 1m 58s",
    ]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (1.0, "spent 6.00 CNY · 1s"),
        (59.0, "spent 6.00 CNY · 59s"),
        (60.0, "spent 6.00 CNY · 3 bought a minute · 1m 00s"),
    ],
)
def test_a_rate_is_shown_once_a_minute_has_passed(now: float, said: str) -> None:
    """ "180 bought a minute" after one second is a guess."""
    assert lines(running(3), now=now)[1].strip() == said


def test_what_does_not_fit_is_counted() -> None:
    """Six lines of the screen are for what is no bar."""
    shown = lines(running(5), height=9)
    assert [line.split()[0] for line in shown[2:5]] == ["a", "b", "c"]
    assert shown[5:] == ["  and 2 more running"]


def test_shots_of_several_manifests_say_whose_they_are() -> None:
    assert lines(running(1), film="act1/")[2].split()[0] == "act1/a"


def test_a_name_moves_no_cursor() -> None:
    assert lines(running(1), film="\x1b[2J")[2].split()[0] == "\ufffd[2Ja"


@pytest.mark.parametrize(
    ("share", "now", "bar"),
    [
        (0.0, 9.0, "─" * 24),
        (50.0, 9.0, "━" * 12 + "─" * 12),
        (100.0, 9.0, "━" * 24),
        (None, 0.0, "━" * 4 + "─" * 20),
        (None, 2.5, "─" * 10 + "━" * 4 + "─" * 10),
    ],
)
def test_a_bar_reads_as_unfinished_in_a_still_picture(
    share: float | None, now: float, bar: str
) -> None:
    """Also where nobody knows how much is done, and without colours."""
    assert live._bar(share, now).plain == bar


def test_a_bar_is_plain_where_the_encoding_lacks_its_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert live._bar(50.0, 0.0).plain == "=" * 12 + "-" * 12


def test_no_colour_of_the_view_vanishes_on_paper() -> None:
    """Neither yellow nor white."""
    assert not {"yellow", "white"} & {
        word for style in live.STYLES.values() for word in style.split()
    }


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    """Of Chinese shots, with every count and a long sum; a bar is never broken."""
    plan = plan_of(
        *(action("create", f"银发女侦探走进窄巷回头一瞥-{n}-{'long' * 9}") for n in range(9))
    )
    tally = Tally.of([plan], 0.0)
    for number, one in enumerate(plan.actions):
        tally.note({"event": "submitted", "path": "film.yaml", "shot": one.key}, float(number))
    tally.unpriced = 20
    terminal = Console(width=columns, no_color=True, file=io.StringIO(), record=True)
    terminal.print(drawn(tally, {"film.yaml": "影片一/"}, 12, 3000.0, 7900.0))
    shown = terminal.export_text().splitlines()
    assert [line for line in shown if width(line) > columns] == []
    assert sum(line.count("─" * 4) > 0 for line in shown) == 6


def test_the_hosts_of_a_cluster_are_shown() -> None:
    """Who has bought what, what of it runs, and who is not heard of any more; until it buys."""
    tally = Tally.of([several(["create"] * 3)], 0.0)
    for number, host in enumerate(["north", "south", "north"]):
        about = {"path": "film.yaml", "shot": chr(97 + number), "host": host}
        tally.note({"event": "submitted", **about}, float(number))
    tally.note({"event": "done", "path": "film.yaml", "shot": "a", "host": "north"}, 60.0)
    tally.note({"event": "succeeded", "path": "film.yaml", "shot": "a", "after_s": 1.0}, 60.0)
    tally.note({"event": "silent", "host": "south"}, 60.0)
    _, _, hosts, *bars = [" ".join(line.split()) for line in lines(tally)]
    assert hosts == "north 1 running, 2 bought · south 1 running, 1 bought, silent"
    assert bars == ["b 1m 59s south", "c 1m 58s north"]
    tally.note({"event": "submitted", "path": "film.yaml", "shot": "a", "host": "south"}, 61.0)
    assert "silent" not in lines(tally)[2]


def test_the_hosts_of_a_cluster_are_shown_in_the_persons_language() -> None:
    """What is drawn is made of sentences, as what is printed is."""
    tally = Tally.of([several(["create"])], 0.0)
    tally.note({"event": "submitted", "path": "film.yaml", "shot": "a", "host": "north"}, 0.0)
    tally.note({"event": "silent", "host": "north"}, 60.0)
    language.speak_by(lambda template: template.replace(" {running} running, ", ": "))
    try:
        assert lines(tally)[2].strip() == "north: 1 bought, silent"
    finally:
        language.speak_by(None)


def test_a_run_without_hosts_has_no_line_for_them() -> None:
    """Nor a column."""
    assert len(lines(running(1))) == 3

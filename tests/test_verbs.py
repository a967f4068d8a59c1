"""The verbs of a plan: one row for each, whole, and every room works with every row."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import get_args

import pytest

from klingflow.decide.verbs import LEFT_OUT, VERBS, VerbRow, Work
from klingflow.errors import PRECEDENCE, ExitCode, Mark
from klingflow.model import (
    Action,
    GatewaySettings,
    Limits,
    Manifest,
    Node,
    Plan,
    Request,
    Shot,
    Verb,
)
from klingflow.results.plan_data import plan_data
from klingflow.terminal import plan_views
from klingflow.terminal.tally import Tally
from tests.purchases import done

ROOT = Path(__file__).parent.parent
# What `take._reason` can say of a purchase.
NAMES = {"task", "state", "origin", "because", "since", "asked", "given_up", "again"}


def test_every_verb_has_a_row_and_every_row_a_verb() -> None:
    """A name without a row would end `klingflow plan` in a KeyError."""
    assert list(VERBS) == list(get_args(Verb))


def test_no_two_verbs_share_a_mark() -> None:
    """One character tells what a line of a plan is."""
    for marks in (_marks(), [row.plain for row in VERBS.values()] + [LEFT_OUT]):
        assert len(set(marks)) == len(marks)
        assert {len(mark) for mark in marks} == {1}


def _marks() -> list[str]:
    return [row.mark for row in VERBS.values()] + [LEFT_OUT]


def test_every_mark_has_one_that_any_encoding_shows() -> None:
    """The mark itself where that is ASCII. Both languages and `plan --help` say the others."""
    assert all(row.plain.isascii() for row in VERBS.values())
    assert all(row.plain == row.mark for row in VERBS.values() if row.mark.isascii())
    told = {row.mark: row.plain for row in VERBS.values() if not row.mark.isascii()}
    for page in (
        "docs/plan-and-run.md",
        "docs/zh/plan-and-run.md",
        "klingflow/terminal/cli_read.py",
    ):
        lines = (ROOT / page).read_text(encoding="utf-8").replace("`", "").splitlines()
        said = [line for line in lines if told.keys() <= set(line)]
        letters = [re.findall(r"\b[a-z]\b", line)[-len(told) :] for line in said]
        assert letters == [[*told.values()]], page


# mark, work, verdict, needs attention
ROWS: dict[Verb, tuple[str, Work | None, ExitCode | None, bool]] = {
    "create": ("+", "buy", ExitCode.FAILED, True),
    "keep": ("=", None, None, False),
    "resume": ("↻", "poll", ExitCode.UNSETTLED, True),
    "download": ("↓", "download", ExitCode.FAILED, True),
    "changed": ("~", None, None, False),
    "failed": ("!", None, ExitCode.FAILED, True),
    "in_doubt": ("?", None, ExitCode.UNSETTLED, True),
    "waits": ("…", "wait", None, True),
    "held": ("#", None, ExitCode.UNSETTLED, True),
    "orphan": ("-", None, None, False),
}


@pytest.mark.parametrize(("verb", "row"), VERBS.items())
def test_what_a_verb_means(verb: Verb, row: VerbRow) -> None:
    """Its mark, what a run does about it, and what it means after a run."""
    assert (row.mark, row.work, row.verdict, row.needs_attention) == ROWS[verb]
    assert row.verdict in (None, *PRECEDENCE)
    assert row.noun and row.label


@pytest.mark.parametrize(
    ("work", "comes", "asks", "buys"),
    [
        ("buy", True, False, True),
        ("poll", True, True, False),
        ("download", True, True, False),
        ("wait", False, False, True),
        (None, False, False, False),
    ],
)
def test_what_follows_from_the_work(work: Work | None, comes: bool, asks: bool, buys: bool) -> None:
    """Which verbs bring a video, ask the gateway about a purchase, and may cost money."""
    rows = [row for row in VERBS.values() if row.work == work]
    found = {(row.comes_by_itself, row.is_at_the_gateway, row.may_buy) for row in rows}
    assert found == {(comes, asks, buys)}


@pytest.mark.parametrize(("verb", "row"), VERBS.items())
def test_a_reason_names_only_what_a_purchase_has(verb: Verb, row: VerbRow) -> None:
    """A verb of a purchase has one reason; one that may buy has several, which take.py words."""
    names = {name for _, name, _, _ in string.Formatter().parse(row.reason) if name}
    assert names <= NAMES
    assert bool(row.reason) != row.may_buy, verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_shown_everywhere(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    """In a plan's table and its line of counts, as data, and in the live view."""
    shot = Shot("a", 1, "text", {}, "outputs/film/a.mp4", Node({}, Mark("film.yaml", 1, 1)))
    request = Request({"model": "kling-3.0"}, "sha256:1", "kling-3.0-720p", 5, None)
    film = Manifest("film.yaml", "film", (shot,), (request,), Limits(), GatewaySettings(), (), {})
    plan = Plan(film, (Action(verb, "a", "because", shot, request, done("a")),))
    plan_views.show_plan(plan, "film.yaml", verbose=True)
    said = capsys.readouterr().out
    assert f"{VERBS[verb].mark} " in said and f"1 {VERBS[verb].noun}." in said
    assert plan_data(plan)["actions"][0]["mark"] == VERBS[verb].mark
    assert Tally.of([plan], 0.0).states == {("film.yaml", "a"): VERBS[verb].label}


@pytest.mark.parametrize("pages", [("README.md", "docs/*.md"), ("README.zh-CN.md", "docs/zh/*.md")])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_documents(pages: tuple[str, ...], verb: Verb) -> None:
    """With its mark, in a row of the table of marks, in both languages."""
    row = f"| `{VERBS[verb].mark}` | {verb.replace('_', ' ')} |"
    texts = (path.read_text(encoding="utf-8") for page in pages for path in ROOT.glob(page))
    assert any(row in text for text in texts)

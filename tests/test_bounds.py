"""What a command's words allow a run to buy: limits under flags and plans, and words that clash."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from klingflow.errors import UsageError
from klingflow.model import Limits, Manifest
from klingflow.results.saved_plan import SavedPlan, Words
from klingflow.terminal.bounds import is_zero_unknown, limits_of, under_plan, words_of
from klingflow.terminal.options import Options
from tests.planned import manifest, shot


def of(**words: Any) -> SavedPlan:
    """A saved plan that was made by these words."""
    return SavedPlan("0123456789abcdef", "", "", Words(**words), {})


def film(**limits: Any) -> Manifest:
    """A manifest with these limits."""
    return replace(manifest(shot("a")), limits=Limits(**limits))


@pytest.mark.parametrize(
    ("said", "planned", "most"),
    [
        (None, None, 200),
        ("300", None, 300),
        (None, "50", 50),
        (None, "300", 200),
        ("300", "300", 300),
    ],
)
def test_a_plan_only_makes_a_cap_stricter(said: str | None, planned: str | None, most: int) -> None:
    """The manifest says 200. Only the command line may say more; a file may come from anybody."""
    saved = of(max_spend=planned) if planned else None
    options = Options(max_spend=said)
    assert limits_of([film(max_spend=Decimal(200))], options, saved).max_spend == most


def test_a_plans_words_count_as_if_they_were_typed() -> None:
    """Except its caps, which would be consent."""
    saved = of(select=("a",), exclude=("b",), rerun=("failed",), buy_again=True, max_tasks=2)
    assert under_plan(Options(yes=True), saved, "p") == Options(
        yes=True, select=("a",), exclude=("b",), rerun=("failed",), buy_again=True
    )


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("-s", Options(select=("b",))),
        ("--exclude", Options(exclude=("b",))),
        ("--rerun", Options(rerun=("changed",))),
        ("--buy-again", Options(buy_again=True)),
        ("--sandbox", Options(sandbox=True)),
        ("--max-spend", Options(max_spend="9")),
        ("--max-tasks", Options(max_tasks=9)),
        ("--max-seconds", Options(max_seconds=9)),
    ],
)
def test_a_flag_that_says_otherwise_is_refused(flag: str, options: Options) -> None:
    """By its name. Said alike it is no contradiction."""
    with pytest.raises(UsageError, match=rf"^{flag} comes from the plan"):
        under_plan(options, of(select=("a",)), "p.json")
    assert under_plan(options, replace(of(), words=words_of(options)), "p.json")


def test_a_dry_run_makes_a_plan_of_its_own() -> None:
    """`-n` beside `--plan` is refused."""
    with pytest.raises(UsageError, match="-n makes a plan of its own"):
        under_plan(Options(dry_run=True), of(), "p.json")


@pytest.mark.parametrize(
    ("options", "saved", "unknown"),
    [
        (Options(), None, False),
        (Options(max_spend="5"), None, True),
        (Options(max_spend="5", yes=True), None, False),
        (Options(max_spend="5", sandbox=True), None, False),
        (Options(yes=True), of(max_spend="5"), True),
        (Options(max_spend="5"), of(), False),
        (Options(), of(max_spend="5", sandbox=True), False),
    ],
)
def test_under_a_cap_on_money_a_price_of_0_is_unknown(
    options: Options, saved: SavedPlan | None, unknown: bool
) -> None:
    """Unless the user has agreed to it; a saved plan has decided it when it was made."""
    assert is_zero_unknown(options, saved) is unknown

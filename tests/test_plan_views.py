"""What is printed of a plan: its table, counts, cost and length."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.errors import Mark
from klingflow.model import (
    Bound,
    FileFact,
    Filing,
    Forecast,
    LeftOut,
    Limits,
    Move,
    PickLine,
    Place,
    Price,
    Prices,
    Problem,
    Reference,
    Share,
    Step,
    Sum,
)
from klingflow.results.plan_data import plan_data
from klingflow.terminal import plan_views
from tests.planned import plan as planned
from tests.planned import shot as plain
from tests.plans import action, plan_of
from tests.purchases import done

AT = Mark("film.picks.yaml", 1, 3)
Capture = pytest.CaptureFixture[str]


def said(capsys: Capture) -> list[str]:
    """The lines on stdout."""
    return capsys.readouterr().out.splitlines()


def test_a_plan_is_a_table_with_its_counts_and_its_cost(capsys: Capture) -> None:
    """What is bought has tier, seconds and price; what was bought has the tier that was billed."""
    kept = replace(done("b"), billed_tier="billed-tier")
    plan = plan_of(
        action("create", "a"), action("keep", "b", kept), action("create", "c", price=None)
    )
    plan_views.show_plan(plan, "film.yaml", verbose=True)
    assert said(capsys) == [
        "film (film.yaml)",
        "  +  a  kling-3.0-720p  5 s       2.00 CNY  because",
        "  =  b  billed-tier                         because",
        "  +  c  kling-3.0-720p  5 s  price unknown  because",
        "Plan: 2 to buy, 1 kept.",
        "Cost: 2.00 CNY + unknown for 1 (no price for its tier), predicted, for 10 s of video",
    ]


def test_a_plan_marks_what_is_left_out_and_does_not_count_it(capsys: Capture) -> None:
    """Neither among what is bought nor in its cost; the budget stands below."""
    plan = plan_of(action("create", "a"), action("create", "b"), action("waits", "c"))
    film = replace(plan.manifest, budget=Decimal("7"), prices=Prices("CNY", None, {}, ()))
    why = {"b": LeftOut("budget", "budget: because"), "c": LeftOut("budget", "budget: needs b")}
    sums: dict[Share, Sum] = {
        "spent": Sum(1, {"CNY": Decimal(2)}), "in_doubt": Sum(2, {"CNY": Decimal(3)}),
        "failed": Sum(1, {"CNY": Decimal("0.5")}), "refunded": Sum(1, {}, {"x": 1}),
    }  # fmt: skip
    plan = replace(plan, manifest=film, left_out=why, spending=sums)
    plan_views.show_plan(plan, "film.yaml")
    assert said(capsys) == [
        "film (film.yaml)",
        "  +  a  kling-3.0-720p  5 s  2.00 CNY  because",
        "  x  b  kling-3.0-720p  5 s  2.00 CNY  left out, budget: because",
        "  x  c  kling-3.0-720p  5 s  2.00 CNY  left out, budget: needs b",
        "Plan: 1 to buy, 2 left out.",
        "Cost: 2.00 CNY, predicted, for 5 s of video",
        "Budget: 7.00 CNY: 2.00 CNY spent (1 purchase), 3.00 CNY in doubt (2 doubts),"
        " 0.50 CNY failed, perhaps charged (1 task), 1 of unknown price refunded (1 task),"
        " 1.50 CNY left.",
    ]
    data = plan_data(plan)
    assert data["actions"][1]["left_out"] == {"cap": "budget", "reason": "budget: because"}
    assert [one["mark"] for one in data["actions"]] == ["+", "x", "x"]
    assert (data["money"]["budget"], data["money"]["left"]) == ("7", "1.5")


def test_a_plan_names_prices_that_the_environment_gave(capsys: Capture) -> None:
    """And a budget of which nobody can tell what is left."""
    mine = Prices("CNY", None, {}, (), file="/mine/prices.yaml", overrules=True)
    plan = plan_of(action("keep", "a", done("a")))
    film = replace(plan.manifest, budget=Decimal("7"), prices=mine)
    plan = replace(plan, manifest=film, spending={"spent": Sum(1, {}, {"x": 1})})
    plan_views.show_plan(plan, "film.yaml")
    assert said(capsys)[-2:] == [
        "Prices: /mine/prices.yaml, which KLINGFLOW_PRICES names",
        "Budget: 7.00 CNY: 1 of unknown price spent (1 purchase), unknown how much is left.",
    ]


def test_a_plan_that_buys_nothing_has_no_cost(capsys: Capture) -> None:
    plan_views.show_plan(plan_of(action("keep", "b", done("b"))), "film.yaml")
    assert said(capsys)[-1] == "Plan: 1 kept."


def test_a_plan_says_what_it_downloads_for_others(capsys: Capture) -> None:
    """A video that is not selected, from which a shot is made. Picks are those of the selection."""
    video = Reference("a", "video")
    bought = [done("a", uid="u1"), done("b", uid="u2")]
    lines = [PickLine(shot, 1, False, "", uid, AT) for shot, uid in (("a", "u1"), ("b", "u2"))]
    shots = (plain("a"), plain("b"), replace(plain("c"), references=(video,)))
    plan = planned(bought, *shots, selected={"b", "c"}, files={}, picks=lines)
    plan_views.show_plan(plan, "film.yaml")
    shown = said(capsys)
    assert "Also downloads, because shots are made from it: a." in shown
    assert "Picks: 1 picked." in shown
    assert plan_data(plan)["also_downloads"] == ["a"]


@pytest.mark.parametrize(
    ("kept", "created", "listed"), [(60, 0, 0), (60, 1, 1), (1, 600, 600), (0, 601, 600)]
)
def test_what_is_kept_is_counted_and_not_listed(
    capsys: Capture, kept: int, created: int, listed: int
) -> None:
    """And of the others no more than six hundred are; `-v` lists all."""
    actions = [action("keep", f"k{n}", done(f"k{n}")) for n in range(kept)]
    actions += [action("create", f"c{n}") for n in range(created)]
    plan_views.show_plan(plan_of(*actions), "film.yaml")
    lines = said(capsys)
    assert len([line for line in lines if line.endswith("because")]) == listed
    assert ("  … and 1 more (-v lists all)" in lines) == (created > 600)
    plan_views.show_plan(plan_of(*actions), "film.yaml", verbose=True)
    assert len([line for line in said(capsys) if line.endswith("because")]) == kept + created


def test_a_plan_names_the_variables_that_the_environment_gave(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In words and as data; their values are not shown."""
    plan = plan_of(action("create", "a"))
    plan = replace(plan, manifest=replace(plan.manifest, environment=("KLINGFLOW_VAR_cdn",)))
    plan_views.show_plan(plan, "film.yaml")
    assert "From the environment: KLINGFLOW_VAR_cdn" in said(capsys)
    assert plan_data(plan)["environment"] == ["KLINGFLOW_VAR_cdn"]


def test_a_plan_as_data() -> None:
    """An orphan has no request; where there is no price, there is none in the data."""
    orphan = replace(done("old", 2), task_id="t")
    plan = plan_of(
        action("create", "a"), action("create", "b", price=None), action("orphan", "old#2", orphan)
    )
    plan = replace(plan, problems=(Problem("damaged_line", Place("film.lock", 2)),))
    data = plan_data(plan)
    assert data["actions"][0] == {
        "mark": "+",
        "action": "create",
        "key": "a",
        "id": "a",
        "take": 1,
        "reason": "because",
        "left_out": None,
        "pick": "open",
        "pick_note": None,
        "predicted_tier": "kling-3.0-720p",
        "seconds": 5,
        "price": {"amount": "2.00", "currency": "CNY"},
        "fingerprint": "sha256:1",
        "draft": None,
        "task_id": None,
    }
    assert data["actions"][1]["price"] is None
    assert data["actions"][2] == {
        **dict.fromkeys(data["actions"][0]),
        "mark": "-",
        "action": "orphan",
        "key": "old#2",
        "id": "old",
        "take": 2,
        "reason": "because",
        "pick": "open",
        "task_id": "t",
    }
    assert data["cost"] == {"amounts": {"CNY": "2.00"}, "unknown": 1}
    assert (data["name"], data["seconds"], len(data["problems"])) == ("film", 10, 1)


@pytest.mark.parametrize(
    ("prices", "text"),
    [
        (["1.00", "2.5"], "3.50 CNY, predicted, for 10 s of video"),
        ([None], "unknown for 1 (no price for its tier), predicted, for 5 s of video"),
        ([], "0, predicted, for 0 s of video"),
    ],
)
def test_what_a_plan_costs(prices: list[str | None], text: str) -> None:
    found = [Price(Decimal(p), "CNY", "x") if p else None for p in prices]
    plan = plan_of(*(action("create", chr(97 + n), price=p) for n, p in enumerate(found)))
    assert plan_views.money(plan) == text


def test_a_run_without_a_shown_plan_says_what_moves(capsys: Capture) -> None:
    """Ten by name; nothing is said where all stays."""
    plan_views.show_moves(plan_of(action("keep", "a", done("a"))))
    assert said(capsys) == []
    moves = tuple(Move(done(f"b{number}"), f"a{number}") for number in range(11))
    step = Step("1", "outputs/film/a0.mp4", "outputs/film/b0.mp4", FileFact(1, "aa"))
    plan_views.show_moves(replace(plan_of(), moves=moves, filing=Filing({}, (step,))))
    named = ", ".join(f"b{number} was a{number}" for number in range(10))
    assert said(capsys) == [f"film.yaml: {named}, 1 more moved, 1 file to rename first."]


def test_a_plan_says_which_files_are_renamed(capsys: Capture) -> None:
    """Also those of videos that serve no shot any more; the data has all."""
    step = Step("1", "outputs/film/b.mp4", "outputs/film/earlier/b.1-x.mp4", FileFact(1, "aa"))
    plan = replace(plan_of(action("keep", "b", done("b"))), filing=Filing({}, (step,)))
    plan_views.show_plan(plan, "film.yaml")
    assert said(capsys)[-1] == (
        f"Files: 1 to rename first: {step.source} → {step.target} (--format json lists them)."
    )
    assert plan_data(plan)["files"] == [{"from": step.source, "to": step.target}]


def test_what_several_plans_buy_is_one_sum() -> None:
    """Money, shots and seconds; what has no price is counted beside it."""
    one, other = plan_of(action("create", "a")), plan_of(action("create", "b", price=None))
    said = "2 for 2.00 CNY + unknown for 1 (no price for its tier), predicted, for 10 s of video"
    assert plan_views.purchases([one, other]) == said


@pytest.mark.parametrize(
    ("bound", "links", "said"),
    [
        ("places", 5, "5 at once"),
        ("rate", 1, "30 creates in 60 s"),
        ("chain", 3, "a chain of 3 shots"),
        ("chain", 1, "all at once"),
    ],
)
def test_a_forecast_is_a_range_and_what_it_waits_for(
    bound: Bound, links: int, said: str, capsys: Capture
) -> None:
    plan_views.show_forecast(Forecast(2280.0, 2500.0, 2760.0, bound, links), Limits())
    assert capsys.readouterr().out == f"Takes about 38–46 min ({said}).\n"


def test_where_nobody_knows_how_long_a_run_takes_nothing_is_said(capsys: Capture) -> None:
    plan_views.show_forecast(None, Limits())
    assert capsys.readouterr().out == ""


def test_a_forecast_as_data() -> None:
    """In seconds; null where nobody knows."""
    plan = plan_of(action("create", "a"))
    assert plan_data(plan)["forecast"] is None
    plan = replace(plan, forecast=Forecast(2280.04, 2500.0, 2760.0, "places"))
    found = {"low_s": 2280.0, "middle_s": 2500.0, "high_s": 2760.0, "bound": "places"}
    assert plan_data(plan)["forecast"] == found

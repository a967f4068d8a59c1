"""What plan, status, why and render print."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import yaml

from klingflow.errors import Mark
from klingflow.model import (
    Bound,
    FileFact,
    Filing,
    Forecast,
    LeftOut,
    Limits,
    Move,
    Pending,
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
from klingflow.terminal import views
from tests.planned import plan as planned
from tests.planned import shot as plain
from tests.plans import action, plan_of
from tests.purchases import done

NO_MONEY: dict[str, Any] = {
    "money": {"budget": None, "left": None, "shares": {}, "prices": None}, "ways_out": []
}  # fmt: skip
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
    views.show_plan(plan, "film.yaml", verbose=True)
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
    views.show_plan(plan, "film.yaml")
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
    views.show_plan(plan, "film.yaml")
    assert said(capsys)[-2:] == [
        "Prices: /mine/prices.yaml, which KLINGFLOW_PRICES names",
        "Budget: 7.00 CNY: 1 of unknown price spent (1 purchase), unknown how much is left.",
    ]


def test_a_plan_that_buys_nothing_has_no_cost(capsys: Capture) -> None:
    views.show_plan(plan_of(action("keep", "b", done("b"))), "film.yaml")
    assert said(capsys)[-1] == "Plan: 1 kept."


def test_a_plan_says_what_it_downloads_for_others(capsys: Capture) -> None:
    """A video that is not selected, from which a shot is made. Picks are those of the selection."""
    video = Reference("a", "video")
    bought = [done("a", uid="u1"), done("b", uid="u2")]
    lines = [PickLine(shot, 1, False, "", uid, AT) for shot, uid in (("a", "u1"), ("b", "u2"))]
    shots = (plain("a"), plain("b"), replace(plain("c"), references=(video,)))
    plan = planned(bought, *shots, selected={"b", "c"}, files={}, picks=lines)
    views.show_plan(plan, "film.yaml")
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
    views.show_plan(plan_of(*actions), "film.yaml")
    lines = said(capsys)
    assert len([line for line in lines if line.endswith("because")]) == listed
    assert ("  … and 1 more (-v lists all)" in lines) == (created > 600)
    views.show_plan(plan_of(*actions), "film.yaml", verbose=True)
    assert len([line for line in said(capsys) if line.endswith("because")]) == kept + created


def test_a_plan_names_the_variables_that_the_environment_gave(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In words and as data; their values are not shown."""
    plan = plan_of(action("create", "a"))
    plan = replace(plan, manifest=replace(plan.manifest, environment=("KLINGFLOW_VAR_cdn",)))
    views.show_plan(plan, "film.yaml")
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
    assert views.money(plan) == text


ROWS = [{"id": "a", "body": {"prompt": "街道"}}, {"id": "b", "body": {}}]


def test_rendered_rows_are_one_document_or_lines(capsys: Capture) -> None:
    """The same data in each form, with Chinese as it is."""
    views.dump_answers([{"shots": ROWS}], "json")
    whole = capsys.readouterr().out
    views.dump_answers([{"shots": ROWS}], "jsonl")
    lines = said(capsys)
    views.dump_answers([{"shots": ROWS}], "yaml")
    text = capsys.readouterr().out
    assert json.loads(whole) == yaml.safe_load(text) == {"shots": ROWS}
    assert [json.loads(line) for line in lines] == ROWS
    assert all("街道" in form for form in (whole, lines[0], text))


def test_text_that_is_not_final_is_plain_text_in_yaml(capsys: Capture) -> None:
    """And what a terminal would obey is escaped there."""
    pending = Pending([Reference("chase", "video_url")])
    views.dump_answers([{"shots": [{"url": pending, "prompt": "\u202e"}]}], "yaml")
    text = capsys.readouterr().out
    assert yaml.safe_load(text) == {"shots": [{"url": str(pending), "prompt": "\u202e"}]}
    assert "\u202e" not in text


UNSENT = {"kind": "not_sent", "code": "not_sent", "message": "no connection"}
REFUSED = {"kind": "parameters", "code": "x", "message": "nonsense"}


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
    ],
)
def test_a_shots_line_says_what_came_of_it(
    capsys: Capture, entry: dict[str, Any], line: str
) -> None:
    """Its file, or otherwise its task and what is wrong with it."""
    totals = {"shots": 0, "by_state": {}, "by_tier": {}}
    record = {"name": "film", "manifest": "film.yaml", "totals": totals, "doubts": [], **NO_MONEY}
    views.show_status({**record, "shots": [], "orphans": [entry]}, "film.yaml")
    assert said(capsys) == ["film (film.yaml)", line, "0 takes: nothing bought yet."]


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
    views.show_status({**record, "shots": entries, "orphans": []}, "film.yaml")
    assert said(capsys)[5:] == [
        "4 takes: 1 done, 2 in doubt, 1 not sent.",
        "  x: 1 task, 5 s, 2.50 CNY",
        "  y: 2 tasks, 10 s, 2 of unknown price, 1 failed",
    ]


def test_why_shows_each_value_old_and_new(capsys: Capture) -> None:
    """With the place that sets it; a side where it is absent says so."""
    changes = [
        {"field": "prompt", "old": "x", "new": "街道", "where": "film.yaml:3:5"},
        {"field": "seconds", "old": 5},
    ]
    views.show_why({"says": "a has changed.", "changes": changes})
    assert said(capsys) == [
        "a has changed.",
        '  prompt: "x" → "街道"   film.yaml:3:5',
        "  seconds: 5 → (not there)",
    ]


def test_why_breaks_long_values_and_drops_no_blank(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal each value stands below the other, where both do not fit in a line."""
    monkeypatch.setattr(views, "room", lambda: 30)
    old, new = "街道  " * 5, "街道 " * 3
    change = {"field": "prompt", "old": old, "new": new, "where": "film.yaml:3:5"}
    views.show_why({"says": "a has changed.", "changes": [change]})
    assert said(capsys)[1:] == [
        "  prompt:   film.yaml:3:5",
        '      "街道  街道  街道  街道 ',
        '       街道  "',
        '    → "街道 街道 街道 "',
    ]


def test_why_shows_a_field_of_two_places_once(capsys: Capture) -> None:
    """The gateway takes the length as text and as a number; its author wrote one value."""
    where = "film.yaml:3:5"
    as_text = {"field": "seconds", "old": "5", "new": "6", "where": where}
    as_number = {"field": "seconds", "old": 5, "new": 6, "where": where}
    views.show_why({"says": "a has changed.", "changes": [as_text, as_number]})
    assert said(capsys) == ["a has changed.", f'  seconds: "5" → "6"   {where}']


def test_problems_go_to_stderr(capsys: Capture) -> None:
    views.show_worded(["x"])
    assert capsys.readouterr() == ("", "ledger: x\n")


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
    views.show_status(record, "film.yaml")
    assert said(capsys)[1:-1] == ["  done  a  a.mp4; 1 earlier video"]
    views.show_status(record, "film.yaml", verbose=True)
    assert [line.strip() for line in said(capsys)[2:-1]] == [
        "attempt 1: earlier/a.1-x.mp4, t1, not here",
        "attempt 2: t2",
    ]


def test_a_run_without_a_shown_plan_says_what_moves(capsys: Capture) -> None:
    """Ten by name; nothing is said where all stays."""
    views.show_moves(plan_of(action("keep", "a", done("a"))))
    assert said(capsys) == []
    moves = tuple(Move(done(f"b{number}"), f"a{number}") for number in range(11))
    step = Step("1", "outputs/film/a0.mp4", "outputs/film/b0.mp4", FileFact(1, "aa"))
    views.show_moves(replace(plan_of(), moves=moves, filing=Filing({}, (step,))))
    named = ", ".join(f"b{number} was a{number}" for number in range(10))
    assert said(capsys) == [f"film.yaml: {named}, 1 more moved, 1 file to rename first."]


def test_a_plan_says_which_files_are_renamed(capsys: Capture) -> None:
    """Also those of videos that serve no shot any more; the data has all."""
    step = Step("1", "outputs/film/b.mp4", "outputs/film/earlier/b.1-x.mp4", FileFact(1, "aa"))
    plan = replace(plan_of(action("keep", "b", done("b"))), filing=Filing({}, (step,)))
    views.show_plan(plan, "film.yaml")
    assert said(capsys)[-1] == (
        f"Files: 1 to rename first: {step.source} → {step.target} (--format json lists them)."
    )
    assert plan_data(plan)["files"] == [{"from": step.source, "to": step.target}]


def test_what_several_plans_buy_is_one_sum() -> None:
    """Money, shots and seconds; what has no price is counted beside it."""
    one, other = plan_of(action("create", "a")), plan_of(action("create", "b", price=None))
    said = "2 for 2.00 CNY + unknown for 1 (no price for its tier), predicted, for 10 s of video"
    assert views.purchases([one, other]) == said


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
    views.show_forecast(Forecast(2280.0, 2500.0, 2760.0, bound, links), Limits())
    assert capsys.readouterr().out == f"Takes about 38–46 min ({said}).\n"


def test_where_nobody_knows_how_long_a_run_takes_nothing_is_said(capsys: Capture) -> None:
    views.show_forecast(None, Limits())
    assert capsys.readouterr().out == ""


def test_a_forecast_as_data() -> None:
    """In seconds; null where nobody knows."""
    plan = plan_of(action("create", "a"))
    assert plan_data(plan)["forecast"] is None
    plan = replace(plan, forecast=Forecast(2280.04, 2500.0, 2760.0, "places"))
    found = {"low_s": 2280.0, "middle_s": 2500.0, "high_s": 2760.0, "bound": "places"}
    assert plan_data(plan)["forecast"] == found

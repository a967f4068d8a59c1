"""Saved plans as data: written and read back, refused where they are none, and what makes one
stale.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from klingflow.errors import UsageError
from klingflow.model import LeftOut, Plan
from klingflow.results.saved_plan import SCHEMA, Words, as_bytes, changes, read
from tests.planned import pending, plan, request, shot
from tests.purchases import ORIGIN, done, submitted

AT = "2026-11-27T01:00:00.000Z"
WORDS = Words(select=("tag:x",), rerun=("failed",), max_spend="50", max_tasks=3)


def saved(*plans: Plan, words: Words = WORDS) -> bytes:
    """These plans as a saved plan."""
    films = {f"film{number}.yaml": one for number, one in enumerate(plans)}
    return as_bytes(films, words, id="0123456789abcdef", made_at=AT, gateway=ORIGIN)


def stale(then: Plan, now: Plan) -> list[str]:
    """What is said of a plan that was saved as `then` and is run as `now`."""
    return changes(read(saved(then), "p"), [now], ORIGIN)


def test_a_saved_plan_is_read_back_whole() -> None:
    """Id, time, gateway, the user's words, and the plan as `plan --format json` prints it."""
    made = plan([], shot("a"))
    found = read(saved(made), "p.json")
    assert (found.id, found.made_at, found.gateway, found.words) == (
        "0123456789abcdef",
        AT,
        ORIGIN,
        WORDS,
    )
    assert [action["key"] for action in found.films["film0.yaml"]["actions"]] == ["a"]


def test_a_plan_without_changes_is_not_stale() -> None:
    """Neither is one of several manifests, in their order."""
    one, other = plan([], shot("a"), pending("c", "a")), plan([submitted("b")], shot("b"))
    found = read(saved(one, other), "p")
    assert changes(found, [one, other], ORIGIN) == []


A, B, C = shot("a"), shot("b"), shot("c")
# A shot that is made from the video of `a`, and one whose prompt has changed since.
CHAINED = pending("b", "a")
REWORDED = (CHAINED[0], replace(CHAINED[1], body={**CHAINED[1].body, "prompt": "y"}))


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (plan([], A), plan([], (A, request("sha256:9"))), ["a: its body has changed"]),
        (plan([], A, CHAINED), plan([], A, REWORDED), ["b: its body has changed"]),
        (plan([], A, C, CHAINED), plan([], A, C, pending("b", "c")), ["b: its body has changed"]),
        (plan([], A), plan([submitted("a")], A), ["a: resume now; it was create"]),
        (
            plan([], A),
            plan([], (A, request(amount="4.50"))),
            ["a: its price is 4.50 CNY; it was 3.00 CNY"],
        ),
        (
            plan([], A),
            plan([], (A, request(amount=None))),
            ["a: its price is unknown; it was 3.00 CNY"],
        ),
        (plan([], A), plan([], A, B), ["b is new in the plan"]),
        (plan([], A, B), plan([], A), ["b is no longer in the plan"]),
        (
            plan([], A),
            replace(plan([], A), left_out={"a": LeftOut("budget", "…")}),
            ["a: left out (budget) now; it was not left out"],
        ),
        (
            plan([submitted("a")], A),
            plan([submitted("a", task_id="task_other")], A),
            ["a: its task is task_other; it was task_a"],
        ),
        (
            plan([], A),
            replace(plan([], A), ledger="sha256 of another"),
            ["film: the ledger has changed since"],
        ),
    ],
    ids=[
        "body",
        "waiting",
        "source",
        "ledger",
        "price",
        "unpriced",
        "added",
        "taken out",
        "cap",
        "task",
        "content",
    ],
)
def test_a_stale_plan_says_what_has_changed(then: Plan, now: Plan, said: Sequence[str]) -> None:
    """One line a take, by what explains most; the ledger where no take shows it."""
    assert stale(then, now) == said


def test_the_gateways_address_is_part_of_the_plan() -> None:
    """A plan for one gateway buys nothing at another."""
    made = plan([], A)
    found = read(saved(made), "p")
    assert changes(found, [made], "https://b.example.com") == [
        f"the gateway is https://b.example.com; it was {ORIGIN}"
    ]


def test_a_plan_of_one_manifest_is_not_run_for_two() -> None:
    """Nor the other way round."""
    made = plan([], A)
    assert changes(read(saved(made), "p"), [made, made], ORIGIN) == [
        "manifests in the plan: 1, in this run: 2"
    ]


def test_a_price_does_not_matter_for_what_is_kept() -> None:
    """A kept shot costs nothing, whatever its tier costs today."""
    bought = done("a")
    then, now = plan([bought], A), plan([bought], (A, request(amount="4.50")))
    assert stale(then, now) == []


def edited(**changed: Any) -> bytes:
    """A saved plan that somebody has edited."""
    return json.dumps({**json.loads(saved(plan([], A))), **changed}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version: 1",
        b"[]",
        b"{}",
        b"[" * 100_000,
        edited(klingflow_plan=2),
        edited(klingflow_plan=True),
        edited(id="../x"),
        edited(select="a"),
        edited(rerun=["everything"]),
        edited(caps={"max_spend": "-1", "max_tasks": None, "max_seconds": None}),
        edited(caps={"max_spend": None}),
        edited(films=[]),
        edited(films=[{"file": "film.yaml", "plan": {}}]),
        edited(yes=True),
        b"\xff\xfe{}",
    ],
)
def test_what_is_no_saved_plan_is_refused_by_name(data: bytes) -> None:
    """Never by an internal error, and never half believed."""
    with pytest.raises(UsageError, match=r"^p\.json "):
        read(data, "p.json")


def test_a_saved_plan_holds_no_bodies() -> None:
    """Fingerprints alone: what is sent is today's manifest's."""
    film = json.loads(saved(plan([], A)))["films"][0]["plan"]
    assert film["actions"][0]["fingerprint"] == "sha256:1"
    assert "prompt" not in json.dumps(film) and "雨夜" not in json.dumps(film)


def test_the_schema_describes_what_is_written() -> None:
    """Every key of the document is in it."""
    document = json.loads(saved(plan([], A)))
    assert set(document) == set(SCHEMA["properties"])

"""The record of a run: what was bought for each shot, and totals to hold against a bill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from klingflow.errors import Mark
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.model import (
    Failure,
    GatewaySettings,
    Json,
    Limits,
    Manifest,
    Node,
    Purchase,
    Request,
    Shot,
    State,
)
from klingflow.results.run_manifest import as_bytes, build
from tests.purchases import AT, LATER, done, intent, submitted

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "schemas" / "run-manifest.schema.json").read_text(
        encoding="utf-8"
    )
)
REQUEST = Request({}, "sha256:1", "kling-3.0-720p", 5, None)


def record(*purchases: Purchase) -> dict[str, Json]:
    node = Node({}, Mark("film.yaml", 1, 1))
    shots = tuple(
        Shot(name, 1, "text", {}, f"{name}.mp4", node, tags=("ext",), about={"title": "T"})
        for name in "abc"
    )
    manifest = Manifest(
        "film.yaml", "film", shots, (REQUEST,) * 3, Limits(), GatewaySettings(), (), {}
    )
    made = build(manifest, Book(purchases), gateway="https://g", generated_at=LATER)
    Draft202012Validator(SCHEMA).validate(made)
    return made


def test_a_record_without_purchases_says_so() -> None:
    made = record()
    assert [(s["id"], s["state"], s["attempts"]) for s in made["shots"]] == [
        (n, "unbought", []) for n in "abc"
    ]
    assert made["totals"] == {
        "shots": 3,
        "by_state": {"unbought": 3},
        "by_tier": {},
        "amount": {},
        "differences": [],
    }


def test_what_was_paid_for_a_shot_that_is_gone_is_still_there() -> None:
    made = record(done("a", task_id="t1"), done("gone", task_id="t2"))
    assert [(s["id"], s["task_id"]) for s in made["orphans"]] == [("gone", "t2")]
    assert made["totals"]["by_tier"]["kling-3.0-720p"]["tasks"] == 2


def test_a_shot_has_its_facts_and_every_attempt() -> None:
    failed = advance(
        submitted("a", task_id="t1"), "failed", AT, error=Failure("capacity", "busy", "too busy")
    )
    (shot, *_) = record(failed, done("a", attempt=2, task_id="t2"))["shots"]
    facts = ("state", "task_id", "billed_tier", "file", "bytes", "sha256", "seconds", "title")
    assert [shot[name] for name in facts] == [
        "done",
        "t2",
        "kling-3.0-720p",
        "outputs/film/a.mp4",
        10,
        "aa",
        5,
        "T",
    ]
    assert shot["price"] == {"amount": "3.00", "currency": "CNY", "basis": "5 s × 0.6"}
    assert [(a["task_id"], a["state"]) for a in shot["attempts"]] == [
        ("t1", "failed"),
        ("t2", "done"),
    ]
    assert "body" not in shot["attempts"][0]


def test_totals_are_exact_and_by_the_gateways_own_tiers() -> None:
    other = replace(submitted("b"), billed_tier="kling-3.0-1080p")
    failed = advance(submitted("c"), "failed", AT)
    assert record(done("a"), other, failed)["totals"] == {
        "shots": 3,
        "by_state": {"done": 1, "failed": 1, "submitted": 1},
        "by_tier": {
            "kling-3.0-1080p": {"tasks": 1, "seconds": 5, "amount": "3.00", "currency": "CNY"},
            "kling-3.0-720p": {
                "tasks": 1,
                "seconds": 5,
                "amount": "3.00",
                "currency": "CNY",
                "failed": 1,
            },
        },
        "amount": {"CNY": "6.00"},
        "differences": [
            {
                "shot": "b",
                "task_id": "task_b",
                "predicted": "kling-3.0-720p",
                "billed": "kling-3.0-1080p",
            }
        ],
    }


def test_an_unknown_price_is_never_counted_as_nothing() -> None:
    totals = record(done("a"), replace(done("b"), price=None))["totals"]
    assert (totals["amount"], totals["by_tier"]["kling-3.0-720p"]["amount"]) == (None, None)


@pytest.mark.parametrize("state", ["intent", "in_doubt", "rejected"])
def test_what_has_no_task_is_in_no_total(state: State) -> None:
    made = record(replace(intent("a"), state=state))
    assert (made["totals"]["by_tier"], made["shots"][0]["state"]) == ({}, state)


def test_the_file_is_readable_text() -> None:
    failure = Failure("unknown", "x", "雨 \ud800")
    made = record(advance(submitted("a"), "failed", AT, error=replace(failure, message="雨")))
    assert "雨" in as_bytes(made).decode()
    broken = record(advance(submitted("a"), "failed", AT, error=failure))
    assert json.loads(as_bytes(broken)) == broken

"""The record of a run: what was bought for each shot, and totals to hold against a bill."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from klingflow.errors import Mark
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import lock_line, parse_lines
from klingflow.model import (
    Failure,
    GatewaySettings,
    Json,
    Limits,
    Manifest,
    Media,
    Node,
    Price,
    Purchase,
    Request,
    Shot,
    State,
)
from klingflow.results.run_manifest import as_bytes, build, serving
from tests.one_shot import manifest_of
from tests.purchases import AT, LATER, done, intent, submitted

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "schemas" / "run-manifest.schema.json").read_text(
        encoding="utf-8"
    )
)
REQUEST = Request({}, "sha256:1", "kling-3.0-720p", 5, None)


def record(*purchases: Purchase, selected: set[str] | None = None) -> dict[str, Json]:
    node = Node({}, Mark("film.yaml", 1, 1))
    shots = tuple(
        Shot(name, 1, "text", {}, f"{name}.mp4", node, tags=("ext",), about={"title": "T"})
        for name in "abc"
    )
    manifest = Manifest(
        "film.yaml", "film", shots, (REQUEST,) * 3, Limits(), GatewaySettings(), (), {}
    )
    return built(manifest, Book(purchases), selected)


def built(manifest: Manifest, book: Book, selected: set[str] | None = None) -> dict[str, Json]:
    made = build(manifest, book, gateway="https://g", generated_at=LATER, selected=selected)
    Draft202012Validator(SCHEMA).validate(made)
    return made


def test_a_parked_task_tells_what_the_gateway_said_last() -> None:
    """A task that has ended has its own words."""
    answer = {"at": AT, "said": "processing"}
    parked = advance(submitted("a"), "parked", LATER, evidence={"last_answer": answer})
    assert record(parked)["shots"][0]["last_answer"] == answer
    failed = advance(parked, "failed", LATER, error=Failure("unknown", "x", "no"))
    assert "last_answer" not in record(failed)["shots"][0]


def test_a_record_without_purchases_says_so() -> None:
    made = record()
    assert [(s["id"], s["state"], s["attempts"]) for s in made["shots"]] == [
        (n, "new", []) for n in "abc"
    ]
    assert made["totals"] == {
        "shots": 3,
        "by_state": {"new": 3},
        "by_tier": {},
        "money": {},
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
    once = {"tasks": 1, "seconds": 5, "amounts": {"CNY": "3.00"}, "unpriced": 0}
    assert record(done("a"), other, failed)["totals"] == {
        "shots": 3,
        "by_state": {"done": 1, "failed": 1, "submitted": 1},
        "by_tier": {
            "kling-3.0-1080p": once,
            "kling-3.0-720p": {**once, "failed": 1},
        },
        "money": {
            "spent": {"purchases": 2, "amounts": {"CNY": "6.00"}, "unpriced": 0},
            "failed": {"purchases": 1, "amounts": {"CNY": "3.00"}, "unpriced": 0},
        },
        "differences": [
            {
                "shot": "b",
                "task_id": "task_b",
                "predicted": "kling-3.0-720p",
                "billed": "kling-3.0-1080p",
            }
        ],
    }


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


def test_a_record_names_its_manifest_and_its_gateway() -> None:
    """And when it was made."""
    made = record()
    head = ("klingflow_run_manifest", "name", "manifest", "generated_at", "gateway", "orphans")
    assert [made[name] for name in head] == [1, "film", "film.yaml", LATER, "https://g", []]
    assert "pruned" not in made


def test_only_what_was_selected_is_in_the_record() -> None:
    """Neither other shots nor orphans, and the totals are of the same."""
    made = record(done("a"), done("b"), done("gone"), selected={"a", "c"})
    assert [shot["id"] for shot in made["shots"]] == ["a", "c"]
    assert made["orphans"] == []
    assert made["totals"]["money"]["spent"]["amounts"] == {"CNY": "3.00"}


def test_what_was_pruned_is_still_paid() -> None:
    """In the record and in its totals, unless a selection is meant."""
    book = Book([done("a")])
    book.remember([done("z", task_id="z"), done("y", task_id="y")])
    manifest = Manifest("film.yaml", "film", (), (), Limits(), GatewaySettings(), (), {})
    made = built(manifest, book)
    assert [(shot["id"], shot["task_id"]) for shot in made["pruned"]] == [("y", "y"), ("z", "z")]
    assert made["totals"]["money"]["spent"]["amounts"] == {"CNY": "9.00"}
    assert "pruned" not in built(manifest, book, selected=set())


def test_an_orphan_was_bought_at_least_perhaps() -> None:
    """A refusal alone cost nothing. Orphans come in the order of their takes."""
    refused = advance(intent("x"), "refused", AT)
    made = record(refused, done("z"), done("gone", 2), intent("gone"))
    assert [(o["id"], o["take"], o["state"]) for o in made["orphans"]] == [
        ("gone", 1, "intent"),
        ("gone", 2, "done"),
        ("z", 1, "done"),
    ]


@pytest.mark.parametrize(
    ("purchases", "number"),
    [
        ([], None),
        ([done("a")], 0),
        ([done("a"), submitted("a", attempt=2)], 1),
        ([done("a"), advance(submitted("a", attempt=2), "failed", AT)], 0),
        ([advance(intent("a"), "refused", AT), intent("a", attempt=2)], 1),
    ],
)
def test_the_last_purchase_that_was_paid_for_serves(
    purchases: list[Purchase], number: int | None
) -> None:
    """Otherwise the last."""
    assert serving(purchases) == (None if number is None else purchases[number])


def test_amounts_are_by_currency_with_what_has_no_price_beside_them() -> None:
    """Never rounded, and nothing is left out of a sum without a word."""
    dollars = replace(done("b"), price=Price(Decimal("0.10"), "USD", "flat"))
    unpriced = replace(done("c"), price=None)
    totals = record(done("a"), dollars, unpriced)["totals"]
    amounts = {"CNY": "3.00", "USD": "0.10"}
    tier = {"tasks": 3, "seconds": 15, "amounts": amounts, "unpriced": 1}
    assert totals["by_tier"] == {"kling-3.0-720p": tier}
    assert totals["money"] == {"spent": {"purchases": 3, "amounts": amounts, "unpriced": 1}}


def test_a_tier_that_the_gateway_did_not_name_is_unknown_and_no_difference() -> None:
    """Nothing can be held against it."""
    totals = record(replace(done("a"), billed_tier=None))["totals"]
    assert (list(totals["by_tier"]), totals["differences"]) == (["unknown"], [])
    unforetold = replace(done("a"), predicted_tier="")
    assert record(unforetold)["totals"]["differences"] == []


def test_a_title_that_is_no_text_is_left_out() -> None:
    """The record's form has none but texts."""
    manifest = manifest_of(model="kling-3.0", prompt="x", title="T")
    assert built(manifest, Book())["shots"][0]["title"] == "T"
    odd = replace(manifest.shots[0], about={"title": 5})
    assert "title" not in built(replace(manifest, shots=(odd,)), Book())["shots"][0]


def test_the_record_has_what_an_editor_reads_beside_a_video() -> None:
    """The texts of the manifest, and what the body asks for; of a kept video the purchase's."""
    texts = {"scene": "1", "title": "T", "note": "n", "dialogue": ["hm", "no"]}
    asked = {"model": "kling-3.0", "prompt": "rain", "aspect_ratio": "9:16"}
    manifest = manifest_of(**asked, **texts)
    (entry,) = built(manifest, Book())["shots"]
    wanted = {**texts, "model": "kling-3.0", "prompt": "rain", "ratio": "9:16"}
    assert {name: entry[name] for name in wanted} == wanted
    (entry,) = built(manifest, Book([done("s", prompt="snow")]))["shots"]
    assert {name: entry[name] for name in wanted} == wanted | {"prompt": "snow", "ratio": "16:9"}


def test_a_body_that_stands_in_a_lock_is_read_for_it() -> None:
    """A lock of 100,000 lines keeps its bodies unread until somebody asks."""
    book = Book([*parse_lines(lock_line(done("s", prompt="snow")), "film.lock").accounts])
    (entry,) = built(manifest_of(model="kling-3.0", prompt="rain"), book)["shots"]
    assert (entry["model"], entry["prompt"]) == ("kling-3.0", "snow")


def test_the_record_says_what_a_video_really_is() -> None:
    """Where somebody has looked at it; of what is no longer in the manifest, too."""
    media = Media(width=1280, height=720, seconds=2.0, fps=24.0)
    book = Book([done("s"), done("gone"), submitted("new")])
    made = build(
        manifest_of(model="kling-3.0", prompt="x"),
        book,
        gateway="https://g",
        generated_at=LATER,
        media=lambda sha256: media if sha256 == "aa" else None,
    )
    Draft202012Validator(SCHEMA).validate(made)
    said = {
        **{"width": 1280, "height": 720, "seconds": 2.0, "fps": 24.0, "sound": "none"},
        "labels": [],
        "remarks": [{"kind": "shorter", "got": 2.0, "bought": 5}],
    }
    entries = {entry["id"]: entry for entry in (*made["shots"], *made["orphans"])}
    assert {id: entry.get("media") for id, entry in entries.items()} == {
        "s": said,
        "gone": said,
        "new": None,
    }


def test_the_record_names_the_video_that_serves() -> None:
    """An earlier body may have come back: then its file lies at the take's output."""
    first = replace(done("a"), output="a.mp4")
    second = replace(done("a", attempt=2), output="earlier/a.2-00000002.mp4")
    assert serving([first, second], "a.mp4") is first
    assert serving([first, second], "elsewhere.mp4") is second
    new = submitted("a", attempt=2)
    assert serving([first, new], "a.mp4") is new
    assert record(first, second)["shots"][0]["file"] == "a.mp4"

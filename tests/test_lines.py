"""Lines and damage: whatever happens to the bytes, no wrong task id is ever read, and later lines
count.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.ledger.book import Book, fold
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import (
    Parsed,
    as_journal_line,
    journal_line,
    lock_line,
    parse_journal,
    parse_lock,
    runner_line,
    unreadable_bodies,
)
from klingflow.ledger.problems import worded
from klingflow.ledger.records import FIELDS, as_json
from klingflow.ledger.sums import encoded, sealed, summed
from klingflow.model import Failure, Json, Place, Problem, Purchase
from tests.purchases import AT, LATER, done, intent, submitted

LOCK = lock_header("lineage", 3, 3) + b"".join(
    map(lock_line, (done("a", prompt="雨"), submitted("b"), done("c")))
)


def life(shot: str) -> list[Purchase]:
    first = intent(shot)
    return [first, advance(first, "accepted", LATER, task_id=f"task_{shot}")]


LIVES = [*life("a"), *life("b"), *life("c")]
JOURNAL = runner_line(7, "host", AT, "film.yaml") + b"".join(
    as_journal_line(lock_line(p)[:-1], body=p.state == "intent") for p in LIVES
)


def told(parsed: Parsed) -> dict[str, str | None]:
    """What a file says of each shot's task."""
    purchases, contradicting = fold(parsed.accounts, parsed.doubts)
    assert contradicting == []
    return {p.shot: p.task_id for p in sorted(purchases, key=lambda p: p.task_id is not None)}


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec=None), max_size=20)


def values() -> st.SearchStrategy[Json]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts()
    )
    return st.recursive(leaves, lambda v: st.lists(v) | st.dictionaries(texts(), v), max_leaves=5)


@given(texts(), st.dictionaries(texts(), values()), st.none() | st.dictionaries(texts(), values()))
def test_every_purchase_comes_back_as_it_was(
    shot: str, body: dict[str, Json], evidence: dict[str, Json] | None
) -> None:
    purchase = replace(
        done("x", take=2, attempt=3),
        shot=shot,
        body=body,
        evidence=evidence,
        error=Failure("unknown", "", shot),
        finished_after_s=(1.5, 2),
    )
    assert parse_lock(lock_line(purchase), "x").accounts == [purchase]
    assert parse_journal(journal_line(purchase), "x").accounts == [purchase]


def test_a_line_has_one_form() -> None:
    line = lock_line(submitted("opening", uid="20260608065249123-0123456789ab"))
    assert line.decode() == (
        '{"shot":"opening","take":1,"attempt":1,"uid":"20260608065249123-0123456789ab","state":"submitted",'
        '"task_id":"task_opening","billed_tier":"kling-3.0-720p","predicted_tier":"kling-3.0-720p","seconds":5,'
        '"price":{"amount":"3.00","currency":"CNY","basis":"5 s × 0.6"},"fingerprint":"sha256:1",'
        '"origin":"https://gateway.example.com",'
        '"times":{"intent":"2026-06-08T06:52:49.123Z","submitted":"2026-06-08T06:52:49.123Z",'
        '"updated":"2026-06-08T06:52:49.123Z"},"output":"outputs/film/opening.mp4",'
        '"body":{"model":"kling-3.0","prompt":"雨夜","seconds":"5"},"crc":"'
        + line.decode()[-11:-3]
        + '"}\n'
    )


@pytest.mark.parametrize("evidence", [None, {"body": {"model": "x"}, "evidence": 1}])
def test_a_lock_line_becomes_the_journal_line_of_its_purchase(
    evidence: dict[str, Json] | None,
) -> None:
    """With its body or without: a record is made into text once."""
    purchase = replace(done("雨"), evidence=evidence)
    line, plain = lock_line(purchase)[:-1], as_json(purchase)
    assert as_journal_line(line) == journal_line(purchase) == summed(encoded(plain))
    del plain["body"]
    assert as_journal_line(line, body=False) == summed(encoded(plain))


def test_a_lock_cut_anywhere_tells_no_wrong_id() -> None:
    for end in range(len(LOCK)):
        said = told(parse_lock(LOCK[:end], "x"))
        right = {shot for shot, task in said.items() if task == f"task_{shot}"}
        assert all(task is None for shot, task in said.items() if shot not in right)
        assert len(right) >= LOCK[:end].count(b"\n") - 1


def test_a_flipped_bit_of_a_lock_costs_one_line_at_most() -> None:
    """And that is reported, unless nothing was lost. A task id is the right one or none."""
    for bit in range(8 * len(LOCK)):
        parsed = parse_lock(flipped(LOCK, bit), "x")
        said = told(parsed)
        right = {shot for shot, task in said.items() if task == f"task_{shot}"}
        assert all(task is None for shot, task in said.items() if shot not in right)
        assert len(right) >= 2
        assert parsed.problems or right == {"a", "b", "c"}


def test_a_journal_cut_anywhere_keeps_every_whole_line() -> None:
    for end in range(len(JOURNAL)):
        whole = parse_journal(JOURNAL[: JOURNAL.rfind(b"\n", 0, end) + 1], "x").accounts
        cut = parse_journal(JOURNAL[:end], "x")
        assert cut.accounts[: len(whole)] == whole and len(cut.accounts) <= len(whole) + 1
        assert all(p.task_id in (None, f"task_{p.shot}") for p in cut.accounts)
        assert cut.doubts == []


def test_a_flipped_bit_of_a_journal_never_frees_a_take() -> None:
    """Whatever line it hits, the shot it was about is bought, or at least in doubt."""
    for bit in range(8 * len(JOURNAL)):
        said = told(parse_journal(flipped(JOURNAL, bit), "x"))
        assert all(task in (None, f"task_{shot}") for shot, task in said.items())
        assert sum(1 for task in said.values() if task) >= 2
        assert said.keys() >= {"a", "b", "c"}


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_crash(data: bytes) -> None:
    for parse in (parse_lock, parse_journal):
        assert parse(data, "x").accounts == []
        assert len(parse(data + b"\n" + LOCK, "x").accounts) in (0, 3)


@given(st.permutations(LIVES))
def test_the_order_of_lines_is_no_matter(lives: list[Purchase]) -> None:
    data = b"".join(journal_line(p) for p in lives)
    assert told(parse_journal(data, "x")) == {"a": "task_a", "b": "task_b", "c": "task_c"}


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n\n", b"\n \n"])
def test_other_line_ends_and_a_byte_order_mark_are_read(line_end: bytes) -> None:
    data = b"\xef\xbb\xbf" + LOCK.replace(b"\n", line_end)
    parsed = parse_lock(data, "x")
    assert (len(parsed.accounts), parsed.problems) == (3, [])


def test_a_line_edited_by_hand_is_damaged() -> None:
    parsed = parse_lock(LOCK.replace(b'"task_id":"task_b"', b'"task_id":"task_x"'), "film.lock")
    assert told(parsed) == {"a": "task_a", "b": None, "c": "task_c"}
    assert [*map(worded, parsed.problems)] == [
        "film.lock:3: a damaged line of b was set aside; if no other line reports it, it is in"
        " doubt"
    ]


def test_damaged_lines_that_ran_into_one_another_leave_a_doubt_each() -> None:
    """As after a block of another file, or of zeros, between them."""
    a, b = lock_line(submitted("a")), lock_line(submitted("b"))
    parsed = parse_lock(
        a[:200] + bytes(100) + b[:150] + b"\n" + lock_line(submitted("c")), "film.lock"
    )
    assert told(parsed) == {"a": None, "b": None, "c": "task_c"}
    assert parsed.problems[0] == Problem("damaged_purchases", Place("film.lock", 1), ("a", "b"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"task_id": 7},
        {"task_id": ""},
        {"task_id": "a\nb"},
        {"state": "bought"},
        {"take": "1"},
        {"take": True},
        {"take": -1},
    ],
)
def test_a_line_whose_sum_is_right_and_whose_content_is_not_is_damaged(
    wrong: dict[str, Json],
) -> None:
    said = as_json(submitted("a")) | wrong
    document = {name: said[name] for name in FIELDS if name in said}
    parsed = parse_lock(sealed(encoded(document)), "x")
    assert (parsed.accounts, len(parsed.damaged)) == ([], 1)


@pytest.mark.parametrize(
    ("wrong", "without"),
    [
        ({"times": {"intent": 1}}, {"times": {}}),
        ({"price": {"amount": "lots", "currency": "CNY", "basis": ""}}, {"price": None}),
        ({"price": {"amount": "1"}}, {"price": None}),
        ({"error": {"kind": "x"}}, {"error": None}),
        ({"seconds": 5.0}, {"seconds": 0}),
        ({"finished_after_s": [1]}, {"finished_after_s": None}),
        ({"body": []}, {"body": {}}),
        ({"output": "../x.mp4"}, {"output": None}),
        ({"output": "/etc/x"}, {"output": None}),
        ({"output": "a\\..\\..\\x"}, {"output": None}),
        ({"output": "C:x"}, {"output": None}),
        ({"unheard_of": 1}, {}),
    ],
)
def test_a_wrong_detail_costs_the_detail_and_not_the_task_id(
    wrong: dict[str, Json], without: dict[str, Any]
) -> None:
    purchase = submitted("a")
    said = as_json(purchase) | wrong
    document = {
        name: said[name] for name in (*sorted(said.keys() - {*FIELDS}), *FIELDS) if name in said
    }
    parsed = parse_lock(sealed(encoded(document)), "x")
    assert parsed.accounts == [replace(purchase, **without)]


def test_a_line_that_says_no_more_than_whose_it_is_has_the_defaults_of_a_purchase() -> None:
    said: dict[str, Any] = {"uid": "u", "shot": "a", "take": 1, "attempt": 1, "state": "submitted"}
    parsed = parse_lock(sealed(encoded(said)), "x")
    nothing: dict[str, Any] = dict.fromkeys(("fingerprint", "origin", "predicted_tier"), "")
    assert parsed.accounts == [Purchase(**said, **nothing, body={}, seconds=0)]


def test_lines_that_vanished_are_missed() -> None:
    lines = LOCK.splitlines(keepends=True)
    parsed = parse_lock(b"".join(lines[:-1]), "film.lock")
    assert [*map(worded, parsed.problems)] == [
        "film.lock: 1 purchases fewer than its header says; git may have them"
    ]
    assert parse_lock(b"", "film.lock").problems


def test_two_ledgers_merged_into_one_are_reported() -> None:
    other = lock_header("another", 1, 0)
    parsed = parse_lock(LOCK + other, "film.lock")
    assert [*map(worded, parsed.problems)] == [
        "film.lock: two ledgers that began apart were merged into it; both are kept"
    ]
    assert len(Book(parsed.accounts).purchases) == 3


@pytest.mark.parametrize("indent", [None, 2])
def test_a_lock_that_a_formatter_has_changed_holds_its_shots(indent: int | None) -> None:
    """No sum is right any more; but whose the lines were, or the lines together, can be read."""
    lines = [json.loads(line) for line in LOCK.splitlines()]
    text = "\n".join(json.dumps(line, indent=indent) for line in lines)
    parsed = parse_lock(text.encode(), "film.lock")
    assert {(p.shot, p.state) for p in parsed.doubts} == {(shot, "in_doubt") for shot in "abc"}
    held = [p.keys for p in parsed.problems if p.kind == "damaged_purchases"]
    assert sorted(key for keys in held for key in keys) == ["a", "b", "c"]


def test_a_field_that_was_left_out_is_reported_with_its_line() -> None:
    """The purchase counts, and nothing is set aside."""
    line = lock_line(submitted("a")).replace(b'{"shot"', b'{"colour":1,"shot"')
    text = line[: line.rindex(b',"crc"')] + b"}"
    parsed = parse_lock(lock_header("x", 1, 1) + sealed(text), "film.lock")
    assert (len(parsed.accounts), parsed.damaged, parsed.problems) == (1, [], [])
    assert parsed.odd == [Problem("unknown_field", Place("film.lock", 2), ("a",), name="colour")]


def test_a_body_that_is_not_the_last_key_reads_as_empty_and_is_reported() -> None:
    """Bodies are parsed when somebody looks, so it takes a look to find out."""
    line = lock_line(submitted("a"))
    text = line[: line.rindex(b',"crc"')] + b',"colour":1}'
    parsed = parse_lock(lock_header("x", 1, 2) + sealed(text) + lock_line(submitted("b")), "x")
    assert [dict(p.body) == {} for p in parsed.accounts] == [True, False]
    assert [(p.kind, p.place, p.keys, p.name) for p in unreadable_bodies(parsed)] == [
        ("wrong_field", Place("x", 2), ("a",), "body")
    ]

"""Lines that klingflow wrote: read in part they say what they say when parsed whole, and any line
that they could say otherwise is left to the parser.
"""

from __future__ import annotations

import re
import sys
from copy import copy, deepcopy
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.lines import lock_line
from klingflow.ledger.records import as_json, from_json
from klingflow.ledger.sums import SEAL_LENGTH, document_in, encoded, sealed
from klingflow.ledger.written import BODY, StoredBody, purchase_in
from klingflow.model import Bought, Failure, Price, Purchase
from tests.purchases import done, doubtful, intent, submitted

WHOLE = replace(
    done("a", take=2, attempt=3),
    shot="雨夜",
    was=Bought("alley", 1),
    price=Price(Decimal("3.00"), "CNY", "5 s × 0.6", "2026-06-01"),
    error=Failure("moderation", "x", "no"),
    finished_after_s=(61.5, 75),
    output="outputs/film one/雨夜#2.mp4",
)
LEAST = replace(intent("a"), price=None, output=None, times={})
SET = object.__getattribute__


def raw_of(purchase: Purchase) -> bytes:
    return lock_line(purchase).removesuffix(b"\n")


def read(raw: bytes) -> Purchase:
    purchase = purchase_in(raw)
    assert purchase is not None
    return purchase


def unread(purchase: Purchase) -> set[str]:
    """The names of the fields that are not set yet."""
    missing = set()
    for field in fields(Purchase):
        try:
            SET(purchase, field.name)
        except AttributeError:
            missing.add(field.name)
    return missing


@pytest.mark.parametrize("purchase", [WHOLE, LEAST, submitted("b"), done("c"), doubtful("d")])
def test_a_line_comes_back_as_its_purchase(purchase: Purchase) -> None:
    """Except that one with evidence, which may hold anything, is left to the parser."""
    found = purchase_in(raw_of(purchase))
    assert found == (None if purchase.evidence else purchase)
    assert found is None or as_json(found) == as_json(purchase)


@pytest.mark.parametrize("state", RANK)
def test_every_state_is_read(state: Any) -> None:
    assert read(raw_of(replace(WHOLE, state=state))).state == state


def test_only_what_names_a_purchase_and_its_task_is_read_at_first() -> None:
    purchase = read(raw_of(WHOLE))
    known = {"uid", "shot", "take", "attempt", "state", "task_id", "was", "body"}
    assert {field.name for field in fields(Purchase)} - unread(purchase) == known
    assert (purchase.key, purchase.bought_for) == ("雨夜#2", ("alley", 1))
    assert purchase.task_id == WHOLE.task_id and len(unread(purchase)) > 10


def test_whoever_asks_for_another_field_has_all_of_them() -> None:
    purchase = read(raw_of(WHOLE))
    assert purchase.price == WHOLE.price
    assert unread(purchase) == set() and purchase == WHOLE


@pytest.mark.parametrize("act", [copy, deepcopy, replace, lambda p: replace(p, state="parked")])
def test_a_purchase_that_was_not_read_whole_can_be_treated_as_any(act: Any) -> None:
    assert act(read(raw_of(WHOLE))) == act(WHOLE)
    assert repr(read(raw_of(WHOLE))) == repr(WHOLE)


def test_what_is_no_field_is_not_there() -> None:
    for purchase in (read(raw_of(WHOLE)), WHOLE):
        assert not hasattr(purchase, "colour")
        assert len(unread(purchase)) in (0, 15)


def test_a_body_is_parsed_when_it_is_first_looked_at() -> None:
    """Two of one line are alike without a look."""
    a, b = read(raw_of(WHOLE)).body, read(raw_of(WHOLE)).body
    assert isinstance(a, StoredBody) and a == b and a._parsed is None
    assert (dict(a), a.readable, len(a)) == (WHOLE.body, True, 3)


def test_a_body_that_is_no_json_reads_as_empty() -> None:
    raw = sealed(encoded(as_json(WHOLE)).replace(b'"seconds":"5"}', b'"seconds":"5"'))[:-1]
    body = read(raw).body
    assert isinstance(body, StoredBody)
    assert (dict(body), body.readable, bool(body)) == ({}, False, True)


ODD = [*'"\\,:./ ~09-{}é', "\x01", "\x7f", "\u202e"]


@pytest.mark.parametrize("purchase", [WHOLE, LEAST])
@pytest.mark.parametrize("change", ["put", "replace", "remove"])
def test_a_line_that_is_read_in_part_has_nothing_odd(purchase: Purchase, change: str) -> None:
    """Wherever one character is another, too many or missing, although the sum is right."""
    text = raw_of(purchase)[:-SEAL_LENGTH].decode() + "}"
    end = text.index(BODY.decode())
    for at in range(end):
        for odd in ODD if change != "remove" else [""]:
            changed = text[:at] + odd + text[at + (change != "put") :]
            raw = sealed(changed.encode())[:-1]
            if (found := purchase_in(raw)) is not None:
                whole = from_json(document_in(changed.encode()))
                assert (found, []) == (whole[0], [*whole[1]]), changed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("take", 0),
        ("attempt", 0),
        ("take", 10**12 + 1),
        ("state", "bought"),
        ("task_id", ""),
        ("task_id", "x" * 1001),
        ("task_id", None),
        ("seconds", -1),
        ("seconds", 5.0),
        ("seconds", True),
        ("size_bytes", 10**12 + 1),
        ("origin", "x" * 10_001),
        ("times", {"intent": "2026-06-08 06:52:49.123Z"}),
        ("times", {"intent": "9026-06-08T06:52:49.123Z"}),
        ("finished_after_s", [75, 61.5]),
        ("finished_after_s", [61.5]),
        ("price", {"amount": "-3", "currency": "CNY", "basis": ""}),
        ("price", {"amount": "NaN", "currency": "CNY", "basis": ""}),
        ("price", {"amount": "3", "currency": "CNY"}),
        ("error", {"kind": "x", "code": 1, "message": ""}),
        ("was", {"shot": "a", "take": 0}),
        *(
            ("output", output)
            for output in (
                "../x.mp4", "/x.mp4", "~/x.mp4", ".x/a.mp4", "a/.x.mp4", "a/../b.mp4", "a//b.mp4",
                "a\\b.mp4", "C:x.mp4", "a ./b.mp4", "a /b.mp4", "a./b.mp4", "a/ b.mp4", "a.mov",
                "a/~b.mp4", "a\u202eb.mp4", "a\u00a0b.mp4", ".mp4", "a/.mp4",
            )
        ),
    ],
)  # fmt: skip
def test_a_value_that_is_not_as_klingflow_writes_it_is_left_to_the_parser(
    name: str, value: Any
) -> None:
    said = as_json(WHOLE) | {name: value}
    assert purchase_in(sealed(encoded(said))[:-1]) is None


@given(
    st.text(max_size=9),
    st.text(max_size=9).map(lambda name: f"outputs/{name}.mp4"),
    st.floats(0, 10**7),
    st.decimals(0, 10**6, allow_nan=False, places=2),
)
def test_any_purchase_is_read_as_the_parser_reads_it(
    text: str, output: str, seconds: float, amount: Decimal
) -> None:
    purchase = replace(
        WHOLE,
        shot=text,
        output=output,
        video_url=text,
        finished_after_s=(seconds, seconds + 1),
        price=Price(amount, text, text),
    )
    found = purchase_in(raw_of(purchase))
    assert found in (None, from_json(document_in(encoded(as_json(purchase))))[0])


def test_a_letter_or_digit_of_any_script_can_be_printed() -> None:
    """What `is_output` asks of a file's name, and the form asks by another word."""
    word = re.compile(r"\w")
    every = map(chr, range(sys.maxunicode + 1))
    assert [hex(ord(c)) for c in every if word.match(c) and not c.isprintable()] == []

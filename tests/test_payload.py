"""A reply's parts are read in all the forms in which servers write them, and are bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway.payload import (
    Said,
    as_id,
    as_number,
    as_percent,
    as_time,
    clean,
    error_in,
    error_of,
    json_object,
    plausible_id,
    retry_after_s,
    tier_in,
)

# Bodies


# One mistake as FastAPI tells of it. `input` quotes the request.
MISTAKE = {
    "type": "string_type",
    "loc": ["body", "seconds"],
    "msg": "not a text",
    "input": {"prompt": "余额不足"},
}


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"id":"t1"}', {"id": "t1"}),
        (b'\xef\xbb\xbf{"id":"t1"}', {"id": "t1"}),
        (b'{"m":"\xb2"}', {"m": "\ufffd"}),
        (b"[]", None),
        (b'"t1"', None),
        (b"", None),
        (b'{"id":"t1"', None),
        (b"[" * 100_000, None),
        (b'{"id":' + b"9" * 5000 + b"}", None),
    ],
)
def test_only_a_whole_json_object_is_one(body: bytes, document: Any) -> None:
    """Half a character does not cost the id beside it."""
    assert json_object(body) == document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"code": "c", "message": "m", "data": None}, Said("c", "m")),
        ({"error": {"message": "m", "type": "t", "code": "c"}}, Said("c", "m")),
        ({"error": {"message": "m", "type": "t", "code": ""}}, Said("t", "m")),
        ({"error": {"msg": "m"}}, Said("", "m")),
        ({"error": "m"}, Said("", "m")),
        ({"error": "m", "message": "other", "code": "c"}, Said("c", "m")),
        ({"message": "m", "msg": "n", "detail": "d"}, Said("", "m")),
        ({"msg": "n", "detail": "d"}, Said("", "n")),
        ({"detail": ["d", None, "e"]}, Said("", "d; e")),
        ({"detail": [MISTAKE, {"msg": "n"}]}, Said("", "body.seconds: not a text; n")),
        ({"detail": [{"loc": ["seconds"]}]}, Said("", "[{'loc': ['seconds']}]")),
        ({"detail": []}, None),
        ({"detail": {"code": "c", "message": "m"}}, Said("c", "m")),
        ({"detail": {"error": {"code": "c", "message": "m"}}}, Said("c", "m")),
        ({"detail": {"detail": {"message": "m"}}}, Said("", "{'message': 'm'}")),
        ({"detail": {"x": 1}}, None),
        ({"error": [{"message": "m"}]}, Said("", "m")),
        ({"code": 500}, Said("500", "")),
        ({"code": "OK", "message": "m"}, Said("OK", "m")),
        ({"code": [1], "message": "m"}, Said("", "m")),
        ({"code": "c" * 300, "message": "m" * 900}, Said("c" * 100, "m" * 500)),
        ({"code": "success", "message": ""}, None),
        ({"code": "Success"}, None),
        ({"code": "ok"}, None),
        ({"code": 0}, None),
        ({"code": 200}, None),
        ({"code": "200"}, None),
        ({"code": "0"}, None),
        ({"error": {}, "message": ""}, None),
        ({"error": None}, None),
        ({"status": "failed"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_error_is_found_in_every_shape(document: Any, said: Said | None) -> None:
    """Three shapes and their relatives; what `code` says of success is no error."""
    assert error_in(document) == said


def test_an_error_is_told_by_its_message_or_else_by_its_code() -> None:
    """One of the two is there in every error."""
    assert Said("c", "m").text == "m"
    assert Said("c", "").text == "c"


def test_a_body_that_is_no_json_holds_no_error() -> None:
    """A page says nothing that can be read."""
    assert error_of(b"<html>") is None
    assert error_of(b'{"error":"m"}') == Said("", "m")


# Ids, numbers, times, addresses


@pytest.mark.parametrize(
    "text", ["t", "task_1", "7250", "a.b-c", "0x1", "!~", "nulls", "x" * 256, "..a", "1.0", "X0"]
)
def test_printable_ascii_may_be_an_id(text: str) -> None:
    """Whatever its form: relays choose their own."""
    assert plausible_id(text) and as_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "0", "0-0", "-", "00000000-0000-0000", "None", "NULL", "nil", "undefined",
     "NaN", "a b", "a\n", "a\x7f", "任务", "x" * 257],
)  # fmt: skip
def test_a_word_for_nothing_is_no_id(text: str) -> None:
    """Nor is what could lead elsewhere in a URL."""
    assert not plausible_id(text) and as_id(text) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7250, "7250"),
        (1, "1"),
        (0, None),
        (-4, None),
        (True, None),
        (1.5, None),
        (None, None),
        ([], None),
    ],
)
def test_a_whole_number_may_be_an_id(value: Any, found: str | None) -> None:
    """A number above zero, but no truth value and no fraction."""
    assert as_id(value) == found


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0.0), (5, 5.0), ("5", 5.0), (" 1.5 ", 1.5), (1e300, 1e300), (-1, None), ("-0.1", None),
     (True, None), (None, None), ("", None), ("x", None), ("nan", None), ("inf", None),
     ([1], None), (10**400, None)],
)  # fmt: skip
def test_a_number_is_finite_and_not_negative(value: Any, number: float | None) -> None:
    """As a JSON number or as text."""
    assert as_number(value) == number


@pytest.mark.parametrize(
    ("value", "percent"),
    [(30, 30.0), ("30%", 30.0), (" 45.5 % ", 45.5), (0, 0.0), (100, 100.0), (100.1, None),
     (101, None), ("?", None), (None, None)],
)  # fmt: skip
def test_a_percentage_goes_to_a_hundred(value: Any, percent: float | None) -> None:
    """With or without its sign."""
    assert as_percent(value) == percent


@pytest.mark.parametrize(
    "value", [1780901570, "1780901570", 1780901570.0, 1780901570000, "1780901570000"]
)
def test_a_time_is_in_seconds_or_milliseconds(value: Any) -> None:
    """As a number or as text."""
    assert as_time(value) == datetime(2026, 6, 8, 6, 52, 50, tzinfo=UTC)


def test_what_would_be_the_year_5138_is_in_milliseconds() -> None:
    """No gateway speaks of that year in seconds."""
    assert as_time(1e11) == datetime(5138, 11, 16, 9, 46, 40, tzinfo=UTC)
    assert as_time(1e11 + 1) == datetime(1973, 3, 3, 9, 46, 40, 1000, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, 0, True, "soon", -1e30, -1, 1e30, [], float("nan")])
def test_a_time_that_is_none_is_no_time(value: Any) -> None:
    """Nonsense never raises."""
    assert as_time(value) is None


@pytest.mark.parametrize(
    ("model", "tier"),
    [("kling-3.0-720p", "kling-3.0-720p"), (" a\nb ", "a b"), ("x" * 300, "x" * 200), ("", None),
     (" ", None), (5, None), (None, None)],
)  # fmt: skip
def test_a_tier_is_a_replys_model(model: Any, tier: str | None) -> None:
    """On one line and bounded, or there is none."""
    assert tier_in({"model": model}) == tier
    assert tier_in({}) is None


# Pauses


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 12 "}, 12.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:29:00 GMT",
            },
            0.0,
        ),
        (
            {
                "retry-after": "Wed, 99 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:29:00 GMT",
            },
            None,
        ),
        ({"openai-poll-after-ms": "2500"}, 2.5),
        ({"openai-poll-after-ms": "2500", "retry-after": "1"}, 2.5),
    ],
)
def test_a_pause_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, an HTTP date against the reply's own Date, or milliseconds; nonsense is no pause."""
    assert retry_after_s(headers) == seconds


# Texts


@given(st.text(max_size=3000), st.integers(1, 300))
def test_a_servers_text_is_safe_to_show(text: str, limit: int) -> None:
    """No control characters, no lone surrogates, one line, bounded."""
    shown = clean(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    shown.encode()


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("a\r\n b\t", 9, "a b"),
        ("上游\x1b[31m失败", 99, "上游 [31m失败"),
        ("abc", 2, "ab"),
        (["a"], 9, "['a']"),
        ("\x00" * 8 + "a", 2, ""),
        ("\x00" * 7 + "a", 2, "a"),
    ],
)
def test_a_text_is_one_short_line(text: object, limit: int, shown: str) -> None:
    """Of what is cut off, no more is looked at than four times the limit."""
    assert clean(text, limit) == shown


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Credential=AKIA%2F20260101&X-Amz-Signature=SECRET",
        "x-goog-signature=SECRET",
        "se=2026-01-01&sig=SECRET",
        "AWSAccessKeyId=SECRET&Signature=SECRET",
        "a=1\\u0026X-Amz-Signature=SECRET",
        "url%3Fsig%3DSECRET",
    ],
)
def test_what_signs_an_address_is_cleaned_away(query: str) -> None:
    """An error may quote the address of a reference, and a ledger is committed."""
    shown = clean(f"cannot fetch https://s3.example.com/a.png?{query} now")
    assert "SECRET" not in shown and "AKIA" not in shown
    assert shown.startswith("cannot fetch https://s3.example.com/a.png") and shown.endswith(" now")

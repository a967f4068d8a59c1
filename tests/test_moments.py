"""Times of a ledger: only whole ones with a zone are believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from klingflow.ledger.moments import has_form, have_form, in_utc, moment


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-06-08T06:52:49.123Z", datetime(2026, 6, 8, 6, 52, 49, 123000, UTC)),
        ("2026-06-08T06:52:49Z", datetime(2026, 6, 8, 6, 52, 49, 0, UTC)),
        (
            "2026-06-08T14:52:49.5+08:00",
            datetime(2026, 6, 8, 14, 52, 49, 500000, timezone(timedelta(hours=8))),
        ),
        ("2999-12-31T23:59:59Z", datetime(2999, 12, 31, 23, 59, 59, 0, UTC)),
        ("1000-01-01T00:00:00Z", datetime(1000, 1, 1, 0, 0, 0, 0, UTC)),
    ],
)
def test_a_time_with_its_zone_is_one(text: str, meant: datetime) -> None:
    """As klingflow writes it, or as another program may."""
    assert (moment(text), has_form(text)) == (meant, True)


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "NaN", "2026-06-08", "2026-06-08T06:52:49", "2026-06-08 06:52:49Z",
        "2026-06-08\x1b06:52:49Z", "2026-06-08T06:52:49Z\n", "20260608T065249Z",
        "2026-W23-1T01:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
        "3000-01-01T00:00:00Z",
        "２０２６-06-08T06:52:49Z", "2026-06-08T06:52:49.1234567Z", "2026-06-08T06:52:49+0800",
        None, 7, 1.5, [], {}, True,
    ],
)  # fmt: skip
def test_anything_else_is_none(text: object) -> None:
    """Words, a time without a zone, another form, a year in which sums overflow."""
    assert moment(text) is None
    assert not isinstance(text, str) or not has_form(text)


@pytest.mark.parametrize("text", ["2026-02-30T00:00:00Z", "2026-06-08T24:61:00Z"])
def test_a_day_that_does_not_exist_has_the_form_alone(text: str) -> None:
    """Reading a line asks for the form, which is cheap; who computes with a time asks for more."""
    assert (has_form(text), moment(text)) == (True, None)


@pytest.mark.parametrize(
    ("texts", "all_do"),
    [
        ([], True),
        (["2026-06-08T06:52:49Z"], True),
        (["2026-06-08T06:52:49Z", "2026-06-08T06:52:49.123Z"], True),
        (["2026-06-08T06:52:49Z", "then"], False),
        (["2026-06-08T06:52:49Z\n2026-06-08T06:52:49Z"], False),
        (["2026-06-08T06:52:49Z\n"], False),
        ([""], False),
    ],
)
def test_many_times_are_looked_at_as_one(texts: list[str], all_do: bool) -> None:
    """With the same result as one by one."""
    assert have_form(texts) == all_do == all(map(has_form, texts))


@pytest.mark.parametrize(
    ("text", "worded"),
    [
        ("2026-06-08T06:52:49.999Z", "2026-06-08 06:52:49 UTC"),
        ("2026-06-08T01:00:00+08:00", "2026-06-07 17:00:00 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_a_time_is_worded_with_its_zone(text: str, worded: str) -> None:
    """A text that is no time stays as it is."""
    assert in_utc(text) == worded

"""Durations, rates, amounts and switches, as people write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from klingflow.manifest.settings import (
    ASSETS,
    GATEWAY,
    parse_amount,
    parse_duration,
    parse_rate,
    read_settings,
    switch,
    whole,
)
from klingflow.model import AssetSettings, GatewaySettings, Json, Rate


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("5s", 5.0), ("1.5m", 90.0), ("2h", 7200.0)]
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 s", "5d", "1e3s", "５s", "9" * 400 + "s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["30", "0/1m", "30/0s", "30/m", "/1m", "-1/1s"])
def test_a_rate_is_a_count_for_each_period(text: str) -> None:
    assert parse_rate("30/1m") == Rate(30, 60.0)
    with pytest.raises(ValueError, match=r"rate|duration"):
        parse_rate(text)


@pytest.mark.parametrize("value", ["12.5", 12.5, Decimal("12.5")])
def test_an_amount_is_exact(value: Json) -> None:
    """A number and its text are the same amount."""
    assert parse_amount(value) == Decimal("12.5")


@pytest.mark.parametrize("value", ["-1", "x", "NaN", "Infinity", True, None, []])
def test_anything_else_is_not_an_amount(value: Json) -> None:
    """Neither are a switch, a negative number and one without an end."""
    with pytest.raises(ValueError, match="amount of 0 or more"):
        parse_amount(value)


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_a_whole_number_has_a_least(value: Json) -> None:
    """1.0 and true are not whole numbers here."""
    assert whole(1)(1) == 1
    with pytest.raises(ValueError, match="whole number of 1 or more"):
        whole(1)(value)


@pytest.mark.parametrize("value", [1, 0, "true", None])
def test_a_switch_is_true_or_false(value: Json) -> None:
    """Nothing that Python takes for one is."""
    assert switch(False) is False
    with pytest.raises(ValueError, match="neither true nor false"):
        switch(value)


@pytest.mark.parametrize(
    ("block", "record", "faults"),
    [
        ({}, {}, {}),
        ({"base_url": None, "refund_5xx": None}, {}, {}),
        ({"refund_5xx": True}, {"refund_5xx": True}, {}),
        ({"base_url": "HTTPS://a.example/x"}, {"base_url": "HTTPS://a.example/x"}, {}),
        ({"base_url": "ftp://a"}, {}, {"base_url": "'ftp://a' is not an http(s) address"}),
        ({"other": 1}, {}, {}),
    ],
)
def test_a_block_is_its_record_and_what_is_wrong(
    block: dict[str, Json], record: dict[str, Any], faults: dict[str, str]
) -> None:
    """null, mistakes and unknown keys leave the defaults."""
    assert read_settings(block, GATEWAY, GatewaySettings) == (GatewaySettings(**record), faults)


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    """The message goes to logs."""
    block = {"base_url": "https://user:secret@a.example"}
    _, faults = read_settings(block, GATEWAY, GatewaySettings)
    assert "take it out" in faults["base_url"] and "secret" not in faults["base_url"]


def test_a_store_is_a_place_and_an_address() -> None:
    """Signed addresses hold for a day unless it says otherwise."""
    block = {"store": "s3://neon/refs", "public_url": "https://cdn.example.com", "expires": "2h"}
    found = AssetSettings("s3://neon/refs", "https://cdn.example.com", expires_s=7200.0)
    assert read_settings(block, ASSETS, AssetSettings) == (found, {})


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("store", "s3://key:secret@neon/refs", "credentials come from the environment alone"),
        ("store", "az://neon/refs?sig=secret", "credentials come from the environment alone"),
        ("store", "/srv/refs", "'/srv/refs' is no store"),
        ("store", "http://x.example/", "is no store"),
        ("store", "s3://x.example\\/refs", "is no store"),
        ("region", "us-east-1.x.example/", "is no region"),
        ("region", "x.example:80", "is no region"),
        ("region", "", "is no region"),
        ("public_url", "cdn.example.com", "is not an http(s) address"),
        ("public_url", "https://x.example/?a=", "holds more than an address"),
        ("endpoint", "https://user:secret@oss.example.com", "take it out"),
        ("expires", "soon", "is not a duration"),
    ],
)
def test_a_store_that_is_none_is_refused(key: str, value: str, fault: str) -> None:
    """No message repeats a secret."""
    _, faults = read_settings({key: value}, ASSETS, AssetSettings)
    assert fault in faults[key] and "secret" not in faults[key]

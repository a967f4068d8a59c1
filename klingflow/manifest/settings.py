"""PURE. `run:` and `gateway:` → Limits and GatewaySettings; durations and rates as people write
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from klingflow.model import GatewaySettings, Json, Limits, Rate

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_WITH_PASSWORD = re.compile(r"[^/?#]*//[^/?#]*@")
_RATE = re.compile(r"([1-9][0-9]{0,8})/(.+)")

T = TypeVar("T", Limits, GatewaySettings)
# A block's key → the record's field, and how its value is read. Readers raise ValueError.
Table = Mapping[str, tuple[str, Callable[[Json], Any]]]


def parse_duration(text: str) -> float:
    """Seconds in `250ms`, `5s`, `90m` or `2h`. Raises ValueError."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f"'{text}' is no duration; write one such as 250ms, 5s, 90m or 2h")
    return float(found[1]) * _UNITS_S[found[2]]


def parse_rate(text: str) -> Rate:
    """`30/1m`: so many per period. Raises ValueError."""
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    period_s = parse_duration(found[2]) if found else 0.0
    if not found or not period_s:
        raise ValueError(f"'{text}' is no rate; write one such as 30/1m")
    return Rate(int(found[1]), period_s)


def _whole(least: int) -> Callable[[Json], int]:
    def read(value: Json) -> int:
        if type(value) is not int or value < least:
            raise ValueError(f"'{value}' is not a whole number of {least} or more")
        return value

    return read


def _amount(value: Json) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ValueError(f"'{value}' is no amount of 0 or more")
    return amount


def _address(value: Json) -> str:
    if isinstance(value, str) and _WITH_PASSWORD.match(value):  # which no message repeats
        raise ValueError(
            "holds a user or a password; take it out: the key comes from KLINGFLOW_API_KEY alone"
        )
    if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/]\S*", value, re.IGNORECASE):
        raise ValueError(f"'{value}' is no http(s) address")
    return value


def _switch(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"'{value}' is neither true nor false")
    return value


RUN: Table = {
    "max_running": ("max_running", _whole(1)),
    "submit": ("submit", parse_rate),
    "poll": ("poll", parse_rate),
    "poll_floor": ("poll_floor_s", parse_duration),
    "downloads": ("downloads", _whole(1)),
    "connections": ("connections", _whole(1)),
    "retries": ("retries", _whole(0)),
    "max_spend": ("max_spend", _amount),
    "max_tasks": ("max_tasks", _whole(1)),
    "max_seconds": ("max_seconds", _whole(1)),
    "deadline": ("deadline_s", parse_duration),
    "tag_media": ("tag_media", _switch),
}
GATEWAY: Table = {"base_url": ("base_url", _address), "refund_5xx": ("refund_5xx", _switch)}


def read_settings(
    block: Mapping[str, Json], table: Table, record: type[T]
) -> tuple[T, dict[str, str]]:
    """A block as its record, and what is wrong by key. null and what is wrong keep the default."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for key, value in block.items():
        if key in table and value is not None:
            field, read = table[key]
            try:
                values[field] = read(value)
            except ValueError as error:
                faults[key] = str(error)
    return record(**values), faults

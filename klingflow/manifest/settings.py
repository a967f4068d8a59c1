"""PURE. The settings of a block such as `gateway:`: how each value is written, and the record that
holds them all.

This module reads durations, rates and amounts as people write them. limits.py has the limits of
`run:`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from klingflow.manifest.fields import Field
from klingflow.manifest.shapes import BOOLEAN, DURATION, TEXT, URL
from klingflow.model import AssetSettings, GatewaySettings, Json, Limits, Rate
from klingflow.words import _

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_WITH_PASSWORD = re.compile(r"[^/?#]*//[^/?#]*@")
_ADDRESS = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)
_RATE = re.compile(r"([1-9][0-9]{0,8})/(.+)")

T = TypeVar("T", Limits, GatewaySettings, AssetSettings)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Setting(Field):
    """One key of a block. `attribute` names its place in the record, which has its default.

    `read` makes the record's value of what is written; it raises ValueError, which says what to
    write instead.
    """

    attribute: str
    read: Callable[[Json], Any]


def parse_duration(text: str) -> float:
    """Return the seconds of `250ms`, `5s`, `90m` or `2h`. Raises ValueError."""
    found = _DURATION.fullmatch(str(text))
    if not found:
        raise ValueError(
            _("'{text}' is not a duration; write one such as 250ms, 5s, 90m or 2h", text=text)
        )
    return float(found[1]) * _UNITS_S[found[2]]


def parse_rate(text: str) -> Rate:
    """Return the rate that `30/1m` means: so many per period. Raises ValueError."""
    found = _RATE.fullmatch(str(text))
    if found:
        period_s = parse_duration(found[2])
        if period_s:
            return Rate(int(found[1]), period_s)
    raise ValueError(_("'{text}' is not a rate; write one such as 30/1m", text=text))


def parse_amount(value: Json) -> Decimal:
    """Return an amount of money, as a number or as text. Raises ValueError."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ValueError(
            _("'{value}' is not an amount of 0 or more; write one such as 50 or 12.5", value=value)
        )
    return amount


def whole(least: int) -> Callable[[Json], int]:
    """Return the reader of whole numbers of `least` or more."""

    def read(value: Json) -> int:
        if type(value) is not int or value < least:
            raise ValueError(
                _("'{value}' is not a whole number of {least} or more", value=value, least=least)
            )
        return value

    return read


def switch(value: Json) -> bool:
    """Return true or false as it stands. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError(_("'{value}' is neither true nor false", value=value))
    return value


def _address(value: Json) -> str:
    # No message repeats a password.
    text = str(value)
    if _WITH_PASSWORD.match(text):
        raise ValueError(
            _("holds a user or a password; take it out: the key comes from KLINGFLOW_API_KEY alone")
        )
    if not _ADDRESS.fullmatch(text):
        raise ValueError(_("'{text}' is not an http(s) address", text=text))
    return text


GATEWAY: Final[dict[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting(
            "base_url",
            URL,
            "The gateway's address, without /v1.",
            attribute="base_url",
            read=_address,
        ),
        Setting(
            "refund_5xx",
            BOOLEAN,
            "Whether a 5xx with the gateway's own JSON error means: not charged.",
            attribute="refund_5xx",
            read=switch,
        ),
    )
}


_STORE = re.compile(r"(s3|gs|az|file)://[^\s?#@\\]+")


def _store(value: Json) -> str:
    # No message repeats a password.
    text = str(value)
    if _WITH_PASSWORD.match(text) or "?" in text:
        raise ValueError(
            _("holds more than a place; take it out: credentials come from the environment alone")
        )
    if not _STORE.fullmatch(text):
        raise ValueError(
            _("'{text}' is no store; write s3://…, gs://…, az://… or file:///…", text=text)
        )
    return text


# A service's host is made of it: "us-east-1.example.com/" would be another one.
_REGION_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


def _region(value: Json) -> str:
    text = str(value)
    if not _REGION_NAME.fullmatch(text):
        raise ValueError(_("'{text}' is no region; write one such as us-east-1", text=text))
    return text


def _plain_address(value: Json) -> str:
    text = _address(value)
    if "?" in text or "#" in text:
        raise ValueError(_("holds more than an address; names of files are appended to it"))
    return text


_PLACE: Final = {
    "type": "string",
    "pattern": "^(s3|gs|az|file)://[^\\s?#@]+$",
    "title": _("a store such as s3://bucket/refs or file:///srv/refs"),
}
ASSETS: Final[dict[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting(
            "store",
            _PLACE,
            "Where local files go: s3://, gs://, az:// or file://.",
            attribute="store",
            read=_store,
        ),
        Setting(
            "public_url",
            URL,
            "Where the gateway reads what is in the store; without it addresses are signed.",
            attribute="public_url",
            read=_plain_address,
        ),
        Setting(
            "endpoint",
            URL,
            "The address of an S3-compatible service: OSS, COS, R2, MinIO.",
            attribute="endpoint",
            read=_plain_address,
        ),
        Setting("region", TEXT, "The store's region.", attribute="region", read=_region),
        Setting(
            "expires",
            DURATION,
            "How long signed addresses hold; by default 24h.",
            attribute="expires_s",
            read=parse_duration,
        ),
    )
}


def read_settings(
    block: Mapping[str, Json], table: Mapping[str, Setting], record: type[T]
) -> tuple[T, dict[str, str]]:
    """Return a block as its record, and what is wrong in it by key.

    null and wrong values keep the default; keys that the table lacks are left to check.py.
    """
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for key, value in block.items():
        if key not in table or value is None:
            continue
        try:
            values[table[key].attribute] = table[key].read(value)
        except ValueError as error:
            faults[key] = str(error)
    return record(**values), faults

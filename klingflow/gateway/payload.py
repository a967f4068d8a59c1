"""PURE. What the body and the headers of any reply hold: a JSON object, an error in one of its
shapes, ids, numbers, times, pauses.

What these mean for a purchase is `klingflow.gateway.replies`. Text from a server leaves this module
on one line, printable and bounded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MAX_ID = 256
MAX_URL = 8192
MAX_MESSAGE = 500
MAX_CODE = 100
MAX_TIER = 200

# What `code` may hold in a reply that speaks of no error.
_NO_ERROR = frozenset({"", "0", "200", "ok", "success"})
# Words that a program without an id writes in place of one.
_NO_ID = frozenset({"null", "none", "nil", "undefined", "nan"})
_MILLISECONDS_FROM = 1e11  # as seconds that would be the year 5138


class Said(NamedTuple):
    """An error in the gateway's words, cleaned; one of the two may be empty."""

    code: str
    message: str

    @property
    def text(self) -> str:
        """The message, or the code where there is none."""
        return self.message or self.code


def json_object(body: bytes) -> dict[str, Any] | None:
    """The body as a JSON object, or None. A broken character in a message must not cost the id
    beside it.
    """
    try:
        document = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def error_of(body: bytes) -> Said | None:
    """The error of a JSON body in any of the gateway's shapes, or None."""
    return error_in(json_object(body))


def error_in(document: Mapping[str, Any] | None) -> Said | None:
    """The error in `{"code","message"}`, `{"error":{…}}`, `{"error":"…"}` or `{"detail":…}`."""
    if document is None:
        return None
    inner = document.get("error")
    if isinstance(inner, dict):
        code = _first(inner, "code", "type")
        message = _first(inner, "message", "msg")
    else:
        code = document.get("code")
        message = _first(document, "error", "message", "msg", "detail")
    is_code = isinstance(code, (str, int)) and bool(code)
    said = Said(clean(code, MAX_CODE) if is_code else "", clean(message) if message else "")
    is_none = not said.message and said.code.lower() in _NO_ERROR
    return None if is_none else said


def _first(document: Mapping[str, Any], *names: str) -> Any:
    """The first of the named values that is not empty; None where all are."""
    return next((value for name in names if (value := document.get(name))), None)


def clean(text: object, limit: int = MAX_MESSAGE) -> str:
    """Text from a server on one line, without control, bidi or half characters, at most `limit`
    long.
    """
    raw = str(text)[: 4 * limit]
    return " ".join("".join(c if c.isprintable() else " " for c in raw).split())[:limit]


def plausible_id(text: str) -> bool:
    """True if `text` may be a task id: printable ASCII without spaces, no path of dots in a URL,
    no word for nothing.
    """
    is_nothing = not text.strip(".0-") or text.lower() in _NO_ID
    return not is_nothing and re.fullmatch(rf"[!-~]{{1,{MAX_ID}}}", text) is not None


def as_id(value: object) -> str | None:
    """A plausible task id as text, or None."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    return value if isinstance(value, str) and plausible_id(value) else None


def as_number(value: object) -> float | None:
    """A finite number ≥ 0 from a JSON number or its text, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def as_percent(value: object) -> float | None:
    """A number of percent, 0–100, from a number or a text such as "30%", or None."""
    percent = as_number(value.strip().removesuffix("%") if isinstance(value, str) else value)
    return percent if percent is not None and percent <= 100 else None


def as_time(value: object) -> datetime | None:
    """A time from seconds or milliseconds since 1970, or None."""
    number = as_number(value)
    if not number:
        return None
    try:
        seconds = number / 1000 if number > _MILLISECONDS_FROM else number
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def tier_in(document: Mapping[str, Any]) -> str | None:
    """The billed tier, which replies call `model`, or None."""
    model = document.get("model")
    return clean(model, MAX_TIER) or None if isinstance(model, str) else None


def is_web_url(value: object) -> bool:
    """True if `value` is text that a video may be fetched from."""
    if not isinstance(value, str) or len(value) > MAX_URL:
        return False
    if not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that a reply asks for, in seconds ≥ 0: the longer of Retry-After and
    openai-poll-after-ms.
    """
    milliseconds = as_number(headers.get("openai-poll-after-ms"))
    asked = (_retry_after_s(headers), None if milliseconds is None else milliseconds / 1000)
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds. An HTTP date counts from the reply's own Date, so that no clock of
    ours has to agree with the server's.
    """
    text = headers.get("retry-after")
    if text is None:
        return None
    if (seconds := as_number(text)) is not None:
        return seconds
    try:
        until, since = parsedate_to_datetime(text), parsedate_to_datetime(headers["date"])
        return max(0.0, (until - since).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None

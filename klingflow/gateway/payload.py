"""PURE. What the body and the headers of any reply hold: a JSON object, an error in one of its
shapes, ids, numbers, times, pauses.

What these mean for a purchase is for create_replies.py and query_replies.py. Text from a server
leaves this module on one line, printable and bounded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from klingflow.words import _, joined

MAX_ID = 256
MAX_MESSAGE = 500
MAX_CODE = 100
MAX_TIER = 200
MOST_MISTAKES = 10  # of a list of them

# What `code` may hold in a reply that speaks of no error.
_NO_ERROR = frozenset({"", "0", "200", "ok", "success"})
# What a `message` may hold beside a failure without saying anything of it.
_NO_REASON = frozenset({
    "", "ok", "success", "succeed", "succeeded", "successful", "成功", "请求成功", "操作成功",
})  # fmt: skip
# Where the reason of a failed task stands, the surest place first (gateway.md 4).
_REASONS = (
    ("error", "message"), ("error", "msg"), ("error", "detail"), ("error",),
    ("errors", 0, "message"), ("message",), ("msg",), ("detail",), ("error_message",),
    ("task_status_msg",), ("reason",), ("failure_reason",), ("fail_reason",),
    ("metadata", "error", "message"), ("metadata", "error"),
)  # fmt: skip
# Words that a program without an id writes in place of one.
_NO_ID = frozenset({"null", "none", "nil", "undefined", "nan"})
_ID = re.compile(rf"[!-~]{{1,{MAX_ID}}}")
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
    """Return the body as a JSON object, or None. A broken character in a message must not cost the
    id beside it.
    """
    try:
        document = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def error_of(body: bytes) -> Said | None:
    """Return the error of a JSON body in any of the gateway's shapes, or None."""
    return error_in(json_object(body))


def error_in(document: Mapping[str, Any] | None) -> Said | None:
    """Return the error in `{"code","message"}`, `{"error":{…}}`, `{"error":"…"}` or `{"detail":…}`;
    the last is FastAPI's, and holds a text, a list of mistakes or an error in one of these shapes.
    """
    if document is None:
        return None
    detail = document.get("detail")
    if isinstance(detail, dict) and not _first(document, "error", "message", "msg"):
        document = detail
    inner = document.get("error")
    if isinstance(inner, dict):
        code = _first(inner, "code", "type")
        message = _first(inner, "message", "msg")
    else:
        code = _first(document, "code")
        message = _first(document, "error", "message", "msg", "detail")
    if not isinstance(code, (str, int)):
        code = ""
    said = Said(clean(code, MAX_CODE), clean(_in_words(message)))
    is_none = not said.message and said.code.lower() in _NO_ERROR
    return None if is_none else said


def code_in(task: Mapping[str, Any]) -> str:
    """Return the code of a failed task's error; "" where it has none."""
    said = error_in(task)
    return "" if said is None or said.code.lower() in _NO_ERROR else said.code


def reason_in(task: Mapping[str, Any]) -> str:
    """Return why a task failed, from the first of the places where servers put it; "" where there
    is no reason.
    """
    for path in _REASONS:
        value = _at(task, path)
        reason = "" if value is None or isinstance(value, Mapping) else clean(_in_words(value))
        if reason.lower() not in _NO_REASON:
            return reason
    return ""


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _in_words(value: object) -> object:
    """Return a list of mistakes as one text: where each one is, and what is wrong there, as FastAPI
    reports them in `detail`. What it quotes of the request beside them is left out.
    """
    if not isinstance(value, list):
        return value
    return joined("; ", filter(None, map(_mistake, value[:MOST_MISTAKES]))) or value


def _mistake(item: object) -> str:
    if not isinstance(item, Mapping):
        return "" if item is None else str(item)
    where, said = item.get("loc"), _first(item, "msg", "message")
    if said and isinstance(where, list):
        return _("{where}: {said}", where=".".join(map(str, where)), said=said)
    return str(said)


def _first(document: Mapping[str, Any], *names: str) -> Any:
    """Return the first of the named values that is not empty; "" where all are."""
    for name in names:
        if value := document.get(name):
            return value
    return ""


# What signs an address of a file in a store, as S3, GCS and Azure name it. An error may quote it.
_SIGNATURE = re.compile(
    r"((?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|(?:\b|%3F|%26)(?:Signature|sig)|AccessKeyId)"
    r"(?:=|%3D))[^&\s\"'<>\\]+",
    re.IGNORECASE,
)


def clean(text: object, limit: int = MAX_MESSAGE) -> str:
    """Text from a server on one line, without control, bidi or half characters and without the
    signatures of addresses, at most `limit` long.
    """
    raw = _SIGNATURE.sub(r"\1…", str(text)[: 4 * limit])
    if not raw.isprintable():  # few texts: going through the characters is slow
        raw = "".join(c if c.isprintable() else " " for c in raw)
    return " ".join(raw.split())[:limit]


def plausible_id(text: str) -> bool:
    """True if `text` may be a task id: printable ASCII without spaces, no path of dots in a URL,
    no word for nothing.
    """
    is_nothing = not text.strip(".0-") or text.lower() in _NO_ID
    return not is_nothing and _ID.fullmatch(text) is not None


def as_id(value: object) -> str | None:
    """Return a plausible task id as text, or None."""
    if type(value) is int and value > 0:  # exactly: True is an int to `isinstance`
        value = str(value)
    if not isinstance(value, str):
        return None
    return value if plausible_id(value) else None


def as_number(value: object) -> float | None:
    """Return a finite number ≥ 0 from a JSON number or its text, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < math.inf else None


def as_percent(value: object) -> float | None:
    """Return a number of percent, 0–100, from a number or a text such as "30%", or None."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    percent = as_number(value)
    if percent is None or percent > 100:
        return None
    return percent


def as_time(value: object) -> datetime | None:
    """Return a time from seconds or milliseconds since 1970, or None."""
    number = as_number(value)
    if not number:
        return None
    try:
        seconds = number / 1000 if number > _MILLISECONDS_FROM else number
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def tier_in(document: Mapping[str, Any]) -> str | None:
    """Return the billed tier, which replies call `model`, or None."""
    model = document.get("model")
    if not isinstance(model, str):
        return None
    return clean(model, MAX_TIER) or None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the pause that a reply asks for, in seconds ≥ 0: the longer of Retry-After and
    openai-poll-after-ms.
    """
    asked_s: list[float] = []
    if (seconds := _retry_after_s(headers)) is not None:
        asked_s.append(seconds)
    if (milliseconds := as_number(headers.get("openai-poll-after-ms"))) is not None:
        asked_s.append(milliseconds / 1000)
    return max(asked_s, default=None)


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

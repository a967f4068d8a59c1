"""PURE. What a finished run tells a chat or a program: the JSON of a notification in the form that
the host takes, and what the host's answer means.

Feishu, WeCom and DingTalk answer 200 also where they refuse; a number in the body tells. Sources:
the pages of each on custom robots and incoming webhooks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal

from klingflow.model import Json
from klingflow.words import _

Form = Literal["plain", "feishu", "wecom", "dingtalk", "slack"]


@dataclass(frozen=True, slots=True)
class Notice:
    """How a run ended. `counts` are takes by what became of them, `cost` what became of the money
    (`klingflow.results.account.shares`), `text` is for people.
    """

    name: str
    exit_code: int
    counts: Mapping[str, int]
    cost: Mapping[str, Json]
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    """One form: the hosts that take it, what is sent, and where the answer has its number, which is
    0 if all is well.
    """

    hosts: tuple[str, ...]
    made: Callable[[Notice], Json]
    number: tuple[str, ...] = ()


def _short(text: str, most: int) -> str:
    """Return a text of at most `most` bytes in UTF-8."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most else data[: most - 3].decode("utf-8", "ignore") + "…"


def _escaped(text: str) -> str:
    """Return a text in which Slack finds no link and no name."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_ROWS: Final[Mapping[Form, _Row]] = {
    "plain": _Row((), asdict),
    "feishu": _Row(
        ("open.feishu.cn", "open.larksuite.com"),
        lambda notice: {"msg_type": "text", "content": {"text": _short(notice.text, 15_000)}},
        ("code", "StatusCode"),
    ),
    "wecom": _Row(
        ("qyapi.weixin.qq.com",),
        lambda notice: {"msgtype": "text", "text": {"content": _short(notice.text, 2048)}},
        ("errcode",),
    ),
    "dingtalk": _Row(
        ("oapi.dingtalk.com",),
        lambda notice: {"msgtype": "text", "text": {"content": _short(notice.text, 15_000)}},
        ("errcode",),
    ),
    "slack": _Row(
        ("hooks.slack.com", "hooks.slack-gov.com"),
        lambda notice: {"text": _escaped(_short(notice.text, 15_000))},
    ),
}


def form_of(host: str) -> Form:
    """Return the form that a host takes."""
    return next((form for form, row in _ROWS.items() if host.lower() in row.hosts), "plain")


def body_of(notice: Notice, form: Form) -> bytes:
    """Return what is sent."""
    # Not in ASCII: Feishu takes 20 KB, and there each Chinese character would be twice as long.
    return json.dumps(_ROWS[form].made(notice), ensure_ascii=False).encode("utf-8", "replace")


def refusal(status: int, body: bytes, form: Form) -> str:
    """Return why the host did not take a notification, "" where it did. Nothing of what the host
    says is repeated: it may quote the address.
    """
    if not 200 <= status < 300:
        return _("the host answered {status}", status=status)
    numbers = _ROWS[form].number
    if not numbers:
        return ""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    found = [said[name] for name in numbers if name in said] if isinstance(said, dict) else []
    if not found:
        return _("the host did not say that it took the notification")
    code = found[0]
    if code == 0:
        return ""
    return (
        _("the host refused it with {code}", code=code)
        if type(code) is int
        else _("the host refused it")
    )

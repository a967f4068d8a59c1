"""PURE. Does a reply to a query fit the route of videos, and what else came?

Many servers answer at any address: a page, a login, another product's 404. Only an answer about the
very task shows that a gateway of videos is there.
"""

from __future__ import annotations

import html
import re

from klingflow.gateway.failures import says_no_such_task
from klingflow.gateway.outcomes import Answer, NoReply, NoSuchTask, QueryOutcome, Reply
from klingflow.gateway.packing import unread
from klingflow.gateway.payload import clean, error_of, json_object
from klingflow.words import _, joined

# The bounds keep the search short in a page of nothing but `<title`.
_TITLE = re.compile(rb"<title[^>]{0,200}>(.{0,2000}?)</title", re.IGNORECASE | re.DOTALL)
_PAGE_BYTES = 64 * 1024
_SHOWN = 120
_NAMES_SHOWN = 5


def is_about_no_task(outcome: QueryOutcome, task_id: str) -> bool:
    """True if a reply says that the task, and not the route, is unknown."""
    if not isinstance(outcome, NoSuchTask):
        return False
    code, message = outcome.failure.code, outcome.failure.message
    return says_no_such_task(code, message) or task_id in message


def leaves_open(answer: Answer) -> bool:
    """True if a reply may be about the task or about the route: `404 {"detail": "Not Found"}` is
    what FastAPI says of both.
    """
    return isinstance(answer, Reply) and answer.status == 404 and has_an_error(answer)


def takes_a_post(answer: Answer) -> bool:
    """True if a reply to a GET says that this route takes a POST. RFC 9110, 15.5.6: "The origin
    server MUST generate an Allow header field in a 405 response".
    """
    if not isinstance(answer, Reply) or answer.status != 405:
        return False
    allowed = answer.headers.get("allow", "").upper().split(",")
    return "POST" in (method.strip() for method in allowed)


def has_an_error(answer: Answer) -> bool:
    """True if the reply reports an error in one of the gateway's shapes; a page does not."""
    return not isinstance(answer, NoReply) and error_of(answer.body) is not None


def seen(answer: Answer) -> str:
    """Return what came back, in words for people: `HTTP 200, a page called 'Login'`."""
    if isinstance(answer, NoReply):
        return answer.reason
    status = _("HTTP {status}", status=answer.status)
    if 300 <= answer.status < 400 and (location := answer.headers.get("location")):
        return _(
            "{status}, which sends on to {location}",
            status=status,
            location=clean(location, _SHOWN),
        )
    if what := instead(answer):
        return _("{status}, {what}", status=status, what=what)
    if error := error_of(answer.body):
        return _("{status}: {text}", status=status, text=clean(error.text, _SHOWN))
    if content := _content(answer):
        return _("{status}, {what}", status=status, what=content)
    return _("{status} and nothing else", status=status)


def _content(reply: Reply) -> str:
    """Return what kind of data a reply brings; "" where it brings none."""
    document = json_object(reply.body)
    if document is not None:
        names = joined(", ", (clean(name, 40) for name in [*document][:_NAMES_SHOWN]))
        return _("JSON with {names}", names=names or _("nothing in it"))
    if not reply.body.strip():
        return ""
    return clean(reply.headers.get("content-type", ""), 80) or _("text")


def instead(reply: Reply) -> str:
    """Return what a reply brings where a server's answer belongs: a page, or what cannot be
    unpacked; "" for anything else.
    """
    packed = unread(reply.headers.get("content-encoding"))
    is_page = reply.body.lstrip()[:1] == b"<"
    return clean(packed, _SHOWN) or (_page(reply.body) if is_page else "")


def _page(body: bytes) -> str:
    found = _TITLE.search(body, 0, _PAGE_BYTES)
    title = clean(html.unescape(found[1].decode("utf-8", "replace")), _SHOWN) if found else ""
    return _("a page called {title!r}", title=title) if title else _("a page")

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
    """What came back, in words for people: `HTTP 200, a page called 'Login'`."""
    if isinstance(answer, NoReply):
        return answer.reason
    status = f"HTTP {answer.status}"
    if 300 <= answer.status < 400 and (location := answer.headers.get("location")):
        return f"{status}, which sends on to {clean(location, _SHOWN)}"
    if what := instead(answer):
        return f"{status}, {what}"
    if error := error_of(answer.body):
        return f"{status}: {clean(error.text, _SHOWN)}"
    document = json_object(answer.body)
    if document is not None:
        names = ", ".join(clean(name, 40) for name in [*document][:_NAMES_SHOWN])
        return f"{status}, JSON with {names or 'nothing in it'}"
    kind = clean(answer.headers.get("content-type", ""), 80)
    return f"{status}, {kind or 'text'}" if answer.body.strip() else f"{status} and nothing else"


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
    return f"a page called {title!r}" if title else "a page"

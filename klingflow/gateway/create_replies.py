"""PURE. What a reply to a create means: was this bought?

A create that is misread buys twice or loses a task id, so there are four answers and the default is
the last: Accepted (the id is ours), Refused (certainly nothing was bought), Unsent (nothing left
this machine) and Doubtful. Sources: the gateway's document, sections 7–9, and real relays
(gateway.md 4). What a reply to a query means is for query_replies.py.
"""

from __future__ import annotations

import re
from base64 import b64encode

from klingflow.gateway.clues import leads_in, names_in
from klingflow.gateway.failures import kind_of
from klingflow.gateway.fitting import instead
from klingflow.gateway.naming import created_ids, names_a_task
from klingflow.gateway.outcomes import (
    Accepted,
    Answer,
    CreateOutcome,
    Doubtful,
    NoReply,
    Refused,
    Reply,
    Unsent,
)
from klingflow.gateway.packing import unread
from klingflow.gateway.payload import clean, error_in, json_object, retry_after_s, tier_in
from klingflow.gateway.wording import NO_BODY, Body, Wording, refusal_of, worded
from klingflow.model import Json
from klingflow.model.sayings import saying
from klingflow.words import _

MAX_EVIDENCE = 2048
MAX_QUOTED = 200

# Where relays and the services in front of them name the request, for whoever must ask support
# about it.
REQUEST_ID_HEADERS = (
    "x-request-id",
    "x-oneapi-request-id",
    "x-newapi-request-id",
    "request-id",
    "x-trace-id",
    "cf-ray",
)

# Statuses that a web server, router or authenticator gives before a handler could have created
# anything, so they are definite without a readable body. 403 is not here: a filter on the way back
# may say it afterwards.
_DEFINITE_WITHOUT_BODY = frozenset({401, 402, 404, 405, 411, 413, 414, 415, 429, 431})
# Definite with the gateway's own words: every 4xx except those that say nothing certain. In these
# the server timed out, saw a conflict (perhaps with this very request), believes that we hung up,
# or says that somebody behind it failed.
_DEFINITE_WITH_WORDS = frozenset(range(400, 500)) - {408, 409, 424, 425, 499}
# JSON that breaks off or runs on, and speaks of a task.
_BROKEN_WITH_ID = re.compile(rb'\s*\{.*"(?:task_)?id"\s*:\s*"', re.DOTALL)


def read_create(answer: Answer, *, body: Body = NO_BODY, refund_5xx: bool = False) -> CreateOutcome:
    """Return the outcome of the create of `body`. `refund_5xx`: the gateway's own JSON errors are
    definite with a 5xx status.
    """
    if isinstance(answer, NoReply):
        return _unanswered(answer)
    document = json_object(answer.body)
    error = worded(error_in(document), body)
    if answer.is_success:
        return _succeeded(answer, document or {}, error)
    if _may_name_a_task(answer.body, document):
        return _doubtful(answer, error, _("yet with a task id in the reply"))
    if _is_definite(answer.status, error, refund_5xx):
        return Refused(refusal_of(answer.status, error), retry_after_s(answer.headers))
    return _doubtful(answer, error, _("does not say that nothing was created"))


def _succeeded(
    answer: Reply, fields: dict[str, Json], error: Wording | None
) -> Accepted | Doubtful:
    ids = created_ids(fields)
    if not ids:
        return _doubtful(answer, error, _("without a readable task id"))
    # JSON with one key twice has one id more than its document.
    others = frozenset([*ids, *names_in(_text(answer.body))]) - {ids[0]}
    return Accepted(ids[0], tier_in(fields), _evidence(answer), others)


def _may_name_a_task(body: bytes, document: dict[str, Json] | None) -> bool:
    """True if a refusal speaks of a task, which was created then. `document` is its body, None
    where that is no JSON.
    """
    if document is None:
        return _BROKEN_WITH_ID.match(body) is not None
    return bool(created_ids(document)) or names_a_task(document)


def _unanswered(answer: NoReply) -> Doubtful | Unsent:
    if not answer.sent:
        return Unsent(answer.reason)
    evidence = {**saying("reason", answer.reason), **_heard(answer.heard)}
    return Doubtful(answer.reason, evidence, lost=True)


def _heard(heard: bytes) -> dict[str, Json]:
    """What came of an answer that cannot be read as one."""
    if not heard:
        return {}
    return {"body": clean(_text(heard), MAX_EVIDENCE), **_names(heard)}


def _is_definite(status: int, error: Wording | None, refund_5xx: bool) -> bool:
    """True if a refusal says for certain that nothing was created."""
    if error is None:
        return status in _DEFINITE_WITHOUT_BODY
    if error.says_body_was_lost():
        return False
    if 500 <= status < 600:
        # A relay says model_not_found with 503 while it still looks for a channel: nothing was
        # passed on.
        return refund_5xx or error.says_model_is_not_offered()
    if status in _DEFINITE_WITHOUT_BODY:
        return True
    return status in _DEFINITE_WITH_WORDS and not error.says_way_was_lost()


def _doubtful(reply: Reply, error: Wording | None, why: str) -> Doubtful:
    words = error.text[:MAX_QUOTED] if error else instead(reply)
    reason = _(
        "HTTP {status}{words} {why}",
        status=reply.status,
        words=words and _(" ({words})", words=words),
        why=why,
    )
    failure = refusal_of(reply.status, error)
    is_page = reply.is_success and reply.body.lstrip()[:1] == b"<"
    is_redirect = 300 <= reply.status < 400
    return Doubtful(
        reason,
        evidence={**saying("reason", reason), **_evidence(reply)},
        failure=failure if kind_of(failure).stops_buying else None,
        off_the_mark=is_page or is_redirect,
        lost=500 <= reply.status < 600,
    )


def _evidence(reply: Reply) -> dict[str, Json]:
    headers = reply.headers
    named = {name: headers[name] for name in REQUEST_ID_HEADERS if name in headers}
    body = _text(reply.body[: 4 * MAX_EVIDENCE])
    return {
        "status": reply.status,
        "content_type": clean(reply.headers.get("content-type", ""), 100),
        "request_ids": {n: clean(value, 200) for n, value in named.items()} | leads_in(headers),
        "body": clean(body, MAX_EVIDENCE),
        "complete": reply.complete,
        **_names(reply.body),
        **_packed(reply),
    }


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _names(body: bytes) -> dict[str, Json]:
    """What may be ids of tasks, wherever it stands: the evidence has only the body's beginning."""
    names: list[Json] = [*names_in(_text(body))]
    return {"names": names} if names else {}


def _packed(reply: Reply) -> dict[str, Json]:
    """The bytes of a body that could not be unpacked: a person can, and an id may stand in them."""
    if not unread(reply.headers.get("content-encoding")):
        return {}
    return {"packed": b64encode(reply.body[:MAX_EVIDENCE]).decode("ascii")}

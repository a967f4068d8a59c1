"""PURE. What the gateway's replies mean: was this bought, is it ready, did it fail?

A create that is misread buys twice or loses a task id, so there are four answers and the default is
the last: Accepted (the id is ours), Refused (certainly nothing was bought), Unsent (nothing left
this machine) and Doubtful. A query that is misread gives up a paid video, so whatever is not
plainly a final answer about this very task is a Hiccup, and polling goes on. A final answer that
does not name its task, or names it otherwise than the create did, needs another like it: a server
that sends two replies to one request makes the second the next one's. Sources: the gateway's
document, sections 7–9, and real relays (gateway.md 4).
"""

from __future__ import annotations

import re
from typing import Any

from klingflow.gateway.failures import (
    classify_refusal,
    classify_task,
    kind_of,
    says_body_was_lost,
    says_model_is_not_offered,
    says_no_such_task,
    says_way_was_lost,
)
from klingflow.gateway.outcomes import (
    Accepted,
    Answer,
    Blind,
    CreateOutcome,
    Doubtful,
    Hiccup,
    Misnamed,
    NoReply,
    NoSuchTask,
    Progress,
    QueryOutcome,
    Refused,
    Reply,
    Running,
    Succeeded,
    TaskFailed,
    Unsent,
)
from klingflow.gateway.payload import (
    Said,
    as_id,
    as_number,
    as_percent,
    as_time,
    clean,
    error_in,
    is_web_url,
    json_object,
    retry_after_s,
    tier_in,
)
from klingflow.model import Failure, Json

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
# Statuses of a query by which a key or a balance is refused on every route. 403 may also be about
# this task alone, such as its prompt.
_BLINDING = frozenset({401, 402, 403, 429})

_RUNNING = frozenset({
    "queued", "queue", "queueing", "pending", "submitted", "created", "not_start", "in_queue",
    "waiting", "preparing", "in_progress", "processing", "running", "generating", "started",
})  # fmt: skip
_SUCCEEDED = frozenset(
    {"completed", "complete", "succeed", "succeeded", "success", "finished", "done"}
)
_FAILED = frozenset({"failed", "fail", "failure", "error", "canceled", "cancelled", "expired"})

# JSON that breaks off or runs on, and speaks of a task.
_BROKEN_WITH_ID = re.compile(rb'\s*\{.*"(?:task_)?id"\s*:\s*"', re.DOTALL)

Document = dict[str, Any]


def read_create(answer: Answer, *, refund_5xx: bool = False) -> CreateOutcome:
    """What a create came to. `refund_5xx`: the gateway's own JSON errors are definite with a 5xx
    status.
    """
    if isinstance(answer, NoReply):
        return _unanswered(answer)
    document = json_object(answer.body)
    fields = document or {}
    ids = _created_ids(fields)
    if ids and _is_success(answer.status):
        others = frozenset(ids) - {ids[0]}
        return Accepted(ids[0], tier_in(fields), _evidence(answer), others)
    error = error_in(document)
    if _is_success(answer.status):
        return _doubtful(answer, error, "without a readable task id")
    is_broken_off = document is None and _BROKEN_WITH_ID.match(answer.body) is not None
    if ids or is_broken_off:
        return _doubtful(answer, error, "yet with a task id in the reply")
    if _is_definite(answer.status, error, refund_5xx):
        return Refused(_refusal(answer.status, error), retry_after_s(answer.headers))
    return _doubtful(answer, error, "does not say that nothing was created")


def read_query(answer: Answer, *, task_id: str) -> QueryOutcome:
    """What a query says about `task_id`, and nothing about any other task."""
    if isinstance(answer, NoReply):
        return Hiccup(answer.reason)
    wait_s = retry_after_s(answer.headers)
    document = json_object(answer.body)
    if not _is_success(answer.status):
        return _query_refused(answer.status, document, wait_s)
    if document is None:
        return Hiccup(f"HTTP {answer.status} with a body that is not a JSON object", wait_s)
    task = _task(document)
    claimed = _claimed_ids(document, task)
    is_named = bool(claimed)
    status = str(task.get("status") or "").strip().lower().replace("-", "_").replace(" ", "_")
    said = _by_status(task, status, is_named, wait_s)
    if is_named and task_id not in claimed:
        return _about_another(claimed, said, wait_s)
    return said or _without_status(document, task, is_named, clean(status, 40), wait_s)


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _refusal(status: int, error: Said | None) -> Failure:
    code, message = error or ("", "")
    kind = classify_refusal(status, code, message)
    return Failure(kind, code or f"http_{status}", message or f"HTTP {status}")


# Creates


def _unanswered(answer: NoReply) -> Doubtful | Unsent:
    if answer.sent:
        return Doubtful(answer.reason, {"reason": answer.reason})
    return Unsent(answer.reason)


def _is_definite(status: int, error: Said | None, refund_5xx: bool) -> bool:
    """True if a refusal says for certain that nothing was created."""
    if error is None:
        return status in _DEFINITE_WITHOUT_BODY
    if says_body_was_lost(*error):
        return False
    if 500 <= status < 600:
        # A relay says model_not_found with 503 while it still looks for a channel: nothing was
        # passed on.
        return refund_5xx or says_model_is_not_offered(*error)
    if status in _DEFINITE_WITHOUT_BODY:
        return True
    return status in _DEFINITE_WITH_WORDS and not says_way_was_lost(*error)


def _doubtful(reply: Reply, error: Said | None, why: str) -> Doubtful:
    said = f" ({error.text[:MAX_QUOTED]})" if error else ""
    reason = f"HTTP {reply.status}{said} {why}"
    failure = _refusal(reply.status, error)
    is_page = _is_success(reply.status) and reply.body.lstrip()[:1] == b"<"
    is_redirect = 300 <= reply.status < 400
    return Doubtful(
        reason,
        evidence={"reason": reason, **_evidence(reply)},
        failure=failure if kind_of(failure).stops_buying else None,
        off_the_mark=is_page or is_redirect,
    )


def _evidence(reply: Reply) -> dict[str, Json]:
    named = {name: reply.headers[name] for name in REQUEST_ID_HEADERS if name in reply.headers}
    body = reply.body[: 4 * MAX_EVIDENCE].decode("utf-8", "replace")
    return {
        "status": reply.status,
        "content_type": clean(reply.headers.get("content-type", ""), 100),
        "request_ids": {name: clean(value, 200) for name, value in named.items()},
        "body": clean(body, MAX_EVIDENCE),
        "complete": reply.complete,
    }


def _created_ids(document: Document) -> list[str]:
    """The ids in a create's reply, the task's own first."""
    own = _ids(document)
    data = document.get("data")
    inner = _ids(data)[::-1] if isinstance(data, dict) else []
    # In the legacy shape `data` is the task, whose `id` is the relay's row number; an `id` of the
    # envelope is the request's.
    is_envelope = "code" in document and document.keys().isdisjoint({"status", "object", "model"})
    return inner + own if is_envelope else own + inner


# Queries


def _query_refused(status: int, document: Document | None, wait_s: float | None) -> QueryOutcome:
    error = error_in(document)
    failure = _refusal(status, error)
    if status in _BLINDING and kind_of(failure).stops_buying:
        return Blind(failure)
    # A 404 page is a web server's word about a route, not the gateway's about a task.
    if error is None:
        return Hiccup(f"HTTP {status}", wait_s)
    is_unknown = 400 <= status < 500 and says_no_such_task(*error)
    if status in (404, 410) or is_unknown:
        return NoSuchTask(Failure("unknown", failure.code, failure.message))
    return Hiccup(f"HTTP {status}: {failure.message}", wait_s)


def _about_another(claimed: list[str], said: Progress | None, wait_s: float | None) -> Hiccup:
    """A reply that bears other ids than the one that was asked after."""
    reason = "the reply is about another task"
    # Beside a task id the legacy shape's `id` is a row's short number.
    name = max(claimed, key=lambda text: (len(text), text))
    return Misnamed(reason, wait_s, name, said) if said else Hiccup(reason, wait_s)


def _by_status(task: Document, status: str, named: bool, wait_s: float | None) -> Progress | None:
    """What the status says of the task; None where it says nothing, or may speak of the query."""
    tier, created_at = tier_in(task), as_time(task.get("created_at"))
    if status in _SUCCEEDED:
        seconds = as_number(task.get("seconds"))
        return Succeeded(_video_url(task), tier, seconds, named, created_at)
    if status in _RUNNING:
        return Running(as_percent(task.get("progress")), tier, wait_s, named, created_at)
    if status not in _FAILED:
        return None
    failure = _task_failure(task, status)
    if _may_be_of_the_query(task, status, failure, named):
        return None
    return TaskFailed(failure, tier, named, created_at)


def _may_be_of_the_query(task: Document, status: str, failure: Failure, named: bool) -> bool:
    """True if a word for failed may be about the query that went wrong, not about its task."""
    if status != "error":
        return not named and _of_the_request(failure)
    # "error" is also the status of an envelope: beside any error it says nothing of an unnamed
    # task, but a limit that it tells of a named one is the task's.
    if not named:
        return error_in(task) is not None
    return _of_the_request(failure) and not kind_of(failure).passes


def _without_status(
    document: Document, task: Document, named: bool, status: str, wait_s: float | None
) -> QueryOutcome:
    """An error without a status is the task's own only where the reply names the task."""
    error = error_in(document) or error_in(task)
    if status:
        words = f" ({error.text})" if error else ""
        return Hiccup(f"status {status!r}{words} says nothing", wait_s)
    if error is None:
        return Hiccup("the reply has no status", wait_s)
    if says_no_such_task(*error):
        return NoSuchTask(Failure("unknown", *error))
    failure = Failure(classify_task(*error), *error)
    # A code or a message may be anything: what was paid for is given up only for an error that is
    # called one.
    is_called_error = bool(document.get("error") or task.get("error"))
    is_of_the_task = named and is_called_error and not _of_the_request(failure)
    if is_of_the_task:
        return TaskFailed(failure, tier_in(task), created_at=as_time(task.get("created_at")))
    return Hiccup(f"an error without a status: {error.text}", wait_s)


def _of_the_request(failure: Failure) -> bool:
    """True if an error may as well be about the query as about its task: the key, a limit, a lost
    connection.
    """
    way_was_lost = says_way_was_lost(failure.code, failure.message)
    return way_was_lost or kind_of(failure).of_the_request


def _task(document: Document) -> Document:
    """The object that carries the status: the reply itself, or `data` of the legacy shape, whose
    envelope may have a status of its own, but names no task.
    """
    data = document.get("data")
    if not isinstance(data, dict):
        return document
    if "status" not in document:
        return data
    is_envelope = "status" in data and not _ids(document)
    return data if is_envelope else document


def _claimed_ids(document: Document, task: Document) -> list[str]:
    """The ids by which the reply says whose it is."""
    ids = _ids(task)
    # Beside an `id` the `task_id` of a reply without `data` is often the upstream's.
    return ids[:1] if task is document else ids


def _ids(document: Document) -> list[str]:
    """Its `id` and its `task_id`, each if it may be one."""
    found = as_id(document.get("id")), as_id(document.get("task_id"))
    return [text for text in found if text is not None]


def _task_failure(task: Document, status: str) -> Failure:
    code, message = error_in(task) or (status, "")
    if not message:
        message = clean(task.get("fail_reason") or f"the task is {status}")
    return Failure(classify_task(code, message), code or status, message)


def _video_url(task: Document) -> str | None:
    metadata = task.get("metadata")
    nested = metadata.get("url") if isinstance(metadata, dict) else None
    found = (task.get("video_url"), task.get("url"), nested, task.get("result_url"))
    return next((url for url in found if is_web_url(url)), None)

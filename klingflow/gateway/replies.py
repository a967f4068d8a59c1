"""PURE. What the gateway's replies mean: was this bought, is it ready, did it fail? No network
here, only values.

A create that is misread buys twice or loses a task id, so there are four answers and the default is
the last: Accepted (the id is ours), Refused (certainly nothing was bought), Unsent (nothing left
this machine) and Doubtful. A query that is misread gives up a paid video, so whatever is not
plainly a final answer about this very task is a Hiccup, and polling goes on. A final answer that
does not name its task, or names it otherwise than the create did, needs another like it: a server
that sends two replies to one request makes the second the next one's. Sources: the gateway's
document, sections 7–9, and real relays.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

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
from klingflow.model import Failure, Json

MAX_ID = 256
MAX_URL = 8192
MAX_MESSAGE = 500
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
# 4xx that say nothing certain: the server timed out, saw a conflict (perhaps with this very
# request), believes that we hung up, or says that somebody behind it failed.
_NEVER_DEFINITE = frozenset({408, 409, 424, 425, 499})

_RUNNING = frozenset({
    "queued", "queue", "queueing", "pending", "submitted", "created", "not_start", "in_queue", "waiting",
    "preparing", "in_progress", "processing", "running", "generating", "started",
})  # fmt: skip
_SUCCEEDED = frozenset(
    {"completed", "complete", "succeed", "succeeded", "success", "finished", "done"}
)
# What `code` may hold in a reply that speaks of no error.
_NO_ERROR = frozenset({"", "0", "200", "ok", "success"})
_FAILED = frozenset({"failed", "fail", "failure", "error", "canceled", "cancelled", "expired"})


# JSON that breaks off or runs on, and speaks of a task.
_BROKEN_WITH_ID = re.compile(rb'\s*\{.*"(?:task_)?id"\s*:\s*"', re.DOTALL)


def read_create(answer: Answer, *, refund_5xx: bool = False) -> CreateOutcome:
    """What a create came to. `refund_5xx`: the gateway's own JSON errors are definite with a 5xx
    status.
    """
    if isinstance(answer, NoReply):
        return (
            Doubtful(answer.reason, {"reason": answer.reason})
            if answer.sent
            else Unsent(answer.reason)
        )
    document = _document(answer.body)
    ids = _created_ids(document)
    task_id = ids[0] if ids else None
    if 200 <= answer.status < 300:
        if task_id is not None:
            return Accepted(task_id, _tier(document), _evidence(answer), frozenset(ids) - {task_id})
        return _doubtful(answer, document, "without a readable task id")
    if task_id is not None or (document is None and _BROKEN_WITH_ID.match(answer.body)):
        return _doubtful(answer, document, "yet with a task id in the reply")
    if _is_definite(answer.status, document, refund_5xx):
        return Refused(_refusal(answer.status, document), retry_after_s(answer.headers))
    return _doubtful(answer, document, "does not say that nothing was created")


def read_query(answer: Answer, *, task_id: str) -> QueryOutcome:
    """What a query says about `task_id`, and nothing about any other task."""
    if isinstance(answer, NoReply):
        return Hiccup(answer.reason)
    wait_s = retry_after_s(answer.headers)
    document = _document(answer.body)
    if not 200 <= answer.status < 300:
        return _query_refused(answer.status, document, wait_s)
    if document is None:
        return Hiccup(f"HTTP {answer.status} with a body that is not a JSON object", wait_s)
    task = _task(document)
    claimed = _claimed_ids(document, task)
    status = str(task.get("status") or "").strip().lower().replace("-", "_").replace(" ", "_")
    said = _by_status(task, status, bool(claimed), wait_s)
    if claimed and task_id not in claimed:
        reason = "the reply is about another task"
        # Beside a task id the legacy shape's `id` is a row's short number.
        name = max(claimed, key=lambda text: (len(text), text))
        return Misnamed(reason, wait_s, name, said) if said else Hiccup(reason, wait_s)
    return said or _without_status(document, task, bool(claimed), clean(status, 40), wait_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that a reply asks for, in seconds ≥ 0: the longer of Retry-After and
    openai-poll-after-ms.

    An HTTP date counts from the reply's own Date, so that no clock of ours has to agree with the
    server's.
    """
    asked = [_retry_after(headers), _number(headers.get("openai-poll-after-ms"), scale=0.001)]
    return max((s for s in asked if s is not None and s >= 0), default=None)


def error_of(body: bytes) -> tuple[str, str] | None:
    """(code, message) of a JSON error in any of the gateway's shapes, cleaned; None where there is
    none.
    """
    document = _document(body)
    return _error(document) if document is not None else None


def plausible_id(text: str) -> bool:
    """Whether `text` may be a task id: printable ASCII without spaces, no path of dots in a URL,
    and no word for nothing, such as a program writes that has none.
    """
    nothing = not text.strip(".0-") or text.lower() in ("null", "none", "nil", "undefined", "nan")
    return re.fullmatch(rf"[!-~]{{1,{MAX_ID}}}", text) is not None and not nothing


def clean(text: object, limit: int = MAX_MESSAGE) -> str:
    """Text from a server on one line, without control, bidi or half characters, at most `limit`
    long.
    """
    raw = str(text)[: 4 * limit]
    return " ".join("".join(c if c.isprintable() else " " for c in raw).split())[:limit]


# Creates


def _is_definite(status: int, document: dict[str, Any] | None, refund_5xx: bool) -> bool:
    error = _error(document) if document is not None else None
    if error is not None and says_body_was_lost(*error):
        return False
    if 500 <= status < 600:
        # A relay says model_not_found with 503 while it still looks for a channel: nothing was
        # passed on.
        return error is not None and (refund_5xx or says_model_is_not_offered(*error))
    if not 400 <= status < 500 or status in _NEVER_DEFINITE:
        return False
    return status in _DEFINITE_WITHOUT_BODY or (error is not None and not says_way_was_lost(*error))


def _doubtful(reply: Reply, document: dict[str, Any] | None, why: str) -> Doubtful:
    error = _error(document) if document is not None else None
    said = f" ({(error[1] or error[0])[:MAX_QUOTED]})" if error else ""
    reason = f"HTTP {reply.status}{said} {why}"
    failure = _refusal(reply.status, document)
    evidence = {"reason": reason, **_evidence(reply)}
    is_page = reply.body.lstrip()[:1] == b"<" and 200 <= reply.status < 300
    off_the_mark = is_page or 300 <= reply.status < 400
    refuses_us = kind_of(failure).stops_buying
    return Doubtful(reason, evidence, failure if refuses_us else None, off_the_mark)


def _evidence(reply: Reply) -> dict[str, Json]:
    return {
        "status": reply.status,
        "content_type": clean(reply.headers.get("content-type", ""), 100),
        "request_ids": {
            n: clean(reply.headers[n], 200) for n in REQUEST_ID_HEADERS if n in reply.headers
        },
        "body": clean(reply.body[: 4 * MAX_EVIDENCE].decode("utf-8", "replace"), MAX_EVIDENCE),
        "complete": reply.complete,
    }


def _refusal(status: int, document: dict[str, Any] | None) -> Failure:
    code, message = (_error(document) if document is not None else None) or ("", "")
    kind = classify_refusal(status, code, message)
    return Failure(kind, code or f"http_{status}", message or f"HTTP {status}")


def _created_ids(document: dict[str, Any] | None) -> list[str]:
    """The ids in a create's reply, the task's own first."""
    if document is None:
        return []
    own = [document.get("id"), document.get("task_id")]
    data = document.get("data")
    inner = [data.get("task_id"), data.get("id")] if isinstance(data, dict) else []
    # In the legacy shape `data` is the task, whose `id` is the relay's row number; an `id` of the
    # envelope is the request's.
    is_envelope = "code" in document and document.keys().isdisjoint({"status", "object", "model"})
    return [
        text for text in map(_id, inner + own if is_envelope else own + inner) if text is not None
    ]


def _id(value: object) -> str | None:
    """A plausible task id as text, or None."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    return value if isinstance(value, str) and plausible_id(value) else None


# Queries


def _query_refused(
    status: int, document: dict[str, Any] | None, wait_s: float | None
) -> QueryOutcome:
    failure = _refusal(status, document)
    # 403 may be about this task alone, such as its prompt.
    if status in (401, 402, 403, 429) and kind_of(failure).stops_buying:
        return Blind(failure)
    error = _error(document) if document is not None else None
    # A 404 page is a web server's word about a route, not the gateway's about a task.
    if error is not None and (
        status in (404, 410) or (400 <= status < 500 and says_no_such_task(*error))
    ):
        return NoSuchTask(Failure("unknown", failure.code, failure.message))
    return Hiccup(f"HTTP {status}: {failure.message}" if error else f"HTTP {status}", wait_s)


def _by_status(
    task: dict[str, Any], status: str, named: bool, wait_s: float | None
) -> Progress | None:
    if status in _SUCCEEDED:
        return Succeeded(_video_url(task), _tier(task), _number(task.get("seconds")), named)
    if status in _FAILED:
        failure = _task_failure(task, status)
        if (
            status == "error"
        ):  # also what the envelope of a query says that went wrong; not of capacity, by name
            is_envelope = (
                _of_the_request(failure) and not kind_of(failure).passes
                if named
                else bool(_error(task))
            )
        else:
            is_envelope = not named and _of_the_request(failure)
        return None if is_envelope else TaskFailed(failure, _tier(task), named)
    if status in _RUNNING:
        return Running(_progress(task.get("progress")), _tier(task), wait_s, named)
    return None


def _without_status(
    document: dict[str, Any],
    task: dict[str, Any],
    about_us: bool,
    status: str,
    wait_s: float | None,
) -> QueryOutcome:
    """An error without a status is the task's own only where the reply names the task."""
    error = _error(document) or _error(task)
    if status or error is None:
        words = f" ({error[1] or error[0]})" if error else ""
        return Hiccup(
            f"status {status!r}{words} says nothing" if status else "the reply has no status",
            wait_s,
        )
    if says_no_such_task(*error):
        return NoSuchTask(Failure("unknown", *error))
    failure = Failure(classify_task(*error), *error)
    # A code or a message may be anything: what was paid for is given up only for an error that is
    # called one.
    if about_us and (document.get("error") or task.get("error")) and not _of_the_request(failure):
        return TaskFailed(failure, _tier(task))
    return Hiccup(f"an error without a status: {error[1] or error[0]}", wait_s)


def _of_the_request(failure: Failure) -> bool:
    """Whether an error may as well be about the query as about its task: the key, a limit, a lost
    connection.
    """
    way_was_lost = says_way_was_lost(failure.code, failure.message)
    return kind_of(failure).of_the_request or way_was_lost


def _task(document: dict[str, Any]) -> dict[str, Any]:
    """The object that carries the status: the reply itself, or `data` of the legacy shape, whose
    envelope may have a status of its own, but names no task.
    """
    data = document.get("data")
    if not isinstance(data, dict):
        return document
    names_itself = _named(document) is not None
    return data if "status" not in document or ("status" in data and not names_itself) else document


def _named(task: dict[str, Any]) -> str | None:
    """`id` where there is one, since `task_id` is often the upstream's."""
    return _id(task.get("id")) or _id(task.get("task_id"))


def _claimed_ids(document: dict[str, Any], task: dict[str, Any]) -> set[str]:
    """Whose reply this says it is."""
    if task is not document:
        return {
            text for text in (_id(task.get("id")), _id(task.get("task_id"))) if text is not None
        }
    found = _named(task)
    return {found} if found is not None else set()


def _task_failure(task: dict[str, Any], status: str) -> Failure:
    code, message = _error(task) or (status, "")
    message = message or clean(task.get("fail_reason") or f"the task is {status}")
    return Failure(classify_task(code, message), code or status, message)


def _video_url(task: dict[str, Any]) -> str | None:
    metadata = task.get("metadata")
    nested = metadata.get("url") if isinstance(metadata, dict) else None
    found = (task.get("video_url"), task.get("url"), nested, task.get("result_url"))
    return next((url for url in found if _is_web_url(url)), None)


def _is_web_url(value: object) -> bool:
    if (
        not isinstance(value, str)
        or len(value) > MAX_URL
        or not value.isprintable()
        or " " in value
    ):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


# JSON and headers


def _document(body: bytes) -> dict[str, Any] | None:
    """The body as a JSON object. A broken character in a message must not cost the id beside it."""
    try:
        document = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _error(document: dict[str, Any]) -> tuple[str, str] | None:
    """(code, message) from `{"code","message"}`, `{"error":{…}}`, `{"error":"…"}` or
    `{"detail":…}`.
    """
    inner = document.get("error")
    if isinstance(inner, dict):
        code = inner.get("code") or inner.get("type")
        message = inner.get("message") or inner.get("msg")
    else:
        code = document.get("code")
        message = inner or document.get("message") or document.get("msg") or document.get("detail")
    named = clean(code, 100) if code and isinstance(code, (str, int)) else ""
    words = clean(message) if message else ""
    return None if named.lower() in _NO_ERROR and not words else (named, words)


def _tier(document: dict[str, Any] | None) -> str | None:
    model = document.get("model") if document is not None else None
    return clean(model, 200) or None if isinstance(model, str) else None


def _progress(value: object) -> float | None:
    percent = _number(value.strip().removesuffix("%") if isinstance(value, str) else value)
    return percent if percent is not None and percent <= 100 else None


def _number(value: object, scale: float = 1.0) -> float | None:
    """A finite number ≥ 0 from a JSON number or its text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value) * scale
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after")
    if text is None or (seconds := _number(text)) is not None:
        return seconds if text is not None else None
    try:
        until, since = (parsedate_to_datetime(t) for t in (text, headers["date"]))
        return max(0.0, (until - since).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None

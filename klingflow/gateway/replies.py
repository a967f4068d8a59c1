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
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from klingflow.gateway.clues import leads_in, names_in
from klingflow.gateway.failures import kind_of
from klingflow.gateway.fitting import instead, seen
from klingflow.gateway.naming import Document, claimed_ids, created_ids, names_a_task, task_of
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
from klingflow.gateway.packing import unread
from klingflow.gateway.payload import (
    Said,
    as_number,
    as_percent,
    as_time,
    clean,
    code_in,
    error_in,
    json_object,
    reason_in,
    retry_after_s,
    tier_in,
)
from klingflow.gateway.video_address import video_address
from klingflow.gateway.wording import Wording
from klingflow.model import Failure, Json
from klingflow.words import _

MAX_EVIDENCE = 2048
MAX_QUOTED = 200
MAX_STATUS = 40

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
    "排队中", "等待中", "已提交", "处理中", "生成中", "进行中", "运行中",
})  # fmt: skip
_SUCCEEDED = frozenset({
    "completed", "complete", "succeed", "succeeded", "success", "successful", "ok", "finished",
    "finish", "done", "generated", "processed", "成功", "已成功", "完成", "已完成", "生成成功",
})  # fmt: skip
_FAILED = frozenset({
    "failed", "fail", "failure", "error", "canceled", "cancelled", "expired", "rejected", "timeout",
    "timed_out", "moderated", "blocked", "content_filtered", "aborted", "terminated", "deleted",
    "失败", "已失败", "生成失败", "任务失败", "已取消", "已过期", "超时",
})  # fmt: skip
# Words among them by which a 4xx or 5xx may speak of the query itself.
_OF_A_REQUEST_TOO = frozenset({"error", "ok", "timeout", "timed_out", "aborted"})

# JSON that breaks off or runs on, and speaks of a task.
_BROKEN_WITH_ID = re.compile(rb'\s*\{.*"(?:task_)?id"\s*:\s*"', re.DOTALL)

Body = Mapping[str, Json]
_NO_BODY: Body = {}


def read_create(
    answer: Answer, *, body: Body = _NO_BODY, refund_5xx: bool = False
) -> CreateOutcome:
    """Return the outcome of the create of `body`. `refund_5xx`: the gateway's own JSON errors are
    definite with a 5xx status.
    """
    if isinstance(answer, NoReply):
        return _unanswered(answer)
    document = json_object(answer.body)
    fields = document or {}
    ids = created_ids(fields)
    if ids and _is_success(answer.status):
        # JSON with one key twice has one id more than its document.
        others = frozenset([*ids, *names_in(_text(answer.body))]) - {ids[0]}
        return Accepted(ids[0], tier_in(fields), _evidence(answer), others)
    error = _worded(error_in(document), body)
    if _is_success(answer.status):
        return _doubtful(answer, error, _("without a readable task id"))
    is_broken_off = document is None and _BROKEN_WITH_ID.match(answer.body) is not None
    if ids or is_broken_off or names_a_task(fields):
        return _doubtful(answer, error, _("yet with a task id in the reply"))
    if _is_definite(answer.status, error, refund_5xx):
        return Refused(_refusal(answer.status, error), retry_after_s(answer.headers))
    return _doubtful(answer, error, _("does not say that nothing was created"))


def read_query(answer: Answer, *, task_id: str, body: Body = _NO_BODY) -> QueryOutcome:
    """Return what a query says about `task_id`, which was bought with `body`, and nothing about any
    other task.
    """
    if isinstance(answer, NoReply):
        return Hiccup(answer.reason)
    wait_s = retry_after_s(answer.headers)
    document = json_object(answer.body)
    if document is None:
        return _without_a_document(answer, wait_s)
    told = _Told.of(document, wait_s, body, answer.url)
    if not _is_success(answer.status):
        return _final_all_the_same(answer.status, told, task_id) or _query_refused(
            answer.status, told
        )
    said = _by_status(told)
    if told.named and task_id not in told.claimed:
        return _about_another(told, said)
    return said or _without_status(told)


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _worded(error: Said | None, body: Body) -> Wording | None:
    return None if error is None else Wording.of(error, body)


def _refusal(status: int, error: Wording | None) -> Failure:
    failure = (error or Wording(Said("", ""), "")).refusal(status)
    code, message = (
        failure.code or f"http_{status}",
        failure.message or _("HTTP {status}", status=status),
    )
    return Failure(failure.kind, code, message)


# Creates


def _unanswered(answer: NoReply) -> Doubtful | Unsent:
    if not answer.sent:
        return Unsent(answer.reason)
    return Doubtful(answer.reason, {"reason": answer.reason, **_heard(answer.heard)})


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


# Queries


@dataclass(frozen=True, slots=True)
class _Told:
    """A reply to a query: the whole document, the object in it that carries the status, and the ids
    by which the reply says whose it is. `asked` is the address that was asked.
    """

    document: Document
    task: Document
    claimed: list[str]
    status: str
    wait_s: float | None
    body: Body
    asked: str

    @classmethod
    def of(cls, document: Document, wait_s: float | None, body: Body, asked: str) -> _Told:
        task = task_of(document)
        status = str(task.get("status") or "").strip().lower().replace("-", "_").replace(" ", "_")
        return cls(document, task, claimed_ids(document, task), status, wait_s, body, asked)

    @property
    def named(self) -> bool:
        """True if the reply says whose it is."""
        return bool(self.claimed)

    def error(self, *documents: Document) -> Wording | None:
        """Return the first error in the documents."""
        found = next(filter(None, map(error_in, documents)), None)
        return _worded(found, self.body)


def _without_a_document(reply: Reply, wait_s: float | None) -> Blind | Hiccup:
    blind = _blind(reply.status, _refusal(reply.status, None))
    return blind or Hiccup(_("{seen}: no answer about the task", seen=seen(reply)), wait_s)


def _blind(status: int, failure: Failure) -> Blind | None:
    return Blind(failure) if status in _BLINDING and kind_of(failure).stops_buying else None


def _final_all_the_same(status: int, told: _Told, task_id: str) -> Succeeded | TaskFailed | None:
    """Return the end of the task where a server tells it with a 4xx or 5xx: an answer that names
    the task and is final counts (gateway.md 4). Words that such a status has itself are about the
    query.
    """
    is_of_the_status = told.status in _OF_A_REQUEST_TOO or not 400 <= status < 600
    if is_of_the_status or task_id not in told.claimed:
        return None
    said = _by_status(told)
    if isinstance(said, TaskFailed):
        may_be_refused = status in _BLINDING and kind_of(said.failure).of_the_request
        return None if may_be_refused else said
    return said if isinstance(said, Succeeded) else None


def _query_refused(status: int, told: _Told) -> QueryOutcome:
    error = told.error(told.document)
    failure = _refusal(status, error)
    if blind := _blind(status, failure):
        return blind
    # A 404 page is a web server's word about a route, not the gateway's about a task.
    if error is None:
        return Hiccup(_("HTTP {status}", status=status), told.wait_s)
    is_unknown = 400 <= status < 500 and error.says_no_such_task()
    if status in (404, 410) or is_unknown:
        return NoSuchTask(Failure("unknown", failure.code, failure.message))
    return Hiccup(
        _("HTTP {status}: {message}", status=status, message=failure.message), told.wait_s
    )


def _about_another(told: _Told, said: Progress | None) -> Hiccup:
    """Return a reply that bears other ids than the one that was asked after."""
    reason = _("the reply is about another task")
    # Beside a task id the legacy shape's `id` is a row's short number.
    name = max(told.claimed, key=lambda text: (len(text), text))
    return Misnamed(reason, told.wait_s, name, said) if said else Hiccup(reason, told.wait_s)


def _by_status(told: _Told) -> Progress | None:
    """Return what the status says of the task; None where it says nothing, or may speak of the
    query.
    """
    task, named = told.task, told.named
    tier, created_at = tier_in(task), as_time(task.get("created_at"))
    if told.status in _SUCCEEDED:
        seconds = as_number(task.get("seconds"))
        url, odd = _video_url(task, told.asked)
        return Succeeded(url, tier, seconds, named, created_at, odd)
    if told.status in _RUNNING:
        percent = as_percent(task.get("progress"))
        said = clean(task.get("status"), MAX_STATUS)
        return Running(percent, tier, told.wait_s, named, created_at, said)
    if told.status not in _FAILED:
        return None
    wording = _task_wording(told)
    if _may_be_of_the_query(told, wording):
        return None
    return TaskFailed(wording.of_the_task(), tier, named, created_at)


def _may_be_of_the_query(told: _Told, wording: Wording) -> bool:
    """True if a word for failed may be about the query that went wrong, not about its task."""
    if told.status != "error":
        return not told.named and wording.is_of_the_request()
    # "error" is also the status of an envelope: beside any error it says nothing of an unnamed
    # task, but a limit that it reports for a named one is the task's.
    if not told.named:
        return error_in(told.task) is not None
    return wording.is_of_the_request() and not kind_of(wording.of_the_task()).passes


def _without_status(told: _Told) -> QueryOutcome:
    """Read an error without a status: it is the task's own only where the reply names the task."""
    error = told.error(told.document, told.task)
    if told.status:
        words = _(" ({text})", text=error.text) if error else ""
        return Hiccup(
            _(
                "status {status!r}{words} says nothing",
                status=clean(told.status, MAX_STATUS),
                words=words,
            ),
            told.wait_s,
        )
    if error is None:
        return Hiccup(_("the reply has no status"), told.wait_s)
    if error.says_no_such_task():
        return NoSuchTask(Failure("unknown", *error.said))
    # A code or a message may be anything: what was paid for is given up only for an error that is
    # called one.
    is_called_error = bool(told.document.get("error") or told.task.get("error"))
    if told.named and is_called_error and not error.is_of_the_request():
        created_at = as_time(told.task.get("created_at"))
        return TaskFailed(error.of_the_task(), tier_in(told.task), created_at=created_at)
    return Hiccup(_("an error without a status: {text}", text=error.text), told.wait_s)


def _task_wording(told: _Told) -> Wording:
    """Return why a task failed, in the gateway's words where there are any."""
    code = code_in(told.task) or told.status
    reason = reason_in(told.task) or reason_in(told.document)
    return Wording.of(
        Said(code, reason or _("the task is {status}", status=told.status)), told.body
    )


def _video_url(task: Document, asked: str) -> tuple[str | None, str]:
    """Return the video's address, and the words that stand in its place where there is none."""
    metadata = task.get("metadata")
    nested = metadata.get("url") if isinstance(metadata, dict) else None
    found = (task.get("video_url"), task.get("url"), nested, task.get("result_url"))
    url = next((url for value in found if (url := video_address(value, asked))), None)
    words = next((clean(value, MAX_QUOTED) for value in found if value), "")
    return url, "" if url else words

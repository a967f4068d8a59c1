"""PURE. What a reply to a query means: is the video ready, did its task fail?

A query that is misread gives up a paid video, so whatever is not plainly a final answer about this
very task is a Hiccup, and polling goes on. A final answer that does not name its task, or names it
otherwise than the create did, needs another like it: a server that sends two replies to one request
makes the second the next one's. Sources: the gateway's document, sections 7–9, and real relays
(gateway.md 4). What a reply to a create means is for create_replies.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from klingflow.gateway.failures import kind_of
from klingflow.gateway.fitting import seen
from klingflow.gateway.naming import Document, claimed_ids, task_of
from klingflow.gateway.outcomes import (
    Answer,
    Blind,
    Hiccup,
    Misnamed,
    NoReply,
    NoSuchTask,
    Progress,
    QueryOutcome,
    Reply,
    Running,
    Succeeded,
    TaskFailed,
)
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
from klingflow.gateway.wording import NO_BODY, Body, Wording, refusal_of, worded
from klingflow.model import Failure
from klingflow.words import _

MAX_QUOTED = 200
MAX_STATUS = 40

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


def read_query(answer: Answer, *, task_id: str, body: Body = NO_BODY) -> QueryOutcome:
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
    if not answer.is_success:
        return _final_all_the_same(answer.status, told, task_id) or _query_refused(
            answer.status, told
        )
    said = _by_status(told)
    if told.named and task_id not in told.claimed:
        return _about_another(told, said)
    return said or _without_status(told)


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
        return worded(found, self.body)


def _without_a_document(reply: Reply, wait_s: float | None) -> Blind | Hiccup:
    blind = _blind(reply.status, refusal_of(reply.status, None))
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
    failure = refusal_of(status, error)
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

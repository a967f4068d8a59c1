"""Replies as documents: the gateway's own (document 7–9), its errors, and relays' odd ones. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klingflow.sandbox.tasks import Phase, Task

Document = dict[str, Any]
# An honest document, its task, and the id of some other task → the odd document.
Edit = Callable[[Document, Task, str], Document]


def created(task: Task) -> Document:
    """The reply to a create, document 7."""
    return {
        "id": task.id,
        "task_id": task.id,
        "object": "video",
        "model": task.tier,
        "status": "queued",
        "progress": 0,
        "created_at": int(task.created),
    }


def queried(task: Task, phase: Phase, url: str) -> Document:
    """The reply to a query, document 8: `task_id` is another's, and `completed_at` is there too
    early.
    """
    document = {**created(task), "status": phase.status, "progress": phase.progress}
    if phase.status == "queued":
        return document
    document["task_id"] = task.upstream_id
    document["completed_at"] = (
        int(task.created) + 3 if phase.status == "in_progress" else int(task.ends)
    )
    if phase.status == "completed":
        document |= {
            "seconds": str(task.clip_s),
            "size": f"{task.width}x{task.height}",
            "video_url": url,
        }
    if phase.status == "failed" and task.failure:
        document["error"] = dict(zip(("code", "message"), task.failure, strict=True))
    return document


def flat_error(code: str, message: str) -> Document:
    """An error as the gateway's own handlers write it."""
    return {"code": code, "message": message, "data": None}


def nested_error(code: str, message: str) -> Document:
    """An error as the relay's front writes it: keys, quotas, models."""
    return {"error": {"message": message, "type": "new_api_error", "param": "", "code": code}}


# What relays do to the reply of a create


def no_id(document: Document, task: Task, another: str) -> Document:
    """Everything but an id."""
    return {name: value for name, value in document.items() if name not in ("id", "task_id")}


def same_id(document: Document, task: Task, another: str) -> Document:
    """Another task's id."""
    return {**document, "id": another, "task_id": another}


def number_id(document: Document, task: Task, another: str) -> Document:
    """Ids as JSON numbers."""
    return {**document, "id": int(task.id), "task_id": int(task.id)}


def legacy_created(document: Document, task: Task, another: str) -> Document:
    """The older shape, in which `id` is the relay's row number."""
    data = {"id": task.number, "task_id": task.id, "status": "NOT_START", "model": task.tier}
    return {"code": "success", "message": "", "data": data}


# What relays do to the reply of a query


def status_as(honest: str, word: str) -> Edit:
    """An Edit that says `word` where the status is `honest`."""

    def play(document: Document, task: Task, another: str) -> Document:
        return {**document, "status": word} if document.get("status") == honest else document

    return play


def progress_text(document: Document, task: Task, another: str) -> Document:
    """`"30%"`."""
    return {**document, "progress": f"{document['progress']}%"}


def created_ms(document: Document, task: Task, another: str) -> Document:
    """Milliseconds where the document says seconds."""
    return {**document, "created_at": int(task.created * 1000)}


def completed_at_early(document: Document, task: Task, another: str) -> Document:
    """A `completed_at` from the first moment."""
    return {**document, "completed_at": document.get("completed_at", int(task.created))}


def no_status(document: Document, task: Task, another: str) -> Document:
    """An error, and no status beside it."""
    if "error" not in document:
        return document
    return {name: value for name, value in document.items() if name not in ("status", "progress")}


def url_in(*path: str) -> Edit:
    """An Edit that moves the result's URL to `path`, or nowhere."""

    def play(document: Document, task: Task, another: str) -> Document:
        if "video_url" not in document:
            return document
        moved: Any = document["video_url"]
        rest = {name: value for name, value in document.items() if name != "video_url"}
        for step in reversed(path):
            moved = {step: moved}
        return {**rest, **moved} if path else rest

    return play


_LEGACY_STATUS = {"completed": "SUCCESS", "failed": "FAILURE"}  # the others only in capitals


def legacy_queried(document: Document, task: Task, another: str) -> Document:
    """The older shape: everything in `data`, its own words, the failure's reason as text."""
    status = document.get("status", "unknown")
    data = {
        "id": task.number,
        "task_id": task.id,
        "status": _LEGACY_STATUS.get(status, status.upper()),
        "progress": f"{document.get('progress', 0)}%",
        "fail_reason": document.get("error", {}).get("message", ""),
        "submit_time": int(task.created),
        "model": task.tier,
    }
    if "video_url" in document:
        data["result_url"] = document["video_url"]
    return {"code": "success", "message": "", "data": data}

"""PURE. Replies as documents: the gateway's own (document 7–9), its errors, relays' odd ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klingflow.sandbox.tasks import STATES, Phase, Status, Task

Document = dict[str, Any]
# An honest document, its task, and the id of some other task → the odd document.
Edit = Callable[[Document, Task, str], Document]


def created(task: Task) -> Document:
    """Return the reply to a create, document 7."""
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
    """Return the reply to a query, document 8.

    As there, `task_id` is another id and `completed_at` comes before the task has completed.
    """
    own = {**created(task), "status": phase.status, "progress": phase.progress}
    return {**own, **_ADDED[phase.status](task, url)}


def _of_queued(task: Task, url: str) -> Document:
    return {}


def _of_in_progress(task: Task, url: str) -> Document:
    return {"task_id": task.upstream_id, "completed_at": int(task.created) + 3}


def _of_completed(task: Task, url: str) -> Document:
    return {
        "task_id": task.upstream_id,
        "completed_at": int(task.ends),
        "seconds": str(task.clip_s),
        "size": f"{task.width}x{task.height}",
        "video_url": url,
    }


def _of_failed(task: Task, url: str) -> Document:
    code, message = task.failure or ("task_failed", "")
    return {
        "task_id": task.upstream_id,
        "completed_at": int(task.ends),
        "error": {"code": code, "message": message},
    }


_ADDED: dict[Status, Callable[[Task, str], Document]] = {
    "queued": _of_queued,
    "in_progress": _of_in_progress,
    "completed": _of_completed,
    "failed": _of_failed,
}


def flat_error(code: str, message: str) -> Document:
    """Return an error as the gateway's own handlers write it."""
    return {"code": code, "message": message, "data": None}


def nested_error(code: str, message: str) -> Document:
    """Return an error as the relay's front writes it: keys, quotas, models."""
    return {"error": {"message": message, "type": "new_api_error", "param": "", "code": code}}


# What relays do to the reply of a create


def no_id(document: Document, task: Task, another: str) -> Document:
    """Return everything except an id."""
    return {name: value for name, value in document.items() if name not in ("id", "task_id")}


def same_id(document: Document, task: Task, another: str) -> Document:
    """Return the document with another task's id."""
    return {**document, "id": another, "task_id": another}


def number_id(document: Document, task: Task, another: str) -> Document:
    """Return the document with ids that are JSON numbers."""
    return {**document, "id": int(task.id), "task_id": int(task.id)}


def legacy_created(document: Document, task: Task, another: str) -> Document:
    """Return the older shape, in which `id` is the relay's row number."""
    data = {"id": task.number, "task_id": task.id, "status": "NOT_START", "model": task.tier}
    return {"code": "success", "message": "", "data": data}


# What relays do to the reply of a query


def status_as(honest: str, word: str) -> Edit:
    """Return an Edit that says `word` where the status is `honest`."""

    def play(document: Document, task: Task, another: str) -> Document:
        return {**document, "status": word} if document.get("status") == honest else document

    return play


def progress_text(document: Document, task: Task, another: str) -> Document:
    """Return the document with a progress such as `"30%"`."""
    return {**document, "progress": f"{document['progress']}%"}


def created_ms(document: Document, task: Task, another: str) -> Document:
    """Return the document with milliseconds where the gateway's document says seconds."""
    return {**document, "created_at": int(task.created * 1000)}


def completed_at_early(document: Document, task: Task, another: str) -> Document:
    """Return the document with a `completed_at` from the first moment."""
    return {**document, "completed_at": document.get("completed_at", int(task.created))}


def no_status(document: Document, task: Task, another: str) -> Document:
    """Return an error without a status beside it."""
    if "error" not in document:
        return document
    return {name: value for name, value in document.items() if name not in ("status", "progress")}


def url_in(*path: str) -> Edit:
    """Return an Edit that moves the result's URL to `path`, or drops it if `path` is empty."""

    def play(document: Document, task: Task, another: str) -> Document:
        if "video_url" not in document:
            return document
        moved: Any = document["video_url"]
        rest = {name: value for name, value in document.items() if name != "video_url"}
        for step in reversed(path):
            moved = {step: moved}
        return {**rest, **moved} if path else rest

    return play


def reason_in(*path: str | int) -> Edit:
    """Return an Edit that moves a failure's reason to `path` and leaves no other error. A number in
    the path stands for a list.
    """

    def play(document: Document, task: Task, another: str) -> Document:
        if "error" not in document:
            return document
        moved: Any = document["error"]["message"]
        for step in reversed(path):
            moved = {step: moved} if isinstance(step, str) else [moved]
        rest = {name: value for name, value in document.items() if name != "error"}
        return {**rest, **moved}

    return play


_LEGACY_WORDS = {status: state.legacy for status, state in STATES.items()}


def legacy_queried(document: Document, task: Task, another: str) -> Document:
    """Return the older shape: all in `data`, in its own words, a failure's reason as text."""
    status = document.get("status", "unknown")
    data = {
        "id": task.number,
        "task_id": task.id,
        "status": _LEGACY_WORDS.get(status, status.upper()),
        "progress": f"{document.get('progress', 0)}%",
        "fail_reason": document.get("error", {}).get("message", ""),
        "submit_time": int(task.created),
        "model": task.tier,
    }
    if "video_url" in document:
        data["result_url"] = document["video_url"]
    return {"code": "success", "message": "", "data": data}

"""PURE. Which task a reply names, and where in a reply its task is.

Relays put ids at several places, and beside a task's own id those of a row, of a request or of the
service behind them. What a reply means for a purchase is for create_replies.py.
"""

from __future__ import annotations

from typing import Any

from klingflow.gateway.payload import as_id

Document = dict[str, Any]


def created_ids(document: Document) -> list[str]:
    """Return the ids in a create's reply, the task's own first."""
    own = _ids(document)
    data = document.get("data")
    inner = _ids(data)[::-1] if isinstance(data, dict) else []
    # In the legacy shape `data` is the task, whose `id` is the relay's row number; an `id` of the
    # envelope is the request's.
    is_envelope = "code" in document and document.keys().isdisjoint({"status", "object", "model"})
    return inner + own if is_envelope else own + inner


def names_a_task(document: Document) -> bool:
    """True if an error is told as an object that names a task, which may have been made then. Its
    `id` alone may be the error's own.
    """
    told = (document.get("error"), document.get("detail"))
    return any(as_id(one.get("task_id")) for one in told if isinstance(one, dict))


def task_of(document: Document) -> Document:
    """Return the object that carries the status: the reply itself, or `data` of the legacy shape,
    whose envelope may have a status of its own, but names no task.
    """
    data = document.get("data")
    if not isinstance(data, dict):
        return document
    if "status" not in document:
        return data
    is_envelope = "status" in data and not _ids(document)
    return data if is_envelope else document


def claimed_ids(document: Document, task: Document) -> list[str]:
    """Return the ids by which the reply names its task."""
    ids = _ids(task)
    # Beside an `id` the `task_id` of a reply without `data` is often the upstream's.
    return ids[:1] if task is document else ids


def _ids(document: Document) -> list[str]:
    """Return a document's `id` and its `task_id`, each if it may be one."""
    found = as_id(document.get("id")), as_id(document.get("task_id"))
    return [text for text in found if text is not None]

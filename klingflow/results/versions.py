"""PURE. The videos of one take: the one that serves it, and those that were replaced.

A video that was replaced lies in a folder `earlier`; until its body comes back nothing needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from klingflow.decide.file_names import is_name_of_ours
from klingflow.decide.filing import fact_of
from klingflow.model import FileFact, Json, Purchase


def versions(purchases: Sequence[Purchase], files: Mapping[str, FileFact]) -> list[dict[str, Json]]:
    """Return the delivered videos of one take, in the order of its purchases. `files` are the
    videos on disk, by path.
    """
    return [
        {
            "attempt": purchase.attempt,
            "uid": purchase.uid,
            "task_id": purchase.task_id,
            "file": purchase.output,
            "bytes": purchase.size_bytes,
            "present": files.get(purchase.output or "") == fact_of(purchase),
        }
        for purchase in purchases
        if fact_of(purchase) is not None
    ]


def replaced(purchases: Iterable[Purchase]) -> list[Purchase]:
    """Return the delivered purchases whose video another one replaced: those in a folder `earlier`,
    and of several of one take elsewhere all but the last.
    """
    delivered = []
    current: dict[tuple[str, int], str] = {}
    for purchase in purchases:
        if fact_of(purchase) is None or not purchase.output:
            continue
        delivered.append(purchase)
        if not is_name_of_ours(purchase.output):
            current[purchase.shot, purchase.take] = purchase.uid
    return [p for p in delivered if current.get((p.shot, p.take)) != p.uid]

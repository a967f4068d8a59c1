"""PURE. Why a shot counts as changed: its body as it was bought beside its body now, value by
value.
"""

from __future__ import annotations

from collections.abc import Mapping

from klingflow.ledger.lifecycle import PAID
from klingflow.manifest.held_files import replaced
from klingflow.manifest.request import leaves, origins, pointer
from klingflow.manifest.tag import is_tag
from klingflow.model import Json, Purchase, Request, Shot, task_named

_SHOWN = 12  # digits of a hash
_ABSENT = object()  # differs from every value, None included


def explain(shot: Shot, request: Request, purchase: Purchase | None) -> dict[str, Json]:
    """`{"shot", "says", "was"?, "changes": [{"field", "pointer", "old"?, "new"?, "where"?}]}`.

    A side on which the value is absent has no key. `field` is the author's field, `where` the place
    that sets it. `was` is the take that the purchase was bought for, where that is another one.
    """
    changes: list[Json] = []
    if purchase is None:
        says = "was never bought."
    elif request.fingerprint is None:
        says = "depends on a shot that is not bought yet, so it cannot be compared."
    elif request.fingerprint == purchase.fingerprint:
        says = f"has not changed since it was bought{_task(purchase)}."
    else:
        changes = _changes(shot, request, purchase)
        kept = "; it is kept, and --rerun changed buys it again" if purchase.state in PAID else ""
        says = f"has changed since it was bought{_task(purchase)}{kept}."
    told: dict[str, Json] = {"shot": shot.key, "says": f"{shot.key} {says}", "changes": changes}
    if purchase is not None and purchase.was is not None:
        was = purchase.was.key
        told |= {"was": was, "says": f"{shot.key} was {was} and {says}"}
    return told


def _in_words(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a body with one text for each local file: its path, and what tells its content from
    another's.
    """
    return replaced(body, lambda file: f"{file['file']} ({str(file.get('sha256', '?'))[:_SHOWN]})")


def _task(purchase: Purchase) -> str:
    return f" ({task_named(purchase.task_id)})" if purchase.task_id else ""


def _changes(shot: Shot, request: Request, purchase: Purchase) -> list[Json]:
    old = {
        pointer(path): value
        for path, value in leaves(_in_words(purchase.body))
        if not is_tag(value)
    }
    new = {pointer(path): value for path, value in leaves(_in_words(request.body))}
    differing = [at for at in {**new, **old} if old.get(at, _ABSENT) != new.get(at, _ABSENT)]
    places = origins(shot, shot.kind)
    changes: list[Json] = []
    for at in differing:
        path, mark = places.get(at, ((), shot.node.mark))
        field = ".".join(map(str, path)) or at
        change: dict[str, Json] = {"field": field, "pointer": at}
        if at in old:
            change["old"] = old[at]
        if at in new:
            change |= {"new": new[at], "where": str(mark)}
        changes.append(change)
    return changes

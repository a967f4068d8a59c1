"""PURE. Why a shot counts as changed: its body as it was bought beside its body now, value by
value.
"""

from __future__ import annotations

from klingflow.manifest.request import leaves, origins, pointer
from klingflow.manifest.tag import is_tag
from klingflow.model import Json, Purchase, Request, Shot


def explain(shot: Shot, request: Request, purchase: Purchase | None) -> dict[str, Json]:
    """`{"shot", "says", "changes": [{"field", "pointer", "old"?, "new"?, "where"?}]}`.

    A side on which the value is absent has no key. `field` is the author's field, `where` the place
    that sets it.
    """
    if purchase is None:
        return {"shot": shot.key, "says": f"{shot.key} was never bought.", "changes": []}
    task = f" (task {purchase.task_id})" if purchase.task_id else ""
    if request.fingerprint is None:
        says = f"{shot.key} depends on a shot that is not bought yet, so it cannot be compared."
        return {"shot": shot.key, "says": says, "changes": []}
    if request.fingerprint == purchase.fingerprint:
        says = f"{shot.key} means what was bought{task}: nothing has changed."
        return {"shot": shot.key, "says": says, "changes": []}
    changes = _changes(shot, request, purchase)
    says = f"{shot.key} has changed since it was bought{task}; it is kept, and --rerun changed buys it again."
    return {"shot": shot.key, "says": says, "changes": changes}


def _changes(shot: Shot, request: Request, purchase: Purchase) -> list[Json]:
    old = {pointer(path): value for path, value in leaves(purchase.body) if not is_tag(value)}
    new = {pointer(path): value for path, value in leaves(request.body)}
    places = origins(shot, shot.kind)
    changes: list[Json] = []
    for at in dict.fromkeys([*new, *old]):
        if at in old and at in new and old[at] == new[at]:
            continue
        path, mark = places.get(at, ((), shot.node.mark))
        change: dict[str, Json] = {"field": ".".join(map(str, path)) or at, "pointer": at}
        change |= {"old": old[at]} if at in old else {}
        change |= {"new": new[at], "where": str(mark)} if at in new else {}
        changes.append(change)
    return changes

"""PURE. Why a shot counts as changed: its body as it was bought beside its body now, value by
value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import PAID
from klingflow.manifest import chained
from klingflow.manifest.held_files import Record, replaced
from klingflow.manifest.request import leaves, origins, pointer
from klingflow.manifest.tag import is_tag
from klingflow.model import Json, Purchase, Request, Shot, task_named
from klingflow.words import _, joined

_SHOWN = 12  # digits of a hash
_BOUGHT, _HANDED_OVER = _("bought"), _("handed over to the cluster, and is there as it was then")
_ABSENT = object()  # differs from every value, None included

# What to call the take that a purchase belongs to, by its uid: `opening#2 (picked)`.
TakeOf = Callable[[str], str]


def explain(
    shot: Shot, request: Request, purchase: Purchase | None, take_of: TakeOf = str
) -> dict[str, Json]:
    """Return `{"shot", "says", "was"?, "changes": [{"field", "pointer", "old"?, "new"?,
    "where"?}]}`.

    A side on which the value is absent has no key. `field` is the author's field, `where` the place
    that sets it. `was` is the take that the purchase was bought for, if that is another one.
    `take_of` names the take of a purchase.
    """
    changes: list[Json] = []
    if purchase is None:
        says = _("was never bought.")
    elif request.fingerprint is None:
        says = _("depends on a shot that is not bought yet, so it cannot be compared.")
    elif not purchase.body:  # a damaged line, whose body nobody knows
        says = _("cannot be compared: the ledger has lost what was sent for it.")
    elif request.fingerprint == purchase.fingerprint and is_at_cluster(purchase):
        says = _("has not changed since it was handed over; what came of it is not known yet.")
    elif request.fingerprint == purchase.fingerprint:
        says = _("has not changed since it was bought{task}.", task=_task(purchase))
    else:
        changes = _changes(shot, request, purchase, take_of)
        says = _changed(request, purchase, take_of)
    said = _("{key} {says}", key=shot.key, says=says)
    if purchase is None or purchase.was is None:
        return {"shot": shot.key, "says": said, "changes": changes}
    was = purchase.was.key
    said = _("{key} was {was} and {says}", key=shot.key, was=was, says=says)
    return {"shot": shot.key, "says": said, "changes": changes, "was": was}


def _changed(request: Request, purchase: Purchase, take_of: TakeOf) -> str:
    others = joined("", _other_sources(request.body, purchase.body, take_of))
    kept = ""
    if purchase.state in PAID:
        kept = _("; it is kept, and --rerun changed buys it again")
    return _(
        "has changed since it was {bought}{task}{others}{kept}.",
        bought=_HANDED_OVER if is_at_cluster(purchase) else _BOUGHT,
        task=_task(purchase),
        others=others,
        kept=kept,
    )


def _in_words(body: Mapping[str, Json], take_of: TakeOf) -> Mapping[str, Json]:
    """Return a body with one text for each local file, its path and the beginning of its hash, and
    with one text for each video of another shot.
    """

    def chain(record: Record) -> str:
        uid = str(record.get("purchase", ""))
        return _("{record}, purchase {uid}", record=chained.named(record, take_of(uid)), uid=uid)

    body = replaced(
        body,
        lambda file: _(
            "{file} ({sha256})", file=file["file"], sha256=str(file.get("sha256", "?"))[:_SHOWN]
        ),
    )
    return chained.exchanged(body, chain)


def _other_sources(
    new: Mapping[str, Json], old: Mapping[str, Json], take_of: TakeOf
) -> Iterator[str]:
    """Yield what to say about each take that a shot was made from, if another take counts now."""
    before = dict(chained.chained(old))
    said = set()
    for path, record in chained.chained(new):
        then, now = before.get(path, {}).get("purchase"), record.get("purchase")
        if then and now and then != now and (then, now) not in said:
            said.add((then, now))
            yield _(
                "; it was made from {then}, and now {now} counts",
                then=take_of(str(then)),
                now=take_of(str(now)),
            )


def _task(purchase: Purchase) -> str:
    if not purchase.task_id:
        return ""
    named = task_named(purchase.task_id)
    if purchase.state == "failed" and purchase.error is not None:
        return _(" ({task}, which failed: {message})", task=named, message=purchase.error.message)
    return _(" ({task_named})", task_named=named)


def _changes(shot: Shot, request: Request, purchase: Purchase, take_of: TakeOf) -> list[Json]:
    old = _by_pointer(purchase.body, take_of)
    old = {at: value for at, value in old.items() if not is_tag(value)}
    new = _by_pointer(request.body, take_of)
    places = origins(shot, shot.kind)
    nowhere = (), shot.node.mark
    changes: list[Json] = []
    for at in {**new, **old}:
        if old.get(at, _ABSENT) == new.get(at, _ABSENT):
            continue
        path, mark = places.get(at) or places.get(f"{at}/from", nowhere)
        field = ".".join(map(str, path)) or at
        change: dict[str, Json] = {"field": field, "pointer": at}
        if at in old:
            change["old"] = old[at]
        if at in new:
            change |= {"new": new[at], "where": str(mark)}
        changes.append(change)
    return changes


def _by_pointer(body: Mapping[str, Json], take_of: TakeOf) -> dict[str, Json]:
    """Return the values of a body by JSON pointer, with words for files and videos."""
    return {pointer(path): value for path, value in leaves(_in_words(body, take_of))}

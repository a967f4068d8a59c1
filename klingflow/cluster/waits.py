"""PURE. Orders that wait for other shots: what each needs, and how its body becomes final.

An order that waits is an intent whose evidence says what it needs, as `waits`. Its body may have
another shot's video without a purchase, and texts that only that purchase knows; then it has no
fingerprint yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from graphlib import TopologicalSorter

from klingflow.ledger.handed_over import CLUSTER
from klingflow.manifest.fields import Path
from klingflow.manifest.held_files import put
from klingflow.manifest.request import finish, leaves
from klingflow.model import Json, Pending, Purchase, Reference, Request
from klingflow.words import _

WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Supply:
    """What meets a need: the purchase with this uid, or the one that comes of the `order` whose
    first try has this uid: nobody knows yet which of its tries will be sold.
    """

    order: str = ""
    purchase: str = ""
    task_id: str | None = None
    video_url: str | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """What an order needs, by the needs of its shot; the texts of its body that are not final, each
    by its path and its parts; and what the shot allows of what its references lack.
    """

    needs: Mapping[str, Supply]
    texts: Sequence[tuple[Path, Sequence[str | Reference]]] = ()
    allow: Sequence[str] = ()

    @property
    def orders(self) -> tuple[str, ...]:
        """The orders that have to end well first, by the uids of their first tries."""
        found = (supply.order for supply in self.needs.values())
        return tuple(dict.fromkeys(filter(None, found)))


def supply_of(purchase: Purchase) -> Supply:
    """Return a purchase as what meets a need."""
    return Supply("", purchase.uid, purchase.task_id, purchase.video_url)


def unfinished(
    body: Mapping[str, Json],
) -> tuple[Mapping[str, Json], list[tuple[Path, list[Json]]]]:
    """Return a body with plain text in the place of each text that is not final, and these texts,
    each by its path and its parts.
    """
    texts: list[tuple[Path, list[Json]]] = []
    for path, value in list(leaves(body)):
        if isinstance(value, Pending):
            texts.append((path, [p if type(p) is str else [*p] for p in value.parts]))
            body = put(body, path, str(value))
    return body, texts


def waiting(intent: Purchase, needs: Mapping[str, Supply], allow: Sequence[str]) -> Purchase:
    """Return an intent that waits for what it needs; its body is JSON then."""
    body, texts = unfinished(intent.body)
    told: dict[str, Json] = {
        "needs": {need: _brief(supply) for need, supply in needs.items()},
        "texts": [[[*path], parts] for path, parts in texts],
        "allow": [*allow],
    }
    return replace(intent, body=body, evidence={CLUSTER: {WAITS: told}})


def _brief(supply: Supply) -> dict[str, Json]:
    return {name: value for name, value in asdict(supply).items() if value}


def waits_of(order: Purchase) -> Waits | None:
    """Return what an order waits for; None for one that waits for nothing. Raises ValueError for
    words that klingflow does not write.
    """
    cluster = (order.evidence or {}).get(CLUSTER)
    told = cluster.get(WAITS) if isinstance(cluster, Mapping) else None
    if told is None:
        return None
    try:
        needs = {str(need): Supply(**known) for need, known in told["needs"].items()}
        texts = [(tuple(path), [*_parts(parts)]) for path, parts in told["texts"]]
        return Waits(needs, texts, [str(code) for code in told["allow"]])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = _("{key}: what it waits for cannot be read", key=order.key)
        raise ValueError(why) from error


def _parts(parts: Sequence[Json]) -> Iterator[str | Reference]:
    for part in parts:
        yield part if isinstance(part, str) else Reference(*part)


def finished(order: Purchase, waits: Waits, supplies: Mapping[str, Supply]) -> Purchase:
    """Return an order with its final body and fingerprint, as the plan of a ledger makes them that
    knows the purchases. `supplies` has the purchase of every need.

    Raises KeyError for a text that no purchase knows.
    """
    body = order.body
    for path, parts in waits.texts:
        body = put(body, path, Pending(parts))

    def text(reference: Reference) -> str:
        known = supplies[reference.shot]
        value = {"task_id": known.task_id, "video_url": known.video_url}[reference.attribute]
        if not value:
            raise KeyError(reference.attribute)
        return value

    request = Request(
        body, order.fingerprint or None, order.predicted_tier, order.seconds, order.price
    )
    final = finish(request, text, lambda need: supplies[need].purchase)
    told = (order.evidence or {}).get(CLUSTER)
    kept = {name: value for name, value in told.items() if name != WAITS} if told else {}
    assert final.fingerprint is not None, "nothing in it is open"
    return replace(order, body=final.body, fingerprint=final.fingerprint, evidence={CLUSTER: kept})


def is_body_of(request: Request | None, order: Purchase) -> bool:
    """True if an order certainly has the body of a request. One that became final after it was
    ordered does not say any more what it was made of.
    """
    if request is None:
        return False
    if request.fingerprint is not None:
        return request.fingerprint == order.fingerprint
    waits = waits_of(order)
    if waits is None:
        return False
    body, parts = unfinished(request.body)
    texts = [(path, [*_parts(one)]) for path, one in parts]
    if not order.fingerprint:
        return body == order.body and texts == [*waits.texts]
    raw = replace(order, body=body, fingerprint="")
    with suppress(KeyError):  # it needs other shots
        made = finished(raw, replace(waits, texts=texts), waits.needs)
        return made.fingerprint == order.fingerprint
    return False


def sources_first(orders: Sequence[Purchase]) -> list[Purchase]:
    """Return orders so that each comes after those that it waits for."""
    by_uid = {order.uid: order for order in orders}
    waits = {uid: waits_of(order) for uid, order in by_uid.items()}
    needs = {uid: one.orders if one else () for uid, one in waits.items()}
    in_turn = TopologicalSorter(needs).static_order()
    return [by_uid[uid] for uid in in_turn if uid in by_uid]


def allowed_by(order: Purchase) -> Sequence[str]:
    """Return what the shot of an order allows of what its references lack."""
    waits = waits_of(order)
    return waits.allow if waits else ()

"""PURE. What is in doubt, for the person who checks it at the gateway: all that is known, and the
ways to settle it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.manifest.tag import tag_in
from klingflow.model import Json, Purchase
from klingflow.model.sayings import said
from klingflow.words import _

Command = Callable[[str, str], str]  # the command that does a verb with a shot


def doubts(purchases: Iterable[Purchase], command: Command) -> list[dict[str, Json]]:
    """Return every purchase in doubt with the commands that settle it, except what is at a cluster.

    `most` is what the purchase cost if it was charged, by the price that it was to be bought at;
    None while that price is unknown.
    """
    return [_doubt(p, command) for p in purchases if p.state in IN_DOUBT and not is_at_cluster(p)]


def _received(evidence: Mapping[str, Json]) -> str | None:
    """Return what came back, or why nothing is known of that."""
    told = said(evidence, "reason") or said(evidence, "received")
    if told or "damaged" not in evidence:
        return told
    return _("a damaged line of the ledger is all that tells of it; git may have it as it was")


def _doubt(purchase: Purchase, command: Command) -> dict[str, Json]:
    evidence = purchase.evidence or {}
    price = purchase.price
    resolve = command("resolve", purchase.key)
    return {
        "key": purchase.key,
        "id": purchase.shot,
        "take": purchase.take,
        "attempt": purchase.attempt,
        "uid": purchase.uid,
        "from": evidence.get("from") or purchase.times.get("intent"),
        "to": evidence.get("to"),
        "origin": purchase.origin or None,
        "model": purchase.body.get("model"),
        "predicted_tier": purchase.predicted_tier or None,
        "seconds": purchase.seconds or None,
        "most": {"amount": str(price.amount), "currency": price.currency} if price else None,
        "tag": tag_in(purchase.body),
        "client_request_id": f"{purchase.uid}/{purchase.key}",
        "request_ids": evidence.get("request_ids") or {},
        "names": evidence.get("names") or [],
        "received": _received(evidence),
        "status": evidence.get("status"),
        "commands": {
            "task": f"{resolve} --task ID",
            "resubmit": f"{resolve} --resubmit",
            "abandon": f"{resolve} --abandon",
            "not_charged": f"{resolve} --abandon --not-charged",
        },
    }

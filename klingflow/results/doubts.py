"""PURE. What is in doubt, for the person who looks it up at the gateway: all that is known, and the
ways to settle it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.manifest.tag import tag_in
from klingflow.model import Json, Purchase


def doubts(purchases: Iterable[Purchase], manifest: str, *, sandbox: bool) -> list[dict[str, Json]]:
    """Every purchase in doubt. `most` is what it cost if it was charged, by the price it was to be
    bought at; None while that is unknown.
    """
    return [_doubt(p, manifest, sandbox) for p in purchases if p.state in IN_DOUBT]


def _of_a_damaged_line(evidence: Mapping[str, Json]) -> str | None:
    if "damaged" not in evidence:
        return None
    return "a damaged line of the ledger is all that tells of it; git may have it as it was"


def _doubt(purchase: Purchase, manifest: str, sandbox: bool) -> dict[str, Json]:
    evidence = purchase.evidence or {}
    price = purchase.price
    words = ["klingflow", "resolve", manifest, purchase.key, *(["--sandbox"] if sandbox else [])]
    command = shlex.join(words)
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
        "received": evidence.get("reason")
        or evidence.get("received")
        or _of_a_damaged_line(evidence),
        "status": evidence.get("status"),
        "commands": {
            "task": f"{command} --task ID",
            "resubmit": f"{command} --resubmit",
            "abandon": f"{command} --abandon",
        },
    }

"""PURE. What a purchase says of the cluster that it was handed over to, or claimed at.

`evidence.cluster` names the store and the batch of an order, and how many failed tasks it is bought
again for; `evidence.again` says of a failed one which purchase follows it, "" where hosts make
none; `evidence.claim` is added by the execution that made the claim. Only what stands here is known
of clusters in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from klingflow.model import Json, Purchase

CLUSTER, CLAIM = "cluster", "claim"
# `again` stands beside the others: of two accounts the one that has it is the fuller one.
_RETRY, _AGAIN = "retry", "again"
# The codes of refusals by which a claim was given up for good, without a POST: it was taken back,
# or a host cannot send what the body needs.
WITHDRAWN, UNSENDABLE = "withdrawn", "unsendable"
_GIVEN_UP = frozenset({WITHDRAWN, UNSENDABLE})


def handed_over(intent: Purchase, *, store: str, batch: str) -> Purchase:
    """Return an intent that hosts may buy which see the store of this identity. What it waits for
    stays.
    """
    told = {**_said(intent, CLUSTER), "batch": batch, "store": store}
    return replace(intent, evidence={CLUSTER: told})


def claimed(intent: Purchase, *, host: str, nonce: str) -> Purchase:
    """Return an intent as one execution claims it. The nonce is no other execution's."""
    evidence = {**(intent.evidence or {}), CLAIM: {"host": host, "nonce": nonce}}
    return replace(intent, evidence=evidence)


def store_of(purchase: Purchase) -> str | None:
    """Return the identity of the store that a purchase was handed over at; None for others."""
    store = _said(purchase, CLUSTER).get("store")
    return store if isinstance(store, str) else None


def claimant(purchase: Purchase) -> tuple[str, str] | None:
    """Return host and nonce of the execution that claimed a purchase; None without a claim."""
    host, nonce = (_said(purchase, CLAIM).get(name) for name in ("host", "nonce"))
    return (host, nonce) if isinstance(host, str) and isinstance(nonce, str) else None


def retry_of(purchase: Purchase) -> int:
    """Return how many tasks failed that an order is bought again for."""
    number = _said(purchase, CLUSTER).get(_RETRY)
    return number if isinstance(number, int) else 0


def as_retry(order: Purchase, number: int) -> Purchase:
    """Return an order as the one that is bought again for so many failed tasks."""
    return replace(order, evidence={CLUSTER: {**_said(order, CLUSTER), _RETRY: number}})


def bought_again(purchase: Purchase) -> str | None:
    """Return the uid of the purchase that hosts make because this one has failed; None where they
    make none, or have not said so yet.
    """
    uid = (purchase.evidence or {}).get(_AGAIN)
    return uid if uid and purchase.state == "failed" and isinstance(uid, str) else None


def is_undecided(failed: Purchase) -> bool:
    """True if hosts had ordered a purchase that has failed, and have not said whether they buy its
    take again.
    """
    return store_of(failed) is not None and _AGAIN not in (failed.evidence or {})


def buying_again(failed: Purchase, uid: str, *, order: Purchase, number: int) -> Purchase:
    """Return a purchase that has failed, as hosts tell it: under which uid they buy its take again,
    "" for none. It was bought for the `order`, whoever claimed it, as the one that follows so many
    failed tasks.
    """
    at = _said(order, CLUSTER)
    told: dict[str, Json] = {name: at[name] for name in ("batch", "store") if name in at}
    told |= _said(failed, CLUSTER)
    if number:
        told[_RETRY] = number
    return replace(failed, evidence={**(failed.evidence or {}), CLUSTER: told, _AGAIN: uid})


def is_at_cluster(purchase: Purchase) -> bool:
    """True for an intent that a host of a cluster may be about to buy, or is buying."""
    return purchase.state == "intent" and store_of(purchase) is not None


def is_withdrawn(purchase: Purchase) -> bool:
    """True for an order that was taken back, or could not be sent, before anybody bought it."""
    return purchase.error is not None and purchase.error.code in _GIVEN_UP


def _said(purchase: Purchase, name: str) -> Mapping[str, Json]:
    said = (purchase.evidence or {}).get(name)
    return said if isinstance(said, Mapping) else {}

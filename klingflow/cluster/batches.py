"""The batches of one film: handed over, looked for after a crash, withdrawn; and finished videos
brought to their places.

How a ledger and a store come together is follow.py.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio.to_thread

from klingflow.cluster import follow, orders
from klingflow.cluster.follow import batch_of
from klingflow.cluster.ordering import ordered
from klingflow.cluster.orders import Terms
from klingflow.cluster.reading import Reader, terms_in, told_by
from klingflow.cluster.references import Uploading
from klingflow.cluster.store import PutOnce, copy_video, told_of
from klingflow.cluster.waits import is_body_of, sources_first, waits_of
from klingflow.decide.allotment import caps_of
from klingflow.decide.chains import ALONE, Chain, chains
from klingflow.decide.file_names import passing_name
from klingflow.decide.history import expectation
from klingflow.decide.verbs import VERBS
from klingflow.errors import UsageError
from klingflow.gateway.download import part_of
from klingflow.ledger.handed_over import CLUSTER, handed_over, is_at_cluster, store_of
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.ledger.lines import journal_line
from klingflow.model import FileFact, Limits, Purchase, Request, Shot, State
from klingflow.runner import settle
from klingflow.runner.context import Job
from klingflow.words import _

T = TypeVar("T")


class Handed(NamedTuple):
    """The orders that were handed over, and why takes were not, by their keys."""

    orders: tuple[Purchase, ...]
    unsendable: Mapping[str, str]


async def hand_over(
    job: Job,
    store: PutOnce,
    limits: Limits,
    at: str,
    uploading: Uploading,
    wanted: Callable[[str], bool] = lambda key: True,
    *,
    goes_on: bool = True,
) -> Handed:
    """Hand over what a plan buys of the takes whose keys are `wanted`, with what waits for them;
    what they refer to is uploaded first. What an earlier run began to hand over goes with it, where
    the run `goes_on` with that; otherwise it is taken back, and the next plan has it.

    Raises UsageError for a ledger that cannot be handed over, LedgerBroken, StoreAway.
    """
    batch = batch_of(job.ledger.book.lineage, at, secrets.token_hex(4))
    new = _new(job, store, batch, at, wanted)
    left = await _left_over(job, store, batch)
    stale = _stale(left, job.plan.manifest if goes_on else ())
    orders = [*new, *left]
    uploaded = await uploading.upload([order for order in orders if order.uid not in stale])
    unsendable = {**stale, **uploaded.unsendable}
    sendable = [order for order in orders if order.uid not in unsendable]
    terms = _terms(job, store, limits, batch)
    await follow.hand_over(job.ledger, store, terms, sendable, uploaded.addresses)
    for order in left:
        if order.uid in unsendable:
            await _withdraw(store, order, at)
    return Handed(
        tuple(sendable), {o.key: unsendable[o.uid] for o in orders if o.uid in unsendable}
    )


def _new(
    job: Job, store: PutOnce, batch: str, at: str, wanted: Callable[[str], bool]
) -> list[Purchase]:
    """Return what the plan buys and no batch had before, in the order in which hosts are to buy
    it. Raises UsageError as `_check`.
    """
    plan, book = job.plan, job.ledger.book
    made = ordered(plan, book, origin=job.site.origin, store=store.identity, batch=batch, at=at)
    intents = _together([intent for intent in made if wanted(intent.key)])
    if intents:
        _check(job)
    lengths = chains(plan, expectation(plan.history))
    # The sort is stable: sources stay before the rest.
    return sorted(intents, key=lambda intent: _turn(intent, lengths))


def _together(intents: Sequence[Purchase]) -> list[Purchase]:
    """Return the intents without those that wait for one which is not among them."""
    here = {intent.uid for intent in intents}
    kept: list[Purchase] = []
    for intent in intents:  # sources come first
        waits = waits_of(intent)
        if waits is None or here.issuperset(waits.orders):
            kept.append(intent)
        else:
            here.discard(intent.uid)
    return kept


def _turn(intent: Purchase, lengths: Mapping[str, Chain]) -> tuple[float, bool]:
    """Sort by the longest chain; what waits comes after what does not."""
    waits = waits_of(intent)
    return -lengths.get(intent.key, ALONE).length, bool(waits and waits.orders)


async def _left_over(job: Job, store: PutOnce, batch: str) -> list[Purchase]:
    """Return the orders of earlier batches that are in the ledger and in no page, as orders of this
    batch: their run died before the store had them. Pages that are missing become empty ones,
    because hosts wait for them.
    """
    book = job.ledger.book
    left = follow.left_over(book, await _blocking(told_by, store, book), store)
    for before in {_batch_of(purchase) for purchase in left}:
        terms = await _blocking(terms_in, store, before)
        for number in range(terms.pages if terms else 0):
            assert terms, "it has pages"
            empty = orders.as_bytes(orders.Page(terms, number, ()))
            await _blocking(store.put, orders.page_name(before, number), empty)
    again = [handed_over(purchase, store=store.identity, batch=batch) for purchase in left]
    return sources_first(again)


def _stale(left: Sequence[Purchase], manifest: Iterable[tuple[Shot, Request]]) -> dict[str, str]:
    """Return why orders that no host has heard of are not handed over any more, by uid: their
    bodies are not the manifest's by now, or what they wait for is stale.
    """
    requests = {shot.key: request for shot, request in manifest}
    stale: dict[str, str] = {}
    for order in left:  # sources come first
        waits = waits_of(order)
        is_left_alone = waits is not None and not stale.keys().isdisjoint(waits.orders)
        if is_left_alone or not is_body_of(requests.get(order.key), order):
            stale[order.uid] = _(
                "it was ordered, but never reached a host, and the film may have changed; run again"
            )
    return stale


def is_uncommitted(job: Job) -> bool:
    """True if the ledger has just got its lineage, which copies of the film cannot share yet."""
    return job.ledger.is_new and not job.site.in_sandbox


def _check(job: Job) -> None:
    """Raise UsageError for a ledger of which nothing can be handed over."""
    if is_uncommitted(job):
        raise UsageError(
            _(
                "{lock} is new: commit it first (git add {name} && git commit), so that every copy"
                " of this film makes the same claims; then run again",
                lock=job.site.paths.lock,
                name=job.site.paths.lock.name,
            )
        )


def _terms(job: Job, store: PutOnce, limits: Limits, batch: str) -> Terms:
    manifest = job.plan.manifest
    return Terms(
        batch=batch,
        lineage=job.ledger.book.lineage,
        film=manifest.name,
        origin=job.site.origin,
        store=store.identity,
        pages=0,
        refund_5xx=manifest.gateway.refund_5xx,
        tag_media=manifest.limits.tag_media,
        deadline_s=limits.deadline_s,
        poll_floor_s=limits.poll_floor_s,
        retries=limits.retries,
        caps=caps_of([job.plan], limits).state(),
        assets=asdict(job.store.settings) if job.store else {},
    )


async def fold_in(job: Job, reader: Reader, at: str) -> list[Purchase]:
    """Take into the ledger what the store has, and bring finished videos home. Return what has
    changed. Raises LedgerBroken, StoreAway.
    """
    changed = list((await follow.fold_in(job.ledger, reader, at)).values())
    for purchase in changed:
        if purchase.state == "done":
            await _home(job, reader.store, purchase, at)
    return changed


async def bring_home(job: Job, store: PutOnce, at: str) -> None:
    """Bring home the videos that a plan misses and the store has: whoever followed before died, or
    nobody followed. Raises as `fold_in`.
    """
    for action in job.plan.actions:
        purchase = action.purchase
        if VERBS[action.verb].work == "download" and purchase and purchase.state == "done":
            await _home(job, store, purchase, at)


def ordered_bodies(job: Job) -> dict[str, str]:
    """Return the fingerprints of what a ledger has at the cluster, by uid; "" while a body is not
    final.
    """
    known = job.ledger.book.purchases.values()
    return {p.uid: p.fingerprint for p in known if is_at_cluster(p)}


async def _home(job: Job, store: PutOnce, purchase: Purchase, at: str) -> None:
    """Copy a video to its place. Where that fails, `fetch` brings it."""
    target = job.site.folder / (purchase.output or "")
    if not purchase.output or job.site.leads_elsewhere(purchase.output):
        return
    if await _blocking(has_copied, store, purchase, target):
        fact = FileFact(purchase.size_bytes or 0, purchase.sha256 or "")
        await settle.deliver(job.ledger, job.site, purchase, fact, lambda: at)


def has_copied(store: PutOnce, purchase: Purchase, target: Path) -> bool:
    """Copy the video that a host has brought to where the bytes for `target` go. Return False where
    the store does not have it, whole; what an earlier download left is still there then. Blocks;
    raises StoreAway.
    """
    if not purchase.sha256:
        return False
    passing = Path(passing_name(target.as_posix(), secrets.token_hex(4)))
    try:
        passing.parent.mkdir(parents=True, exist_ok=True)
        is_whole = copy_video(store, purchase.sha256, passing)
        if is_whole:
            passing.replace(part_of(target))
        return is_whole
    except OSError:
        return False
    finally:
        with suppress(OSError):
            passing.unlink(missing_ok=True)


async def withdraw_rest(
    job: Job, store: PutOnce, batch: str, at: str, why: str = ""
) -> list[Purchase]:
    """Take the claims of those orders of a batch that nobody has claimed, so that nobody ever will,
    and write down that they were not bought, and `why`. Return those that were taken. Raises as
    `fold_in`.
    """
    left = [p for p in job.ledger.book.purchases.values() if _waits(p, store, batch)]
    return [purchase for purchase in left if await _withdraw(store, purchase, at, why)]


async def _withdraw(store: PutOnce, purchase: Purchase, at: str, why: str = "") -> bool:
    """Take the claim of an order, unless somebody has it: then return False."""
    nonce = secrets.token_hex(16)
    here = socket.gethostname()
    unused = orders.withdrawn(purchase, host=here, nonce=nonce, at=at, left_out=why)
    return await _blocking(store.put, told_of(purchase.uid, "intent"), journal_line(unused))


def _waits(purchase: Purchase, store: PutOnce, batch: str) -> bool:
    is_here = store_of(purchase) == store.identity and purchase.state in IN_DOUBT
    return is_here and _batch_of(purchase) == batch


def _batch_of(purchase: Purchase) -> str:
    """Return the batch of an order, "" for other purchases."""
    told = (purchase.evidence or {}).get(CLUSTER)
    return str(told.get("batch")) if isinstance(told, dict) else ""


async def open_batches(
    job: Job, store: PutOnce, states: Container[State] = frozenset({"intent"})
) -> list[Terms]:
    """Return the batches of purchases in these states, as their pages say: by default those that
    may still be bought. A doubt is none of them: no desk can do anything for it.

    Raises StoreAway.
    """
    known, lineage = job.ledger.book.purchases.values(), job.ledger.book.lineage
    here = [p for p in known if p.state in states and store_of(p) == store.identity]
    names = dict.fromkeys(map(_batch_of, here))
    found = [await _blocking(terms_in, store, batch) for batch in names]
    # A lock that anybody may have written names no other film's batch to the desk.
    return [terms for terms in found if terms and terms.lineage == lineage]


async def _blocking(work: Callable[..., T], *arguments: object) -> T:
    """Do what blocks in a thread."""
    return await anyio.to_thread.run_sync(partial(work, *arguments))

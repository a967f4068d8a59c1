"""A run at a cluster, and what a person says to the desk of an account there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from klingflow.api import preparing, running
from klingflow.api.cluster_place import Place, account_here, engine_missing, place_in, store_in
from klingflow.api.ignored import committed
from klingflow.api.running import Result
from klingflow.api.site import Wish
from klingflow.cluster import accounts
from klingflow.cluster.address import CLAIMS, CLUSTER, Address, account_named, address_in
from klingflow.cluster.status import Status
from klingflow.decide.spending import spending
from klingflow.errors import ExitCode, UsageError
from klingflow.gateway.origin import normal_base
from klingflow.ledger.lines import headers_in
from klingflow.model import Limits, Manifest
from klingflow.results.account import shares
from klingflow.results.ending import Ending, delivered, exit_code
from klingflow.runner.events import facts_of_end
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.cluster.temporal.client import DeskClient, Host
    from klingflow.runner.context import Job
    from klingflow.runner.events import Emit


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of a run from Python: `temporal://HOST:7233/NAMESPACE`, the folder or bucket of
    its claims, and the account. What is None is as the environment says; an account is then named
    after the gateway. `detach`: hand over, and return without waiting.
    """

    address: str | None = None
    claims: str | None = None
    account: str | None = None
    detach: bool = False

    @property
    def place(self) -> Place:
        """Where it is. Raises UsageError, StoreAway."""
        given = {CLUSTER: self.address, CLAIMS: self.claims}
        said = {name: value for name, value in given.items() if value is not None}
        return place_in({**os.environ, **said}, self.account)


def run(
    job: Job,
    key: str,
    limits: Limits,
    place: Place,
    *,
    emit: Emit,
    abort: Callable[[], None],
    detach: bool,
    used: str | None,
    goes_on: bool = True,
) -> Result:
    """Hand over what a plan buys, and follow until nothing more comes; `detach` only hands over.
    `goes_on`: also what an earlier run began to hand over, which the plan does not count.

    `abort` as in `run_jobs`. Raises UsageError, ClusterAway, StoreAway, LedgerBroken.
    """
    from klingflow.api.following import Follower, followed  # an extra

    check_committed(job)
    gives_back = preparing.is_agreed(job)  # before the black box knows of this run
    unnamed = preparing.prepare([job], key, limits, used)

    async def main() -> tuple[Follower, list[str]]:
        desk = await desk_of(place.address, account_named(place.account, job.site.origin))
        follower = Follower(job, desk, place.store, limits, emit, goes_on, gives_back=gives_back)
        return follower, await followed(follower, abort, detach=detach)

    agreed = job.plan  # the follower puts later plans in its place
    earlier = {uid for uid, one in job.ledger.book.purchases.items() if one.task_id}
    follower, troubles = asyncio.run(main())
    plan = job.plan_again()
    changed = {action.key for action in plan.actions if action.verb == "changed"}
    stale = sorted(changed & follower.otherwise)
    troubles += map(_stale, stale)
    ending = Ending(interrupted=follower.outcome.interrupted, stale=bool(stale))
    bought = tuple(one for uid, one in follower.bought.items() if uid not in earlier)
    left_out = {**job.plan.left_out, **follower.left_out}
    capped = {(0, action): why for action, why in left_out.items()}
    wrong = job.write_results()
    code = exit_code([plan], ending, capped, buying=True)
    spent = spending([bought], plan.manifest.prices)
    told = ExitCode.OK if detach else code  # the command's: what was handed over is its hosts'
    follower.inform("end", **facts_of_end(told, bought, shares(spent)))
    return Result(
        plans=(plan,),
        exit_code=code,
        outcome=follower.outcome,
        bought=bought,
        records=(job.results,),
        capped=capped,
        troubles=(*unnamed, *troubles, *([wrong] if wrong else [])),
        spending=spent,
        delivered=frozenset(delivered([agreed], [plan])),
    )


def run_at(
    cluster: Cluster,
    manifests: Sequence[Manifest],
    base_url: str,
    key: str,
    *,
    wish: Wish,
    limits: Limits | None,
    emit: Emit,
) -> Result:
    """As `run`, for `klingflow.run`. Raises also UsageError for several manifests."""
    if len(manifests) != 1:
        raise UsageError(_("a cluster takes one manifest at a time: call run for each"))
    (manifest,), place = manifests, cluster.place
    limits = limits or manifest.limits
    with running.open_job(manifest, wish, normal_base(base_url), at=place.store) as job:
        running.allot([job], limits)
        running.open_stores([job], base_url)
        detach = cluster.detach
        return run(job, key, limits, place, emit=emit, abort=_leave, detach=detach, used=None)


def _leave() -> None:
    """What the second Ctrl-C does here: nothing more than to return."""


def check_committed(job: Job) -> None:
    """Raise UsageError where git could have the ledger's lineage, and has not: a clone would begin
    a lineage of its own, and claim the same shots under other ids. A lock that is new, without git,
    is refused when it is to be handed over.
    """
    lock, lineage = job.site.paths.lock, job.ledger.book.lineage
    if job.site.in_sandbox or job.ledger.is_new:
        return
    text = committed(lock.parent, lock.name)
    if text is None or lineage in {head.get("lineage") for head in headers_in(text.encode())}:
        return
    raise UsageError(
        _(
            "{lock}: its lineage is not in git's last commit. Commit it first (git add {name} &&"
            " git commit), so that every copy of this film makes the same claims; then run again",
            lock=lock,
            name=lock.name,
        )
    )


def is_uncommitted(job: Job) -> bool:
    """True if the ledger has just got its lineage: hand nothing over."""
    from klingflow.cluster import batches  # an extra

    return batches.is_uncommitted(job)


def _stale(key: str) -> str:
    return _(
        "{key}: another copy of this film has bought it with another body; `klingflow why` shows"
        " the difference, --rerun changed buys it again",
        key=key,
    )


async def desk_of(address: Address, account: str) -> DeskClient:
    """Return the desk of an account. Raises UsageError, ClusterAway."""
    try:
        from klingflow.cluster.temporal import client  # an extra
    except ImportError as error:
        raise engine_missing() from error
    return client.DeskClient(await client.connect(address), account)


def ask_desk(
    account: str | None, settings: Mapping[str, Any], *, stop: bool, go_on: bool
) -> tuple[Status | None, list[Host]]:
    """Say these things to the desk of an account; return its state and the hosts that work for it.
    What is said is in the store too, so that it outlives the engine's memory; a desk that is to
    stop hears it first, because a store may be away. A desk without hosts has no state that anybody
    could ask.

    Raises UsageError, ClusterAway, StoreAway.
    """
    name = account_here(account)

    async def ask() -> tuple[Status | None, list[Host]]:
        desk = await desk_of(address_in(os.environ), name)
        if stop:
            await desk.halt()
        words = {**settings, "stopped": stop} if stop or go_on else settings
        if words:
            said = accounts.say(store_in(os.environ), name, words)
            await desk.say(said, spend="max_spend" in words)
        if go_on:
            await desk.go_on()
        hosts = await desk.busy()
        return await desk.status() if hosts else None, hosts

    with suppress(KeyboardInterrupt):
        return asyncio.run(ask())
    raise KeyboardInterrupt

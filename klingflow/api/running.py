"""From plans to videos: ledgers opened and held, the runner started, and the exit code that says
how it went.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from klingflow import disk
from klingflow.api import links, preparing, stills, stores
from klingflow.api.claiming import claims_of
from klingflow.api.planning import again_of, planned, selected_keys, take_in
from klingflow.api.site import Wish, now, site_for
from klingflow.decide.allotment import allotted, caps_of
from klingflow.decide.patience import Patience
from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Schedule
from klingflow.decide.spending import added, spending
from klingflow.errors import ExitCode, LedgerBroken, UsageError
from klingflow.gateway.origin import normal_base
from klingflow.ledger import store, uids
from klingflow.ledger.book import Book, alike, same_video
from klingflow.ledger.places import Site
from klingflow.ledger.problems import worded
from klingflow.manifest.limits import tightest
from klingflow.media.inspector import inspector
from klingflow.media.kept import Kept
from klingflow.model import LeftOut, Limits, Manifest, Plan, Purchase, Share, Sum, task_named
from klingflow.results import run_manifest
from klingflow.results.account import shares
from klingflow.results.ending import Ending, delivered, exit_code
from klingflow.runner import signals
from klingflow.words import _, cause

if TYPE_CHECKING:
    from klingflow.api.clusters import Cluster
    from klingflow.assets.stores import Store
    from klingflow.cluster.store import PutOnce
    from klingflow.gateway.http import Gateway
    from klingflow.runner.context import Context, Job, Outcome
    from klingflow.runner.events import Emit
    from klingflow.runner.look import Looking


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run: the plans as they stand afterwards, and the exit code that the command
    gives.
    """

    plans: tuple[Plan, ...]
    exit_code: ExitCode
    outcome: Outcome
    bought: tuple[Purchase, ...]  # in this run, what is in doubt among them
    records: tuple[Path, ...]  # the run manifests
    capped: Mapping[tuple[int, str], LeftOut]  # (manifest number, shot key) → why it was left out
    troubles: tuple[str, ...]  # what could not be written, and what is odd, for people
    spending: Mapping[Share, Sum] = field(default_factory=dict)  # of `bought`
    # (manifest number, shot key) of each video that this run brought, whoever bought it
    delivered: frozenset[tuple[int, str]] = frozenset()
    looking: Looking | None = None  # what came of looking at the videos


@contextmanager
def open_job(
    manifest: Manifest,
    wish: Wish,
    origin: str,
    also: frozenset[str] = frozenset(),
    *,
    buying: bool = True,
    at: PutOnce | None = None,
) -> Iterator[Job]:
    """Plan the manifest with its ledger held by us, until the context ends. `also` are the keys of
    takes that are bought although they were paid for elsewhere. `buying` False does without a store
    of claims that is away; the store is `at`, by default that of the environment. Raises as `plan`,
    and LedgerHeld, StoreAway.
    """
    from klingflow.runner.context import Job  # for start-up

    site = links.check_outputs(site_for(manifest, wish, origin), manifest)
    with store.open_ledger(site.paths, now) as held:
        again = again_of(manifest, held.book, wish, site) | also
        take_in(manifest, held.book, site, again, held.enter, needs_store=buying, at=at)
        keys = selected_keys(manifest, held.book, wish, site)
        made = planned(manifest, held.book, site, keys, wish.rerun, again)

        further = {(s.id, s.take) for s in made.manifest.shots if s.further}
        more = {a.key for a in made.actions if a.shot and a.shot.further}
        again_keys = keys if keys is None else keys | more

        media = Kept(site.media)

        def write_results() -> str | None:
            return _write_results(made, held.book, site, media)

        def plan_again() -> Plan:
            return planned(manifest, held.book, site, again_keys, again=again, further=further)

        try:
            claims = claims_of(site, buying=buying, store=at)
            yield Job(made, held, site, write_results, plan_again, media=media, claims=claims)
        finally:
            with signals.held_off():
                held.close()


def _write_results(plan: Plan, book: Book, site: Site, media: Kept) -> str | None:
    """Write the run manifest, which can always be made again from ledger and picks. Return why it
    could not be written.
    """
    record = run_manifest.build(
        plan.manifest,
        book,
        gateway=site.origin,
        generated_at=now(),
        picks=plan.terms.picks,
        media=media.get,
        beside=plan.beside,
    )
    target = site.record(plan.manifest.name)
    if site.leads_elsewhere(target.relative_to(site.folder).as_posix()):
        return _("{target}: leads elsewhere by a link below outputs", target=target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        disk.atomic_write(target, run_manifest.as_bytes(record))
    except OSError as error:
        return _("{target}: {error}", target=target, error=cause(error))
    return None


def run(
    manifests: Manifest | Sequence[Manifest],
    *,
    base_url: str,
    key: str,
    wish: Wish = Wish(),
    limits: Limits | None = None,
    emit: Emit = lambda event: None,
    cluster: Cluster | None = None,
) -> Result:
    """Buy what the plans say, wait, download; resume what an earlier run left. At a `cluster` its
    hosts do so, with their own key; `base_url` is then the gateway that they buy at, and `key` may
    be "".

    Spends without asking; `limits` bounds it (default: of each limit the strictest that a manifest
    has). Raises as `plan`; LedgerHeld; UsageError where an event loop is running; and
    KeyboardInterrupt at the second Ctrl-C: what was bought by then is in the ledger, or in doubt
    there. The first Ctrl-C finishes what is on its way and returns. At a cluster also ClusterAway
    and StoreAway; there a second Ctrl-C returns too, and the hosts go on.
    """
    _check_no_loop()
    manifests = [manifests] if isinstance(manifests, Manifest) else manifests
    if cluster is not None:
        from klingflow.api.clusters import run_at  # it imports this module

        return run_at(cluster, manifests, base_url, key, wish=wish, limits=limits, emit=emit)
    origin = normal_base(base_url)
    with ExitStack() as stack:
        jobs = [stack.enter_context(open_job(m, wish, origin)) for m in manifests]
        limits = limits or tightest([m.limits for m in manifests])
        allot(jobs, limits)
        open_stores(jobs, base_url)
        return run_jobs(jobs, base_url, key, limits, emit=emit)


def allot(jobs: Sequence[Job], limits: Limits, *, zero_is_unknown: bool = False) -> None:
    """Mark in the plans of a run what its caps and budgets leave out, which the run does not buy.

    `zero_is_unknown`: under `max_spend`, a price of 0 is an unknown one.
    """
    plans = [job.plan for job in jobs]
    made = allotted(plans, limits, zero_is_unknown=zero_is_unknown)
    for job, bounded in zip(jobs, made, strict=True):
        job.plan = bounded


def open_stores(jobs: Sequence[Job], base_url: str) -> None:
    """Give each job the store for its local references.

    Raises UsageError for a store that cannot be used and for a missing extra, and ManifestError for
    what cannot be sent.
    """
    for job in jobs:
        stills.check_extra(job.plan)
        if not stills.may_send(job.plan.manifest):
            continue
        try:
            job.store = _store(job, jobs[0], base_url)
        except UsageError:
            if stills.sends_files(job.plan):  # otherwise nobody needs it
                raise
        stills.check(job.plan, stored=job.store is not None)


def _store(job: Job, first: Job, base_url: str) -> Store | None:
    """Return the store of one job of a run; one sandbox serves all."""
    if job.site.in_sandbox:
        return stores.of_sandbox(first.site, base_url)
    return stores.of_user(job.plan.manifest)


def run_jobs(
    jobs: list[Job],
    base_url: str,
    key: str,
    limits: Limits,
    *,
    emit: Emit,
    buying: bool = True,
    fail_fast: bool = False,
    used: str | None = None,
    abort: Callable[[], None] = lambda: None,
) -> Result:
    """Run plans whose ledgers are held, as `allot` left them. `buying` False polls and downloads
    only. `used` is the id of the saved plan that these are.

    `abort` is called at the second Ctrl-C; where it returns, KeyboardInterrupt is raised.
    """
    # Here, for start-up: `plan` and `validate` need no HTTP.
    from klingflow.api.connecting import connect
    from klingflow.api.settling import settle
    from klingflow.runner.dispatch import run as run_context

    unnamed = preparing.prepare(jobs, key, limits, used, buying=buying)

    async def main() -> Result | None:
        settled = unnamed + [trouble for job in jobs for trouble in await settle(job)]
        async with connect(base_url, key) as gateway:
            patience = Patience(limits, buying=buying, fail_fast=fail_fast)
            context = _context(jobs, gateway, limits, patience, emit)
            outcome = await run_context(context, abort)
            if outcome.abandoned:
                return None
            await _take_in_hosts(context)
            return _result(context, settled, buying=buying)

    result = anyio.run(main)
    if result is None:
        raise _interrupt(jobs)
    return result


async def _take_in_hosts(context: Context) -> None:
    """Let the ledgers know what hosts of a cluster have done during the run."""
    with suppress(LedgerBroken):
        for job in context.jobs:
            if job.claims is not None:
                await job.claims.fold(job, now())


def _check_no_loop() -> None:
    """Raise UsageError inside a running event loop, which has no room for another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        _(
            "klingflow.run cannot be called inside a running event loop; call it in a thread:"
            " `await asyncio.to_thread(klingflow.run, …)`"
        )
    )


def _interrupt(jobs: Sequence[Job]) -> KeyboardInterrupt:
    """Return what ends a run that was told twice to end, with a note for every id that no file
    holds.
    """
    interrupt = KeyboardInterrupt(_("left at once; run again to resume"))
    for job in jobs:
        for lost in _lost(job):
            interrupt.add_note(lost)
    return interrupt


def _result(context: Context, settled: Sequence[str], *, buying: bool) -> Result:
    """Return the outcome of the run, with its records written. `settled` is what went wrong before
    it.
    """
    jobs, outcome = context.jobs, context.outcome
    troubles = (*settled, *(trouble for job in jobs for trouble in _troubles(job)))
    plans = tuple(job.plan_again() for job in jobs)
    capped = {(w.job, w.action.key): reason for w, reason in context.schedule.capped}
    bought = tuple(_bought(context))
    ending = Ending(
        interrupted=outcome.interrupted,
        broken=outcome.broken is not None or outcome.crash is not None,
        refused=outcome.refused is not None,
    )
    result = Result(
        plans=plans,
        exit_code=exit_code(plans, ending, capped, buying=buying),
        outcome=outcome,
        bought=tuple(purchase for _, purchase in bought),
        records=tuple(job.results for job in jobs),
        capped=capped,
        troubles=troubles,
        spending=_spending(bought, plans),
        delivered=frozenset(delivered([job.plan for job in jobs], plans)),
        looking=context.looking,
    )
    context.ended(result.exit_code, result.bought, shares(result.spending))
    return result


def _spending(bought: Sequence[tuple[int, Purchase]], plans: Sequence[Plan]) -> Mapping[Share, Sum]:
    """Return what has become of the money for these purchases, by their own manifests' prices."""
    parts = []
    for number, plan in enumerate(plans):
        ours = [purchase for of, purchase in bought if of == number]
        parts.append(spending([ours], plan.manifest.prices))
    return added(parts)


def _bought(context: Context) -> Iterator[tuple[int, Purchase]]:
    """Yield what this run bought, or perhaps bought, with the number of its manifest."""
    for number, uid in context.bought:
        purchase = context.jobs[number].ledger.book.purchases.get(uid)
        if purchase is not None and purchase.state != "rejected":
            yield number, purchase


def _lost(job: Job) -> Iterator[str]:
    for lost in job.ledger.unwritten:
        task = task_named(lost.task_id)
        yield _(
            "NOT IN THE LEDGER: {key} was bought as {task}; keep this line", key=lost.key, task=task
        )


def _troubles(job: Job) -> Iterator[str]:
    yield from _lost(job)
    if trouble := job.ledger.box_trouble:
        yield worded(trouble)
    if unwritten := job.write_results():
        yield _("the run manifest could not be written: {unwritten}", unwritten=unwritten)
    for several in alike(job.ledger.book.purchases.values()):
        yield worded(same_video(several))


def _context(
    jobs: list[Job], gateway: Gateway, limits: Limits, patience: Patience, emit: Emit
) -> Context:
    from klingflow.runner.context import Context  # for start-up: it imports HTTP
    from klingflow.runner.look import Looking

    durations = Durations()
    for job in jobs:
        durations.learn_from(job.ledger.book.purchases.values())
    return Context(
        jobs=jobs,
        gateway=gateway,
        limits=limits,
        schedule=Schedule(limits, durations, caps_of([job.plan for job in jobs], limits)),
        patience=patience,
        emit=emit,
        clock=time.monotonic,
        now=now,
        chance=random.random,
        looking=Looking(inspector()),
        new_uid=lambda: uids.new_uid(now(), secrets.token_hex),
    )

"""What the commands that ask the gateway do: run and fetch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from klingflow.api import links, notifying, planning, running, saving
from klingflow.api.apart import check_apart
from klingflow.api.site import named, site_for
from klingflow.api.stills import sends_files
from klingflow.decide.consent import Word, consent, without_purchases
from klingflow.decide.plan import buys
from klingflow.errors import ExitCode, UsageError
from klingflow.gateway.access import Access
from klingflow.gateway.origin import normal_base
from klingflow.manifest.local_files import NO_STORE
from klingflow.model import Limits, Manifest, Plan
from klingflow.results.saved_plan import SavedPlan
from klingflow.terminal import (
    cluster_commands,
    console,
    elsewhere,
    linked,
    plan_views,
    progress,
    result_views,
    views,
)
from klingflow.terminal.bounds import is_zero_unknown, limits_of, under_plan
from klingflow.terminal.clock import local
from klingflow.terminal.manifests import for_good, load_all, show_warnings
from klingflow.terminal.options import Options
from klingflow.terminal.target import access_for, show_gateway, show_question, target
from klingflow.words import _, joined

if TYPE_CHECKING:
    from klingflow.api.cluster_place import Place
    from klingflow.runner.context import Job


class _Held(NamedTuple):
    """The ledgers a command holds, and where it asks: a gateway, by hosts of `place` if there is
    one.
    """

    jobs: list[Job]
    access: Access
    base_url: str
    key: str
    place: Place | None


def fetch(files: Sequence[str], options: Options) -> int:
    """`klingflow fetch`."""
    manifests = load_all(files, options)
    limits = limits_of(manifests, options)
    with ExitStack() as stack:
        held = _held(stack, manifests, options, buying=False, asking=False)
        _show_moves([job.plan for job in held.jobs], options)
        return _run(held, limits, options, buying=False).exit_code


def run(files: Sequence[str], options: Options) -> int:
    """`klingflow run`."""
    # At once: a run must not end in a complaint about the address.
    address = "" if options.dry_run else notifying.chosen(options.notify)
    saved = None
    if (path := options.plan) is not None:
        saved = saving.load(path)
        options = under_plan(options, saved, path)
        files = files or saving.manifests_of(path, saved)
    manifests = load_all(files, options)
    limits = limits_of(manifests, options, saved)
    if options.dry_run:
        return _show_plans(manifests, limits, options)
    with ExitStack() as stack:
        held = _held(stack, manifests, options, buying=True, asking=saved is None)
        running.allot(held.jobs, limits, zero_is_unknown=is_zero_unknown(options, saved))
        if saved is not None:
            _check_saved(saved, held.jobs, options, files)
        running.open_stores(held.jobs, held.base_url)
        limits = _agreed(held, limits, options)
        used = saved.id if saved is not None else None
        if held.place is None:
            result = _run(held, limits, options, buying=True, used=used)
        else:
            result = cluster_commands.run(held.jobs, held.key, limits, held.place, options, used)
    if address:
        _notify(address, result)
    return result.exit_code


def _held(
    stack: ExitStack,
    manifests: Sequence[Manifest],
    options: Options,
    *,
    buying: bool,
    asking: bool,
) -> _Held:
    """Return the manifests' ledgers, held until `stack` closes, after what has to be asked about
    links and other addresses, and say what a user should know of them.
    """
    access = access_for(manifests, options)
    linked.ask(manifests, options)
    sites = [links.check_outputs(site_for(m, options.wish), m) for m in manifests]
    check_apart([(s, s.placed(m)) for s, m in zip(sites, manifests, strict=True)])
    base_url, key = _reached(stack, manifests, options, access)
    origin = normal_base(base_url)
    place = None
    if options.cluster:
        place = cluster_commands.place_of(stack, manifests, base_url, options)
    with for_good():
        jobs = [
            elsewhere.open_job(stack, m, options, origin, buying=buying, asking=asking)
            for m in manifests
        ]
    if not options.quiet:
        show_gateway(access)
        # Without a store, a run refuses what it cannot send, and nothing else needs one.
        show_warnings(*(job.plan.manifest for job in jobs), without=NO_STORE)
        for job in jobs:
            views.show_problems(job.ledger.book.problems)
    return _Held(jobs, access, base_url, key, place)


def _notify(address: str, result: running.Result) -> None:
    if trouble := notifying.notify(address, result_views.notice(result)):
        console.warn(
            _("The notification could not be sent: {trouble}.", trouble=console.redacted(trouble))
        )


def _reached(
    stack: ExitStack, manifests: Sequence[Manifest], options: Options, access: Access
) -> tuple[str, str]:
    """Return base URL and key of a run; no key where hosts of a cluster buy, which have it."""
    if options.cluster and not options.sandbox:
        return access.address(), access.key or ""
    return target(stack, manifests, options, access)


def _check_saved(
    saved: SavedPlan, jobs: Sequence[Job], options: Options, files: Sequence[str]
) -> None:
    """Raise UsageError where a saved plan is not what this run would do; say by which words it was
    made, because they may be another person's.
    """
    path, plans = str(options.plan), [job.plan for job in jobs]
    gateway = ["--gateway", options.gateway] if options.gateway else []
    also = (*options.repeated, *gateway)
    saving.check(path, saved, plans, [job.ledger.book for job in jobs], jobs[0].site.origin, also)
    if not options.quiet:
        console.prose(
            _(
                "Saved at {made_at} by: {command}",
                made_at=local(saved.made_at),
                command=saving.command(path, saved, files),
            )
        )


def _run(
    held: _Held, limits: Limits, options: Options, *, buying: bool, used: str | None = None
) -> running.Result:
    jobs = held.jobs
    with progress.watching(
        [job.plan for job in jobs],
        log=options.log,
        quiet=options.quiet,
        verbose=options.verbose,
        plain=options.no_progress,
        limits=limits if buying else without_purchases(limits),
    ) as watch:
        result = running.run_jobs(
            jobs,
            held.base_url,
            held.key,
            limits,
            emit=watch.emit,
            buying=buying,
            fail_fast=options.fail_fast,
            used=used,
            abort=watch.abort,
        )
    for line in watch.lost:
        console.warn(line)
    sites, books = [job.site for job in jobs], [job.ledger.book for job in jobs]
    result_views.show_result(result, sites, books, quiet=options.quiet)
    return result


def _show_plans(manifests: Sequence[Manifest], limits: Limits, options: Options) -> int:
    access = access_for(manifests, options)
    with for_good():
        plans = planning.plans_of_run(
            manifests,
            options.wish,
            limits,
            origin=access.origin,
            zero_is_unknown=is_zero_unknown(options),
        )
    show_warnings(*manifests)
    for made in plans:
        views.show_problems(made.problems)
        plan_views.show_plan(made, named(made.manifest, options.wish), verbose=options.verbose)
    plan_views.show_forecast(planning.foretold(plans, limits), limits)
    show_gateway(access)
    show_question(access)
    return ExitCode.OK


def _stores(jobs: Sequence[Job]) -> str:
    """Return where the run sends local files, as the question before it says; "" for nowhere."""
    stores = dict.fromkeys(
        job.store.described for job in jobs if job.store and sends_files(job.plan)
    )
    return (
        _(", with local files sent to {stores}", stores=joined(_(" and "), stores))
        if stores
        else ""
    )


def _agreed(held: _Held, limits: Limits, options: Options) -> Limits:
    """Return the limits of a run that may buy what the plans say, after asking on a terminal.

    Raises UsageError where the user does not want it, and where nobody can be asked and no cap is
    given in the command.
    """
    plans = [job.plan for job in held.jobs]
    wanted = sum(len(buys(made)) for made in plans)
    caps = (options.max_spend, options.max_tasks, options.max_seconds)
    word = Word(
        sandbox=options.sandbox,
        yes=options.yes,
        capped=any(cap is not None for cap in caps),
        terminal=console.can_ask(),
    )
    match consent(wanted, word):
        case "given":
            _show_moves(plans, options)
            elsewhere.show_bought_again(() if options.quiet else plans)
            return limits
        case "idle":
            _show_moves(plans, options)
            return without_purchases(limits)
        case "missing":
            raise UsageError(_no_consent(wanted, options))
    for made in plans:
        plan_views.show_plan(made, named(made.manifest, options.wish), verbose=options.verbose)
    plan_views.show_forecast(planning.foretold(plans, limits), limits)
    if not console.ask(_question(held)):
        raise UsageError(_("nothing bought: you said no"))
    return limits


def _question(held: _Held) -> str:
    """Return what the user is asked before anything is bought."""
    if cluster_commands.only_begins(held.jobs, held.place):
        lock = held.jobs[0].site.paths.lock
        return _("Begin {lock}? Nothing is bought before it is committed.", lock=lock)
    return _(
        "Buy {purchases}, at {described}{stores}?",
        purchases=plan_views.purchases([job.plan for job in held.jobs]),
        described=held.access.described(),
        stores=_stores(held.jobs),
    )


def _no_consent(wanted: int, options: Options) -> str:
    """Return why a run that nobody can be asked about buys nothing, and what to pass."""
    if options.plan is not None:  # its caps are those of the plan
        return _(
            "{wanted} to buy, and not a terminal: pass -y; that a plan was saved is no consent",
            wanted=wanted,
        )
    return _(
        "{wanted} to buy, and not a terminal: pass -y, or a cap such as --max-spend or"
        " --max-tasks (see klingflow plan); caps in the manifest are no consent",
        wanted=wanted,
    )


def _show_moves(plans: Sequence[Plan], options: Options) -> None:
    """Say what moves in a run that shows no plan."""
    for made in () if options.quiet else plans:
        plan_views.show_moves(made)

"""What the commands that write the ledger do: run, fetch and resolve."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import anyio
import click

from klingflow.api import links, planning, resolving, running
from klingflow.api.site import site_of
from klingflow.decide.allotment import allotted
from klingflow.decide.plan import buys, cost
from klingflow.errors import ExitCode, UsageError
from klingflow.gateway.origin import normal_base
from klingflow.manifest.limits import tightest, under_flags
from klingflow.model import Limits, Manifest, Plan
from klingflow.terminal import console, elsewhere, linked, progress, result_views, views
from klingflow.terminal.manifests import for_good, load, load_all, show_warnings
from klingflow.terminal.options import Options
from klingflow.terminal.target import origin_of, target

if TYPE_CHECKING:
    from klingflow.runner.context import Job


def resolve(
    file: str, shot: str, options: Options, task: str | None, verdict: str, force: bool
) -> int:
    """`klingflow resolve`. `task` is the id that was found; without one, `verdict` is abandon,
    not_charged or resubmit.
    """
    manifest = load(file, options)
    wish, origin = options.wish, origin_of([manifest], options)
    with ExitStack() as stack:
        ask = _asker(stack, manifest, options) if task is not None else None
        said = resolving.resolve(
            manifest, shot, wish, origin, task=task, verdict=verdict, ask=ask, force=force
        )
    for line in said:
        console.say(line)
    return ExitCode.OK


def _asker(stack: ExitStack, manifest: Manifest, options: Options) -> resolving.Ask | None:
    """Return what asks the gateway, or the sandbox, after a task; None where no key or no address
    is known.
    """
    try:
        base_url, key = target(stack, [manifest], options)
    except UsageError:
        return None
    return lambda purchase: anyio.run(resolving.asked, base_url, key, purchase)


def fetch(file: str, options: Options) -> int:
    """`klingflow fetch`."""
    return _go([file], options, buying=False)


def run(files: Sequence[str], options: Options) -> int:
    """`klingflow run`."""
    return _go(files, options, buying=True)


def _go(files: Sequence[str], options: Options, *, buying: bool) -> int:
    manifests = load_all(files, options)
    limits = _limits(manifests, options)
    if options.dry_run:
        return _show_plans(manifests, limits, options)
    linked.ask(manifests, options)
    for manifest in manifests:
        links.check_outputs(site_of(manifest.path, options.wish), manifest)
    with ExitStack() as stack:
        base_url, key = target(stack, manifests, options)
        origin = normal_base(base_url)
        with for_good():
            jobs = [elsewhere.open_job(stack, m, options, origin, buying=buying) for m in manifests]
        if not options.quiet:
            for job in jobs:
                show_warnings(job.plan.manifest)
                views.show_problems(job.ledger.book.problems)
        if buying:
            running.allot(jobs, limits)
        if buying and not _agreed([job.plan for job in jobs], limits, options):
            return ExitCode.OK
        return _run(jobs, base_url, key, limits, options, buying=buying)


def _run(
    jobs: list[Job], base_url: str, key: str, limits: Limits, options: Options, *, buying: bool
) -> int:
    with progress.watching(
        [job.plan for job in jobs],
        log=options.log,
        quiet=options.quiet,
        verbose=options.verbose,
        plain=options.no_progress,
    ) as watch:
        result = running.run_jobs(
            jobs,
            base_url,
            key,
            limits,
            emit=watch.emit,
            buying=buying,
            fail_fast=options.fail_fast,
            abort=watch.abort,
        )
    for line in watch.lost:
        console.warn(line)
    sites, books = [job.site for job in jobs], [job.ledger.book for job in jobs]
    result_views.show_result(result, sites, books, quiet=options.quiet)
    return result.exit_code


def _show_plans(manifests: Sequence[Manifest], limits: Limits, options: Options) -> int:
    origin = origin_of(manifests, options)
    with for_good():
        plans = [planning.plan(m, options.wish, origin=origin) for m in manifests]
    for made in allotted(plans, limits):
        show_warnings(made.manifest)
        views.show_problems(made.problems)
        views.show_plan(made)
    return ExitCode.OK


def _agreed(plans: Sequence[Plan], limits: Limits, options: Options) -> bool:
    """Return True if the user wants to spend what the plans cost. Raises UsageError where nobody
    can be asked and no cap is set.
    """
    if options.sandbox or options.yes or all(map(_is_free, plans)):
        return True
    if sys.stdin.isatty() and sys.stderr.isatty():
        for made in plans:
            views.show_plan(made)
        return click.confirm("Buy this?", default=False, err=True)
    if (limits.max_spend, limits.max_tasks, limits.max_seconds) != (None, None, None):
        return True
    number = sum(len(buys(made)) for made in plans)
    raise UsageError(
        f"{number} to buy, and not a terminal: pass -y,"
        " or set a cap such as --max-spend (see klingflow plan)"
    )


def _is_free(plan: Plan) -> bool:
    amounts, unknown = cost(plan)
    return not unknown and not any(amounts.values())


def _limits(manifests: Sequence[Manifest], options: Options) -> Limits:
    """Return the strictest of the manifests' limits, under the flags. Raises UsageError."""
    try:
        return under_flags(tightest([m.limits for m in manifests]), asdict(options))
    except ValueError as error:
        raise UsageError(str(error)) from error

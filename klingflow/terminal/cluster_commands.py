"""What the commands of a cluster do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from klingflow.api import cluster_place, clusters, links, site
from klingflow.api.cluster_place import Place
from klingflow.api.running import Result
from klingflow.cluster.account import Settings
from klingflow.cluster.status import Status
from klingflow.decide.consent import Word, covers_uncounted
from klingflow.errors import ExitCode, UsageError
from klingflow.manifest.limits import under_flags
from klingflow.model import Limits, Manifest
from klingflow.terminal import console, progress, result_views
from klingflow.terminal.options import Options
from klingflow.words import _

# What lifts the limit of an account's money.
NO_LIMIT: Final = "none"

if TYPE_CHECKING:
    from klingflow.cluster.temporal.client import Host
    from klingflow.runner.context import Job


def desk(account: str | None, said: Mapping[str, Any], *, stop: bool, resume: bool) -> int:
    """`klingflow desk`."""
    status, hosts = clusters.ask_desk(account, settings_of(said), stop=stop, go_on=resume)
    if status is not None:
        _show(status)
    elif hosts:
        console.say(_("No desk yet: it begins with the first batch (run FILE --cluster)."))
    else:
        console.say(_("No host is here, so no desk answers; `klingflow worker` starts one."))
    _show_hosts(hosts, status.hosts if status else {})
    return ExitCode.OK


def run(
    jobs: list[Job],
    key: str,
    limits: Limits,
    place: Place,
    options: Options,
    used: str | None,
) -> Result:
    """`klingflow run --cluster`, with ledgers held and the user's word given. What was handed over
    for good is no unfinished business of this command.
    """
    word = Word(sandbox=options.sandbox, yes=options.yes, terminal=console.can_ask())
    with progress.watching(
        [job.plan for job in jobs],
        log=options.log,
        quiet=options.quiet,
        verbose=options.verbose,
        plain=options.no_progress,
        limits=limits,
    ) as watch:
        result = clusters.run(
            jobs[0],
            key,
            limits,
            place,
            emit=watch.emit,
            abort=watch.abort,
            detach=options.detach,
            used=used,
            goes_on=covers_uncounted(word, saved=options.plan is not None),
        )
    for line in watch.lost:
        console.warn(line)
    sites, books = [job.site for job in jobs], [job.ledger.book for job in jobs]
    result_views.show_result(result, sites, books, quiet=options.quiet)
    if not options.detach:
        return result
    console.say(_("Handed over. `klingflow run FILE --cluster` follows, `klingflow desk` shows."))
    return replace(result, exit_code=ExitCode.OK)


def only_begins(jobs: Sequence[Job], place: Place | None) -> bool:
    """True if a run at a cluster ends once it has written the lock, which is to be committed."""
    return place is not None and clusters.is_uncommitted(jobs[0])


def place_of(
    stack: ExitStack, manifests: Sequence[Manifest], base_url: str, options: Options
) -> Place:
    """Return the cluster of a run: what the environment names, or a demo started for this run.

    Raises UsageError for several manifests, and where there is no cluster.
    """
    _refuse_without_effect(options)
    if len(manifests) > 1:
        raise UsageError(
            _("--cluster takes one manifest at a time: run each by a command of its own")
        )
    if not options.sandbox:
        return cluster_place.place_in(os.environ, options.account)
    try:
        from klingflow.api.cluster_demo import demo  # an extra
    except ImportError as error:
        raise cluster_place.engine_missing() from error
    if options.detach:
        raise UsageError(_("--detach: the cluster of --sandbox ends with this run"))
    here = site.site_of(manifests[0].path, options.wish)
    folder = here.server.parent / "cluster"
    links.check_below(folder)  # server and hosts write there, and know nothing of the manifest
    if not options.quiet:  # a slow machine would be silent for most of a minute
        console.say(_("Starting a server and two hosts on this machine, for this run."))
    return cluster_place.demo_place(folder, stack.enter_context(demo(folder, base_url)))


def _refuse_without_effect(options: Options) -> None:
    """Raise UsageError for options of a run that hosts would not heed."""
    of_the_desk = {"--max-running": options.max_running, "--submit": options.submit}
    if given := [name for name, value in of_the_desk.items() if value is not None]:
        raise UsageError(
            _(
                "{given}: at a cluster this is a limit of the account, for all films together:"
                " klingflow desk {given} N",
                given=given[0],
            )
        )
    if options.fail_fast:
        raise UsageError(_("--fail-fast does not work at a cluster; Ctrl-C once stops buying"))


def settings_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, as the desk takes it. Raises UsageError."""
    is_lifted = said["max_spend"] == NO_LIMIT
    try:
        limits = under_flags(Limits(), {**said, "max_spend": None} if is_lifted else said)
    except ValueError as error:
        raise UsageError(str(error)) from None
    told = Settings(limits.submit, limits.max_running, limits.max_spend).as_json()
    return {name: told[name] for name, value in said.items() if value is not None}


def _show_hosts(hosts: Sequence[Host], sent: Mapping[str, int]) -> None:
    """Show what each host does, and how many creates each has sent for this desk."""
    here: dict[str, Counter[str]] = {}
    for host in hosts:  # the desk counts what a host sends, whichever of its workers does
        here.setdefault(host.name, Counter(workers=0)).update({**host.doing, "workers": 1})
    for name, doing in here.items():
        workers = doing["workers"]
        console.say(
            _(
                "  host {host}{several}: {buying} being bought, {polled} polled,"
                " {brought} being brought; {sent} sent so far",
                host=name,
                several=_(" ({workers} workers)", workers=workers) if workers > 1 else "",
                buying=doing["buy"],
                polled=doing["watch"],
                brought=doing["bring"],
                sent=sent.get(name, 0),
            )
        )
    for name, number in sent.items():
        if name not in here:
            console.say(_("  host {host}: gone; {sent} sent", host=name, sent=number))


def _spend(status: Status) -> str:
    """Return what is set aside, and of how much where that is limited."""
    spend = f"{Decimal(status.spend):.2f}"
    if status.max_spend is not None:
        spend = _("{spend} of {most}", spend=spend, most=f"{Decimal(status.max_spend):.2f}")
    return f"{spend} {status.currency or ''}".strip()


def _show(status: Status) -> None:
    console.say(
        _(
            "{running} of {places} running, {per_minute:g} creates a minute, {spend} set aside",
            running=status.running,
            places=status.places,
            per_minute=status.per_minute,
            spend=_spend(status),
        )
    )
    if status.halted:
        why, out = status.halted, status.way_out
        console.warn(_("Buys nothing: {halted} ({way_out})", halted=why, way_out=out))
    for batch in status.batches:
        left = batch.waiting + 100 * batch.unread
        said = batch.missing or batch.why
        why = _(", {why}", why=said) if said else ""
        console.say(
            _(
                "  {film}: {live} on their way, about {left} wait{why}",
                film=batch.film,
                live=batch.live,
                left=left,
                why=why,
            )
        )

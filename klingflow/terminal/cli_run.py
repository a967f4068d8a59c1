"""The commands that write the ledger: run, fetch and resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from klingflow.terminal import flags
from klingflow.terminal.options import Options
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.decide.resolve import Verdict


@click.command()
@flags.files_or_plan
@flags.var
@flags.profile
@flags.approved
@flags.selection
@flags.rerun
@flags.buy_again
@flags.same_film
@flags.limits
@click.option(
    "--plan",
    metavar="PLAN",
    type=click.Path(dir_okay=False),
    shell_complete=flags.completed_by("plans"),
    help="Execute exactly this plan, saved by `plan -o`, once.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("-x", "--fail-fast", is_flag=True, help="Buy nothing more once a shot has failed.")
@click.option("-y", "--yes", is_flag=True, help="Buy without asking.")
@click.option(
    "--sandbox", is_flag=True, help="Against a sandbox started for this run: no key, no money."
)
@click.option(
    "--cluster",
    is_flag=True,
    help="Let the hosts of KLINGFLOW_CLUSTER buy (docs/past-one-machine.md).",
)
@click.option("--detach", is_flag=True, help="With --cluster: hand over, and do not wait.")
@flags.account
@flags.gateway
@flags.no_black_box
@click.option(
    "--notify",
    metavar="URL",
    help="POST how the run ended to this address; wins over KLINGFLOW_NOTIFY.",
)
@flags.showing
def run(files: tuple[str, ...], **options: Any) -> int:
    """Buy what the plan says, wait for it and download it. Run it again to resume.

    \b
    klingflow run film.yaml --sandbox
    klingflow run film.yaml --max-spend 50
    klingflow run act1.yaml act2.yaml -y -j 10 --submit 60/1m --log run.jsonl
    klingflow run film.yaml -s "opening,tag:ext" --rerun failed
    klingflow run film.yaml --rerun rejected           # one more take where none is left
    klingflow run film.yaml -s alley --buy-again       # although it was paid for elsewhere
    klingflow run film.yaml --same-film                # in a second clone, said once
    klingflow run --plan film.plan.json                # exactly what `plan -o` has saved
    klingflow run film.yaml --cluster                  # on all hosts that run `klingflow worker`

    Nothing that was bought is bought again. Ctrl-C once stops buying and leaves in good order;
    twice leaves at once. What is given here wins over the manifest's run: block. The key comes from
    KLINGFLOW_API_KEY (environment or .env), the address from --gateway, KLINGFLOW_BASE_URL or the
    manifest's gateway.base_url.

    Before anything is bought a terminal is asked, unless -y is given. Without a terminal, -y or a
    cap given here (--max-spend, --max-tasks, --max-seconds) is needed. Where key and address come
    from different places, each new address is asked about once, also with -y.
    """
    from klingflow.terminal import run_commands  # for start-up

    if not files and options["plan"] is None:
        raise click.UsageError(_("Missing argument 'FILE...'."))
    if options["detach"] and not options["cluster"]:
        raise click.UsageError(_("--detach goes with --cluster"))
    return run_commands.run(files, Options(**options))


@click.command()
@flags.files
@flags.var
@flags.profile
@flags.selection
@click.option("--sandbox", is_flag=True, help="The sandbox's purchases, not the real ones.")
@flags.gateway
@flags.same_film
@flags.no_black_box
@flags.showing
def fetch(files: tuple[str, ...], **options: Any) -> int:
    """Poll and download what was already bought. Can never spend.

    \b
    klingflow fetch film.yaml
    klingflow fetch film.yaml -s opening
    klingflow fetch film.yaml --sandbox      # what was bought by run --sandbox
    """
    from klingflow.terminal import run_commands  # for start-up

    return run_commands.fetch(files, Options(**options))


@click.command()
@flags.file
@click.argument("shot", required=False, shell_complete=flags.completed_by("shots"))
@flags.var
@flags.profile
@flags.selection
@flags.sandbox
@flags.gateway
@flags.no_black_box
@click.option(
    "--task",
    metavar="ID",
    help="It was bought: this is its task id. Also takes over a task bought elsewhere.",
)
@click.option(
    "--abandon",
    is_flag=True,
    help="Let it go: it is no longer held, and only --rerun failed buys it.",
)
@click.option(
    "--not-charged",
    is_flag=True,
    help="With --abandon: it cost nothing, so a budget counts it no more.",
)
@click.option("--resubmit", is_flag=True, help="It was not bought: the next run buys it.")
@click.option(
    "--force",
    is_flag=True,
    help="With --task: take the id although the gateway contradicts it or cannot be asked.",
)
@click.option("-y", "--yes", is_flag=True, help="With -s: settle without asking.")
@flags.quiet
def resolve(
    file: str,
    shot: str | None,
    task: str | None,
    abandon: bool,
    not_charged: bool,
    resubmit: bool,
    force: bool,
    **options: Any,
) -> int:
    """Settle a purchase that is in doubt: the only way out of it.

    \b
    klingflow resolve film.yaml opening --task task_uS28Df3npjkc
    klingflow resolve film.yaml opening --abandon
    klingflow resolve film.yaml opening --abandon --not-charged
    klingflow resolve film.yaml opening --resubmit
    klingflow resolve film.yaml -s state:in_doubt --abandon       # all of them, after asking

    Look into your account at the gateway first; klingflow status FILE says when the request went
    out and what came back. With --task the gateway is asked as well: a task that it does not know,
    that is billed as another tier or was created at another time is refused, unless you pass
    --force. --abandon and --resubmit also settle a parked task. For a task that failed, --task with
    its own id asks the gateway once more, and --abandon --not-charged says that it cost nothing.

    A shot that hosts of a cluster may be buying needs KLINGFLOW_CLAIMS: its order is taken back
    first, or the answer of the host that has claimed it is waited for.
    """
    from klingflow.terminal import resolve_commands  # for start-up

    has_task = task is not None
    if not_charged and not abandon:
        raise click.UsageError(_("--not-charged goes with --abandon"))
    if [has_task, abandon, resubmit].count(True) != 1:
        raise click.UsageError(_("pass exactly one of --task ID, --abandon and --resubmit"))
    if force and not has_task:
        raise click.UsageError(_("--force goes with --task ID"))
    verdict = _verdict(abandon=abandon, not_charged=not_charged)
    given = Options(**options)
    selects = bool(given.select or given.exclude)
    if selects == (shot is not None):
        raise click.UsageError(_("name one SHOT, or several by -s such as -s state:in_doubt"))
    if shot is not None:
        return resolve_commands.resolve(file, shot, given, task, verdict, force)
    if has_task:
        raise click.UsageError(_("--task is for one SHOT"))
    return resolve_commands.resolve_many(file, given, verdict)


def _verdict(*, abandon: bool, not_charged: bool) -> Verdict:
    if not abandon:
        return "resubmit"
    return "not_charged" if not_charged else "abandon"

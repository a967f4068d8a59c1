"""The command line: parse, call `klingflow.terminal.commands`, return an exit code.

Nothing heavy is imported here, because `klingflow --help` has to answer at once: each command
imports what it does when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from klingflow import __version__
from klingflow.errors import ExitCode, KlingflowError
from klingflow.runner import signals
from klingflow.terminal.cli_lock import lock

F = TypeVar("F", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

EXIT_CODES = """\b
Exit codes:
  0 all is well · 1 internal error · 2 usage or invalid manifest
  3 some shots failed · 4 something is in doubt or parked · 5 nothing selected
  6 plan --check: something would be bought · 7 the gateway refuses us (key, quota)
  8 a cap was reached · 11 another runner holds the ledger · 130 interrupted"""


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_file = click.argument("file", type=click.Path(dir_okay=False))
_files = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False)
)
_shot = click.argument("shot")
_var = click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="K=V",
    help="Set one of the manifest's vars. May be repeated.",
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="Errors only.")
_sandbox = click.option(
    "--sandbox", is_flag=True, help="The sandbox's ledger and outputs, not the real ones."
)
_no_black_box = click.option(
    "--no-black-box",
    is_flag=True,
    help="Do without the copy of every purchase in the user's state folder (KLINGFLOW_STATE_DIR).",
)
_selection = _together(
    click.option(
        "-s",
        "--select",
        multiple=True,
        metavar="WHAT",
        help="Which shots: opening, 'opening#2', 'postcard@*', tag:x, state:failed. A space is 'or', a comma 'and'.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="WHAT", help="Which shots not, written the same."
    ),
)
_rerun = click.option(
    "--rerun",
    multiple=True,
    type=click.Choice(["changed", "failed"]),
    help="Buy again what changed, or what failed. Costs money.",
)


def _format(*names: str) -> Callable[[F], F]:
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], show_default=True
    )


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="klingflow")
def cli() -> None:
    """Batches of AI video from a YAML manifest, with nothing bought twice.

    \b
    klingflow init my-film && cd my-film       a small pipeline to start from
    klingflow run film.yaml --sandbox          try it: no key, no money, no network
    klingflow plan film.yaml                   what would be bought, and what it costs
    klingflow run film.yaml                    buy, wait, download; run it again to resume
    """


@cli.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
def init(folder: str) -> int:
    """Write a small pipeline that runs in the sandbox.

    \b
    klingflow init               here
    klingflow init my-film       in a new folder

    Writes film.yaml, prices.yaml, .gitattributes and .env.example; a file that exists is left
    alone.
    """
    from klingflow.terminal import commands

    return commands.init(folder)


@cli.command()
@_files
@_var
@_format("text", "json", "github")
@_quiet
def validate(files: tuple[str, ...], variables: tuple[str, ...], form: str, quiet: bool) -> int:
    """Check manifests, without network.

    \b
    klingflow validate film.yaml
    klingflow validate pipelines/*.yaml --format github    annotations in a pull request

    Shows every mistake at once, each with its line and column. Exit 2 if there is one; warnings
    alone are exit 0.
    """
    from klingflow.terminal import commands

    return commands.validate(files, variables, form, quiet)


@cli.command()
@_file
@_var
@_selection
@_format("json", "jsonl", "yaml")
@click.option(
    "--origins",
    is_flag=True,
    help="Also say where in the manifest each value of a body was written.",
)
def render(file: str, form: str, origins: bool, **options: Any) -> int:
    """Print the request bodies, with fingerprints and predicted tiers.

    \b
    klingflow render film.yaml
    klingflow render film.yaml -s opening --format yaml --origins
    klingflow render film.yaml --format jsonl       a line for each shot
    """
    from klingflow.terminal import commands

    return commands.render(file, commands.Options(**options), form, origins)


@cli.command()
@_file
@_var
@_selection
@_rerun
@_sandbox
@_no_black_box
@_format("text", "json")
@click.option("--check", is_flag=True, help="Exit 6 if anything would be bought.")
@_quiet
def plan(file: str, form: str, check: bool, **options: Any) -> int:
    """Show what a run would do, and what it costs. Buys nothing, needs no network.

    \b
    klingflow plan film.yaml
    klingflow plan film.yaml -s tag:act1 --rerun changed
    klingflow plan film.yaml --check        in CI: exit 6 if anything would be bought

    \b
    Marks:
      + create: will be bought          = keep: bought, and here
      ↻ resume: bought, not finished    ↓ download: its file is missing
      ~ changed since, and kept         ! failed, or held at another gateway
      ? in doubt: perhaps bought        … waits for another shot
      - orphan: bought, no longer in the manifest
    """
    from klingflow.terminal import commands

    return commands.plan(file, commands.Options(**options), form, check)


_limits = _together(
    click.option(
        "-j",
        "--max-running",
        type=click.IntRange(1),
        help="Unfinished tasks at the gateway at once.",
    ),
    click.option("--submit", metavar="RATE", help="Creates per period, such as 30/1m."),
    click.option("--max-spend", metavar="AMOUNT", help="Buy for at most this much in this run."),
    click.option(
        "--max-tasks", type=click.IntRange(0), help="Buy at most this many tasks in this run."
    ),
    click.option(
        "--max-seconds",
        type=click.IntRange(0),
        help="Buy at most this many seconds of video in this run.",
    ),
)
_showing = _together(
    click.option("--no-progress", is_flag=True, help="Plain lines, even on a terminal."),
    click.option(
        "--log",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Append events as JSON Lines.",
    ),
    _quiet,
    click.option("-v", "--verbose", is_flag=True, help="Also show every poll and pause."),
)


@cli.command()
@_files
@_var
@_selection
@_rerun
@_limits
@click.option("-n", "--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("-x", "--fail-fast", is_flag=True, help="Buy nothing more once a shot has failed.")
@click.option("-y", "--yes", is_flag=True, help="Spend without asking.")
@click.option(
    "--sandbox", is_flag=True, help="Against a sandbox started for this run: no key, no money."
)
@_no_black_box
@_showing
def run(files: tuple[str, ...], **options: Any) -> int:
    """Buy what the plan says, wait for it and download it. Run it again to resume.

    \b
    klingflow run film.yaml --sandbox
    klingflow run film.yaml --max-spend 50
    klingflow run act1.yaml act2.yaml -y -j 10 --submit 60/1m --log run.jsonl
    klingflow run film.yaml -s "opening,tag:ext" --rerun failed

    Nothing that was bought is bought again. Ctrl-C once stops buying and leaves in good order;
    twice leaves at once. What is given here wins over the manifest's run: block. The key comes from
    KLINGFLOW_API_KEY (environment or .env), the address from KLINGFLOW_BASE_URL or the manifest's
    gateway.base_url.
    """
    from klingflow.terminal import commands

    return commands.run(files, commands.Options(**options))


@cli.command()
@_file
@_var
@_selection
@click.option("--sandbox", is_flag=True, help="The sandbox's purchases, not the real ones.")
@_no_black_box
@_showing
def fetch(file: str, **options: Any) -> int:
    """Poll and download what was already bought. Can never spend.

    \b
    klingflow fetch film.yaml
    klingflow fetch film.yaml -s opening
    klingflow fetch film.yaml --sandbox      what was bought by run --sandbox
    """
    from klingflow.terminal import commands

    return commands.fetch(file, commands.Options(**options))


@cli.command()
@_file
@_var
@_selection
@_sandbox
@_no_black_box
@_format("text", "json")
def status(file: str, form: str, **options: Any) -> int:
    """Say what the ledger knows of each shot. No network, nothing is changed.

    \b
    klingflow status film.yaml
    klingflow status film.yaml -s state:in_doubt --format json
    """
    from klingflow.terminal import commands

    return commands.status(file, commands.Options(**options), form)


@cli.command()
@_file
@_shot
@_var
@_sandbox
@_no_black_box
@_format("text", "json")
def why(file: str, shot: str, form: str, **options: Any) -> int:
    """Say what has changed in a shot since it was bought.

    \b
    klingflow why film.yaml alley
    klingflow why film.yaml 'opening#2'      one take of several

    Each value, old → new, with the line that sets it.
    """
    from klingflow.terminal import commands

    return commands.why(file, shot, commands.Options(**options), form)


@cli.command()
@_file
@_shot
@_var
@_sandbox
@_no_black_box
@click.option(
    "--task",
    metavar="ID",
    help="It was bought: this is its task id. Also adopts one bought elsewhere.",
)
@click.option("--abandon", is_flag=True, help="It was not bought, or is lost: stop holding it.")
@click.option("--resubmit", is_flag=True, help="It was not bought: the next run buys it.")
@click.option(
    "--force",
    is_flag=True,
    help="With --task: take the id although the gateway's word does not fit, or is not to be had.",
)
def resolve(
    file: str,
    shot: str,
    task: str | None,
    abandon: bool,
    resubmit: bool,
    force: bool,
    **options: Any,
) -> int:
    """Settle a purchase that is in doubt: the only way out of it.

    \b
    klingflow resolve film.yaml opening --task task_uS28Df3npjkc
    klingflow resolve film.yaml opening --abandon
    klingflow resolve film.yaml opening --resubmit

    Look into your account at the gateway first; klingflow status FILE says when the request went out and what came
    back. With --task the gateway is asked, too: a task that it does not know, that is billed as another tier or was
    created at another time is refused, unless you say --force. Also settles a task that is parked. Of one that failed,
    --task with its own id asks the gateway once more.
    """
    from klingflow.terminal import commands

    if (task is not None) + abandon + resubmit != 1:
        raise click.UsageError("say exactly one of --task ID, --abandon and --resubmit")
    if force and task is None:
        raise click.UsageError("--force goes with --task ID")
    verdict = "abandon" if abandon else "resubmit"
    return commands.resolve(file, shot, commands.Options(**options), task, verdict, force)


cli.add_command(lock)


@cli.command()
@click.argument("name", metavar="[NAME]", default="manifest")
def schema(name: str) -> int:
    """Print the JSON Schema of one of klingflow's files.

    \b
    klingflow schema manifest > manifest.schema.json
    klingflow schema prices

    NAME is manifest (the default), request, lock, run-manifest or prices.
    """
    from klingflow.terminal import commands

    return commands.schema(name)


@cli.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False))
def doctor(file: str | None) -> int:
    """Check installation, key and address, without spending.

    \b
    klingflow doctor
    klingflow doctor film.yaml      also that manifest, its ledger and its outputs
    """
    from klingflow.terminal import commands

    return commands.doctor(file)


@cli.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="To listen on; 0 takes a free one.",
)
@click.option(
    "--task-time",
    default="5s",
    show_default=True,
    help="How long a task takes: 5s, or lognormal:MEDIAN,P95 such as lognormal:90s,240s.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="STAGE:NAME[=WHEN]",
    help="Misbehave: create:drop_after=0.05 for that share, query:html502=first:3, query:url_none for always.",
)
@click.option("--list-faults", is_flag=True, help="Print every fault there is, and stop.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the faults and the task times."
)
@click.option("--rate", metavar="RATE", help="Answer 429 to creates above this, e.g. 30/1m.")
@click.option(
    "--max-running",
    type=click.IntRange(1),
    help="Answer 429 to creates above this many unfinished tasks.",
)
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Keep tasks and charges here over restarts.",
)
@click.option("--plain-clips", is_flag=True, help="Small fixed clips, even with the media extra.")
def sandbox(**options: Any) -> int:
    """Serve a double of the gateway on this machine, for trying.

    \b
    klingflow sandbox --port 8765 --task-time lognormal:90s,240s
    klingflow sandbox --fault create:drop_after=0.05 --fault query:html502=0.1 --seed 7
    KLINGFLOW_BASE_URL=http://127.0.0.1:8765 KLINGFLOW_API_KEY=any klingflow run film.yaml -y

    Real HTTP and the rules of the gateway's document, no money. What was charged and refunded: GET
    /sandbox/ledger.
    """
    from klingflow.terminal import commands

    return commands.sandbox(options)


def main() -> NoReturn:
    """The `klingflow` entry point: the one place where errors become exit codes."""
    try:
        signals.as_ctrl_c()
        code = _exit_code(sys.argv[1:])
        signals.ignored()
    except KeyboardInterrupt:  # while an error was being shown
        code = ExitCode.INTERRUPTED
    from klingflow.terminal import console

    console.flush()
    sys.exit(code)


def _exit_code(arguments: list[str]) -> int:
    try:
        return int(cli.main(arguments, prog_name="klingflow", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except KlingflowError as error:
        from klingflow.terminal import console

        console.error(error)
        return error.exit_code
    except Exception as error:
        from klingflow.terminal import console

        console.crash(error)
        return ExitCode.INTERNAL

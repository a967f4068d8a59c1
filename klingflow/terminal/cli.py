"""The command line: what `klingflow --help` says, and the one place where errors become exit codes.

Nothing heavy is imported here or in the modules of the commands, because `klingflow --help` has to
answer at once: each command imports what it does when it runs.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NoReturn

import click

from klingflow import __version__
from klingflow.errors import ExitCode, KlingflowError
from klingflow.runner import signals
from klingflow.terminal import (
    cli_cluster,
    cli_cut,
    cli_look,
    cli_pick,
    cli_read,
    cli_run,
    cli_setup,
    language,
    streams,
)
from klingflow.terminal.cli_lock import lock
from klingflow.words import _

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# The variable by which a shell asks for completions; click makes it from the program's name.
ASKED_AT_TAB = "_klingflow_complete".upper()

EXIT_CODES = """\b
Exit codes:
  0 all is well · 1 internal error, or the ledger cannot be read or written
  2 usage or invalid manifest · 3 some shots failed
  4 something is in doubt or not finished · 5 nothing selected
  6 plan --check: something would be bought
  7 the gateway refuses all requests (key, quota)
  8 a cap or the budget was reached · 11 another runner holds the ledger · 130 interrupted"""


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="klingflow")
def cli() -> None:
    """Batches of AI video from a YAML manifest, with nothing bought twice.

    \b
    klingflow init my-film && cd my-film       # a small pipeline to start from
    klingflow run film.yaml --sandbox          # try it: no key, no money, no network
    klingflow plan film.yaml                   # what would be bought, and what it costs
    klingflow run film.yaml                    # buy, wait, download; run it again to resume
    """


for _command in (
    *(cli_setup.init, cli_setup.schema, cli_setup.completion, cli_setup.doctor),
    cli_setup.sandbox,
    *(cli_read.validate, cli_read.render, cli_read.plan, cli_read.status, cli_read.why),
    cli_read.refs,
    *(cli_run.run, cli_run.fetch, cli_run.resolve),
    *(cli_pick.pick, cli_pick.reject, cli_pick.unpick),
    *(cli_cut.export, cli_cut.preview),
    *(cli_look.review, cli_look.report),
    *(cli_cluster.worker, cli_cluster.desk),
    lock,
):
    cli.add_command(_command)


def main() -> NoReturn:
    """The `klingflow` entry point. Here alone errors become exit codes; it ends the process."""
    if ASKED_AT_TAB in os.environ:
        from klingflow.terminal import completing  # for start-up

        completing.register()
    try:
        signals.as_ctrl_c()
        _escape_the_unencodable()
        code = _exit_code(sys.argv[1:])
        signals.ignored()
    except KeyboardInterrupt:  # while an error was being shown
        code = ExitCode.INTERRUPTED
    streams.flush()
    # Python's own end would abort the process where a thread of an engine or of a store still hands
    # over an answer (temporalio/sdk-python#300). Nothing is left to do: files are closed by `with`.
    os._exit(code)


def _escape_the_unencodable() -> None:
    """Let stdout and stderr escape each character that their encoding lacks.

    A terminal or a pipe need not be UTF-8: without this, the first such line would take all that
    follows with it, and a run would buy unseen.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _in_the_persons_language() -> click.Group:
    if not language.speak(language.chosen()):
        return cli
    from klingflow.terminal import translated  # for start-up: English needs none of it

    return translated.speaking(cli)


def _exit_code(arguments: list[str]) -> int:
    try:
        commands = _in_the_persons_language()
        return int(commands.main(arguments, prog_name="klingflow", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except KlingflowError as error:
        from klingflow.terminal import console  # for start-up

        console.error(error)
        return error.exit_code
    except Exception as error:
        if signals.broke_off_an_import(error):
            return ExitCode.INTERRUPTED
        from klingflow.terminal import console  # for start-up

        if _is_nowhere(error):
            console.error(
                KlingflowError(
                    _("the folder in which you are was deleted; go into one that is there (cd)")
                )
            )
        else:
            console.crash(error)
        return ExitCode.INTERNAL


def _is_nowhere(error: Exception) -> bool:
    """True if the working folder was deleted, so that a relative path leads nowhere."""
    if not isinstance(error, FileNotFoundError):
        return False
    try:
        os.getcwd()  # noqa: PTH109 `pathlib` is slow to import
    except FileNotFoundError:
        return True
    return False

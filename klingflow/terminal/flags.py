"""The flags and arguments that several commands share, as a person types them.

options.py holds the record that they fill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from klingflow.words import _

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from klingflow.terminal.completing import Completer

F = TypeVar("F", bound=Callable[..., Any])


class Flag(Protocol):
    """What gives a command one or several options or arguments."""

    def __call__(self, command: F, /) -> F: ...


def together(*options: Flag) -> Flag:
    """Make one decorator of several options, in the order in which `--help` shows them."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class FilePath(click.Path):
    """A path to a file, which need not be there; a folder is refused with the files in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        from pathlib import Path  # for start-up

        path = str(super().convert(value, param, ctx))
        if Path(path).is_dir():
            from klingflow.api import nearby  # for start-up

            self.fail(_("{path}: {folder}", path=path, folder=nearby.folder(path)), param, ctx)
        return path


def completed_by(name: Completer) -> Callable[..., list[CompletionItem]]:
    """Return what completes a value at TAB, by the name of its row in completing.py."""

    def complete(ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
        from klingflow.terminal.completing import COMPLETERS  # for start-up

        return COMPLETERS[name](ctx, text)

    return complete


file: Flag = click.argument("file", type=FilePath(), shell_complete=completed_by("manifests"))
files: Flag = click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=FilePath(),
    shell_complete=completed_by("manifests"),
)
files_or_plan: Flag = click.argument(
    "files", metavar="FILE...", nargs=-1, type=FilePath(), shell_complete=completed_by("manifests")
)
shot: Flag = click.argument("shot", shell_complete=completed_by("shots"))
var: Flag = click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="K=V",
    help="Set one of the manifest's vars, as KLINGFLOW_VAR_<name> does. May be repeated.",
)


def _named(_ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Return the name of a profile, "" where none is given. An empty one is a variable of a shell
    that is not set: it must not mean the film itself, which costs more.
    """
    if value is not None and not value.strip():
        raise click.BadParameter(_("it is empty; name a profile, or leave it out"), param=param)
    return value or ""


profile: Flag = click.option(
    "--profile",
    metavar="NAME",
    callback=_named,
    shell_complete=completed_by("profiles"),
    help="The drafts that this profile of the manifest makes, with a ledger of their own.",
)
approved: Flag = click.option(
    "--approved",
    metavar="NAME",
    callback=_named,
    shell_complete=completed_by("profiles"),
    help="Only shots of which a draft of this profile is picked, and is as the manifest says.",
)
quiet: Flag = click.option("-q", "--quiet", is_flag=True, help="Errors only.")
sandbox: Flag = click.option(
    "--sandbox", is_flag=True, help="The sandbox's ledger and outputs, not the real ones."
)
no_black_box: Flag = click.option(
    "--no-black-box",
    is_flag=True,
    help="Do without the copy of every purchase in the user's state folder (KLINGFLOW_STATE_DIR).",
)
same_film: Flag = click.option(
    "--same-film",
    is_flag=True,
    help="What other copies of this ledger bought on this machine is this film's. Say it once.",
)
buy_again: Flag = click.option(
    "--buy-again",
    is_flag=True,
    help="Buy what -s selects although the same was paid for elsewhere, or under another id.",
)
gateway: Flag = click.option(
    "--gateway",
    metavar="URL",
    help="The gateway's address; wins over KLINGFLOW_BASE_URL, .env and the manifest.",
)
account: Flag = click.option(
    "--account",
    metavar="NAME",
    help="Whose key the workers have; by default the gateway's host (KLINGFLOW_BASE_URL).",
)
selection: Flag = together(
    click.option(
        "-s",
        "--select",
        multiple=True,
        metavar="WHAT",
        shell_complete=completed_by("selections"),
        help="Which shots: opening, 'opening#2', 'postcard@*', tag:x, state:failed, pick:rejected."
        " A space is 'or', a comma 'and'.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="WHAT",
        shell_complete=completed_by("selections"),
        help="Which shots not, written the same.",
    ),
)
rerun: Flag = click.option(
    "--rerun",
    multiple=True,
    type=click.Choice(["changed", "failed", "rejected"]),
    help="Buy again what changed or failed, or one more take of what is rejected. Costs money.",
)


def form(*names: str) -> Flag:
    """Return the option for how the output is written; the first name is the default."""
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], show_default=True
    )


caps: Flag = together(
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
limits: Flag = together(
    click.option(
        "-j",
        "--max-running",
        type=click.IntRange(1),
        help="Unfinished tasks at the gateway at once.",
    ),
    click.option("--submit", metavar="RATE", help="Creates per period, such as 30/1m."),
    caps,
)
showing: Flag = together(
    click.option("--no-progress", is_flag=True, help="Plain lines, even on a terminal."),
    click.option(
        "--log",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Append events as JSON Lines.",
    ),
    quiet,
    click.option(
        "-v", "--verbose", is_flag=True, help="Also show every poll and pause, and what is kept."
    ),
)

"""The commands that write the picks file: pick, reject and unpick. As thin as
klingflow.terminal.cli.
"""

from __future__ import annotations

from typing import Any

import click

from klingflow.terminal import flags
from klingflow.terminal.options import Options

_takes = click.argument(
    "takes",
    metavar="SHOT[#TAKE]...",
    nargs=-1,
    required=True,
    shell_complete=flags.completed_by("shots"),
)
_note = click.option("--note", default="", metavar="TEXT", help="Why, for people.")


@click.command()
@flags.file
@click.argument("take", metavar="SHOT#TAKE", shell_complete=flags.completed_by("shots"))
@_note
@flags.var
@flags.profile
@flags.sandbox
@flags.no_black_box
@flags.quiet
def pick(file: str, take: str, note: str, **options: Any) -> int:
    """Say which take of a shot is the good one.

    \b
    klingflow pick film.yaml 'opening#2'
    klingflow pick film.yaml alley             # the only take of its shot

    The pick names the video that is there now: where the take is bought again, it counts no more.
    Other picks of the shot are taken back. It is kept in FILE's .picks.yaml, which you commit.
    """
    from klingflow.terminal import pick_commands  # for start-up

    return pick_commands.pick(file, take, note, Options(**options))


@click.command()
@flags.file
@_takes
@_note
@flags.var
@flags.profile
@flags.sandbox
@flags.no_black_box
@flags.quiet
def reject(file: str, takes: tuple[str, ...], note: str, **options: Any) -> int:
    """Say which takes are no good.

    \b
    klingflow reject film.yaml 'opening#1' --note 手变形
    klingflow reject film.yaml alley door      # all takes of both shots

    Nothing is deleted, and nothing is bought. `klingflow run FILE --rerun rejected` then buys one
    more take of each shot of which no take is left.
    """
    from klingflow.terminal import pick_commands  # for start-up

    return pick_commands.reject(file, takes, note, Options(**options))


@click.command()
@flags.file
@_takes
@flags.var
@flags.profile
@flags.sandbox
@flags.no_black_box
@flags.quiet
def unpick(file: str, takes: tuple[str, ...], **options: Any) -> int:
    """Take back what was said of takes: picks and rejections.

    \b
    klingflow unpick film.yaml 'opening#1'
    klingflow unpick film.yaml opening         # all that was said of its takes
    """
    from klingflow.terminal import pick_commands  # for start-up

    return pick_commands.unpick(file, takes, Options(**options))

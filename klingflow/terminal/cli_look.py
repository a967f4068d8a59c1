"""The commands that show takes on a page: review and report. As thin as klingflow.terminal.cli."""

from __future__ import annotations

from typing import Any

import click

from klingflow.terminal import flags
from klingflow.terminal.options import Options

# What of the film the page shows.
_which = flags.together(
    click.option(
        "--log",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="The log of a run (run --log): the chart then marks when the gateway was busy.",
    ),
    flags.var,
    flags.profile,
    flags.sandbox,
    flags.no_black_box,
    flags.quiet,
)


@click.command()
@flags.file
@click.option("--no-open", is_flag=True, help="Only say the address; open no browser.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="To listen on; by default a free one."
)
@_which
def review(file: str, no_open: bool, port: int, **options: Any) -> int:
    """Look at all takes on one page, and pick there.

    \b
    klingflow review film.yaml
    klingflow review film.yaml --sandbox --no-open

    Serves the page on this machine alone until Ctrl-C, and opens it in the browser. The page
    follows a run that goes on. What is picked, rejected and noted there is in FILE's .picks.yaml at
    once, as `klingflow pick` writes it.
    """
    from klingflow.terminal import look_commands  # for start-up

    return look_commands.review(file, Options(**options), opens=not no_open, port=port)


@click.command()
@flags.file
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="The folder to write; by default outputs/NAME/report.",
)
@click.option("--copies", is_flag=True, help="Copy videos and images into it, to give it away.")
@_which
def report(file: str, output: str | None, copies: bool, **options: Any) -> int:
    """Write the page of all takes as a folder that opens from disk.

    \b
    klingflow report film.yaml
    klingflow report film.yaml -o for-the-client --copies

    It is the page of `klingflow review`; instead of picking, it copies the command that picks.
    Without --copies it shows the videos where they lie.
    """
    from klingflow.terminal import look_commands  # for start-up

    return look_commands.report(file, output, Options(**options), copies=copies)

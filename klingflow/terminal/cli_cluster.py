"""The commands of a cluster: worker and desk."""

from __future__ import annotations

import click

from klingflow.errors import ExitCode
from klingflow.terminal import flags
from klingflow.words import _


@click.command()
@flags.account
@click.option(
    "-j",
    "--at-once",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Creates of this host at once; as many downloads beside them.",
)
def worker(account: str | None, at_once: int) -> int:
    """Buy and download for a cluster, one worker a host.

    \b
    export KLINGFLOW_CLUSTER=temporal://server:7233/default KLINGFLOW_CLAIMS=/films/.store
    export KLINGFLOW_BASE_URL=https://gateway.example.com KLINGFLOW_API_KEY=...
    klingflow worker

    What is bought is what `run --cluster` has handed over. The key is in this environment and
    nowhere else: no server and no store has it. A termination (SIGTERM, Ctrl-C) finishes the
    creates that are on their way; other hosts go on with the rest.
    """
    from klingflow.api import working  # for start-up
    from klingflow.terminal import console

    working.work(account, at_once, console.say)
    return ExitCode.OK


@click.command()
@flags.account
@click.option("--submit", metavar="RATE", help="Creates per period of all hosts, such as 30/1m.")
@click.option(
    "-j", "--max-running", type=click.IntRange(1), help="Unfinished tasks of all hosts at once."
)
@click.option(
    "--max-spend",
    metavar="AMOUNT",
    help="Buy for at most this much in all; 'none' lifts the limit.",
)
@click.option("--stop", is_flag=True, help="Buy nothing more until --resume.")
@click.option("--resume", is_flag=True, help="Buy again, also after the gateway has refused us.")
def desk(account: str | None, stop: bool, resume: bool, **said: str | int | None) -> int:
    """Show the limits of an account, or set them.

    \b
    klingflow desk
    klingflow desk --submit 60/1m -j 40 --max-spend 500
    klingflow desk --stop

    An account's desk grants every create of all hosts and all films.
    """
    from klingflow.terminal import cluster_commands  # for start-up

    if stop and resume:
        raise click.UsageError(_("pass --stop or --resume, not both"))
    return cluster_commands.desk(account, said, stop=stop, resume=resume)

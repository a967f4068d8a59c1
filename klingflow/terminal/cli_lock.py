"""`klingflow lock`: the command line's group for a ledger as a whole. As thin as
klingflow.terminal.cli.
"""

from __future__ import annotations

from typing import Any

import click

from klingflow.terminal import flags
from klingflow.terminal.options import Options
from klingflow.words import _

_sandbox = click.option("--sandbox", is_flag=True, help="The sandbox's ledger, not the real one.")
_no_black_box = click.option(
    "--no-black-box",
    is_flag=True,
    help="Do without the copy of every purchase in the user's state folder.",
)


@click.group()
def lock() -> None:
    """Look after a ledger: check, merge, move, prune, fork, forget.

    \b
    klingflow lock check film.yaml
    klingflow lock merge film.yaml ../anna/film.lock
    klingflow lock move film.yaml alley alley-night
    klingflow lock prune film.yaml
    """


@lock.command()
@flags.file
@flags.profile
@_sandbox
@_no_black_box
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def check(file: str, form: str, **options: Any) -> int:
    """Verify every line, sum and video of a ledger. Changes nothing.

    \b
    klingflow lock check film.yaml
    klingflow lock check film.yaml --format json

    Each finding has its place and what to do. Exit 1 if the record itself is damaged or contradicts
    itself, 4 if something is in doubt or parked, 3 if a video is missing or damaged or a shot was
    paid for twice. If several apply: 1, 4, 3. Notes alone are exit 0.
    """
    from klingflow.terminal import lock_commands  # for start-up

    return lock_commands.check(file, Options(**options), form)


@lock.command()
@flags.file
@click.argument(
    "others",
    metavar="OTHER...",
    nargs=-1,
    type=click.Path(),
    shell_complete=flags.completed_by("ledgers"),
)
@click.option(
    "--from-box",
    "from_boxes",
    multiple=True,
    metavar="OLD",
    help="Also what the black box knows of the manifest OLD, which may be gone.",
)
@flags.profile
@_sandbox
@_no_black_box
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be taken, and stop.")
def merge(file: str, others: tuple[str, ...], from_boxes: tuple[str, ...], **options: Any) -> int:
    """Take what other ledgers of the same manifest know into this one.

    \b
    klingflow lock merge film.yaml ../anna/film.lock
    klingflow lock merge film.yaml ../pc1/film.yaml ../pc2/film.yaml --dry-run
    klingflow lock merge film.yaml film.lock.damaged
    klingflow lock merge ep1.yaml --from-box /films/old/film.yaml

    OTHER is a .lock file (or .damaged, .journal, .emergency.jsonl), or a manifest or folder: then
    its lock and its journal both count. The result is the same whatever the order; merging twice
    changes nothing. Exit 4 if two ledgers name different tasks for one purchase: find out at the
    gateway which of them is right.
    """
    from klingflow.terminal import lock_commands  # for start-up

    if not (others or from_boxes):
        raise click.UsageError(_("name another ledger, or a manifest with --from-box"))
    return lock_commands.merge(file, others, Options(**options), from_boxes)


@lock.command()
@flags.file
@click.argument("old", shell_complete=flags.completed_by("shots"))
@click.argument("new", shell_complete=flags.completed_by("shots"))
@flags.profile
@_sandbox
@_no_black_box
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be moved, and stop.")
def move(file: str, old: str, new: str, **options: Any) -> int:
    """Give what was bought for one take to another.

    \b
    klingflow lock move film.yaml alley alley-night
    klingflow lock move film.yaml 'opening#2' opening-b
    klingflow lock move film.yaml 'postcard@*' 'card@*' --dry-run

    OLD and NEW are ids (all takes), single takes, or ids with one * each. A shot that was only
    renamed needs none of this: the next run takes its purchase over by itself. This is for one
    whose body changed, too. It costs nothing; files follow with the next run or fetch.
    """
    from klingflow.terminal import lock_commands  # for start-up

    return lock_commands.move(file, old, new, Options(**options))


@lock.command()
@flags.file
@click.option(
    "-s",
    "--select",
    multiple=True,
    metavar="WHAT",
    help="Which orphans, in the words that other commands take.",
)
@click.option(
    "--exclude", multiple=True, metavar="WHAT", help="Which orphans not, written the same."
)
@flags.profile
@_sandbox
@_no_black_box
@click.option("-y", "--yes", is_flag=True, help="Prune without asking.")
def prune(file: str, **options: Any) -> int:
    """Put away what is no longer in the manifest.

    \b
    klingflow lock prune film.yaml
    klingflow lock prune film.yaml -s 'postcard@*' -y

    They go to FILE's .pruned.jsonl, which you commit: what was paid stays on record, counts in the
    totals, and serves its shot again if that comes back. What is in doubt or not finished stays in
    the lock.
    """
    from klingflow.terminal import lock_commands  # for start-up

    return lock_commands.prune(file, Options(**options))


@lock.command()
@flags.file
@flags.profile
def fork(file: str, profile: str) -> int:
    """Make a copy of a ledger a film of its own.

    \b
    klingflow lock fork trailer/film.yaml

    The lock gets a lineage of its own. What it holds stays; what the other copies on this machine
    buy is no longer known here, nor what is bought here there: a body that both want is bought by
    both.
    """
    from klingflow.terminal import lineage_commands  # for start-up

    return lineage_commands.fork(file, profile)


@lock.command()
@flags.file
@flags.profile
@click.option("-y", "--yes", is_flag=True, help="Forget without asking.")
def forget(file: str, profile: str, yes: bool) -> int:
    """Drop what the black box holds of this film.

    \b
    klingflow lock forget film.yaml

    It is dropped for every place on this machine. The lock stays as it is. A purchase that only the
    black box knew is bought again.
    """
    from klingflow.terminal import lineage_commands  # for start-up

    return lineage_commands.forget(file, yes, profile)

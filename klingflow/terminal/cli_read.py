"""The commands that change nothing: validate, render, plan, status, why and refs."""

from __future__ import annotations

from typing import Any

import click

from klingflow.terminal import flags
from klingflow.terminal.options import Options


@click.command()
@flags.files
@flags.var
@flags.profile
@flags.form("text", "json", "github")
@flags.quiet
def validate(files: tuple[str, ...], form: str, **options: Any) -> int:
    """Check manifests, without network.

    \b
    klingflow validate film.yaml
    klingflow validate pipelines/*.yaml --format github    # annotations in a pull request

    Shows every mistake at once, each with its line and column. Exit 2 if there is one; warnings
    alone are exit 0.
    """
    from klingflow.terminal import read_commands  # for start-up

    return read_commands.validate(files, Options(**options), form)


@click.command()
@flags.files
@flags.var
@flags.profile
@flags.selection
@flags.form("json", "jsonl", "yaml")
@click.option(
    "--origins",
    is_flag=True,
    help="Also say where in the manifest each value of a body was written.",
)
def render(files: tuple[str, ...], form: str, origins: bool, **options: Any) -> int:
    """Print the request bodies, with fingerprints and tiers.

    \b
    klingflow render film.yaml
    klingflow render film.yaml -s opening --format yaml --origins
    klingflow render film.yaml --format jsonl       # a line for each shot
    klingflow render act1.yaml act2.yaml            # each with its manifest
    """
    from klingflow.terminal import read_commands  # for start-up

    return read_commands.render(files, Options(**options), form, origins)


@click.command()
@flags.files
@flags.var
@flags.profile
@flags.approved
@flags.selection
@flags.rerun
@flags.buy_again
@flags.same_film
@flags.caps
@flags.sandbox
@flags.gateway
@flags.no_black_box
@flags.form("text", "json")
@click.option(
    "-o",
    "--output",
    "save",
    metavar="PLAN",
    type=click.Path(dir_okay=False),
    help="Also save the plan, for one `run --plan PLAN`.",
)
@click.option("--check", is_flag=True, help="Exit 6 if anything would be bought.")
@flags.quiet
@click.option("-v", "--verbose", is_flag=True, help="Also list what is kept.")
def plan(files: tuple[str, ...], form: str, check: bool, **options: Any) -> int:
    """Show what a run would do, and what it costs. Buys nothing, needs no network.

    \b
    klingflow plan film.yaml
    klingflow plan film.yaml -s tag:act1 --rerun changed
    klingflow plan film.yaml --check        # in CI: exit 6 if anything would be bought
    klingflow plan act1.yaml act2.yaml      # what one run of both would do, under its caps
    klingflow plan film.yaml --max-spend 50 -o film.plan.json
    klingflow run --plan film.plan.json     # buys exactly what that plan says

    \b
    Marks:
      + create: will be bought          = keep: bought, and here
      ↻ resume: bought, not finished    ↓ download: its file is missing
      ~ changed since, and kept         ! failed: not bought again by itself
      ? in doubt: perhaps bought        … waits for another shot
      # held: paid for elsewhere        - orphan: no longer in the manifest
      x left out by a cap or the budget
    Where an encoding lacks ↻ ↓ …, they are r d w.
    """
    from klingflow.terminal import read_commands  # for start-up

    return read_commands.plan(files, Options(**options), form, check)


@click.command()
@flags.files
@flags.var
@flags.profile
@flags.selection
@flags.sandbox
@flags.no_black_box
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Also list every video of each shot, and all that is known of doubts.",
)
@flags.form("text", "json")
def status(files: tuple[str, ...], form: str, **options: Any) -> int:
    """Say what the ledger knows of each shot. No network, nothing is changed.

    \b
    klingflow status film.yaml
    klingflow status film.yaml -s state:in_doubt --format json
    klingflow status act1.yaml act2.yaml
    """
    from klingflow.terminal import read_commands  # for start-up

    return read_commands.status(files, Options(**options), form)


@click.command()
@flags.file
@flags.shot
@flags.var
@flags.profile
@flags.sandbox
@flags.no_black_box
@flags.form("text", "json")
def why(file: str, shot: str, form: str, **options: Any) -> int:
    """Say what has changed in a shot since it was bought.

    \b
    klingflow why film.yaml alley
    klingflow why film.yaml 'opening#2'      # one take of several

    Each value, old → new, with the line that sets it.
    """
    from klingflow.terminal import read_commands  # for start-up

    return read_commands.why(file, shot, Options(**options), form)


@click.command()
@flags.file
@flags.var
@flags.profile
@flags.sandbox
@flags.no_black_box
@click.option("--push", is_flag=True, help="Upload the local files, and read each back.")
@click.option("--check", is_flag=True, help="Ask for each remote address as the gateway would.")
@flags.form("text", "json")
def refs(file: str, form: str, push: bool, check: bool, **options: Any) -> int:
    """List the images and videos that shots refer to.

    \b
    klingflow refs film.yaml
    klingflow refs film.yaml --push       # upload the local files now
    klingflow refs film.yaml --check      # which addresses can the gateway not read?

    \b
    States:
      local: on this disk         there: uploaded with this content
      changed: since it was last bought with
      missing: not on this disk   unused: no shot names it any more
      remote: an address          later: its video is not here yet

    Exit 3 if a file could not be uploaded or an address not be read.
    """
    from klingflow.terminal import read_commands  # for start-up

    return read_commands.refs(file, Options(**options), form, push=push, check=check)

"""The commands around a manifest: init, schema, doctor and sandbox."""

from __future__ import annotations

from typing import Any

import click
from click.formatting import wrap_text

from klingflow.terminal import flags
from klingflow.terminal.language import spoken
from klingflow.words import _, joined


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path())
@click.option(
    "--from",
    "source",
    metavar="SHEET",
    type=click.Path(),
    help="Make the manifest of a shot list: .xlsx, .xlsx#NAME for one of its sheets, .csv or .tsv."
    " DIR may be a file that ends with .yaml.",
)
def init(folder: str, source: str | None) -> int:
    """Write a small pipeline that runs in the sandbox.

    \b
    klingflow init                              # here
    klingflow init my-film                      # in a new folder
    klingflow init --from 分镜.xlsx             # 分镜.yaml, from a shot list
    klingflow init --from shots.csv act1.yaml

    Writes film.yaml, prices.yaml, .gitignore, .gitattributes and .env.example. A file that exists
    is left alone, except that .gitignore and .gitattributes get the lines that they lack.

    A shot list has a line of names such as 镜号, 画面, 时长 or Shot, Description, Duration. What
    cannot be taken from it is listed by its cell, such as C17, here and in the manifest.
    """
    from klingflow.terminal import setup_commands  # for start-up

    return setup_commands.init_from(source, folder) if source else setup_commands.init(folder)


_INDENTS = ("  ", "  ")  # of a first line, and of those below it


class _Named(click.Command):
    """A command whose help lists the schemas, which are looked up only for that."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, and the names below it."""
        from klingflow.api.schemas import NAMES  # for start-up

        super().format_help_text(ctx, formatter)
        first, *others, last = NAMES
        listed = joined(", ", [_("{first} (the default)", first=first), *others])
        told = spoken(_("NAME is {listed} or {last}.", listed=listed, last=last))
        formatter.write_paragraph()
        formatter.write(wrap_text(told, formatter.width, *_INDENTS) + "\n")


@click.command(cls=_Named)
@click.argument(
    "name",
    metavar="[NAME]",
    default="manifest",
    shell_complete=flags.completed_by("schemas"),
)
def schema(name: str) -> int:
    """Print the JSON Schema of one of klingflow's files.

    \b
    klingflow schema manifest > manifest.schema.json
    klingflow schema prices
    """
    from klingflow.terminal import setup_commands  # for start-up

    return setup_commands.schema(name)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a script for completion at TAB.

    \b
    eval "$(klingflow completion bash)"       # in ~/.bashrc
    eval "$(klingflow completion zsh)"        # in ~/.zshrc, after compinit
    klingflow completion fish > ~/.config/fish/completions/klingflow.fish

    Completes commands, files, shots and selections.
    """
    from klingflow.terminal import setup_commands  # for start-up

    return setup_commands.completion(shell)


@click.command()
@click.argument(
    "file",
    required=False,
    type=flags.FilePath(),
    shell_complete=flags.completed_by("manifests"),
)
@flags.gateway
@click.option("--refs", is_flag=True, help="Also ask for each remote address of the manifest.")
@click.option("--forget", metavar="URL", help="Take back a yes to this address, and stop.")
@click.option("--cluster", is_flag=True, help="Only the cluster: server, store, hosts, clocks.")
@flags.account
def doctor(
    file: str | None,
    gateway: str | None,
    refs: bool,
    forget: str | None,
    cluster: bool,
    account: str | None,
) -> int:
    """Check installation, key and address, without spending.

    \b
    klingflow doctor
    klingflow doctor film.yaml      # also that manifest, its ledger and its outputs
    klingflow doctor film.yaml --refs
    klingflow doctor --forget https://gateway.example.com
    klingflow doctor --cluster      # what `klingflow worker` and `run --cluster` need

    Asks the gateway about a task that does not exist, and says what it saw where the answer is not
    about that task. Says what git keeps and ignores of the ledger, the key and the videos.

    Lists the addresses to which you let the key go; --forget takes one off the list.
    """
    from klingflow.terminal import setup_commands  # for start-up

    if cluster:
        return setup_commands.doctor_of_cluster(account)
    return setup_commands.forget(forget) if forget else setup_commands.doctor(file, gateway, refs)


@click.command()
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
    help="Misbehave: create:drop_after=0.05 for that share, query:html502=first:3,"
    " query:url_none for always.",
)
@click.option("--list-faults", is_flag=True, help="Print every fault there is, and stop.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The seed of the faults and the task times.",
)
@click.option("--rate", metavar="RATE", help="Answer 429 to creates above this, e.g. 30/1m.")
@click.option(
    "--max-running",
    type=click.IntRange(1),
    help="Answer 429 to creates above this many unfinished tasks.",
)
@click.option(
    "--refresh",
    metavar="DURATION",
    help="Show changes only so often, e.g. 15s, as many gateways do.",
)
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Keep tasks and charges here over restarts.",
)
@click.option("--plain-clips", is_flag=True, help="Small fixed clips, even with the media extra.")
def sandbox(**options: Any) -> int:
    """Start a simulated gateway on this machine, for trials.

    \b
    klingflow sandbox --port 8765 --task-time lognormal:90s,240s
    klingflow sandbox --fault create:drop_after=0.05 --fault query:html502=0.1 --seed 7
    KLINGFLOW_BASE_URL=http://127.0.0.1:8765 KLINGFLOW_API_KEY=any klingflow run film.yaml -y

    It speaks real HTTP, keeps the rules of the gateway's document, and costs nothing. GET
    /sandbox/ledger shows what was charged and refunded.
    """
    from klingflow.terminal import setup_commands  # for start-up

    return setup_commands.sandbox(options)

"""The options that commands share: as a person types them, and what they mean."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest

from klingflow.api.site import Wish
from klingflow.terminal.cli import cli
from klingflow.terminal.cli_read import plan
from klingflow.terminal.cli_run import run
from klingflow.terminal.options import Options

NAMES = {field.name for field in fields(Options)}
# What a command takes besides the options that it shares with others.
OWN = {
    *("file", "files", "shot", "form", "check", "origins"),
    *("take", "takes", "note"),
    *("task", "abandon", "not_charged", "resubmit", "force"),
}


def test_no_options_mean_everything() -> None:
    assert Options().wish == Wish()


def test_options_mean_a_wish() -> None:
    """What is selected and bought again, where, and whether the black box counts."""
    options = Options(
        select=("a",),
        exclude=("b",),
        rerun=("failed", "changed"),
        sandbox=True,
        no_black_box=True,
    )
    assert options.wish == Wish(
        select=("a",),
        exclude=("b",),
        rerun=frozenset({"failed", "changed"}),
        sandbox=True,
        black_box=False,
        repeated=("--no-black-box",),
    )


def typed(*words: str) -> Options:
    """The options of `klingflow run` with these words behind it."""
    with click.Context(run) as context:
        run.parse_args(context, [*words])
    given = {name: value for name, value in context.params.items() if name != "files"}
    return Options(**given)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("f", Options()),
        ("f -s a -s b --exclude c", Options(select=("a", "b"), exclude=("c",))),
        ("f --rerun failed --var x=1", Options(rerun=("failed",), variables=("x=1",))),
        ("f -j 3 --submit 30/1m", Options(max_running=3, submit="30/1m")),
        ("f --max-spend 5 --max-tasks 0 --max-seconds 9",
         Options(max_spend="5", max_tasks=0, max_seconds=9)),
        ("f -n -x -y", Options(dry_run=True, fail_fast=True, yes=True)),
        ("f --sandbox --no-black-box", Options(sandbox=True, no_black_box=True)),
        ("f --no-progress --log l -q -v",
         Options(no_progress=True, log="l", quiet=True, verbose=True)),
    ],
)  # fmt: skip
def test_every_flag_fills_its_field(words: str, options: Options) -> None:
    """What is not typed is as the record has it."""
    assert typed(*words.split()) == options


def test_every_option_of_the_record_is_a_flag_of_run_or_plan() -> None:
    """None is kept that nobody can type."""
    typed = {parameter.name for command in (run, plan) for parameter in command.params}
    assert typed - OWN == NAMES


@pytest.mark.parametrize(
    "name",
    ["validate", "render", "plan", "status", "why", "fetch", "resolve", "pick", "reject", "unpick"],
)
def test_the_flags_of_other_commands_fill_the_same_record(name: str) -> None:
    """Where a command has an option of its own, it takes it by name."""
    assert {parameter.name for parameter in cli.commands[name].params} <= NAMES | OWN

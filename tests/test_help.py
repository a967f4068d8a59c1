"""Every --help: it names what there is, and its examples are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from klingflow.api.schemas import NAMES
from klingflow.decide.verbs import LEFT_OUT, VERBS
from klingflow.errors import ExitCode
from klingflow.sandbox.dice import parse_fault
from klingflow.terminal.cli import cli
from tests.harness import pipeline_at

COMMANDS = sorted(cli.commands)


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its whole name: `run`, `lock check`."""
    found = {n: c for n, c in cli.commands.items() if not isinstance(c, click.Group)}
    for group in (c for c in cli.commands.values() if isinstance(c, click.Group)):
        found |= {f"{group.name} {name}": command for name, command in group.commands.items()}
    return found


def parses(arguments: list[str]) -> None:
    """Fails unless the command line takes `arguments`."""
    name, *rest = arguments
    if isinstance(group := cli.commands[name], click.Group):
        with group.commands[rest[0]].make_context(rest[0], rest[1:]):
            return
    with cli.commands[name].make_context(name, rest) as context:
        for fault in context.params.get("faults", ()):
            parse_fault(fault)


def test_help_ends_well_and_names_every_command(tmp_path: Path) -> None:
    """The program's own help, as a process."""
    said = pipeline_at(tmp_path).do("--help")
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", said, re.M)] == []
    assert "..." not in said.split("Commands:")[1]  # no summary is too long for its line
    assert re.findall(r"(?:^    | · )(\d+) ", said, re.M) == [str(int(code)) for code in ExitCode]


@pytest.mark.parametrize("name", sorted([*COMMANDS, *(n for n in leaves() if n not in COMMANDS)]))
def test_every_help_has_an_example_that_parses(name: str) -> None:
    """`klingflow COMMAND --help` shows how to use it, and every option says what it does. A whole
    line can be pasted: what explains an example is a comment of the shell.
    """
    command = leaves().get(name) or cli.commands[name]
    with command.make_context(name, [], resilient_parsing=True) as context:
        said = command.get_help(context)
    examples = re.findall(r"^ *(?:KLINGFLOW_\S+ )*klingflow (.+)$", said, re.M)
    assert any(f"{example} ".startswith(f"{name} ") for example in examples)
    for example in examples:
        assert not re.search(r"\S {2,}[^ #]", example)
        parses(shlex.split(example.partition(" > ")[0], comments=True))
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert [option for option in silent if option != "form"] == []  # its choices say it all


def test_the_help_of_plan_shows_every_mark() -> None:
    """With the marks of the table of verbs and that of what is left out, each once."""
    with cli.commands["plan"].make_context("plan", [], resilient_parsing=True) as context:
        marks = cli.commands["plan"].get_help(context).split("Marks:")[1].split("Options:")[0]
    shown = re.findall(r"(?:^ {4}|\s{2,})(\S) \w", marks, re.M)
    assert sorted(shown) == sorted([*(row.mark for row in VERBS.values()), LEFT_OUT])


def test_the_help_of_schema_names_every_schema() -> None:
    """A new one is listed without a word in the help."""
    told = " ".join(CliRunner().invoke(cli, ["schema", "--help"]).output.split())
    assert f"NAME is manifest (the default), {', '.join(NAMES[1:-1])} or {NAMES[-1]}." in told

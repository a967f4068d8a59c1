"""A command of the user's that uploads a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from klingflow.assets.commands import CommandStore
from klingflow.assets.stores import Snapshot
from klingflow.errors import NotStored, UsageError

PRINTS = "import os, sys; print('hello'); print('https://cdn.example.com/' + sys.argv[2])"


@pytest.fixture
def taken(tmp_path: Path) -> Snapshot:
    (tmp_path / "1.png").write_bytes(b"still")
    return Snapshot("refs/a.png", tmp_path / "1.png", "1.png", 5, b"still")


def store(program: str, arguments: str = "{file} {name}") -> CommandStore:
    return CommandStore(f'{sys.executable} -c "{program}" {arguments}')


def test_the_last_line_is_the_address(taken: Snapshot) -> None:
    """The command gets the file and the name that it should have."""
    uploads = store(PRINTS)
    anyio.run(uploads.keep, taken)
    assert uploads.address("1.png") == "https://cdn.example.com/1.png"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('no such bucket')", "failed with 1: no such bucket"),
        ("pass", "must print an address in its last line, not nothing"),
        ("print('ok')", "must print an address in its last line, not ok"),
    ],
)
def test_a_command_that_prints_no_address_has_stored_nothing(
    taken: Snapshot, program: str, why: str
) -> None:
    """Its own words are told."""
    with pytest.raises(NotStored) as raised:
        anyio.run(store(program).keep, taken)
    assert str(raised.value) == f"the command {sys.executable} (KLINGFLOW_UPLOAD) {why}"
    assert not raised.value.of_all


def test_a_command_that_is_not_there_stores_no_file(taken: Snapshot) -> None:
    """It is asked once."""
    with pytest.raises(NotStored, match="cannot be run: No such file") as raised:
        anyio.run(CommandStore("/nowhere/put {file}").keep, taken)
    assert raised.value.of_all


def on_path(folder: Path, name: str) -> Path:
    """A program that prints an address."""
    program = folder / (f"{name}.bat" if sys.platform == "win32" else name)
    echo = "echo https://cdn.example.com/a"
    program.write_text(f"@{echo}" if sys.platform == "win32" else f"#!/bin/sh\n{echo}\n")
    program.chmod(0o755)
    return program


def test_a_program_is_found_on_the_path(
    taken: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever suffix the system has for programs."""
    on_path(tmp_path, "put-it")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    uploads = CommandStore("put-it {file}")
    anyio.run(uploads.keep, taken)
    assert uploads.address("1.png") == "https://cdn.example.com/a"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".", "is not run: it lies in the current folder; write its whole path"),
        ("/nowhere", "cannot be run: it is not on PATH"),
    ],
)
def test_no_program_of_the_current_folder_is_started(
    taken: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    """A folder that somebody sent may hold one of any name; Windows looks there first."""
    on_path(tmp_path, "put-it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    if sys.platform == "win32":
        why = "is not run: it lies in the current folder; write its whole path"
    with pytest.raises(NotStored) as raised:
        anyio.run(CommandStore("put-it {file}").keep, taken)
    assert str(raised.value) == f"the command put-it (KLINGFLOW_UPLOAD) {why}"
    assert raised.value.of_all


def test_no_shell_reads_a_name(taken: Snapshot, tmp_path: Path) -> None:
    """Whatever a file is called, it is one argument."""
    odd = taken.path.rename(tmp_path / "$(touch x);'.png")
    program = "import sys; print('https://x.example/' + str(len(sys.argv)))"
    uploads = store(program)
    anyio.run(uploads.keep, Snapshot("a", odd, "1.png", 5, b""))
    assert uploads.address("1.png") == "https://x.example/3"


def test_the_command_is_not_given_the_key(taken: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own credentials are in the environment; ours are none of its business."""
    monkeypatch.setenv("KLINGFLOW_API_KEY", "secret")
    monkeypatch.setenv("AWS_PROFILE", "film")
    program = (
        "import os; print('https://x.example/' + str(os.environ.get('KLINGFLOW_API_KEY'))"
        " + os.environ['AWS_PROFILE'])"
    )
    uploads = store(program)
    anyio.run(uploads.keep, taken)
    assert uploads.address("1.png") == "https://x.example/Nonefilm"


@pytest.mark.parametrize("command", ["put", "put {name}", "{file}", "put '{file}"])
def test_a_command_without_a_file_is_refused(command: str) -> None:
    """Before anything is planned with it."""
    with pytest.raises(UsageError, match="KLINGFLOW_UPLOAD"):
        CommandStore(command)

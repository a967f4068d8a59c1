"""The key is read from the environment or `.env`, is sent to the gateway, and is nowhere else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from klingflow import ManifestError, load
from klingflow.errors import Diagnostic, Mark
from klingflow.gateway import env_file
from klingflow.gateway.access import find
from klingflow.terminal import console
from klingflow.terminal.cli import cli
from klingflow.terminal.options import Options
from klingflow.terminal.target import access_for
from tests.harness import Pipeline, charges, pipeline_at, sandboxed

KEY = "sk-test-0123456789abcdef"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes as POSIX has them")


def files_with(folder: Path, text: str) -> list[str]:
    """The files that hold it."""
    found = [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]
    return sorted(path.relative_to(folder).as_posix() for path in found)


@POSIX
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o600, 0o400])
def test_an_env_file_is_open_to_others_by_any_bit(tmp_path: Path, mode: int) -> None:
    """To read or to change, for the group or for all."""
    path = tmp_path / ".env"
    path.write_text(f"KLINGFLOW_API_KEY={KEY}\n")
    path.chmod(mode)
    assert env_file.exposed(tmp_path) == ([path] if mode & 0o077 else [])


@POSIX
def test_an_env_file_that_is_open_to_others_is_warned_of(tmp_path: Path) -> None:
    """By whatever is about to use the key, and by doctor."""
    film = pipeline_at(tmp_path)
    film.write(1)
    (tmp_path / ".env").write_text(
        f"KLINGFLOW_API_KEY={KEY}\nKLINGFLOW_BASE_URL=http://127.0.0.1:9\n"
    )
    (tmp_path / ".env").chmod(0o644)
    for said in (film.do("fetch", "film.yaml"), film.do("doctor", "film.yaml", code=2)):
        assert ".env is open to other users: chmod 600 .env" in said
        assert KEY not in said


def test_a_gateway_that_is_sent_the_key_in_clear_is_warned_of(tmp_path: Path) -> None:
    """Before anything is sent, and by doctor."""
    film = pipeline_at(tmp_path, "http://gateway.invalid", KEY)
    film.write(1)
    assert "warning: the key goes to http://gateway.invalid in clear" in film.do(
        "fetch", "film.yaml"
    )
    assert "in clear" in film.do("doctor", "film.yaml", code=2)
    assert "in clear" not in film.do(
        "fetch", "film.yaml", KLINGFLOW_BASE_URL="https://gateway.invalid"
    )


@pytest.mark.parametrize("name", ["KLINGFLOW_API_KEY", "GITHUB_TOKEN", "HOME"])
def test_no_manifest_reads_the_environment(tmp_path: Path, name: str) -> None:
    """What an expression gives goes into a body, and with it into the lock, which is committed."""
    shots = {"a": {"model": "kling-2.5", "prompt": f"${{{{ env.{name} }}}}"}}
    path = tmp_path / "film.yaml"
    path.write_text(json.dumps({"version": 1, "env": [name], "shots": shots}))
    with pytest.raises(ManifestError) as refused:
        load(path, environ={name: KEY})
    assert {d.code for d in refused.value.diagnostics} == {"no-environment"}
    assert KEY not in str(refused.value)


def put_into(film: Pipeline, where: str) -> tuple[str, ...]:
    """Write a manifest whose shot holds the key in some way; what to say to `run` besides."""
    shots: dict[str, Any] = {"a": {"prompt": "a street", "seconds": 5}}
    top: dict[str, Any] = {}
    if where == "prompt":
        shots["a"]["prompt"] = f"a street, {KEY}"
    elif where == "note":
        shots["a"]["note"] = KEY
    elif where == "id":
        shots[KEY] = shots.pop("a")
    elif where == "output":
        top["output"] = f"outputs/{KEY}/{{shot}}{{take}}.mp4"
    elif where == "rows":
        (film.folder / "rows.csv").write_text(f"sku,name\n1,{KEY}\n")
        shots["a"] |= {"foreach": "rows.csv", "key": "${{ row.sku }}"}
    elif where == "another variable":
        top["vars"] = {"token": ""}
        shots["a"]["prompt"] = "a street, ${{ vars.token }}"
    else:
        top["vars"] = {"who": "nobody"}
        shots["a"]["prompt"] = "${{ vars.who }}"
    film.write(shots, **top)
    return ("--var", f"who={KEY}") if where == "--var" else ()


@pytest.mark.parametrize(
    "where", ["prompt", "note", "id", "output", "rows", "another variable", "--var"]
)
def test_a_manifest_that_holds_the_key_is_not_run(tmp_path: Path, where: str) -> None:
    """It would stand in the ledger, in the record and at the gateway."""
    with sandboxed(tmp_path) as (film, sandbox):
        arguments = put_into(film, where)
        before = files_with(tmp_path, KEY)
        said = film.do("run", "film.yaml", "-y", *arguments, code=2, KLINGFLOW_VAR_token=KEY)
        assert "holds the key" in said
        assert KEY not in said
        assert charges(sandbox) == []
        assert files_with(tmp_path, KEY) == before


def test_the_key_is_no_argument_of_any_command() -> None:
    """What stands on a command line, every user of the machine can read."""

    def names(command: click.Command) -> list[str]:
        children = command.commands.values() if isinstance(command, click.Group) else ()
        own = [option for parameter in command.params for option in parameter.opts]
        return own + [name for child in children for name in names(child)]

    assert "--select" in names(cli)
    assert not [
        n
        for n in names(cli)
        if any(word in n.lower() for word in ("key", "token", "secret", "pass"))
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_shows_the_key_to_no_other_process(tmp_path: Path) -> None:
    """Its arguments are the user's, and it starts no process that is handed the key."""
    with sandboxed(tmp_path, task_time="60s") as (film, _):
        film.write(1)
        process = film.start("run", "film.yaml", "-y", "-v")
        assert process.stdout
        while "bought as" not in process.stdout.readline():
            assert process.poll() is None
        family = [
            p for p in Path("/proc").iterdir() if p.name.isdigit() and parent_of(p) == process.pid
        ]
        shown = [Path(f"/proc/{process.pid}/cmdline").read_bytes()]
        shown += [(p / name).read_bytes() for p in family for name in ("cmdline", "environ")]
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert b"klingflow" in shown[0]
    assert not any(KEY.encode() in text for text in shown)
    assert KEY not in out + err


def parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            f"gateway: {{ api_key: {KEY}, base_url: x }}",
            f"gateway: {{ api_key: {'*' * 24}, base_url: x }}",
        ),
        (f'Authorization: "Bearer {KEY}"', f'Authorization: "Bearer {"*" * 24}"'),
        (f"KLINGFLOW_API_KEY={KEY}", f"KLINGFLOW_API_KEY={'*' * 24}"),
        ("prompt: 银发女侦探林夏走进窄巷", "prompt: 银发女侦探林夏走进窄巷"),
    ],
)
def test_a_source_line_is_shown_without_what_looks_like_a_key(line: str, shown: str) -> None:
    """A check's log may be public, and nobody knows there what the key is."""
    found = console.excerpted(
        Diagnostic(Mark("f.yaml", 1, 1), "unknown-field", "?"), {"f.yaml": line}
    )
    assert found.splitlines()[1] == f"    1 | {shown}"


def test_an_error_nobody_foresaw_shows_no_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its text nor its trace, however the key is spelt there."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    monkeypatch.setenv("KLINGFLOW_TRACEBACK", "1")
    monkeypatch.setattr(console, "_hidden", {})
    console.hide(KEY)
    try:
        try:
            raise ValueError(f"Authorization: Bearer {KEY}")
        except ValueError as error:
            raise RuntimeError(f"header {escaped}") from error
    except RuntimeError as error:
        console.crash(error)
    said = capsys.readouterr().err
    assert "RuntimeError" in said and "ValueError" in said and "[the key]" in said
    assert KEY not in said and escaped not in said


def test_env_files_are_not_evaluated(tmp_path: Path) -> None:
    """No shell, no other variable is looked into."""
    (tmp_path / ".env").write_text("KLINGFLOW_API_KEY=$(touch ran)${HOME}`touch ran`\n")
    found = find(tmp_path, {})
    assert found.key == "$(touch ran)${HOME}`touch ran`"


def test_a_key_that_a_command_has_found_is_shown_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is said afterwards, in errors, events and traces."""
    film = pipeline_at(tmp_path)
    film.write(1)
    monkeypatch.setattr(console, "_hidden", {})
    monkeypatch.setenv("KLINGFLOW_API_KEY", KEY)
    assert console.redacted(KEY) == KEY
    access_for([load(film.manifest)], Options())
    assert console.redacted(KEY) == "[the key]"

"""TAB in bash, zsh and fish: files by their endings, shots and selections of the manifest in the
line. Each shell is asked for real, where it is installed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from klingflow.terminal.completing import SHELLS, script

FILM = """\
version: 1
defaults: { model: kling-3.0, seconds: 5, resolution: 720P, aspect_ratio: 16:9 }
vars: { name: bridge }
profiles: { draft: { takes: 1 }, rough: {} }
shots:
  opening: { prompt: 雨夜, takes: 2, tags: [ext, 夜] }
  ad: { prompt: "${{ matrix.c }}", matrix: { c: [上海, b] } }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a manifest, and with what is none."""
    (tmp_path / "film.yaml").write_text(FILM, encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("shots: [", encoding="utf-8")
    for name in ("my film.yml", "notes.txt", "film.plan.json", "film.lock", ".hidden.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "act2.yaml").touch()
    return tmp_path


def in_bash(folder: Path, line: str) -> list[str]:
    """What bash would put in place of the last word of a line, as its function says."""
    asked = (
        f'{script("bash")}\nCOMP_LINE="$1" COMP_POINT=${{#1}}; _klingflow_completion klingflow;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return _said(["bash", "--norc", "-c", asked, "bash", line], folder)


def _said(command: list[str], folder: Path) -> list[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, check=False, timeout=60
    )
    assert done.stderr == b"", done.stderr.decode()
    return done.stdout.decode().splitlines()


bash = pytest.mark.skipif(not shutil.which("bash"), reason="no bash")


@bash
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("klingflow pl", ["plan"]),
        ("klingflow lock me", ["merge"]),
        ("klingflow plan ", ["broken.yaml", "film.yaml", "my film.yml", "scenes"]),
        ("klingflow plan .h", [".hidden.yaml"]),
        ("klingflow plan scenes/", ["scenes/act2.yaml"]),
        ("klingflow run --plan ", ["film.plan.json", "scenes"]),
        ("klingflow run film.yaml --log n", ["notes.txt"]),
        ("klingflow lock merge film.yaml film.l", ["film.lock"]),
        ("klingflow resolve film.yaml op", ["opening", "opening#2"]),
        ("klingflow lock move film.yaml ad", ["ad@上海", "ad@b"]),
        ("klingflow plan film.yaml -s tag:", ["ext", "夜"]),
        ("klingflow plan film.yaml -s state:in", ["intent", "in_doubt"]),
        ("klingflow plan film.yaml -s ad@", ["上海", "b"]),
        ("klingflow plan film.yaml -s 'opening tag:e", ["opening tag:ext"]),
        ("klingflow plan film.yaml -s opening,state:n", ["new", "not_sent", "not_bought"]),
        ("klingflow run film.yaml --rerun ", ["changed", "failed", "rejected"]),
        ("klingflow schema l", ["lock", "log"]),
        ("klingflow plan film.yaml --profile ", ["draft", "rough"]),
        ("klingflow run film.yaml --approved r", ["rough"]),
        ("klingflow resolve film.yaml --profile draft op", ["opening"]),
        ("klingflow completion f", ["fish"]),
        ("klingflow plan broken.yaml -s op", []),
        ("klingflow plan nowhere.yaml -s op", []),
        ("klingflow plan nowhere/", []),
    ],
)
def test_bash_completes_the_last_word(folder: Path, line: str, said: list[str]) -> None:
    """After a `:` or an `@` bash keeps what stands before, so that only the rest is said."""
    assert [word for word in in_bash(folder, line) if word] == said


@bash
@bash
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_bash_gets_no_tag_that_it_would_obey(folder: Path, quote: str) -> None:
    """A manifest may come from a stranger, and bash puts what it gets into the line as it is."""
    tags = ["$(id)", "`id`", "a;id", "a&id", "a|id", "a>b", "a'b", 'a"b', "a b", "*", "!!", "客栈"]
    film = FILM.replace("[ext, 夜]", json.dumps(tags))
    (folder / "film.yaml").write_text(film, encoding="utf-8")
    before = "tag:" if quote else ""
    assert in_bash(folder, f"klingflow plan film.yaml -s {quote}tag:") == [f"{before}客栈"]


@bash
def test_bash_takes_the_name_of_a_file_as_it_is(folder: Path) -> None:
    """A name with a star is no pattern."""
    for name in ("*.yaml", "[b]*.yaml"):
        (folder / "scenes" / name).touch()
    files = ["scenes/*.yaml", "scenes/[b]*.yaml", "scenes/act2.yaml"]
    assert in_bash(folder, "klingflow plan scenes/") == files


@bash
def test_a_pipe_is_not_read_at_a_key(folder: Path) -> None:
    """Nobody may ever write to it."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(folder / "pipe.yaml")
    assert in_bash(folder, "klingflow plan pipe.yaml -s op") == [""]


def test_a_large_manifest_is_not_read_at_a_key(folder: Path) -> None:
    """Its shots would come too late; states need no manifest."""
    (folder / "film.yaml").write_text(FILM + "#" * 300_000, encoding="utf-8")
    assert in_bash(folder, "klingflow plan film.yaml -s tag:") == [""]
    assert in_bash(folder, "klingflow plan film.yaml -s state:d") == ["done"]


def asked(shell: str, folder: Path, words: list[str], cursor: str) -> list[str]:
    """What klingflow answers a shell: `words` before the cursor's word."""
    line = shlex.join(["klingflow", *words]) + f" {cursor}"
    count = str(len(words) + 1)
    told = {"_KLINGFLOW_COMPLETE": f"{shell}_complete", "COMP_WORDS": line}
    told["COMP_CWORD"] = count if shell == "zsh" else cursor
    environ = [f"{name}={value}" for name, value in told.items()]
    return _said(["env", *environ, sys.executable, "-m", "klingflow"], folder)


def test_zsh_finds_files_itself_by_their_endings(folder: Path) -> None:
    """One answer for all of them; words are told one by one."""
    assert asked("zsh", folder, ["plan"], "f") == ["file", "*.(yaml|yml)", "_"]
    selected = asked("zsh", folder, ["plan", "film.yaml", "-s"], "tag:e")
    assert selected == ["plain", "tag:ext", "_"]


def test_fish_is_told_the_files_with_a_slash_after_a_folder(folder: Path) -> None:
    """So that it adds no space there."""
    assert asked("fish", folder, ["plan"], "scenes/") == ["plain,scenes/act2.yaml"]
    assert asked("fish", folder, ["plan"], "sc") == ["plain,scenes/"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_its_script(shell: str, folder: Path) -> None:
    """Without a word, and knows the function afterwards."""
    if not (program := shutil.which(shell)):
        pytest.skip(f"no {shell}")
    begun = {"zsh": "autoload -U compinit; compinit -D -u\n"}.get(shell, "")
    known = {"fish": "functions -q _klingflow_completion"}.get(
        shell, "type _klingflow_completion >/dev/null"
    )
    quiet = {"zsh": ["-f"], "bash": ["--norc"], "fish": ["--no-config"]}[shell]
    said = _said([program, *quiet, "-c", f"{begun}{script(shell)}\n{known} && echo known"], folder)
    assert said == ["known"]

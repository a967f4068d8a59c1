"""Doctor says what git keeps that it should not, and what it does not keep."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from klingflow.api.ignored import committed, said_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

LOCK, VIDEO = "film.lock", "outputs/film/a.mp4"
MERGED = "*.lock merge=union\n*.pruned.jsonl merge=union\n*.picks.yaml merge=union\n"
WELL = ".env\noutputs/\n"
NO_ENV = "git does not ignore .env, so the key would be committed: add the line .env to .gitignore"
NO_OUTPUTS = (
    "git does not ignore outputs/, so videos would be committed: add the line outputs/ to"
    " .gitignore"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A work tree whose ledgers git merges, and whose user has no settings."""
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitattributes").write_text(MERGED)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def said(folder: Path, output: str = VIDEO) -> list[str]:
    return [*said_of(folder, LOCK, output)]


def by(rule: str) -> str:
    return (
        f"git ignores film.lock by {rule}: what was bought would be known on this machine alone;"
        " take that line out, or add the line !film.lock below it"
    )


def test_all_is_well_where_the_key_and_the_videos_are_ignored(folder: Path) -> None:
    """As `init` writes it."""
    (folder / ".gitignore").write_text(WELL)
    assert said(folder) == []


def test_a_ledger_that_git_ignores_is_named_with_the_line(folder: Path) -> None:
    """`.gitignore` holds `*.lock`: the ledger is not committed."""
    (folder / ".gitignore").write_text(WELL + "*.lock\n")
    assert said(folder) == [by(".gitignore:3 (*.lock)")]
    (folder / ".gitignore").write_text(WELL + "*.lock\n!film.lock\n")
    assert said(folder) == []


def test_a_ledger_that_git_has_is_kept(folder: Path) -> None:
    """Whatever the rules say of new files."""
    (folder / LOCK).write_text("")
    git(folder, "add", LOCK)
    (folder / ".gitignore").write_text(WELL + "*.lock\n")
    assert said(folder) == []


def test_a_key_and_videos_that_would_be_committed_are_named(folder: Path) -> None:
    """With the lines to add."""
    assert said(folder) == [NO_ENV, NO_OUTPUTS]
    assert said(folder, "a.mp4")[1].startswith("git does not ignore *.mp4")


def test_a_key_that_is_committed_is_named(folder: Path) -> None:
    """A line in .gitignore would not help any more."""
    (folder / ".env").write_text("")
    git(folder, "add", ".env")
    (folder / ".gitignore").write_text(WELL)
    (told,) = said(folder)
    assert told.startswith("git has .env, and with it the key: git rm --cached .env")


def test_outside_a_work_tree_nothing_is_said(tmp_path: Path) -> None:
    """Nothing is committed there."""
    assert said(tmp_path) == []


def test_no_program_of_the_folder_is_started(folder: Path) -> None:
    """A folder from elsewhere may bring settings of git's."""
    spy = folder / "spy.sh"
    spy.write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
    spy.chmod(0o755)
    git(folder, "config", "core.fsmonitor", str(spy))
    said(folder)
    assert not (folder / "ran").exists()


def test_git_fetches_nothing_that_it_lacks(folder: Path) -> None:
    """Git asks a remote for a missing object by a program that the folder's settings name."""
    spy = folder / "spy.sh"
    spy.write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
    spy.chmod(0o755)
    (folder / "scenes").mkdir()
    (folder / "scenes" / "act2.yaml").touch()
    git(folder, "add", "scenes")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "scenes")
    git(folder, "sparse-checkout", "set", "--cone", "--sparse-index", "none")
    for name, value in (
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{spy} x"),
        ("protocol.ext.allow", "always"),
    ):
        git(folder, "config", name, value)
    tree = git(folder, "rev-parse", "HEAD:scenes").strip()
    (folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    said(folder)
    assert not (folder / "ran").exists()


def test_without_git_nothing_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not needed otherwise."""
    monkeypatch.setenv("PATH", str(folder))
    assert said(folder) == []


def unmerged(*names: str) -> str:
    lines = ", ".join(f"*{name.removeprefix('film')} merge=union" for name in names)
    return (
        f"git does not keep both sides' lines of {', '.join(names)}, so two branches that buy would"
        f" conflict: add to .gitattributes: {lines}"
    )


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ("", ("film.lock", "film.pruned.jsonl", "film.picks.yaml")),
        ("# *.lock merge=union\n", ("film.lock", "film.pruned.jsonl", "film.picks.yaml")),
        ("*.jsonl merge=union\n*.picks.yaml merge=union\n", ("film.lock",)),
        (MERGED + "film.lock !merge\n", ("film.lock",)),
        (MERGED + "*.lock merge=binary\n", ("film.lock",)),
        (MERGED, ()),
        ("[attr]ledger merge=union\n*.lock ledger\n*.jsonl ledger\n*.yaml ledger\n", ()),
    ],
)
def test_what_git_would_not_merge_is_named(
    folder: Path, attributes: str, names: tuple[str, ...]
) -> None:
    """By what git makes of its own files: comments, later lines, attributes of attributes."""
    (folder / ".gitignore").write_text(WELL)
    (folder / ".gitattributes").write_text(attributes)
    assert said(folder) == ([unmerged(*names)] if names else [])


def test_files_of_the_folders_above_count_where_git_counts_them(folder: Path) -> None:
    """The lines nearest to a file win; those of another work tree above say nothing."""
    film = folder / "films" / "one"
    film.mkdir(parents=True)
    (folder / ".gitignore").write_text(WELL)
    assert said(film) == []
    (film / ".gitattributes").write_text("*.lock -merge\n")
    assert said(film) == [unmerged("film.lock")]
    git(film, "init", "-q")
    (film / ".gitignore").write_text(WELL)
    (film / ".gitattributes").unlink()
    assert said(film) == [unmerged("film.lock", "film.pruned.jsonl", "film.picks.yaml")]


def test_what_the_last_commit_has_of_a_file(folder: Path) -> None:
    """Not what lies in the folder, nor what was only added; nothing of what git cannot have."""
    lock = folder / LOCK
    lock.write_text("first\n")
    assert committed(folder, LOCK) == ""
    git(folder, "add", LOCK)
    assert committed(folder, LOCK) == ""
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "film: begin it")
    lock.write_text("second\n")
    assert committed(folder, LOCK) == "first\n"
    (folder / ".gitignore").write_text("other.lock\n")
    assert committed(folder, "other.lock") is None


def test_outside_a_work_tree_nothing_is_committed(tmp_path: Path) -> None:
    """Git has nothing to say there."""
    assert committed(tmp_path, LOCK) is None

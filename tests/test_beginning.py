"""What `init` writes, and what it adds to the files of git that are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from klingflow.api.beginning import (
    STARTER,
    Begun,
    begin,
    missing_attributes,
    missing_patterns,
    with_lines,
)
from klingflow.api.loading import load
from klingflow.errors import UsageError
from klingflow.terminal import setup_commands

PATTERNS = [".env", "outputs/"]
EXCEPTIONS = ["uv.lock !merge", "poetry.lock !merge", "Cargo.lock !merge", "yarn.lock !merge"]
RULES = ["*.lock merge=union", "*.pruned.jsonl merge=union", "*.picks.yaml merge=union"]
ATTRIBUTES = [*RULES, *EXCEPTIONS]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_film_that_init_writes_has_no_mistake_and_no_warning(tmp_path: Path) -> None:
    """The first thing that a newcomer sees is no complaint about our own file."""
    assert [*begin(tmp_path)]
    film = load(tmp_path / "film.yaml")
    assert not film.warnings and len(film.shots) == 5


def test_a_new_folder_gets_every_file_and_the_second_time_changes_nothing(tmp_path: Path) -> None:
    """`init` twice leaves the same bytes."""
    folder = tmp_path / "new" / "影片"
    assert [begun.kind for begun in begin(folder)] == ["wrote"] * len(STARTER)
    before = files(folder)
    assert [begun.kind for begun in begin(folder)] == ["kept"] * len(STARTER)
    assert files(folder) == before and set(before) == set(STARTER)


def test_a_manifest_of_a_shot_list_is_written_last(tmp_path: Path) -> None:
    """Whoever is killed before it may begin again."""
    begun = [begun.path.name for begun in begin(tmp_path, ("a.yaml", b"x"))]
    assert begun == ["prices.yaml", ".gitignore", ".gitattributes", ".env.example", "a.yaml"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """A manifest of one's own is kept; only what is missing is written."""
    (tmp_path / "film.yaml").write_text("mine", encoding="utf-8")
    kinds = {begun.path.name: begun.kind for begun in begin(tmp_path)}
    assert kinds == {name: "kept" if name == "film.yaml" else "wrote" for name in STARTER}
    assert (tmp_path / "film.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", STARTER)
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is written, whichever file it is."""
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError) as error:
        setup_commands.init(str(tmp_path))
    assert str(error.value) == f"{tmp_path}: {name} is a folder; nothing was written"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.pyc\n", b"*.pyc\n.env\noutputs/\n"),
        (b"*.pyc", b"*.pyc\n.env\noutputs/\n"),
        (b"", b".env\noutputs/\n"),
        (b"*.pyc\r\n.env\r\n", b"*.pyc\r\n.env\r\noutputs/\r\n"),
        (b"a\r\nb", b"a\r\nb\r\n.env\r\noutputs/\r\n"),
        (b"\xef\xbb\xbf.env\n", b"\xef\xbb\xbf.env\noutputs/\n"),
    ],
)
def test_gitignore_gets_the_lines_that_it_lacks(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    """At its end, with the line ends that it has; a second time adds nothing."""
    (tmp_path / ".gitignore").write_bytes(before)
    for _ in range(2):
        list(begin(tmp_path))
        assert (tmp_path / ".gitignore").read_bytes() == after


def test_what_was_added_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, and each line."""
    (tmp_path / ".gitignore").write_bytes(b".env\n")
    setup_commands.init(str(tmp_path))
    assert f"  added   {tmp_path / '.gitignore'}: outputs/\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        ([], PATTERNS),
        (["/.env", "/outputs/"], []),
        (["*.env", "outputs"], []),
        ([".env*", "outputs/**"], []),
        ([".env", "!.env", "outputs/*"], [".env"]),
        (["!outputs/", ".env"], []),
        ([".env.example", "outputs/drafts/"], PATTERNS),
    ],
)
def test_patterns_that_cover_a_file_already_are_enough(
    lines: list[str], missing: list[str]
) -> None:
    """A key that a later line lets in again is not kept out; `outputs/` is the author's choice."""
    assert missing_patterns(lines, PATTERNS) == missing


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        ([], ATTRIBUTES),
        (ATTRIBUTES, []),
        (["*.lock merge=union"], ATTRIBUTES[1:]),
        (["*.lock text merge=union", "uv.lock binary", *ATTRIBUTES[1:3]], EXCEPTIONS[1:]),
        ([*EXCEPTIONS, *RULES], EXCEPTIONS),
        (["*.lock merge=ours", *RULES[1:], *EXCEPTIONS], ["*.lock merge=union", *EXCEPTIONS]),
    ],
)
def test_the_exceptions_stand_behind_the_rule(lines: list[str], missing: list[str]) -> None:
    """The last line about a file counts: uv.lock must not be merged as a ledger is."""
    assert missing_attributes(lines, ATTRIBUTES) == missing


def test_lines_are_added_to_an_empty_text() -> None:
    """With plain line ends."""
    assert with_lines(b"", ["a", "b"]) == b"a\nb\n"


def test_git_does_not_read_utf_16(tmp_path: Path) -> None:
    """As PowerShell writes it: it is left alone, and said."""
    text = "*.pyc\n".encode("utf-16")
    (tmp_path / ".gitignore").write_bytes(text)
    why = "git does not read UTF-16; save it as UTF-8, then again"
    assert Begun("left", tmp_path / ".gitignore", why=why) in list(begin(tmp_path))
    assert (tmp_path / ".gitignore").read_bytes() == text


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_no_link_is_written_through(tmp_path: Path) -> None:
    """Neither one that leads somewhere nor one that leads nowhere yet."""
    folder = tmp_path / "film"
    folder.mkdir()
    (tmp_path / "precious").write_bytes(b"mine")
    (folder / ".gitignore").symlink_to(tmp_path / "precious")
    (folder / "film.yaml").symlink_to(tmp_path / "nowhere")
    kinds = {begun.path.name: begun.kind for begun in begin(folder)}
    assert (kinds[".gitignore"], kinds["film.yaml"]) == ("left", "kept")
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_after_init_the_key_stays_out_of_git(tmp_path: Path) -> None:
    """`init`, `.env` filled in, `git add -A`: the key and the videos stay out, the lock goes in."""
    list(begin(tmp_path))
    (tmp_path / ".env").write_bytes(b"KLINGFLOW_API_KEY=secret\n")
    (tmp_path / "film.lock").write_bytes(b"{}\n")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "a.mp4").write_bytes(b"video")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    staged = subprocess.run([*git, "ls-files"], check=True, capture_output=True, text=True)
    assert set(staged.stdout.split()) == {*STARTER, "film.lock"}
    asked = [*git, "check-attr", "merge", "film.lock", "uv.lock", "film.picks.yaml"]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in said] == ["union", "unspecified", "union"]

"""What the user said yes to once: kept for this user alone, and read forgivingly."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from klingflow.ledger.approvals import Approval, approvals, approve, forget

AT = "2026-07-01T10:00:00.000Z"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes and links as POSIX has them")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def book(state: Path) -> Path:
    return state / "approved.jsonl"


def test_what_was_said_is_found_by_kind_and_key(state: Path) -> None:
    """Each kind has its own approvals, each by its key, with value and time."""
    approve(state, "address", "https://a.example", "", AT)
    approve(state, "link", "/film/outputs", "/disk/videos", AT)
    assert approvals(state, "address") == {
        "https://a.example": Approval("address", "https://a.example", "", AT)
    }
    assert approvals(state, "link") == {
        "/film/outputs": Approval("link", "/film/outputs", "/disk/videos", AT)
    }


def test_the_last_word_about_a_key_counts(state: Path) -> None:
    """A link that leads elsewhere by now has one approval: the newest."""
    approve(state, "link", "/film/outputs", "/old", AT)
    approve(state, "link", "/film/outputs", "/new", AT)
    assert [said.value for said in approvals(state, "link").values()] == ["/new"]


def test_what_was_taken_back_is_no_approval(state: Path) -> None:
    """A forgotten approval is gone until it is said again; forgetting what was never said is
    False."""
    approve(state, "address", "https://a.example", "", AT)
    assert forget(state, "address", "https://a.example")
    assert approvals(state, "address") == {}
    assert not forget(state, "address", "https://a.example")
    approve(state, "address", "https://a.example", "", AT)
    assert list(approvals(state, "address")) == ["https://a.example"]


def test_reading_makes_nothing(state: Path) -> None:
    """Nobody who only asks leaves a folder behind."""
    assert approvals(state, "address") == {} and not forget(state, "address", "x")
    assert not state.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b'{"kind":"address","key":"x"}',
        b'{"kind":"address","key":"x","value":1,"at":"z"}',
        b'{"kind":"address","key":["x"],"value":"","at":"z"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_approves_nothing(state: Path, line: bytes) -> None:
    """What is not understood is no yes, and the other lines count."""
    approve(state, "address", "https://a.example", "", AT)
    with book(state).open("ab") as file:
        file.write(line + b"\n")
    approve(state, "address", "https://b.example", "", AT)
    assert list(approvals(state, "address")) == ["https://a.example", "https://b.example"]


def test_a_torn_line_takes_no_other_with_it(state: Path) -> None:
    """A write that was cut off loses itself alone."""
    approve(state, "address", "https://a.example", "", AT)
    book(state).write_bytes(book(state).read_bytes() + b'{"kind":"addr')
    approve(state, "address", "https://b.example", "", AT)
    assert list(approvals(state, "address")) == ["https://a.example", "https://b.example"]


@POSIX
def test_folder_and_file_are_the_users_alone(state: Path) -> None:
    """The folder has mode 700 and the file 600, whatever the umask; an older file is narrowed."""
    before = os.umask(0)
    try:
        approve(state, "address", "https://a.example", "", AT)
        assert (state.stat().st_mode & 0o777, book(state).stat().st_mode & 0o777) == (0o700, 0o600)
        book(state).chmod(0o644)
        approve(state, "address", "https://b.example", "", AT)
        assert book(state).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@POSIX
@pytest.mark.parametrize("kind", ["open to others", "link", "hard link"])
def test_what_somebody_else_may_have_written_approves_nothing(state: Path, kind: str) -> None:
    """A file that others can change, or that has another name, is not the user's word."""
    state.mkdir()
    planted = state / "planted"
    entry = {"kind": "address", "key": "https://evil.example", "value": "", "at": AT}
    planted.write_text(json.dumps(entry) + "\n")
    if kind == "open to others":
        planted.rename(book(state)).chmod(0o666)
    elif kind == "link":
        book(state).symlink_to(planted)
    else:
        book(state).hardlink_to(planted)
    assert approvals(state, "address") == {}


@POSIX
def test_a_link_in_its_place_is_not_written_through(state: Path, tmp_path: Path) -> None:
    """Nothing is written to the target; the error names the file."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    state.mkdir()
    book(state).symlink_to(precious)
    with pytest.raises(OSError, match=r"approved\.jsonl"):
        approve(state, "address", "https://a.example", "", AT)
    assert precious.read_text() == "mine"

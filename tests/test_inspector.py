"""A process of its own looks at videos: whatever becomes of it, the run goes on."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import anyio
import pytest

from klingflow.media.inspector import Inspector
from klingflow.model import UNREADABLE, Media
from tests.clips import FPS, HEIGHT, WIDTH, clip

USUAL = Media(width=WIDTH, height=HEIGHT, seconds=1.0, fps=float(FPS))
BEGINS = "import os, signal, sys, time; print('ready', flush=True); "
ANSWER = f"print({json.dumps(asdict(USUAL))!r}, flush=True); "


def looked(paths: list[Path], inspector: Inspector) -> list[Media | None]:
    async def main() -> list[Media | None]:
        try:
            return [await inspector.look(path) for path in paths]
        finally:
            await inspector.close()

    return anyio.run(main)


def saying(program: str, limit_s: float = 60.0) -> Inspector:
    return Inspector((sys.executable, "-c", program), limit_s)


def test_one_process_looks_at_videos_one_after_the_other(tmp_path: Path) -> None:
    """What is no video, or is not there, is no reason to end."""
    (tmp_path / "a.mp4").write_bytes(clip())
    (tmp_path / "b.mp4").write_bytes(b"<html>")
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4", "gone.mp4", "a.mp4")]
    assert looked(paths, Inspector()) == [USUAL, UNREADABLE, None, USUAL]


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    """A folder from elsewhere may hold links to anything, and pipes that never end."""
    if sys.platform == "win32":
        pytest.skip("no links without privilege, no pipes")
    (tmp_path / "a.mp4").write_bytes(clip())
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    found = looked([tmp_path / "link.mp4", tmp_path / "pipe.mp4"], Inspector())
    assert found == [None, None]


@pytest.mark.skipif(sys.platform == "win32", reason="a crash has no signal there")
@pytest.mark.parametrize(
    ("end", "media"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", UNREADABLE),
        ("os.kill(os.getpid(), signal.SIGXCPU)", UNREADABLE),
        ("os.kill(os.getpid(), signal.SIGKILL)", None),  # short of memory, or somebody's hand
        ("1 / 0", None),
        ("print('{}', flush=True)", None),
        ("print('[' * 3000, flush=True)", None),
        ("print('x' * 99999, flush=True)", None),
    ],
)
def test_a_crash_is_said_of_the_video_that_caused_it(end: str, media: Media | None) -> None:
    """Of no other end is the video known to be the cause, so that it is looked at again."""
    assert looked([Path("a.mp4")], saying(f"{BEGINS}sys.stdin.readline(); {end}")) == [media]


def test_another_process_looks_at_the_next_video() -> None:
    """One bad video costs nothing of the others."""
    program = f"{BEGINS}\nif 'bad' in sys.stdin.readline(): os.abort()\n{ANSWER}"
    inspector = saying(program)
    assert looked([Path("bad.mp4"), Path("b.mp4")], inspector) == [UNREADABLE, USUAL]
    assert inspector.works


def test_one_that_never_answers_is_left() -> None:
    """The next run tries again: the machine may have been busy."""
    assert looked([Path("a.mp4")], saying(f"{BEGINS}time.sleep(60)", 0.5)) == [None]


@pytest.mark.parametrize("program", ["raise ImportError('av')", "import time; print(end='')"])
def test_a_process_that_does_not_begin_is_told_from_a_bad_video(program: str) -> None:
    """PyAV may be there and broken: then nothing can be said of any video."""
    inspector = saying(program)
    assert (looked([Path("a.mp4")], inspector), inspector.works) == ([None], False)
    gone = Inspector(("/no/such/program",))
    assert (looked([Path("a.mp4")], gone), gone.works) == ([None], False)


def test_the_process_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It decodes what a server sent."""
    for name in ("KLINGFLOW_API_KEY", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "secret")
    sees = f"{BEGINS}sys.stdin.readline(); assert 'secret' not in str(os.environ); {ANSWER}"
    assert looked([Path("a.mp4")], saying(sees)) == [USUAL]

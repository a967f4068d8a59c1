"""Frames that are taken once and kept."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from klingflow.media.kept_frames import Untaken, kept_frame
from tests.greys import film

pytestmark = pytest.mark.anyio


def a_video(folder: Path, content: bytes | None = None) -> Path:
    path = folder / "a.mp4"
    path.write_bytes(film(5) if content is None else content)
    return path


async def test_a_frame_is_kept_under_the_hash_of_its_png(tmp_path: Path) -> None:
    """And is whole when it has its name."""
    video, folder = a_video(tmp_path), tmp_path / "frames" / "aa"
    path, sha256 = await kept_frame(video, "last", folder)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    assert [p.name for p in folder.iterdir()] == [f"last.{sha256}.png"]


async def test_a_frame_is_taken_once(tmp_path: Path) -> None:
    """Afterwards the video is not needed."""
    video, folder = a_video(tmp_path), tmp_path / "frames"
    taken = [await kept_frame(video, words, folder) for words in ("last", "50%")]
    video.unlink()
    assert [await kept_frame(video, words, folder) for words in ("last", "50%")] == taken
    assert len({*taken}) == 2


async def test_a_picture_that_is_not_what_its_name_says_is_taken_again(tmp_path: Path) -> None:
    """A disk forgets bits, and a folder may come from elsewhere."""
    video, folder = a_video(tmp_path), tmp_path / "frames"
    kept = await kept_frame(video, "last", folder)
    kept.path.write_bytes(b"\x89PNG\r\n\x1a\nanother picture")
    assert await kept_frame(video, "last", folder) == kept
    assert hashlib.sha256(kept.path.read_bytes()).hexdigest() == kept.sha256


async def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """It may lead to another project."""
    (tmp_path / "other").mkdir()
    (tmp_path / "frames").symlink_to(tmp_path / "other")
    with pytest.raises(Untaken, match="cannot be written"):
        await kept_frame(a_video(tmp_path), "last", tmp_path / "frames")
    assert [*(tmp_path / "other").iterdir()] == []


@pytest.mark.parametrize(
    ("content", "words", "why"),
    [
        (None, "9s", "it is 0.2 s long, so nothing is seen after 9 s"),
        (b"no video", "first", "it cannot be decoded (InvalidDataError)"),
    ],
)
async def test_the_decoder_says_why_there_is_no_frame(
    tmp_path: Path, content: bytes | None, words: str, why: str
) -> None:
    """Nothing is kept."""
    with pytest.raises(Untaken) as refused:
        await kept_frame(a_video(tmp_path, content), words, tmp_path / "frames")
    assert str(refused.value) == why and not (tmp_path / "frames").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's script stands for Python")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("kill -SEGV $$", "it cannot be decoded: the decoder ended with -11"),
        ("echo a picture", "it cannot be decoded: the decoder ended with 0"),
        ("exec cat /dev/zero", "it cannot be decoded: the decoder ended with -9"),
        ("exec cat /dev/zero >&2", "it cannot be decoded: the decoder ended with -9"),
        ('echo "it knows $(env | grep -c secret) secrets" >&2; exit 1', "it knows 0 secrets"),
    ],
)
async def test_a_decoder_may_do_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    """It takes only itself with it when it crashes, and it knows neither key nor credentials."""
    decoder = tmp_path / "decoder"
    decoder.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8", newline="\n")
    decoder.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(decoder))
    for name in ("KLINGFLOW_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    with pytest.raises(Untaken) as refused:
        await kept_frame(a_video(tmp_path), "last", tmp_path / "frames")
    assert str(refused.value) == why

"""What a video is, found in its packets and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.media.probe import probe
from klingflow.model import UNREADABLE, Media
from tests.clips import (
    FPS,
    HEIGHT,
    SILENCE,
    TONE,
    WIDTH,
    black,
    boxed,
    clip,
    promising,
    still,
    turned,
)

USUAL = Media(width=WIDTH, height=HEIGHT, seconds=1.0, fps=float(FPS))
C2PA = boxed(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"manifest")


def looked(folder: Path, video: bytes) -> Media:
    path = folder / "a.mp4"
    path.write_bytes(video)
    with path.open("rb") as file:
        return probe(file)


@pytest.mark.parametrize(
    ("video", "found"),
    [
        (clip(), USUAL),
        (clip(black), replace(USUAL, black=True, frozen=True)),
        (clip(still), replace(USUAL, frozen=True)),
        (clip(lambda frame, x: 16 if frame < 9 else 60 + x), USUAL),  # black, and then not
        (clip(sound=TONE), replace(USUAL, sound="heard")),
        (clip(sound=SILENCE), replace(USUAL, sound="silent")),
        (turned(clip()), replace(USUAL, width=HEIGHT, height=WIDTH)),
        (clip(times=[0, 1, 2, 6, 18, 23]), replace(USUAL, seconds=2.0, fps=3.0)),
        (clip(AIGC='{"Label":"1"}'), replace(USUAL, labels=("AIGC",))),
        (clip(comment='{"AIGC":{"Label":"1"}}') + C2PA, replace(USUAL, labels=("AIGC", "C2PA"))),
        (clip()[:200], Media()),  # an index that is cut: no picture
        (clip(times=[0]), replace(USUAL, seconds=0.083, frozen=True)),
    ],
)
def test_a_video_is_what_its_packets_say(tmp_path: Path, video: bytes, found: Media) -> None:
    """Black and frozen need all pictures to be so, silent all samples."""
    assert looked(tmp_path, video) == found


@pytest.mark.parametrize("factor", [0, 5])
def test_a_header_is_not_believed_about_the_length(tmp_path: Path, factor: int) -> None:
    """Packets are counted, whatever is promised, and where nothing is."""
    assert looked(tmp_path, promising(clip(), factor)) == USUAL


def test_a_video_without_its_end_is_damaged(tmp_path: Path) -> None:
    """Its length is that of what is there."""
    whole = clip(seconds=8)
    media = looked(tmp_path, whole[: len(whole) // 2 + 4096])
    assert media.damaged
    assert 2 < media.seconds < 6


def test_a_picture_that_cannot_be_decoded_is_damaged(tmp_path: Path) -> None:
    """Nobody has seen it, so nobody calls it black or frozen."""
    whole = clip(still)
    at = whole.index(b"mdat") + 4
    media = looked(tmp_path, whole[:at] + bytes(len(whole) - at))
    assert media == replace(USUAL, damaged=True)


@pytest.mark.parametrize("video", [b"", b"\0" * 5000, b"<html>no</html>"])
def test_what_is_no_video_cannot_be_played(tmp_path: Path, video: bytes) -> None:
    """Nothing else is said about it."""
    assert looked(tmp_path, video) == UNREADABLE

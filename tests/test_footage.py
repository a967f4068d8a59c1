"""What a video is for a cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.media.footage import footage
from klingflow.results.timeline import Footage
from tests.films import film


@pytest.mark.parametrize(
    ("made", "seen"),
    [
        ({}, Footage(64, 36, 1.0, 24.0)),
        ({"seconds": 25 / 24}, Footage(64, 36, 25 / 24, 24.0)),
        ({"fps": 30, "sound": True}, Footage(64, 36, 1.0, 30.0, sound=True)),
        ({"turned": True}, Footage(36, 64, 1.0, 24.0)),
        ({"mark": "快手"}, Footage(64, 36, 1.0, 24.0, mark="快手")),
        ({"bframes": 2}, Footage(64, 36, 1.0, 24.0)),
    ],
)
def test_a_video_is_known_by_its_packets(
    tmp_path: Path, made: dict[str, object], seen: Footage
) -> None:
    """Its sides are those that a player shows."""
    found = footage(film(tmp_path / "a.mp4", **made))  # type: ignore[arg-type]  # by name
    assert found is not None
    counted = replace(found, seconds=round(found.seconds, 3), fps=round(found.fps, 3))
    assert counted == replace(seen, seconds=round(seen.seconds, 3))


@pytest.mark.parametrize("data", [b"", b"no film", b"\0\0\0\x18ftypisom" + bytes(40)])
def test_what_is_no_video_has_no_footage(tmp_path: Path, data: bytes) -> None:
    """Nor has a file that is not there."""
    (tmp_path / "a.mp4").write_bytes(data)
    assert footage(tmp_path / "a.mp4") is None
    assert footage(tmp_path / "none.mp4") is None

"""The sandbox's videos: playable, of the shape and length that were bought, one of its own for each
task.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest

from klingflow.sandbox import clips
from klingflow.sandbox.clips import Shown, draw, plain

av: Any = pytest.importorskip("av", reason="needs the media extra")
pytest.importorskip("PIL", reason="needs the media extra")

SHOT = Shown("task_1", "opening", "航拍雨中巨城,镜头缓慢下降到街道", 1280, 720, 5)


def played(clip: bytes) -> tuple[int, int, float, int]:
    """Width, height, length in seconds and number of frames, from decoding all of it."""
    with av.open(io.BytesIO(clip)) as container:
        frames = list(container.decode(video=0))
        return frames[0].width, frames[0].height, container.duration / av.time_base, len(frames)


def heard(clip: bytes) -> list[tuple[str, float]]:
    """Codec and length in seconds of each track of sound, from decoding all of it."""
    with av.open(io.BytesIO(clip)) as container:
        tracks = container.streams.audio
        loud = [any(bytes(frame.planes[0])) for frame in container.decode(audio=0) if tracks]
        assert all(loud)
        return [
            (track.codec_context.name, float(track.duration * track.time_base)) for track in tracks
        ]


def whole_pictures(clip: bytes) -> list[float]:
    """When, in seconds, a player can begin."""
    with av.open(io.BytesIO(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        return [float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe]


def boxes(clip: bytes) -> list[str]:
    """The names of the top-level boxes, which must end with the file."""
    names, at = [], 0
    while at < len(clip):
        size, name = struct.unpack_from(">I4s", clip, at)
        names.append(name.decode())
        at += size
    assert at == len(clip)
    return names


@pytest.mark.parametrize(
    ("width", "height", "seconds"),
    [(1280, 720, 5), (1080, 1920, 3), (720, 720, 1), (1920, 1080, 15)],
)
def test_a_drawn_clip_has_the_size_rate_and_length_that_were_bought(
    width: int, height: int, seconds: int
) -> None:
    """24 frames a second, a whole picture each second, and no sound where none was bought."""
    clip = draw(SHOT._replace(width=width, height=height, seconds=seconds))
    assert played(clip) == (width, height, float(seconds), 24 * seconds)
    assert whole_pictures(clip) == [float(second) for second in range(seconds)]
    assert heard_tracks(clip) == 0


def heard_tracks(clip: bytes) -> int:
    with av.open(io.BytesIO(clip)) as container:
        return len(container.streams.audio)


def test_a_drawn_clip_has_the_sound_that_was_bought() -> None:
    """A tone, as long as the picture but for less than a frame of AAC."""
    clip = draw(SHOT._replace(audio=True))
    assert played(clip) == (1280, 720, 5.0, 120)
    ((codec, seconds),) = heard(clip)
    assert codec == "aac" and seconds == pytest.approx(5, abs=0.025)


def test_a_player_can_begin_before_all_of_a_clip_is_here() -> None:
    """Its index comes first; and it is small."""
    clip = draw(SHOT._replace(audio=True))
    assert boxes(clip) == ["ftyp", "moov", "free", "free", "mdat", "free"] and len(clip) < 200_000


@pytest.mark.parametrize(
    "text", ["", " ", "x" * 500, "夜" * 300, "one\ntwo\t three", "\x00\x07", "🎬 " * 80, "a" * 64]
)
def test_whatever_the_prompt_is_there_is_a_clip(text: str) -> None:
    """Any text can be drawn, wrapped or left out."""
    assert played(draw(SHOT._replace(prompt=text, media_name=text[:64], seconds=1)))[3] == 24


def test_the_same_task_always_has_the_same_bytes() -> None:
    """So that a download can be resumed after a restart."""
    assert draw(SHOT) == draw(SHOT)
    assert plain("task_1") == plain("task_1")


def test_no_two_tasks_share_a_file() -> None:
    """Their hashes differ."""
    assert draw(SHOT) != draw(SHOT._replace(task_id="task_2"))
    assert plain("task_1") != plain("task_2")


def test_the_shipped_clip_plays() -> None:
    """Whole boxes, the task's id in the last of them, five seconds of H.264."""
    clip = plain("task_1")
    assert boxes(clip) == [*boxes(clips._shipped()), "free"] and {"ftyp", "moov", "mdat"} <= set(
        boxes(clip)
    )
    assert clip.endswith(b"task_1") and len(clip) < 10_000
    assert played(clip) == (320, 180, 5.0, 25)


def test_without_a_chinese_font_the_text_says_so() -> None:
    """Instead of rows of empty boxes."""
    assert (
        clips._drawable("雨夜 neon 霓虹", False)
        == "neon [4 characters; no Chinese font is installed]"
    )
    assert clips._drawable("雨夜 neon", True) == "雨夜 neon"

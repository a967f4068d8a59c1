"""One MP4 from many: copied where that can be, encoded where it has to be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from klingflow.media.pieces import Over, Piece, Shape
from klingflow.media.splicing import QUICK, Made, join
from tests.films import film, frames, opened, packets

SHAPE = Shape(64, 36, Fraction(24))


def joined(target: Path, *pieces: Piece, **how: Any) -> Made:
    """Join pieces, quickly."""
    return join(target, pieces, SHAPE, encoder=QUICK, **how)


def still(grey: int) -> Any:
    return Image.new("RGB", (64, 36), (grey, grey, grey))


def test_videos_of_one_format_are_copied_packet_by_packet(tmp_path: Path) -> None:
    """No picture is encoded again, and every one is shown in its turn."""
    one = film(tmp_path / "1.mp4", grey=60, sound=True)
    other = film(tmp_path / "2.mp4", grey=200, sound=True)
    out = tmp_path / "out.mp4"
    assert joined(out, Piece(24, one), Piece(24, other)) == Made(picture=True, sound=True)
    sent = [data for path in (one, other) for _, data in packets(path, "video")]
    assert [data for _, data in packets(out, "video")] == sent
    times = [at for at, _ in frames(out)]
    assert times == [round(n / 24, 4) for n in range(48)]


@pytest.mark.parametrize("bframes", [0, 2])
def test_decoding_times_increase(tmp_path: Path, bframes: int) -> None:
    """Also where a picture is decoded before an earlier one, and where sound overlaps."""
    videos = [
        film(tmp_path / f"{n}.mp4", grey=60 * n, sound=True, bframes=bframes) for n in (1, 2, 3)
    ]
    out = tmp_path / "out.mp4"
    joined(out, *(Piece(24, video) for video in videos))
    for kind in ("video", "audio"):
        times = [dts for dts, _ in packets(out, kind)]
        assert times == sorted(set(times))
    assert len(frames(out)) == 72


def test_a_video_that_players_turn_stays_turned(tmp_path: Path) -> None:
    """The picture of a telephone lies on its side in the file."""
    videos = [film(tmp_path / f"{n}.mp4", turned=True) for n in (1, 2)]
    out = tmp_path / "out.mp4"
    assert joined(out, *(Piece(24, video) for video in videos)).picture
    assert opened(out)["rotation"] == opened(videos[0])["rotation"] != 0


def test_a_turned_video_among_others_is_shown_upright(tmp_path: Path) -> None:
    """It is encoded: one stream has one rotation."""
    out = tmp_path / "out.mp4"
    pieces = Piece(24, film(tmp_path / "1.mp4")), Piece(24, film(tmp_path / "2.mp4", turned=True))
    assert not joined(out, *pieces).picture
    assert (opened(out)["size"], opened(out)["rotation"]) == ((64, 36), 0)


def test_a_card_lasts_as_long_as_its_shot(tmp_path: Path) -> None:
    """Then everything is encoded, in the size and at the rate of the cut."""
    video = film(tmp_path / "1.mp4", fps=30, size=(32, 18), grey=200)
    out = tmp_path / "out.mp4"
    made = joined(out, Piece(24, video), Piece(12, still=lambda: still(60)))
    shown = frames(out)
    assert made == Made(picture=False, sound=False)
    assert (opened(out)["size"], len(shown)) == ((64, 36), 36)
    assert shown[23][1] > 180 > 80 > shown[24][1]


def test_a_video_that_is_too_short_ends_on_its_last_picture(tmp_path: Path) -> None:
    """What follows does not move."""
    short = film(tmp_path / "1.mp4", seconds=0.5, grey=200)
    out = tmp_path / "out.mp4"
    joined(out, Piece(24, short), Piece(6, still=lambda: still(0)))
    assert len(frames(out)) == 30
    assert frames(out)[23][1] > 180


def test_what_lies_over_a_piece_is_seen_in_its_time(tmp_path: Path) -> None:
    """A subtitle begins and ends."""
    white = Image.new("RGBA", (64, 36), (255, 255, 255, 255))
    over = Over(lambda: white, 0.25, 0.5)
    out = tmp_path / "out.mp4"
    joined(out, Piece(24, film(tmp_path / "1.mp4", grey=60), over=[over]))
    lit = [number for number, (_, grey) in enumerate(frames(out)) if grey > 200]
    assert lit == [6, 7, 8, 9, 10, 11]


def test_what_is_transparent_lets_the_picture_through(tmp_path: Path) -> None:
    """A subtitle is not a black picture with words."""
    nothing = Image.new("RGBA", (64, 36), (0, 0, 0, 0))
    out = tmp_path / "out.mp4"
    joined(out, Piece(6, still=lambda: still(200), over=[Over(lambda: nothing, 0.0, 1.0)]))
    assert min(grey for _, grey in frames(out)) > 180


@pytest.mark.parametrize("sounds", [(True, False), (False, True)])
def test_a_video_without_sound_is_silent_among_others(
    tmp_path: Path, sounds: tuple[bool, ...]
) -> None:
    """Its pictures are copied all the same, and the sound of the others stays at its place."""
    videos = [film(tmp_path / f"{n}.mp4", sound=has_it) for n, has_it in enumerate(sounds)]
    out = tmp_path / "out.mp4"
    made = joined(out, *(Piece(24, video) for video in videos))
    assert made == Made(picture=True, sound=False)
    assert opened(out)["kinds"] == ["video", "audio"]
    assert abs(opened(out)["seconds"] - 2.0) < 0.05


def test_a_film_without_sound_has_no_stream_of_it(tmp_path: Path) -> None:
    """Silence would be a claim."""
    out = tmp_path / "out.mp4"
    joined(out, Piece(24, film(tmp_path / "1.mp4")))
    assert opened(out)["kinds"] == ["video"]


@pytest.mark.parametrize("mark", ['{"Label":"1","ContentProducer":"快手"}', ""])
def test_the_mark_of_ai_is_in_the_metadata(tmp_path: Path, mark: str) -> None:
    """Under the key that the rules name."""
    out = tmp_path / "out.mp4"
    joined(out, Piece(24, film(tmp_path / "1.mp4")), mark=mark)
    assert opened(out)["metadata"].get("AIGC", "") == mark


@pytest.mark.parametrize(
    ("colours", "kept"), [((1, 1), (1, 1)), ((0, 0), (2, 2)), ((1, 6), (2, 2))]
)
def test_colours_stay_what_the_videos_say(
    tmp_path: Path, colours: tuple[int, ...], kept: tuple[int, int]
) -> None:
    """Also where the pictures are encoded; where the videos differ, nothing is claimed."""
    videos = [film(tmp_path / f"{n}.mp4", colour=one) for n, one in enumerate(colours)]
    out = tmp_path / "out.mp4"
    joined(out, *(Piece(24, video) for video in videos), Piece(6, still=lambda: still(60)))
    assert opened(out)["colour"] == kept


def test_it_says_how_far_it_is(tmp_path: Path) -> None:
    """In frames: after each piece that is copied, and after each picture that is encoded."""
    told: list[int] = []
    video = film(tmp_path / "1.mp4")
    joined(tmp_path / "out.mp4", Piece(24, video), Piece(24, video), tell=told.append)
    assert told == [24, 48]
    joined(tmp_path / "2.mp4", Piece(2, video), Piece(2, still=lambda: still(60)), tell=told.append)
    assert told[2:] == [1, 2, 2, 3, 4, 4]

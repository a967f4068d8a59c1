"""One frame taken out of a video."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from klingflow.media.frames import NoFrame, frame
from tests.greys import film, grey_of, mute

FILM = film()


def number_of(png: bytes) -> int:
    """Which frame of FILM a picture is."""
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.size) == ("PNG", (640, 360))
        light = picture.convert("L").getpixel((5, 5))
    return min(range(50), key=lambda n: abs((grey_of(n) - 16) * 255 / 219 - float(str(light))))


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("first", 0),
        ("last", 49),
        ("0s", 0),
        ("0.04s", 1),
        ("0.079s", 1),
        ("1s", 25),
        ("2s", 49),
        ("0%", 0),
        ("50%", 25),
        ("99.9%", 49),
        ("100%", 49),
    ],
)
def test_words_name_a_frame(words: str, number: int) -> None:
    """A moment means the frame that is seen then; the length counts to the end of the last one."""
    assert number_of(frame(io.BytesIO(FILM), words)) == number


def test_the_frames_of_a_video_with_one_key_frame_are_found() -> None:
    """Then everything before them is decoded."""
    assert number_of(frame(io.BytesIO(film(keys=250)), "last")) == 49


@pytest.mark.parametrize(
    ("video", "words", "why"),
    [
        (FILM, "2.1s", "it is 2.0 s long, so nothing is seen after 2.1 s"),
        (b"", "first", "it cannot be decoded (InvalidDataError)"),
        (b"\0" * 5000, "last", "it cannot be decoded (InvalidDataError)"),
        (FILM[: len(FILM) // 2], "50%", "it cannot be decoded (InvalidDataError)"),
        (mute(), "first", "it has no picture"),
    ],
)
def test_a_video_may_have_no_such_frame(video: bytes, words: str, why: str) -> None:
    """What is wrong is said about the video."""
    with pytest.raises(NoFrame) as refused:
        frame(io.BytesIO(video), words)
    assert str(refused.value) == why


@pytest.mark.parametrize("words", ["first", "last", "50%", "1s"])
def test_pictures_that_are_damaged_are_no_frames(words: str) -> None:
    """Where only the samples are lost, the index still promises them."""
    start = FILM.index(b"mdat") + 4
    stop = FILM.index(b"moov") - 4
    damaged = FILM[:start] + b"\0" * (stop - start) + FILM[stop:]
    with pytest.raises(NoFrame):
        frame(io.BytesIO(damaged), words)

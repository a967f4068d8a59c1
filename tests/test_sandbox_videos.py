"""The videos that the sandbox serves: drawn or, if they cannot be, plain; whole, or a range."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from klingflow.sandbox import clips
from klingflow.sandbox.tasks import Task
from klingflow.sandbox.videos import Videos, ranged

CLIP = b"0123456789"


def task(task_id: str = "task_1") -> Task:
    return Task(task_id, "task_2", 1, 100.0, 5.0, "tier", 5, 5, 1280, 720, "rain", "", "0" * 64, {})


def served(videos: Videos, *tasks: Task) -> list[bytes]:
    async def each() -> list[bytes]:
        return [await videos.of(task) for task in tasks]

    return asyncio.run(each())


def test_a_clip_that_cannot_be_drawn_is_plain_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with Pillow 10.0, which cannot size its own font: the run gets its videos all the same."""
    told: list[str] = []
    monkeypatch.setattr(clips, "can_draw", lambda: True)
    monkeypatch.setattr(clips, "draw", broken)
    videos = Videos(plain=False, tell=told.append)
    expected = [clips.plain("task_1"), clips.plain("task_3")]
    assert served(videos, task(), task("task_3")) == expected
    said = "a video could not be drawn (TypeError: load_default() takes 0 positional arguments); "
    assert told == [said + "the plain clip is sent instead"]


def broken(shot: clips.Shown) -> bytes:
    raise TypeError("load_default() takes 0 positional arguments")


def test_a_clip_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And shows the client's name for its request where the body has none."""
    drawn: list[clips.Shown] = []

    def draw(shot: clips.Shown) -> bytes:
        drawn.append(shot)
        return b"drawn"

    monkeypatch.setattr(clips, "can_draw", lambda: True)
    monkeypatch.setattr(clips, "draw", draw)
    assert served(Videos(plain=False, tell=print), task(), task()) == [b"drawn", b"drawn"]
    assert drawn == [clips.Shown("task_1", "", "rain", 1280, 720, 5)]


def test_plain_clips_are_plain_although_they_could_be_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--plain-clips`."""
    monkeypatch.setattr(clips, "can_draw", lambda: True)
    monkeypatch.setattr(clips, "draw", broken)
    assert served(Videos(plain=True, tell=print), task()) == [clips.plain("task_1")]


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("", 200, CLIP),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=7-99", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-99", 206, CLIP),
        ("bytes=10-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=5-4", 416, b""),
        ("bytes=-", 200, CLIP),
        ("bytes=1-2,4-5", 200, CLIP),
        ("lines=1-2", 200, CLIP),
    ],
)
def test_one_range_is_served_and_no_other_form(wanted: str, status: int, body: bytes) -> None:
    """What is not one range of bytes is ignored, as servers may."""
    reply = ranged(CLIP, {"range": wanted})
    assert (reply.status_code, reply.body) == (status, body)


def test_a_range_of_another_version_gets_the_whole() -> None:
    """If-Range names the version that the client holds a part of."""
    tag = ranged(CLIP, {}).headers["etag"]
    same = ranged(CLIP, {"range": "bytes=2-4", "if-range": tag})
    other = ranged(CLIP, {"range": "bytes=2-4", "if-range": '"other"'})
    assert (same.body, same.headers["content-range"]) == (b"234", "bytes 2-4/10")
    assert (other.status_code, other.body) == (200, CLIP)


def test_where_no_chinese_font_is_installed_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what to install; a clip without Chinese needs none."""
    told: list[str] = []
    monkeypatch.setattr(clips, "can_draw", lambda: True)
    monkeypatch.setattr(clips, "draw", lambda shot: b"drawn")
    monkeypatch.setattr(clips, "_font", lambda size: (None, False))
    videos = Videos(plain=False, tell=told.append)
    served(videos, task())
    assert told == []
    served(videos, *(replace(task(name), prompt="雨夜") for name in ("task_3", "task_4")))
    assert told == [
        "no Chinese font is installed, so the sandbox's videos leave Chinese out; install one, such"
        " as fonts-noto-cjk (Debian, Ubuntu) or google-noto-sans-cjk-fonts (Fedora)"
    ]

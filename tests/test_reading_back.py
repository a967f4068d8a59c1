"""What stands at an address, asked for as the gateway would ask."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import anyio
import pytest

from klingflow.assets.reading_back import read_back, why_refused, why_unreadable
from klingflow.assets.stores import Snapshot
from klingflow.gateway.http import Gateway
from klingflow.gateway.outcomes import NoReply
from tests.pictures import mp4, png
from tests.runs import Scripted, Video

ADDRESS = "https://cdn.example.com/a.png"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Video(206, png()), None),
        (Video(200, mp4()), None),
        (NoReply(False, "no connection"), "no connection"),
        (Video(403), "HTTP 403"),
        (
            Video(200, b"<!doctype html>", **{"content-type": "text/html"}),
            "no image and no video stands there (text/html)",
        ),
        (Video(200), "no image and no video stands there"),
    ],
)
def test_an_address_must_hold_an_image_or_a_video(reply: Video | NoReply, why: str | None) -> None:
    """By its bytes: a page may be served with any status and type."""
    gateway = cast(Gateway, Scripted(videos=[reply]))
    assert anyio.run(why_unreadable, gateway, ADDRESS) == why


@pytest.mark.parametrize(
    ("head", "why", "asked"),
    [
        (Video(200), None, ["HEAD", "open"]),
        (Video(403), None, ["HEAD", "open"]),
        (NoReply(True, "no answer in time"), None, ["HEAD", "open"]),
        (Video(404), None, ["HEAD", "open"]),
        (Video(410), "HTTP 410", ["HEAD"]),
        (NoReply(False, "no connection"), "no connection", ["HEAD"]),
    ],
)
def test_a_head_is_believed_only_where_it_is_certain(
    head: Video | NoReply, why: str | None, asked: list[str]
) -> None:
    """An address that is signed for GET refuses a HEAD, and some servers know none."""
    scripted = Scripted(videos=[head, Video(206, png())])
    assert anyio.run(why_refused, cast(Gateway, scripted), ADDRESS) == why
    assert scripted.asked == [f"{verb} {ADDRESS}" for verb in asked]


@pytest.mark.parametrize("stated", ["bytes 0-4/*", f"bytes 0-4/{'9' * 5000}", "no range at all"])
def test_a_length_that_cannot_be_read_is_not_compared(stated: str) -> None:
    """A server's nonsense in a header says nothing about the file: what was asked for is there."""
    back = Video(206, b"still", **{"content-range": stated})
    scripted = Scripted(videos=[back])
    taken = Snapshot("a.png", Path("1.png"), "1.png", 5, b"still")
    anyio.run(read_back, cast(Gateway, scripted), ADDRESS, taken)
    assert scripted.asked == [f"open {ADDRESS}"]

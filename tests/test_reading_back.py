"""What stands at an address, asked for as the gateway would ask."""

from __future__ import annotations

from typing import cast

import anyio
import pytest

from klingflow.assets.reading_back import why_unreadable
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

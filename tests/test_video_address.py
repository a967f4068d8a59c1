"""A video's address is read as a browser reads it, and a word is none."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.gateway.video_address import MAX_URL, video_address

BASE = "https://gw.example.com/api/v1/videos/task_1"


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("https://h:8443/x?sig=a%2Fb&c='d'", "https://h:8443/x?sig=a%2Fb&c=%27d%27"),
        ("http://h", "http://h"),
        ("https://h/a b.mp4?q=c d", "https://h/a%20b.mp4?q=c%20d"),
        ("https://h/视频.mp4?名=雨", "https://h/%E8%A7%86%E9%A2%91.mp4?%E5%90%8D=%E9%9B%A8"),
        (" https://h/a\n", "https://h/a"),
        ("https://h/a\tb\r\nc", "https://h/abc"),
        ("https://h/a#t=1", "https://h/a"),
        ("https://h/100%/{a}|^", "https://h/100%/%7Ba%7D|%5E"),
        ("HTTPS://h/x", "https://h/x"),
        ("//cdn.example.com/v.mp4", "https://cdn.example.com/v.mp4"),
        ("/files/v", "https://gw.example.com/files/v"),
        ("../files/v", "https://gw.example.com/api/v1/files/v"),
        ("./v", "https://gw.example.com/api/v1/videos/v"),
        ("v.MP4?x=1", "https://gw.example.com/api/v1/videos/v.MP4?x=1"),
        ("雨 夜.mp4", "https://gw.example.com/api/v1/videos/%E9%9B%A8%20%E5%A4%9C.mp4"),
        ("https://h/" + "x" * (MAX_URL - 10), "https://h/" + "x" * (MAX_URL - 10)),
    ],
)
def test_an_address_is_read_as_a_browser_reads_it(said: str, url: str) -> None:
    """Joined to the address of the reply, with blanks and Chinese characters percent-encoded."""
    assert video_address(said, BASE) == url


@pytest.mark.parametrize(
    "said",
    ["", " ", "pending", "null", "N/A", "处理中", "ftp://h/x", "data:video/mp4;base64,AA", "h:80/x",
     "http://", "https://h:99999/", "https://h:0/", "http://[::1", "https://a b/", "https://h/\0a",
     "https://h/\u202ea", "https://h/?key=[the key]", "/[the key]", 5, {}, None, True,
     "https://h/" + "x" * (MAX_URL - 9), "https://h/" + "雨" * 1000],
)  # fmt: skip
def test_what_is_no_address_is_none(said: Any) -> None:
    """Nothing else is ever fetched, or handed to another shot. The key is in no address."""
    assert video_address(said, BASE) is None


def test_without_a_base_an_address_is_whole() -> None:
    """There is nothing to join it to."""
    assert video_address("/files/v.mp4") is None
    assert video_address("https://h/v.mp4") == "https://h/v.mp4"

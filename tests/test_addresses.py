"""Addresses of images and videos: what is wrong with a text that is none, and who can reach it."""

from __future__ import annotations

import pytest

from klingflow.manifest.addresses import elsewhere_meant, private_host, unreachable, why_none
from tests.one_shot import CLIP, PICTURE, complaints

OMNI = {"model": "kling-3.0-omni", "prompt": "x"}


@pytest.mark.parametrize(
    "path",
    ["C:\\a.png", "..\\a.mp4", "~/a.png", "file:///a.png", "/srv/a.png"],
)
def test_a_path_that_only_this_machine_has_is_answered_with_how_paths_are_written(
    path: str,
) -> None:
    """A manifest means the same file on every machine."""
    assert why_none(path) == (
        f"'{path}'; write the path of a file from the folder of the file that says it, with /, such"
        " as refs/a.png"
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "cdn.example.com/a.png",
            "an address begins with https://: write https://cdn.example.com/a.png",
        ),
        ("refs/a\u200b.png", "it holds U+200B ZERO WIDTH SPACE, which is invisible: delete it"),
        ("林夏", "write an address such as https://cdn.example.com/a.png"),
        ("refs/林夏.png", ""),
    ],
)
def test_the_path_of_no_file_may_be_meant_for_an_address(path: str, said: str) -> None:
    """`cdn.example.com/a.png` may be a folder, too, so it is only said where there is no file."""
    assert elsewhere_meant(path) == said


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("cdn.example.com/a.png", "write https://cdn.example.com/a.png"),
        ("gw.example.com", "write https://gw.example.com"),
        ("//cdn.example.com/a.png", "write https://cdn.example.com/a.png"),
        (" https://a.example/a.png", "delete the blanks around it"),
        ("https://a.example/a b.png", "an address holds no blanks: write %20 for each"),
        ("https:/a.example/a.png", "write :// behind http or https"),
        ("https://", "a host is missing behind ://"),
        (
            "oss://bucket/a.png",
            "the gateway cannot read oss: addresses: give a public https:// one",
        ),
        ("林夏", "write an address such as https://cdn.example.com/a.png"),
    ],
)
def test_a_text_that_is_no_address_is_told_what_to_write(text: str, remedy: str) -> None:
    """Each says the remedy for its own mistake."""
    assert why_none(text) == f"'{' '.join(text.split())}'; {remedy}"


@pytest.mark.parametrize(
    "host",
    [
        "localhost:9000",
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "192.168.1.20",
        "10.0.0.7:8080",
        "172.16.0.1",
        "169.254.169.254",
        "[::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "nas",
        "nas.local",
        "files.corp.",
        "minio.internal",
    ],
)
def test_a_host_of_the_authors_network_is_private(host: str) -> None:
    """Row "images: [http://localhost:9000/a.png], http://192.168.1.20/a.png"."""
    assert private_host(f"http://{host}/a.png")


@pytest.mark.parametrize(
    "address",
    [PICTURE, "http://8.8.8.8/a.png", "https://[2606:4700::1111]/a.png", "https://[", "", "a.png"],
)
def test_a_public_host_is_not_private(address: str) -> None:
    """Neither is a text that is no address: that is another mistake."""
    assert private_host(address) is None


def test_every_place_of_a_body_that_holds_an_address_is_looked_at() -> None:
    """Each address that cannot be reached has its own path."""
    near = "http://10.0.0.1/a"
    body = {
        "image": near,
        "images": [PICTURE, near],
        "content": [{"type": "text"}, {"image_url": {"url": near}}, 3],
        "metadata": {"last_frame_url": near, "video_url": near, "file_infos": [{"url": near}, 3]},
    }
    assert [path for path, _ in unreachable(body)] == [
        ("image",),
        ("images", 1),
        ("content", 1, "image_url", "url"),
        ("metadata", "last_frame_url"),
        ("metadata", "video_url"),
        ("metadata", "file_infos", 0, "url"),
    ]


def test_a_private_address_is_a_warning_at_its_place_which_allow_silences() -> None:
    """The gateway cannot reach it; who has a gateway in the same network knows better."""
    fields = {**OMNI, "images": [PICTURE, "http://localhost:9000/a.png"]}
    (found,) = complaints(**fields)
    assert (found.code, found.severity) == ("private-address", "warning")
    assert "cannot reach 'localhost'" in found.message
    assert complaints(**fields, allow=["private-address"]) == []


def test_a_private_address_in_files_is_told_where_the_author_wrote_it() -> None:
    """The path of the body is the path of the field."""
    (found,) = complaints(**OMNI, files=[{"video": CLIP}, {"video": "http://nas/a.mp4"}])
    assert found.code == "private-address" and found.mark.column > 100

"""A video is fetched whole or not at all, and what goes wrong costs no more than another try."""

from __future__ import annotations

import errno
import gzip
import hashlib
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway import download, reading
from klingflow.gateway.download import (
    OVERLAP_BYTES,
    Downloaded,
    DownloadFailed,
    NotYet,
    part_of,
)
from klingflow.gateway.http import Gateway, Timeouts
from klingflow.gateway.reading import Stream
from tests.boxes import film
from tests.runs import Video
from tests.wire import HANG, RESET, Answer, Wire, http, serve

FILM = film()
KEY = "key-0123456789abcdef"
KEY_ECHO = f'{{"error":{{"message":"bad token {KEY}"}}}}'
SOON = Timeouts(download_read_s=1)

pytestmark = pytest.mark.anyio


async def fetched(
    target: Path, *answers: Answer, attempts: int = 1
) -> tuple[list[download.Result], Wire]:
    """What so many tries in a row came to, against a server that gives `answers` one by one."""
    async with (
        serve(*answers) as wire,
        Gateway(wire.base, "key-0123456789abcdef", timeouts=SOON) as gateway,
    ):
        results = [
            await download.fetch(gateway, gateway.content_url("task_1"), target)
            for _ in range(attempts)
        ]
    return results, wire


def chunked(body: bytes) -> bytes:
    """A reply whose transfer ends properly, wherever its body was cut."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def ranged(whole: bytes) -> Callable[[bytes], bytes]:
    """A server that honours Range."""

    def answer(request: bytes) -> bytes:
        found = re.search(rb"range: bytes=(\d+)-", request)
        assert found is not None
        begin = int(found[1])
        return http(
            206, whole[begin:], f"content-range: bytes {begin}-{len(whole) - 1}/{len(whole)}"
        )

    return answer


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def whole_at(target: Path) -> Downloaded:
    """What a try says whose video is whole, beside the place that it is for."""
    return Downloaded(part_of(target), len(FILM), hashlib.sha256(FILM).hexdigest())


async def test_a_video_arrives_beside_its_place_with_its_hash(tmp_path: Path) -> None:
    """The folder is made, the file is whole, and nothing else is there; its name is given by who
    asked for it.
    """
    target = tmp_path / "outputs" / "neon" / "opening.mp4"
    results, wire = await fetched(target, http(200, FILM))
    assert results == [whole_at(target)]
    assert part_of(target).read_bytes() == FILM
    assert names_in(target.parent) == ["opening.mp4.part"]
    assert wire.requests[0].startswith(b"GET /v1/videos/task_1/content HTTP/1.1\r\n")


async def test_another_server_is_not_shown_the_key(tmp_path: Path) -> None:
    """The result's own address may be anybody's; the gateway's route gets the key."""
    target = tmp_path / "a.mp4"
    async with (
        serve(http(404)) as cdn,
        serve(http(200, FILM)) as wire,
        Gateway(wire.base, "key-0123456789abcdef") as gateway,
    ):
        first = await download.fetch(gateway, f"{cdn.base}/v.mp4", target)
        second = await download.fetch(gateway, gateway.content_url("task_1"), target)
    assert (first, second) == (NotYet("HTTP 404"), whole_at(target))
    assert b"key-0123456789abcdef" not in cdn.requests[0]
    assert b"key-0123456789abcdef" in wire.requests[0]


@pytest.mark.parametrize(
    "cut",
    [http(200, FILM)[:150_000], chunked(FILM[:150_000]), chunked(FILM)[:150_000]],
    ids=["short of its length", "chunked and ended properly", "chunked and not ended"],
)
async def test_a_cut_download_is_found_and_gone_on_with(tmp_path: Path, cut: bytes) -> None:
    """However it was cut, the next try asks for the rest alone, and the whole is the video."""
    target = tmp_path / "a.mp4"
    results, wire = await fetched(target, cut, ranged(FILM), attempts=2)
    assert isinstance(results[0], DownloadFailed) and not results[0].permanent
    assert results[1] == whole_at(target)
    assert part_of(target).read_bytes() == FILM
    assert b"range:" not in wire.requests[0]
    assert b"range: bytes=8" in wire.requests[1]


SIZE = len(FILM)


@pytest.mark.parametrize(
    "whole",
    [
        http(203, FILM),
        http(206, FILM, f"content-range: bytes 0-{SIZE - 1}/{SIZE}"),
        chunked(FILM).replace(b"\r\n", b"\r\ncontent-length: 1234\r\n", 1),
    ],
    ids=["by a proxy", "a range that nobody asked for", "two lengths"],
)
async def test_a_whole_video_is_taken_in_any_form(tmp_path: Path, whole: bytes) -> None:
    """As servers send it that put something between."""
    results, _ = await fetched(tmp_path / "a.mp4", whole)
    assert results == [whole_at(tmp_path / "a.mp4")]


def deflated(data: bytes) -> bytes:
    """Deflate without a head, as some servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(FILM),
    "x-gzip": gzip.compress(FILM),
    "GZip": gzip.compress(FILM[:9]) + gzip.compress(FILM[9:]),
    "deflate": zlib.compress(FILM),
    "Deflate": deflated(FILM),
    "gzip, identity": FILM,
}


@pytest.mark.parametrize("send", [lambda body, *h: http(200, body, *h), None])
@pytest.mark.parametrize("name", PACKED)
async def test_a_packed_video_is_unpacked(
    tmp_path: Path, name: str, send: Callable[..., bytes] | None
) -> None:
    """content and `video_url` answer 200 with a good MP4 under `Content-Encoding: gzip`: delivered.
    So is one that only claims to be packed. A stated length is that of the packed bytes.
    """
    header, body = f"content-encoding: {name}", PACKED[name]
    whole = chunked(body).replace(b"OK\r\n", f"OK\r\n{header}\r\n".encode(), 1)
    answer = send(body, header) if send else whole
    results, _ = await fetched(tmp_path / "a.mp4", answer)
    assert results == [whole_at(tmp_path / "a.mp4")]
    assert part_of(tmp_path / "a.mp4").read_bytes() == FILM


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, br", "compress"])
async def test_a_packing_that_is_not_undone_is_named(tmp_path: Path, name: str) -> None:
    """Another address of the video may bring it plain, so it is tried again."""
    packed = http(200, FILM, f"content-encoding: {name}")
    results, _ = await fetched(tmp_path / "a.mp4", packed)
    said = f"the video came packed as {name}, which klingflow does not unpack"
    assert results == [DownloadFailed(said)]
    assert names_in(tmp_path) == []


PACK = "content-encoding: gzip"


@pytest.mark.parametrize(
    "then",
    [
        http(200, gzip.compress(FILM), PACK),
        ranged(FILM),
        lambda request: _repacked(ranged(FILM)(request)),
    ],
    ids=["packed again", "plain", "the rest packed"],
)
async def test_a_packed_video_that_was_cut_is_gone_on_with(tmp_path: Path, then: Answer) -> None:
    """What was unpacked stays, and the next reply is joined to it or brings the whole again."""
    cut = chunked(gzip.compress(FILM, 0)[:120_000]).replace(
        b"OK\r\n", b"OK\r\n%b\r\n" % PACK.encode()
    )
    results, wire = await fetched(tmp_path / "a.mp4", cut, then, attempts=2)
    assert isinstance(results[0], DownloadFailed) and "cut short" in results[0].reason
    assert b"range: bytes=" in wire.requests[1]
    assert results[1] == whole_at(tmp_path / "a.mp4")


async def test_a_piece_of_packed_bytes_is_joined_to_nothing(tmp_path: Path) -> None:
    """A Range that counts packed bytes: it starts over, without one."""
    packed = gzip.compress(FILM, 0)
    cut = chunked(packed[:120_000]).replace(b"OK\r\n", b"OK\r\n%b\r\n" % PACK.encode())

    def piece(request: bytes) -> bytes:
        return ranged(packed)(request).replace(b"Said\r\n", b"Said\r\n%b\r\n" % PACK.encode())

    whole = http(200, packed, PACK)
    results, wire = await fetched(tmp_path / "a.mp4", cut, piece, whole, attempts=3)
    assert isinstance(results[1], DownloadFailed) and not results[1].permanent
    assert b"range:" not in wire.requests[2]
    assert results[2] == whole_at(tmp_path / "a.mp4")


def _repacked(reply: bytes) -> bytes:
    """The reply with its body packed, as a proxy does that packs whatever passes."""
    head, _, body = reply.partition(b"\r\n\r\n")
    found = re.search(rb"content-range: [^\r]+", head)
    assert found is not None
    return http(206, gzip.compress(body), PACK, found[0].decode())


async def test_a_part_of_a_video_that_nobody_asked_for_is_not_taken(tmp_path: Path) -> None:
    """A 206 to a plain request brings the whole video or nothing."""
    results, _ = await fetched(
        tmp_path / "a.mp4", http(206, FILM[100:], f"content-range: bytes 100-{SIZE - 1}/{SIZE}")
    )
    assert results == [DownloadFailed("HTTP 206")]
    assert names_in(tmp_path) == []


async def test_a_line_that_a_script_adds_spoils_no_video(tmp_path: Path) -> None:
    """The length says that all is here. Without one it may be the beginning of what was cut off."""
    target = tmp_path / "a.mp4"
    results, _ = await fetched(
        target, chunked(FILM + b"\r\n"), http(200, FILM + b"\r\n"), attempts=2
    )
    assert isinstance(results[0], DownloadFailed) and isinstance(results[1], Downloaded)
    assert part_of(target).read_bytes() == FILM + b"\r\n"


async def test_where_range_is_ignored_it_starts_over(tmp_path: Path) -> None:
    """200 where 206 was asked for is the whole video again."""
    target = tmp_path / "a.mp4"
    results, _ = await fetched(target, chunked(FILM[:150_000]), http(200, FILM), attempts=2)
    assert results[1] == whole_at(target)


async def test_two_different_videos_are_never_joined(tmp_path: Path) -> None:
    """Where the server's bytes differ from those that are here, the part is thrown away."""
    target, other = tmp_path / "a.mp4", film(seed=7)
    answers = (chunked(other[:150_000]), ranged(FILM), http(200, FILM))
    results, wire = await fetched(target, *answers, attempts=3)
    assert isinstance(results[1], DownloadFailed)
    assert results[2] == whole_at(target)
    assert b"range:" not in wire.requests[2]


async def test_a_range_that_cannot_be_met_starts_over(tmp_path: Path) -> None:
    """416 says that what is here is longer than the video."""
    target = tmp_path / "a.mp4"
    results, _ = await fetched(
        target, chunked(FILM[:150_000]), http(416), http(200, FILM), attempts=3
    )
    assert results[1:] == [DownloadFailed("HTTP 416"), whole_at(target)]


async def test_a_part_that_was_complete_is_finished_with_its_last_bytes(tmp_path: Path) -> None:
    """A crash between the last byte and the rename costs one overlap."""
    target = tmp_path / "a.mp4"
    target.with_name("a.mp4.part").write_bytes(FILM)
    results, wire = await fetched(target, ranged(FILM))
    assert results == [whole_at(target)]
    assert f"range: bytes={len(FILM) - OVERLAP_BYTES}-".encode() in wire.requests[0]


@pytest.mark.parametrize("header", ["bytes {}-5/7", "bytes 0-{}/7", "bytes 0-5/{}"])
async def test_a_range_of_5000_digits_starts_over(tmp_path: Path, header: str) -> None:
    """Python refuses to read such numbers; the server's nonsense costs a try."""
    target = tmp_path / "a.mp4"
    nonsense = http(206, FILM, f"content-range: {header.format('9' * 5000)}")
    results, _ = await fetched(
        target, chunked(FILM[:150_000]), nonsense, http(200, FILM), attempts=3
    )
    assert isinstance(results[1], DownloadFailed) and not results[1].permanent
    assert results[2] == whole_at(target)


NUMBERS = st.from_regex(r"[0-9]{1,30}", fullmatch=True) | st.just("9" * 5000) | st.text(max_size=3)


def read_range(header: str) -> tuple[int | None, int | None]:
    return reading.content_range(cast(Stream, Video(206, b"", **{"content-range": header})))


@given(NUMBERS, NUMBERS, NUMBERS | st.just("*"), st.text(max_size=30))
def test_no_header_breaks_the_reader(first: str, last: str, total: str, noise: str) -> None:
    """Sizes are read as they were written, or not at all."""
    found = read_range(f"bytes {first}-{last}/{total}")
    if found != (None, None):
        assert found == (int(first), None if total == "*" else int(total))
    for text in (first, noise):
        size = reading._size(text)
        assert size is None or (text.isascii() and size == int(text) < 10**18)
    assert read_range(noise) == (None, None) or noise.startswith("bytes ")


@pytest.mark.parametrize("body", [KEY_ECHO, KEY_ECHO.replace("-", r"\u002d")])
@pytest.mark.parametrize("status", [200, 403])
async def test_an_echo_of_the_key_is_not_passed_on(tmp_path: Path, status: int, body: str) -> None:
    """Neither from what came in place of a video, nor from its headers."""
    for answer in (
        http(status, body.encode()),
        http(status, b"<html>", f"content-type: text/{KEY}"),
    ):
        [result], _ = await fetched(tmp_path / "a.mp4", answer)
        assert not isinstance(result, Downloaded)
        assert KEY not in result.reason


@pytest.mark.parametrize("status", [202, 204, 404, 409, 425])
async def test_a_video_that_is_not_ready_is_waited_for(tmp_path: Path, status: int) -> None:
    """For some seconds after `completed` the route has nothing; Retry-After is passed on."""
    results, _ = await fetched(tmp_path / "a.mp4", http(status, b"", "retry-after: 3"))
    assert results == [NotYet(f"HTTP {status}", 3.0)]
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"error":{"message":"task is not completed","code":"not_ready"}}',
            "not_ready task is not completed",
        ),
        (b"<html>please wait</html>", "text/html"),
        (b"", "text/html"),
    ],
)
async def test_text_with_status_200_is_no_video(tmp_path: Path, body: bytes, said: str) -> None:
    """What a relay says instead of the video is never kept as the video."""
    results, _ = await fetched(tmp_path / "a.mp4", http(200, body, "content-type: text/html"))
    assert results == [NotYet(f"no video yet: {said}")]
    assert names_in(tmp_path) == []


async def test_text_instead_of_the_rest_keeps_the_part(tmp_path: Path) -> None:
    """A passing hiccup of the server loses none of the bytes that are here."""
    target = tmp_path / "a.mp4"
    answers = (chunked(FILM[:150_000]), http(200, b"{}"), http(502, b"<html>"), ranged(FILM))
    results, _ = await fetched(target, *answers, attempts=4)
    assert results[1:] == [
        NotYet("no video yet: nothing"),
        DownloadFailed("HTTP 502"),
        whole_at(target),
    ]


@pytest.mark.parametrize("answer", [HANG, RESET, b""])
async def test_silence_is_a_failed_try(tmp_path: Path, answer: bytes) -> None:
    """A dead server is tried again later."""
    [result], _ = await fetched(tmp_path / "a.mp4", answer)
    assert isinstance(result, DownloadFailed)
    assert not result.permanent


@pytest.mark.parametrize("status", [401, 403, 410, 429, 500, 502, 503])
async def test_a_refusal_is_a_failed_try(tmp_path: Path, status: int) -> None:
    """What the server refuses now it may give later, or from its other address."""
    results, _ = await fetched(tmp_path / "a.mp4", http(status, b'{"error":{"message":"no"}}'))
    assert results == [DownloadFailed(f"HTTP {status}: no")]


async def test_a_whole_transfer_that_is_no_film_starts_over(tmp_path: Path) -> None:
    """All promised bytes that are broken are thrown away, not gone on with."""
    broken = FILM[:-5]
    results, wire = await fetched(
        tmp_path / "a.mp4", http(200, broken), http(200, FILM), attempts=2
    )
    assert results[1] == whole_at(tmp_path / "a.mp4")
    assert b"range:" not in wire.requests[1]


async def test_a_video_over_the_bound_is_given_up(tmp_path: Path) -> None:
    """An endless transfer cannot fill the disk."""
    async with (
        serve(http(200, FILM)) as wire,
        Gateway(wire.base, "key-0123456789abcdef") as gateway,
    ):
        result = await download.fetch(
            gateway, gateway.content_url("task_1"), tmp_path / "a.mp4", max_bytes=100_000
        )
    assert result == DownloadFailed("longer than 100000 bytes", permanent=True)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 53687091200\r\n\r\n" + FILM[:100],
        http(206, FILM[:100], "content-range: bytes 0-99/53687091200"),
    ],
    ids=["length", "range"],
)
async def test_a_stated_size_over_the_bound_is_given_up_at_once(
    tmp_path: Path, answer: bytes
) -> None:
    """Before a byte of it is kept."""
    async with serve(answer) as wire, Gateway(wire.base, "key-0123456789abcdef") as gateway:
        result = await download.fetch(
            gateway, gateway.content_url("task_1"), tmp_path / "a.mp4", max_bytes=10**9
        )
    assert isinstance(result, DownloadFailed) and result.permanent
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("answer", [http(200, FILM), chunked(FILM)], ids=["stated", "unstated"])
async def test_a_disk_is_not_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """The ledger needs room too, so some is left, and nothing of the video stays."""
    monkeypatch.setattr(download, "_KEPT_FREE_BYTES", 2**62)
    result, _ = await fetched(tmp_path / "a.mp4", answer)
    assert isinstance(result[0], DownloadFailed) and result[0].permanent
    assert "no room" in result[0].reason
    assert names_in(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
async def test_another_name_of_a_file_is_not_written_to(tmp_path: Path) -> None:
    """A hard link in the place of `.part`: that file stays as it is."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (tmp_path / "a.mp4.part").hardlink_to(precious)
    results, _ = await fetched(tmp_path / "a.mp4", http(200, FILM))
    assert results == [whole_at(tmp_path / "a.mp4")]
    assert precious.read_bytes() == b"mine"


async def test_a_part_over_the_bound_is_begun_again(tmp_path: Path) -> None:
    """An earlier version may have left it."""
    (tmp_path / "a.mp4.part").write_bytes(bytes(10**6))
    async with serve(http(200, FILM)) as wire, Gateway(wire.base, "key-0123456789abcdef") as g:
        result = await download.fetch(
            g, g.content_url("task_1"), tmp_path / "a.mp4", max_bytes=10**6 - 1
        )
    assert result == whole_at(tmp_path / "a.mp4")
    assert b"range:" not in wire.requests[0]


async def test_a_download_has_a_deadline(tmp_path: Path) -> None:
    """A server that drips cannot hold a place for ever."""
    async with serve(HANG) as wire, Gateway(wire.base, "key-0123456789abcdef") as gateway:
        result = await download.fetch(
            gateway, gateway.content_url("task_1"), tmp_path / "a.mp4", deadline_s=0.05
        )
    assert isinstance(result, DownloadFailed)
    assert not result.permanent


async def test_a_link_at_the_target_is_not_written_through(tmp_path: Path) -> None:
    """Nothing outside is overwritten, neither through the name nor through its part."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("a.mp4", "b.mp4.part"):
        (tmp_path / name).symlink_to(precious)
    [first], _ = await fetched(tmp_path / "a.mp4", http(200, FILM))
    [second], _ = await fetched(tmp_path / "b.mp4", http(200, FILM))
    assert [isinstance(r, DownloadFailed) and r.permanent for r in (first, second)] == [True, True]
    assert precious.read_text() == "mine"


async def test_a_full_disk_is_permanent_and_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another try would fail as well, and the ledger needs what room there is."""

    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "write_all", full)
    [result], _ = await fetched(tmp_path / "a.mp4", http(200, FILM))
    assert result == DownloadFailed(
        f"{tmp_path / 'a.mp4'}: No space left on device", permanent=True
    )
    assert names_in(tmp_path) == []


async def test_a_folder_in_the_way_of_an_unfinished_file_is_named(tmp_path: Path) -> None:
    """It is the user's to move, and lies beside the place of the video."""
    target = tmp_path / "a.mp4"
    part_of(target).mkdir()
    results, _ = await fetched(target, http(200, FILM))
    (result,) = results
    assert isinstance(result, DownloadFailed)
    assert result.permanent and str(part_of(target)) in result.reason


async def test_a_folder_that_cannot_be_made_is_permanent(tmp_path: Path) -> None:
    """A file where the folder should be is the user's to move."""
    (tmp_path / "outputs").write_text("a file")
    [result], _ = await fetched(tmp_path / "outputs" / "a.mp4", http(200, FILM))
    assert isinstance(result, DownloadFailed)
    assert result.permanent

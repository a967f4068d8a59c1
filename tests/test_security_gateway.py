"""Whom the key is sent to, what a server may do to us, and what is seen of the key by whoever
debugs.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.gateway import download
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.download import DownloadFailed
from klingflow.gateway.http import Gateway, Timeouts
from klingflow.gateway.outcomes import NoReply
from klingflow.gateway.reading import Stream
from tests.wire import DRIP, http, listening, serve

KEY = "sk-0123456789abcdef0123456789"
SOON = Timeouts(
    connect_s=10, create_read_s=20, create_total_s=20, query_total_s=20, download_read_s=20
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "takes_key"),
    [
        ("https://gw.example.com/v1/videos/t/content", True),
        ("HTTPS://GW.EXAMPLE.COM:443/v1/videos/t/v.mp4?a=/../b", True),
        ("https://gw.example.com/v1/videos/x/../t/content", True),
        ("https://gw.example.com/v.mp4", False),
        ("https://gw.example.com/v1/videos", False),
        ("https://gw.example.com/v1/videos?x", False),
        ("https://gw.example.com/v1/videosx/t", False),
        ("https://gw.example.com/v1/users/v.mp4", False),
        ("https://gw.example.com/V1/videos/t", False),
        ("https://gw.example.com/v1/videos/../../log", False),
        ("https://gw.example.com/v1/videos/%2e%2e/%2E%2e/log", False),
        ("https://gw.example.com/v1/videos/..%2flog", False),
        ("https://gw.example.com/v1/videos/%252e%252e/log", False),
        ("https://gw.example.com/v1/videos/..\\..\\log", False),
        ("https://gw.example.com/v1/videos//log", False),
        ("http://gw.example.com/v.mp4", False),
        ("http://gw.example.com:443/v.mp4", False),
        ("https://gw.example.com:444/v.mp4", False),
        ("https://gw.example.com./v.mp4", False),
        ("https://www.gw.example.com/v.mp4", False),
        ("https://gw.example.com.evil.example/v.mp4", False),
        ("https://gw.example.com@evil.example/v.mp4", False),
        ("https://gw.example.com:443@evil.example/v.mp4", False),
        ("https://evil.example/https://gw.example.com/", False),
        ("https://evil.example#gw.example.com", False),
        ("https://evil.example?@gw.example.com", False),
        ("https://gw.example.com%2eevil.example/v.mp4", False),
        ("https://gẃ.example.com/v.mp4", False),
        ("https://gw.exam\u0440le.com/v.mp4", False),
        ("https://xn--gw-5ja.example.com/v.mp4", False),
    ],
)
async def test_the_key_goes_to_its_own_origin_alone(url: str, takes_key: bool) -> None:
    """Scheme, host and port have to be the gateway's, however the address is written, and the path
    has to lie below its route of videos.
    """
    async with Gateway("https://gw.example.com", KEY) as gateway:
        request = gateway._download_request("GET", url, {})
    assert (b"authorization" in dict(request.head.headers)) is takes_key
    assert (KEY in str(request.head.headers.raw_items())) is takes_key


@pytest.mark.parametrize(
    "url", ["http://evil.example[::1]:3000/", "http://[::1]:3000\\@evil.example/"]
)
async def test_where_two_readings_of_an_address_differ_no_key_goes(url: str) -> None:
    """The request goes where the HTTP library reads it to go, so its reading decides."""
    async with Gateway("http://[::1]:3000", KEY) as gateway, gateway.open(url) as stream:
        assert isinstance(stream, NoReply)


@pytest.mark.parametrize("route", ["create", "query", "content"])
async def test_no_redirect_takes_the_key_along(route: str) -> None:
    """Of a create and a query it is no answer; a download goes there as a stranger."""
    async with serve(http(200, b"x")) as other:
        away = http(307, b"", f"location: {other.base}/v1/videos")
        async with serve(away) as wire, Gateway(wire.base, KEY) as gateway:
            if route == "create":
                await gateway.create(b"{}", "u/a")
            elif route == "query":
                await gateway.query("t")
            else:
                async with gateway.open(gateway.content_url("t")) as stream:
                    assert isinstance(stream, Stream)
    assert len(other.requests) == (route == "content")
    assert not any(KEY.encode() in request for request in other.requests)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/v",
        "http://localhost:{port}/v",
        "http://2130706433:{port}/v",
        "http://127.1:{port}/v",
        "http://[::ffff:127.0.0.1]:{port}/v",
        "http://169.254.169.254/latest/meta-data",
    ],
)
async def test_a_gateway_elsewhere_fetches_nothing_from_this_machine(url: str) -> None:
    """Nor from its link: such an address in a reply aims at what only this machine can reach."""
    async with (
        serve(http(200, b"secret")) as wire,
        Gateway("https://gw.example.com", KEY) as gateway,
    ):
        planted = url.format(port=wire.base.rpartition(":")[2])
        async with gateway.open(planted) as stream:
            assert isinstance(stream, NoReply)
    assert wire.connections == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://h/v.mp4", "data:video/mp4,x", "javascript:x", "//h/v"]
)
async def test_only_web_addresses_are_fetched(url: str) -> None:
    """No file, no other scheme, whatever a reply says."""
    async with Gateway("https://gw.example.com", KEY) as gateway, gateway.open(url) as stream:
        assert isinstance(stream, NoReply)


def test_a_proxy_is_never_shown_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https it is asked for a tunnel (test_http.py); over http it would see the key, so
    nothing begins.
    """
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UsageError, match="no_proxy"):
        Gateway("http://gw.example.com", KEY)
    monkeypatch.setenv("no_proxy", "gw.example.com")
    Gateway("http://gw.example.com", KEY)


async def test_the_tunnel_is_asked_for_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees a host and a port."""
    async with serve(http(403)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.base)
        monkeypatch.delenv("no_proxy", raising=False)
        async with Gateway("https://gw.example.com", KEY) as gateway:
            await gateway.create(b"{}", "u/a")
            await gateway.query("t")
    assert [request.split()[0] for request in proxy.requests] == [b"CONNECT", b"CONNECT"]
    assert KEY.encode() not in b"".join(proxy.requests)


def self_signed(folder: Path) -> ssl.SSLContext:
    made = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
async def test_a_server_that_cannot_prove_its_name_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing switches that off: neither an option nor the variables that other programs heed."""
    for name in (
        "PYTHONHTTPSVERIFY",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "NODE_TLS_REJECT_UNAUTHORIZED",
    ):
        monkeypatch.setenv(name, "0" if "BUNDLE" not in name else "")
    context = self_signed(tmp_path)
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))

    async with listening(hear, context) as base, Gateway(base, KEY, timeouts=SOON) as gateway:
        answer = await gateway.create(b"{}", "u/a")
    assert isinstance(answer, NoReply) and not answer.sent
    assert "certificate" in answer.reason.lower()
    assert heard == []


async def test_what_the_http_library_logs_holds_no_key(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every logger at DEBUG, which shows the heads of replies that come through a proxy."""
    caplog.set_level(logging.DEBUG)
    escaped = "".join(f"%{ord(c):02x}" for c in KEY)
    echo = http(
        401, KEY.encode(), f"x-echo: Bearer {KEY}", f"x-more: {escaped}", f"location: /{KEY}"
    )
    async with serve(echo) as wire, Gateway(wire.base, KEY) as gateway:
        monkeypatch.setenv("http_proxy", wire.base)
        await gateway.create(b"{}", "u/a")
        await gateway.query("t")
        for address in (wire.base, "http://videos.example/a.mp4"):
            async with gateway.open(address) as stream:
                assert isinstance(stream, Stream)
                await stream.words()
    assert "x-echo" in caplog.text, "the library no longer logs heads, and this test sees nothing"
    assert KEY not in caplog.text
    assert escaped not in caplog.text


async def test_the_loggers_are_left_as_they_were() -> None:
    """A program that uses us may want its own to itself."""
    before = list(logging.getLogger("httpcore.http11").filters)
    async with Gateway("https://gw.example.com", KEY):
        assert logging.getLogger("httpcore.http11").filters != before
    assert logging.getLogger("httpcore.http11").filters == before


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000,
        b"HTTP/1.1 " + b"2" * 1_000_000,
    ],
    ids=["many lines", "one line", "a status line"],
)
async def test_an_endless_head_is_left(head: bytes) -> None:
    """After a hundred kilobytes it is no reply; a create is in doubt then, as it should be."""
    async with serve(head + DRIP) as wire, Gateway(wire.base, KEY, timeouts=SOON) as gateway:
        answer = await gateway.create(b"{}", "u/a")
    assert isinstance(answer, NoReply) and answer.sent
    assert "time" not in answer.reason
    assert len(answer.reason) < 400


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_download_of_no_said_length_is_bounded(tmp_path: Path) -> None:
    """Chunk upon chunk of what begins like a video ends at the bound, and leaves nothing."""
    piece = b"\0\0\0\x18ftypisom" + bytes(10_000)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for _ in range(100))
    endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + DRIP
    async with serve(endless) as wire, Gateway(wire.base, KEY, timeouts=SOON) as gateway:
        result = await download.fetch(
            gateway, gateway.content_url("task_1"), tmp_path / "a.mp4", max_bytes=200_000
        )
    assert result == DownloadFailed("longer than 200000 bytes", permanent=True)
    assert names_in(tmp_path) == []


async def test_a_packed_download_is_bounded_by_what_it_holds(tmp_path: Path) -> None:
    """A bomb of few bytes ends at the bound, and leaves nothing."""
    bomb = gzip.compress(b"\0\0\0\x18ftypisom" + bytes(50_000_000))
    packed = http(200, bomb, "content-encoding: gzip", "content-type: video/mp4")
    async with serve(packed) as wire, Gateway(wire.base, KEY) as gateway:
        result = await download.fetch(
            gateway, gateway.content_url("task_1"), tmp_path / "a.mp4", max_bytes=10_000_000
        )
    assert result == DownloadFailed("longer than 10000000 bytes", permanent=True)
    assert names_in(tmp_path) == []


async def test_a_header_holds_no_piece_of_the_key() -> None:
    """Such as a server leaves that puts a blank where a line's end was."""
    broken = http(502, b"<html>", f"x-request-id: {KEY[:9]} {KEY[9:]}")
    async with serve(broken) as wire, Gateway(wire.base, KEY) as gateway:
        assert KEY[9:] not in repr(await gateway.create(b"{}", "u/a"))


async def test_a_cut_echo_of_the_key_is_no_evidence() -> None:
    """Neither where the server shortens its message, nor where the connection breaks within the
    key.
    """
    short = http(500, f'{{"error":"bad header: Bearer {KEY[:20]}"}}'.encode())
    broken = b"HTTP/1.1 500 Oh\r\ncontent-length: 999\r\n\r\nBearer " + KEY[:12].encode()
    async with serve(short, broken) as wire, Gateway(wire.base, KEY) as gateway:
        for _ in range(2):
            assert KEY[:12] not in repr(read_create(await gateway.create(b"{}", "u/a")))

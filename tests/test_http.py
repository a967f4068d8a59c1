"""The adapter tells the truth about every exchange: what came back, and if anything was sent."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from klingflow.errors import UsageError
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.http import Gateway, Timeouts
from klingflow.gateway.outcomes import Doubtful, NoReply, Reply, Succeeded
from klingflow.gateway.query_replies import read_query
from klingflow.gateway.reading import MAX_BODY_BYTES, Cut, Stream
from klingflow.words import Text
from tests.wire import DRIP, HANG, RESET, http, serve

KEY = "sk-0123456789abcdef0123456789"
ESCAPED = "".join(f"\\u{ord(c):04x}" for c in KEY)
BODY = b'{"model":"kling-3.0"}'
SOON = Timeouts(connect_s=30, create_read_s=1, create_total_s=9, query_total_s=1, download_read_s=1)

pytestmark = pytest.mark.anyio


async def test_create_posts_the_body_once_with_the_key() -> None:
    """A create is one POST of the very bytes, with the key, as JSON, asking for a plain answer."""
    async with (
        serve(http(200, b'{"id":"task_1"}', "X-Request-Id: r1")) as wire,
        Gateway(wire.base, KEY, user_agent="klingflow/7") as gateway,
    ):
        answer = await gateway.create(BODY, "shot/1")
    headers = {"content-length": "15", "x-request-id": "r1"}
    assert answer == Reply(200, headers, b'{"id":"task_1"}', complete=True)
    [request] = wire.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/videos HTTP/1.1\r\n")
    assert body == BODY
    lines = {line.lower() for line in head.decode().split("\r\n")}
    assert {
        f"authorization: bearer {KEY}",
        "content-type: application/json",
        "accept-encoding: identity",
        "user-agent: klingflow/7",
    } <= lines


async def test_each_create_has_a_connection_of_its_own() -> None:
    """Creates never ride on a kept connection, queries do."""
    async with serve(http(200, b"{}"), close=False) as wire, Gateway(wire.base, KEY) as gateway:
        for _ in range(3):
            await gateway.create(BODY, "shot/1")
        assert wire.connections == 3
        for _ in range(3):
            await gateway.query("task_1")
        assert wire.connections == 4


async def test_each_download_has_a_connection_of_its_own() -> None:
    """A second reply left over on a kept one would be the next task's video."""
    async with serve(http(200, b"video"), close=False) as wire, Gateway(wire.base, KEY) as gateway:
        for task in ("task_1", "task_2"):
            async with gateway.open(gateway.content_url(task)) as stream:
                assert isinstance(stream, Stream) and await stream.read() == b"video"
                assert await stream.read() == b""
    assert wire.connections == 2


async def test_a_query_names_the_task_safely_in_its_path() -> None:
    """An id cannot climb out of its place in the URL."""
    async with serve(http(200, b"{}")) as wire, Gateway(f"{wire.base}/relay/v1/", KEY) as gateway:
        await gateway.query("a/../b?c#d%2f")
    assert wire.requests[0].startswith(b"GET /relay/v1/videos/a%2F..%2Fb%3Fc%23d%252f HTTP/1.1\r\n")


async def test_nothing_listening_means_nothing_sent() -> None:
    """A refused connection is the one case where a create may be repeated."""
    async with serve(b"") as wire:
        base = wire.base
    async with Gateway(base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, NoReply)
    assert not answer.sent


async def test_an_unknown_host_means_nothing_sent() -> None:
    """A name that does not resolve is no connection."""
    async with Gateway("https://gateway.invalid", KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, NoReply)
    assert not answer.sent


@pytest.mark.parametrize(
    "answer",
    [
        HANG,
        RESET,
        b"",
        b"\x00\x01 not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["hang", "reset", "closed", "garbage", "half a head", "only a 100"],
)
async def test_a_create_without_an_answer_was_sent(answer: bytes) -> None:
    """Once bytes may have left, silence of any kind says that they did."""
    async with serve(answer) as wire, Gateway(wire.base, KEY, timeouts=SOON) as gateway:
        result = await gateway.create(BODY, "shot/1")
    assert isinstance(result, NoReply)
    assert result.sent
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_create_is_never_redirected(status: int) -> None:
    """A redirect is handed back as the reply that it is."""
    async with (
        serve(http(status, b"", "location: /elsewhere")) as wire,
        Gateway(wire.base, KEY) as gateway,
    ):
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, Reply)
    assert answer.status == status
    assert len(wire.requests) == 1


async def test_a_create_is_not_repeated_after_a_server_error() -> None:
    """The transport repeats nothing by itself."""
    async with serve(http(502, b"<html>")) as wire, Gateway(wire.base, KEY) as gateway:
        await gateway.create(BODY, "shot/1")
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "cut",
    [
        b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"id":"task_1"}',
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nf\r\n{"id":"task_1"}\r\n',
    ],
    ids=["short of its length", "without the last chunk"],
)
async def test_what_came_before_a_cut_is_kept(cut: bytes) -> None:
    """The part of a reply that arrived may hold the id, so it is never thrown away."""
    async with serve(cut) as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, Reply)
    assert (answer.body, answer.complete) == (b'{"id":"task_1"}', False)


async def test_a_server_that_drips_for_ever_is_left() -> None:
    """The bound on the whole exchange holds where each wait for bytes is short."""
    dripping = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{" + DRIP
    timeouts = Timeouts(create_read_s=60, create_total_s=1)
    async with serve(dripping) as wire, Gateway(wire.base, KEY, timeouts=timeouts) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, Reply)
    assert (answer.body, answer.complete) == (b"{", False)


async def test_an_endless_body_is_bounded() -> None:
    """No reply may fill the memory."""
    endless = http(200, b"x" * (MAX_BODY_BYTES + 300_000))
    async with serve(endless) as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.query("task_1")
    assert isinstance(answer, Reply)
    assert MAX_BODY_BYTES < len(answer.body) < MAX_BODY_BYTES + 100_000
    assert not answer.complete


@pytest.mark.parametrize("name", ["gzip", "GZip"])
async def test_a_packed_reply_is_unpacked_within_bounds(name: str) -> None:
    """A server that packs although it was asked not to costs no id, and a bomb no memory."""
    small = http(200, gzip.compress(b'{"id":"task_1"}'), f"content-encoding: {name}")
    bomb = http(200, gzip.compress(bytes(50 * MAX_BODY_BYTES)), "content-encoding: gzip")
    async with serve(small, bomb) as wire, Gateway(wire.base, KEY) as gateway:
        first = await gateway.create(BODY, "shot/1")
        second = await gateway.query("task_1")
    assert isinstance(first, Reply) and first.body == b'{"id":"task_1"}'
    assert isinstance(second, Reply) and len(second.body) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("packed", "header"),
    [
        (gzip.compress(BODY)[:-8] + b"not a sum", "content-encoding: gzip"),
        (gzip.compress(gzip.compress(BODY)), "content-encoding: gzip, gzip"),
        (gzip.compress(BODY), "content-type: application/json"),
        (BODY.decode().encode("utf-16"), "content-type: application/json; charset=utf-16"),
    ],
    ids=["a wrong sum", "packed twice", "packed without a word", "in UTF-16"],
)
async def test_a_reply_is_read_however_it_was_packed(packed: bytes, header: str) -> None:
    """The id of a task that was paid for may stand in it."""
    async with serve(http(200, packed, header)) as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, Reply) and answer.body == BODY


async def test_what_is_no_reply_is_heard_all_the_same() -> None:
    """Its beginning is kept for a person, without the key."""
    said = b"HTTP/2 200 {task_1} " + KEY.encode()
    async with serve(said) as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, NoReply) and answer.sent
    assert answer.heard == b"HTTP/2 200 {task_1} [the key]"


async def test_klingflows_own_word_for_what_came_is_translated() -> None:
    """It stands inside of another sentence, and both go into the ledger."""
    async with serve(b"") as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, NoReply) and isinstance(answer.reason, Text)
    said = answer.reason.said_by(lambda template: f"⟦{template}⟧")
    assert "(⟦the server left without an answer⟧)⟧" in said


async def test_the_key_is_seen_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither representations, nor failures, nor logs, nor a reply that echoes it hold the key."""
    caplog.set_level(logging.DEBUG)
    echo = http(400, f'{{"error":"bad header Authorization: Bearer {KEY}"}}'.encode())
    async with serve(echo, HANG) as wire, Gateway(wire.base, KEY, timeouts=SOON) as gateway:
        shown = [
            repr(gateway),
            str(gateway),
            repr(await gateway.create(BODY, "shot/1")),
            repr(await gateway.create(BODY, "shot/1")),
            repr(gateway._query_of("task_1")),
        ]
    assert KEY not in "\n".join([*shown, caplog.text])
    assert "[the key]" in shown[2]


@pytest.mark.parametrize(
    "echo",
    [
        http(400, f'{{"error":"{ESCAPED}"}}'.encode()),
        http(502, b"<html>", f"x-request-id: {KEY}", f"content-type: text/{KEY}"),
        b"GARBAGE " + KEY.encode() + b"\r\n\r\n",
        b"HTTP/1.1 " + b"x" * 140 + KEY.encode() + b"\r\n\r\n",
    ],
    ids=["escaped", "headers", "an exception's text", "cut within the key"],
)
async def test_an_echo_of_the_key_is_cleaned_wherever_it_comes(echo: bytes) -> None:
    """Bodies with escapes, headers, and what the HTTP library quotes of a broken reply."""
    async with serve(echo) as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert KEY[:10] not in repr(answer)
    assert KEY[:10] not in repr(read_create(answer))


@pytest.mark.parametrize(
    "wide",
    [KEY.encode("utf-16"), gzip.compress(gzip.compress(f"<p>{KEY}".encode()))],
    ids=["in UTF-16", "packed twice"],
)
async def test_an_echo_of_the_key_is_cleaned_when_it_is_unpacked(wide: bytes) -> None:
    """Also where no header says that it is packed, or in which encoding it is."""
    async with serve(http(400, wide)) as wire, Gateway(wire.base, KEY) as gateway:
        answer = await gateway.create(BODY, "shot/1")
    assert isinstance(answer, Reply) and b"[the key]" in answer.body and KEY not in repr(answer)


@pytest.mark.parametrize("said", [KEY, ESCAPED, KEY.replace("-", "%2D")])
async def test_an_id_that_holds_the_key_is_no_id(said: str) -> None:
    """It is neither written down nor altered into another id: the purchase is in doubt."""
    async with (
        serve(http(200, f'{{"id":"task-{said}"}}'.encode())) as wire,
        Gateway(wire.base, KEY) as gateway,
    ):
        outcome = read_create(await gateway.create(BODY, "shot/1"))
    assert isinstance(outcome, Doubtful)
    assert outcome.evidence["body"] == '{"id":"task-[the key]"}'


async def test_an_address_that_holds_the_key_is_no_address() -> None:
    """The video then comes from the content route, and the ledger does not keep the address."""
    body = (
        f'{{"id":"t","status":"completed","video_url":"https://c.example/?key={ESCAPED}"}}'.encode()
    )
    async with serve(http(200, body)) as wire, Gateway(wire.base, KEY) as gateway:
        assert read_query(await gateway.query("t"), task_id="t") == Succeeded()


async def test_the_reply_to_a_download_is_cleaned_where_it_is_words() -> None:
    """Headers, error bodies and cuts; a video's own bytes stay as they are."""
    refusal = http(403, ESCAPED.encode(), f"content-type: text/{KEY}")
    broken = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n"
    async with serve(refusal, broken) as wire, Gateway(wire.base, KEY) as gateway:
        async with gateway.open(f"{wire.base}/v.mp4") as stream:
            assert isinstance(stream, Stream)
            assert stream.headers["content-type"] == "text/[the key]"
            assert await stream.words(b"begun ") == b"begun [the key]"
        async with gateway.open(f"{wire.base}/v.mp4") as stream:
            assert isinstance(stream, Stream)
            with pytest.raises(Cut) as cut:
                await stream.read()
    assert KEY not in str(cut.value)


@pytest.mark.parametrize("key", ["", "a b", "schlüssel-geheim", "line\nbreak"])
def test_an_unusable_key_is_refused_without_showing_it(key: str) -> None:
    """A key that cannot be a header is the user's mistake, told without repeating the key."""
    with pytest.raises(UsageError) as refused:
        Gateway("https://gateway.example.com", key)
    assert not key or key not in str(refused.value)


async def test_an_environment_proxy_is_not_used_on_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sandbox is reached whatever proxy the user works behind."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serve(http(200, b"{}")) as wire, Gateway(wire.base, KEY) as gateway:
        assert isinstance(await gateway.query("task_1"), Reply)


async def test_an_environment_proxy_is_used_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user's environment names as a proxy carries the requests: over https in a tunnel,
    else as they are.
    """
    async with serve(http(503), http(200, b"video")) as wire:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, wire.base.removeprefix("http://"))
        monkeypatch.delenv("no_proxy", raising=False)
        async with Gateway("https://gateway.invalid", KEY) as gateway:
            answer = await gateway.create(BODY, "shot/1")
            async with gateway.open("http://cdn.invalid/v.mp4") as stream:
                assert isinstance(stream, Stream)
    assert isinstance(answer, NoReply) and not answer.sent
    assert wire.requests[0].startswith(b"CONNECT gateway.invalid:443 HTTP/1.1\r\n")
    assert wire.requests[1].startswith(b"GET http://cdn.invalid/v.mp4 HTTP/1.1\r\n")


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:9", "http://[::1", "http://h:port"])
@pytest.mark.parametrize("name", ["https_proxy", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    """It is the user's setting to change, before anything is sent; the variable is named."""
    monkeypatch.setenv(name, proxy)
    with pytest.raises(UsageError, match=f"the proxy that {name} names cannot be used: "):
        Gateway("https://gateway.example.com", KEY)


async def test_a_proxy_that_a_download_cannot_use_is_a_failed_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The video may come from another address."""
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1:9")
    async with (
        Gateway("https://gateway.example.com", KEY) as gateway,
        gateway.open("http://cdn.example.com/v.mp4") as stream,
    ):
        assert isinstance(stream, NoReply) and not stream.sent
    assert stream.reason.startswith("the proxy that http_proxy names cannot be used: ")


async def test_a_download_takes_the_key_to_its_own_origin_only() -> None:
    """After a redirect to another server the key stays behind."""
    async with serve(http(200, b"video")) as cdn:
        away = http(302, b"", f"location: {cdn.base}/v.mp4")
        async with (
            serve(away) as wire,
            Gateway(wire.base, KEY) as gateway,
            gateway.open(gateway.content_url("task_1"), {"range": "bytes=5-"}) as stream,
        ):
            assert isinstance(stream, Stream)
            assert (stream.status, stream.url, await stream.read()) == (
                200,
                f"{cdn.base}/v.mp4",
                b"video",
            )
            assert await stream.read() == b""
    assert KEY.encode() in wire.requests[0]
    assert KEY.encode() not in cdn.requests[0]
    assert b"range: bytes=5-" in cdn.requests[0].lower()


async def test_redirects_in_a_circle_end() -> None:
    """A download follows five redirects and no more."""
    async with (
        serve(http(302, b"", "location: /again")) as wire,
        Gateway(wire.base, KEY) as gateway,
        gateway.open(f"{wire.base}/start") as stream,
    ):
        assert isinstance(stream, NoReply)
    assert len(wire.requests) == 6


async def test_a_redirect_to_an_address_that_holds_the_key_is_not_followed() -> None:
    """The server knows it; who stands there does not."""
    async with (
        serve(http(200)) as elsewhere,
        serve(http(302, b"", f"location: {elsewhere.base}/?key={KEY}")) as wire,
        Gateway(wire.base, KEY) as gateway,
        gateway.open(f"{wire.base}/start") as stream,
    ):
        assert isinstance(stream, NoReply)
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "ftp://x/y",
        "http://[::1",
        "//",
        "http://a b/",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/",
    ],
)
async def test_a_redirect_to_nowhere_is_no_reply(location: str) -> None:
    """An address that cannot be followed is a failure of the network, not of ours."""
    async with (
        serve(http(302, b"", f"location: {location}")) as wire,
        Gateway(wire.base, KEY) as gateway,
        gateway.open(f"{wire.base}/start") as stream,
    ):
        assert isinstance(stream, NoReply)


async def test_a_download_that_stops_is_cut() -> None:
    """Bytes that were promised and do not come raise Cut."""
    short = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"
    async with (
        serve(short) as wire,
        Gateway(wire.base, KEY, timeouts=SOON) as gateway,
        gateway.open(f"{wire.base}/v.mp4") as stream,
    ):
        assert isinstance(stream, Stream)
        assert await stream.read() == b"abc"
        with pytest.raises(Cut):
            await stream.read()


async def test_a_cancelled_exchange_leaves_the_gateway_usable() -> None:
    """Ctrl-C during a poll breaks no later one."""
    async with serve(HANG, http(200, b"{}")) as wire, Gateway(wire.base, KEY) as gateway:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(gateway.query, "task_1")
                while not wire.requests:
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        assert isinstance(await gateway.query("task_1"), Reply)


@pytest.mark.parametrize("name", ["nothing", "garbage.pem", "."])
def test_certificates_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With the variable and the file; a gateway on this machine, such as the sandbox, needs
    none.
    """
    (tmp_path / "garbage.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
    with pytest.raises(UsageError) as refused:
        Gateway("https://gw.example.com", KEY)
    said = f"the certificates that SSL_CERT_FILE names, {tmp_path / name}, cannot be read: "
    assert str(refused.value).startswith(said)
    assert str(refused.value).endswith("; correct SSL_CERT_FILE or unset it")
    assert Gateway("http://127.0.0.1:9", KEY).base == "http://127.0.0.1:9"


def test_a_folder_of_certificates_without_any_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL says nothing of it, and believes no server then."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    for folder in (tmp_path, tmp_path / "nowhere"):
        monkeypatch.setenv("SSL_CERT_DIR", str(folder))
        with pytest.raises(UsageError) as refused:
            Gateway("https://gw.example.com", KEY)
        said = f"the certificates that SSL_CERT_DIR names, {folder}, cannot be read: "
        assert str(refused.value).startswith(said)
        assert Gateway("http://127.0.0.1:9", KEY).base == "http://127.0.0.1:9"
    (tmp_path / "1234abcd.0").write_text("")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert Gateway("https://gw.example.com", KEY).base == "https://gw.example.com"

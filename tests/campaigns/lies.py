"""Replies that no honest server would give, as values: how they look on the wire, and what may be
made of them.

What may be made of them is worked out here by the design's table and this file's own reading, not
by klingflow's.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

HOLE = "%ID%"  # where the body's id goes: each shot has its own

# Refusals that need no readable body, and 4xx that say nothing certain (design 4; gateway.md 5).
NO_BODY_NEEDED = frozenset({401, 402, 404, 405, 411, 413, 414, 415, 429, 431})
NEVER = frozenset({408, 409, 425, 499})
FRAMINGS = (
    "length",
    "length",
    "length",
    "chunked",
    "until close",
    "short",
    "long",
    "twice",
    "both",
    "no number",
)
ENDINGS = ("keep", "close", "reset", "again", "hang")


_GZIP, _UTF16 = b"\x1f\x8b", b"\xff\xfe"


def _unpacked(body: bytes) -> bytes:
    """Return a packed body as far as it can be read; one that is not packed stays as it is."""
    try:
        return zlib.decompressobj(wbits=47).decompress(body, 1_000_000)
    except zlib.error:
        return body


@dataclass(frozen=True)
class Lie:
    """One reply. `cut` is the share of its bytes that are sent; `pieces` how many bytes at a time,
    0 for all at once; `early` answers before the request has been read.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: str = "length"
    interim: tuple[int, ...] = ()
    cut: float = 1.0
    ending: str = "close"
    pieces: int = 0
    early: bool = False
    odd_head: bool = False

    def with_id(self, task_id: str) -> Lie:
        """The lie about a task of that name, spelt as JSON spells it, in the body's own form."""
        body, spelt = _unpacked(self.body), json.dumps(task_id)[1:-1]
        for encoding in ("utf-8", "utf-16-le"):
            body = body.replace(HOLE.encode(encoding), spelt.encode(encoding))
        if self.body.startswith(_GZIP):
            body = gzip.compress(body) if spelt.encode() in body else self.body
        return Lie(**{**self.__dict__, "body": body})

    def head(self) -> bytes:
        """Everything up to the body."""
        lines = [b"HTTP/1.1 %d Said\r\n" % self.status]
        lines += [name + b": " + value + b"\r\n" for name, value in self.headers]
        size = len(self.body)
        lines += {
            "length": [b"content-length: %d\r\n" % size],
            "short": [b"content-length: %d\r\n" % (size // 2)],
            "long": [b"content-length: %d\r\n" % (size + 7)],
            "twice": [b"content-length: %d\r\ncontent-length: %d\r\n" % (size, size + 1)],
            "both": [b"content-length: %d\r\ntransfer-encoding: chunked\r\n" % size],
            "chunked": [b"transfer-encoding: chunked\r\n"],
            "no number": [b"content-length: many\r\n"],
            "until close": [],
        }[self.framing]
        first = b"".join(
            b"HTTP/1.1 %d Wait\r\nx-early: 1\r\n\r\n" % status for status in self.interim
        )
        return first + b"".join(lines) + b"\r\n"

    def wire(self) -> bytes:
        """The bytes, cut where they are cut."""
        whole = self.head() + self._framed()
        return whole if self.cut >= 1 else whole[: int(len(whole) * self.cut)]

    def _framed(self) -> bytes:
        if self.framing in ("chunked", "both"):
            return (
                b"%x\r\n" % len(self.body) + self.body + b"\r\n" if self.body else b""
            ) + b"0\r\n\r\n"
        return self.body

    # What may be made of it

    def told(self) -> bytes:
        """The body as far as it is delivered, unpacked, in UTF-8: no client can have seen more."""
        sent = self.wire()[len(self.head()) :]
        if self.framing in ("chunked", "both"):
            sent = sent.partition(b"\r\n")[2][: len(self.body)]
        else:
            lengths = [value for name, value in self.headers if name.lower() == b"content-length"]
            lengths += [b"%d" % (len(self.body) // 2)] * (self.framing == "short")
            sent = sent[
                : min((int(length) for length in lengths if length.isdigit()), default=len(sent))
            ]
        packed = {value for name, value in self.headers if name.lower() == b"content-encoding"}
        if packed and packed <= {b"gzip", b"x-gzip", b"deflate"}:
            sent = _unpacked(sent)
        sent = _unpacked(sent) if sent.startswith(_GZIP) else sent
        if sent.startswith(_UTF16):
            return sent.decode("utf-16", "replace").encode()
        return sent

    def certainly_bought_nothing(self) -> bool:
        """Whether a create that was answered like this may be repeated."""
        if self.cut < 1 and len(self.wire()) < len(self.head()) and self.ending != "again":
            return False
        document = document_of(self.told())
        if self.status in NEVER or not 400 <= self.status < 600 or any(ids_in(document)):
            return False
        said = isinstance(document, dict) and bool(
            {"error", "message", "code", "msg", "detail"} & document.keys()
        )
        if self.status >= 500:
            return said and "model" in json.dumps(document)
        return said or self.status in NO_BODY_NEEDED

    def certainly_accepted(self) -> bool:
        """Whether the id must be believed: a proper reply with nothing odd about it."""
        proper = (
            not (self.odd_head or self.early or self.interim) and self.cut >= 1 and not self.pieces
        )
        return (
            proper
            and 200 <= self.status < 300
            and self.status != 204
            and self.framing in ("length", "chunked")
        )

    def may_end_a_task(self, verb: str) -> bool:
        """Whether a query's reply like this may say that its task has failed, or has succeeded:
        with an error's status only where it names the task.
        """
        document = document_of(self.told())
        if not isinstance(document, dict):
            return False
        is_named = 400 <= self.status < 600 and "task_x" in ids_in(document)
        if not 200 <= self.status < 300 and not is_named:
            return False
        text = json.dumps(document).lower()
        words = (
            ("fail", "error", "cancel", "expired")
            if verb == "failed"
            else ("succe", "complet", "finish", "done")
        )
        return any(word in text for word in words)


def document_of(body: bytes) -> Any:
    """The JSON in a body, however broken its characters; None where there is none."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None


def ids_in(document: Any) -> Iterator[str]:
    """Every id that a reply could mean, as text."""
    if isinstance(document, dict):
        data = document.get("data")
        for holder in (document, data if isinstance(data, dict) else {}):
            for name in ("id", "task_id"):
                value = holder.get(name)
                if (
                    isinstance(value, (str, int))
                    and not isinstance(value, bool)
                    and _usable(str(value))
                ):
                    yield str(value)


def _usable(text: str) -> bool:
    return (
        0 < len(text) <= 256
        and text.isascii()
        and text.isprintable()
        and " " not in text
        and text.strip(".0-") != ""
    )


# The generator

STATUSES = st.sampled_from(
    [200] * 8
    + [201, 202, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308]
    + [400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 418, 422, 425, 429]
    + [431, 451, 499, 500, 501, 502, 503, 504, 520, 524, 529, 599, 600, 700, 999, 199, 101]
)
_DATES = [
    b"Wed, 21 Oct 2026 07:28:00 GMT",
    b"Thu, 01 Jan 1970 00:00:00 GMT",
    b"Fri, 31 Dec 9999 23:59:59 GMT",
]
ACCEPTANCES = st.sampled_from([200, 200, 201, 202])
REFUSALS = st.sampled_from([400, 400, 401, 404, 409, 413, 422, 429, 429, 500, 503])
PLAIN_HEADERS = st.sampled_from(
    [(b"retry-after", v) for v in [b"0", b"1", b"-5", b"1e309", b"NaN", b"", b"9" * 5000, b"1, 2",
                                   b"0.2", b"soon", b"\xd9\xa3", b"3601", b"1_0", b"0x10", *_DATES]]
    + [(b"date", v) for v in [*_DATES, b"yesterday", b"Wed, 99 Foo 2026 99:99:99 +9999"]]
    + [(b"openai-poll-after-ms", v) for v in (b"1", b"-1", b"1e400", b"inf")]
    + [(b"content-type", v) for v in (b"application/json", b"text/html",
                                      b"application/json; charset=utf-16", b"video/mp4",
                                      b"\xff\xfe", b"a" * 3000)]
    + [(b"x-request-id", b"req\xff\x80"), (b"set-cookie", b"a=b; domain=.com"),
       (b"location", b"http://127.0.0.1:9/"), (b"location", b"/v1/videos"),
       (b"content-range", b"bytes 0-1/" + b"9" * 40), (b"x-many", b"v" * 8000),
       (b"trailer", b"id"), (b"server", b"\x80")])  # fmt: skip
ODD_HEADERS = st.sampled_from(
    [(b"content-encoding", b"gzip"), (b"content-encoding", b"br"), (b"transfer-encoding", b"gzip"),
     (b"transfer-encoding", b"chunked"), (b"content-length", b"3"), (b"content-length", b"-1"),
     (b"content-length", b"9" * 30), (b"connection", b"upgrade"), (b"x huge", b"v"),
     (b"x-huge", b"v" * 120_000), (b"x-nul", b"a\0b"), (b"x-fold", b"a\r\n b"),
     (b"no colon\r\nx", b"y"), (b"", b"nameless"), (b"upgrade", b"websocket")])  # fmt: skip

IDS = st.sampled_from(
    [HOLE] * 6
    + [
        "../" + HOLE,
        HOLE + "/../..",
        HOLE + "?a=b#c",
        HOLE + "%2F%00",
        "http://e.com/" + HOLE,
        HOLE + "~" * 200,
    ]
    + [
        "<" + HOLE + ">",
        "=" + HOLE + "()",
        HOLE + "\\",
        '"' + HOLE,
        HOLE + " x",
        HOLE + "\n",
        "\x1b[31m" + HOLE,
    ]
    + [HOLE + "é", HOLE + "\ud800", HOLE * 80, "", ".", "..", "null", "0"]
)
VALUES = st.one_of(
    IDS,
    st.sampled_from(
        [None, True, False, 0, -1, 7, 10**14, 10**300, 1.5, 1e308, float("nan"), float("inf")]
    ),
    st.sampled_from(
        [[], {}, [HOLE], {"id": HOLE}, "30%", "30", "1e999", "http://[", "https://" + "a" * 9000]
    ),
    st.sampled_from(
        ["\ud800", "\x1b]0;x\x07", "completed", "SUCCESS", "failed", "FAILURE", "queued", "unknown"]
    ),
    st.sampled_from(
        ["error", "cancelled", "In-Progress", "task_not_exist", "insufficient_user_quota"]
    ),
    st.sampled_from(["model_not_found", "并发", "rate limit", "invalid token"]),
)
NAMES = ["id", "task_id", "data", "error", "code", "message", "status", "progress", "model",
         "url", "video_url", "metadata", "seconds", "detail", "fail_reason", "type", "result_url",
         "created_at"]  # fmt: skip
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(NAMES), VALUES | inner | st.lists(inner, max_size=2), max_size=5
    ),
    max_leaves=6,
)
CREATED: dict[str, Any] = {
    "id": HOLE,
    "object": "video",
    "model": "kling-2.5-720p-mute",
    "status": "queued",
}
FINAL: dict[str, Any] = {**CREATED, "status": "completed", "progress": 100}
ERRORS = [
    {"code": "invalid_request", "message": "bad", "data": None},
    {"error": {"message": "no channel", "type": "new_api_error", "code": "model_not_found"}},
    {"error": "nope"},
    {"detail": [{"loc": ["body"], "msg": "field required"}]},
    {"error": {"code": "insufficient_user_quota", "message": "quota"}},
]


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


HONEST_BODIES = st.sampled_from(
    [_text(CREATED), _text(FINAL), _text({"code": "success", "data": {**FINAL, "task_id": HOLE}})]
)
ERROR_BODIES = st.sampled_from([_text(error) for error in ERRORS])
JSON_BODIES = st.one_of(HONEST_BODIES, ERROR_BODIES, OBJECTS.map(_text))
BODIES = st.one_of(
    JSON_BODIES,
    JSON_BODIES,
    st.builds(lambda raw, share: raw[: int(len(raw) * share)], JSON_BODIES, st.floats(0, 1)),
    JSON_BODIES.map(lambda raw: b"\xef\xbb\xbf" + raw),
    JSON_BODIES.map(lambda raw: raw.decode().encode("utf-16")),
    JSON_BODIES.map(lambda raw: raw + raw),
    JSON_BODIES.map(lambda raw: raw + b"<html>504 Gateway Time-out</html>"),
    JSON_BODIES.map(lambda raw: raw.replace(b'"', b'"\xff', 3)),
    # duplicated keys
    JSON_BODIES.map(lambda raw: raw.replace(b"{", b'{"id": "first", "task_id": 5, ', 1)),
    JSON_BODIES.map(lambda raw: b"[" + raw + b"]"),
    JSON_BODIES.map(lambda raw: json.dumps(raw.decode()).encode()),
    JSON_BODIES.map(gzip.compress),
    st.sampled_from([b"", b" ", b"null", b"NaN", b"{", b"\0" * 1000,
                     b"<html><body>Welcome</body></html>"]),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'{"id":' + b"9" * 6000 + b"}"]),
    st.sampled_from([b'{"id":"' + b"x" * 300_000 + b'"}', gzip.compress(b"\0" * 30_000_000, 6)]),
    st.just(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    st.binary(max_size=80),
)  # fmt: skip


@st.composite
def lies(draw: st.DrawFn) -> Lie:
    """Any reply: a third near an acceptance, a third near a refusal; half of them odd in their form
    too.
    """
    near = draw(st.sampled_from(["2xx", "4xx", "any"]))
    proper = near != "any" and draw(st.booleans())
    if near == "2xx":
        status, body = draw(ACCEPTANCES), draw(HONEST_BODIES if proper else BODIES)
    elif near == "4xx":
        status, body = draw(REFUSALS), draw(ERROR_BODIES if proper else BODIES)
    else:
        status, body = draw(STATUSES), draw(BODIES)
    headers = tuple(draw(st.lists(PLAIN_HEADERS, max_size=3, unique_by=lambda header: header[0])))
    if draw(st.booleans()):
        packed = body[:2] == b"\x1f\x8b" and draw(st.booleans())
        headers += ((b"content-encoding", b"gzip"),) if packed else ()
        return Lie(status, headers, body, odd_head=packed or (b"location" in dict(headers)))
    headers += tuple(draw(st.lists(ODD_HEADERS, max_size=2)))
    return Lie(
        status,
        headers,
        body,
        framing=draw(st.sampled_from(FRAMINGS)),
        interim=tuple(draw(st.lists(st.sampled_from([100, 102, 103, 199, 101]), max_size=2))),
        cut=draw(st.one_of(st.just(1.0), st.floats(0, 1))),
        ending=draw(st.sampled_from(ENDINGS)),
        pieces=draw(st.sampled_from([0, 0, 0, 1, 7])),
        early=draw(st.sampled_from([False, False, False, True])),
        odd_head=True,
    )

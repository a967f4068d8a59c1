"""A service on loopback that speaks as much of S3's protocol as a store of claims needs; with or
without conditional puts. No signature is checked.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Service(ThreadingHTTPServer):
    """Objects by their paths. `conditional` says whether a put can ask that nothing be there; `lie`
    is what it does meanwhile instead of what it is asked: "denied", "busy", "error in 200", "cut
    off". Unless `in_order`, it lists as S3's directory buckets do: from the beginning, whichever
    name a list is to begin at, and in no order. `listed` are the lists that were asked for: below
    which name, and from which one on.
    """

    daemon_threads = True

    def __init__(self, *, conditional: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.conditional = conditional
        self.lie = ""
        self.in_order = True
        self.listed: list[tuple[str, str]] = []
        self.turn = threading.Lock()

    @property
    def environ(self) -> dict[str, str]:
        """The environment that leads to it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "AKIAKEY",
            "AWS_SECRET_ACCESS_KEY": "not-to-be-seen",
            "AWS_REGION": "auto",
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_PUT(self) -> None:
        """Put an object."""
        if self._refused():
            return None
        path = unquote(urlsplit(self.path).path)
        data = self.rfile.read(int(self.headers["content-length"]))
        with self.server.turn:
            asks_for_none = self.server.conditional and self.headers["if-none-match"] == "*"
            if asks_for_none and path in self.server.objects:
                return self._say(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.server.objects[path] = data
        self._say(200, b"")

    def do_GET(self) -> None:
        """Get an object, or list some."""
        if self._refused():
            return None
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "list-type" in query:
            return self._say(200, self._listed(parts.path, query))
        data = self.server.objects.get(unquote(parts.path))
        if data is None:
            return self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")
        match self.server.lie:
            case "error in 200":
                data = b"<Error><Code>InternalError</Code></Error>"
            case "cut off":
                data = data[: len(data) // 2]
        self._say(200, data)

    def _refused(self) -> bool:
        refusals = {"denied": (403, "AccessDenied"), "busy": (503, "SlowDown")}
        if self.server.lie not in refusals:
            return False
        self.rfile.read(int(self.headers["content-length"] or 0))
        status, code = refusals[self.server.lie]
        self._say(status, f"<Error><Code>{code}</Code></Error>".encode())
        return True

    def _listed(self, bucket: str, query: Mapping[str, list[str]]) -> bytes:
        prefix, after = query["prefix"][0], query.get("start-after", [""])[0]
        self.server.listed.append((prefix, after))
        stem = bucket.rstrip("/") + "/"
        below = [path for path in self.server.objects if path.startswith(stem + prefix)]
        if self.server.in_order:
            listed = sorted(path for path in below if path > stem + after)
        else:
            listed = sorted(below, key=lambda path: hashlib.sha256(path.encode()).digest())
        rows = "".join(
            f"<Contents><Key>{path.removeprefix(stem)}</Key>"
            f"<Size>{len(self.server.objects[path])}</Size>"
            "<LastModified>2026-06-08T06:52:49.000Z</LastModified><ETag>1</ETag></Contents>"
            for path in listed
        )
        said = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        return said.encode()

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"1"')
        self.send_header("last-modified", "Mon, 08 Jun 2026 06:52:49 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*, conditional: bool = True) -> Iterator[Service]:
    """A service that runs meanwhile."""
    service = Service(conditional=conditional)
    thread = threading.Thread(target=service.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join()

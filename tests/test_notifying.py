"""The notification at the end of a run: sent once, and never a reason to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from klingflow.api.notifying import VARIABLE, chosen, notify
from klingflow.errors import UsageError
from klingflow.model import Json
from klingflow.results.notice import Form, Notice
from tests.harness import sandboxed

NOTICE = Notice("film", 0, {"keep": 1}, {}, "klingflow\nfilm: 1 kept.")
SECRET = "hook/0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@dataclass
class Chat:
    """A host on loopback: what it was sent, and what it answers."""

    address: str = ""
    status: int = 200
    answer: bytes = b"ok"
    sent: list[tuple[str, dict[str, str], Json]] = field(default_factory=list)


@contextmanager
def chat(status: int = 200, answer: bytes = b"ok") -> Iterator[Chat]:
    """Serve a chat's webhook."""
    made = Chat(status=status, answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.sent.append((self.path, headers, json.loads(body)))
            self.send_response(made.status)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", str(len(made.answer)))
            self.end_headers()
            self.wfile.write(made.answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_notice_is_sent_once_as_json() -> None:
    """Without a key, and with nothing of the gateway's."""
    with chat() as host:
        assert notify(host.address, NOTICE) == ""
    ((path, headers, sent),) = host.sent
    assert (path, headers["content-type"], sent["name"]) == (
        f"/{SECRET}",
        "application/json",
        "film",
    )
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("form", "answer", "said"),
    [
        ("feishu", b'{"code":0,"data":{},"msg":"success"}', ""),
        ("feishu", b'{"code":9499,"msg":"Bad Request"}', "the host refused it with 9499"),
        ("wecom", b'{"errcode":0,"errmsg":"ok"}', ""),
        ("dingtalk", b'{"errcode":0,"errmsg":"ok"}', ""),
        ("slack", b"ok", ""),
    ],
)
def test_the_documented_answers_of_chats_are_understood(
    form: Form, answer: bytes, said: str
) -> None:
    """Each in the shape that its pages show."""
    with chat(answer=answer) as host:
        assert notify(host.address, NOTICE, form) == said


@pytest.mark.parametrize(
    ("status", "said"), [(302, "the host answered 302"), (500, "the host answered 500")]
)
def test_a_refusal_is_said_and_no_redirect_is_followed(status: int, said: str) -> None:
    """The address is for one host."""
    with chat(status) as host:
        assert notify(host.address, NOTICE) == said
        assert len(host.sent) == 1


@pytest.mark.parametrize(
    "address", [f"http://127.0.0.1:9/{SECRET}", f"http://nobody.invalid/{SECRET}"]
)
def test_a_host_that_is_not_there_is_said_without_its_address(address: str) -> None:
    """The address is worth as much as a password."""
    said = notify(address, NOTICE)
    assert said and SECRET not in said and "127.0.0.1" not in said and "nobody" not in said


def test_the_command_wins_over_the_environment() -> None:
    """Neither is needed."""
    environ = {VARIABLE: "https://b.example.com"}
    assert chosen("https://a.example.com", environ) == "https://a.example.com"
    assert chosen(None, environ) == "https://b.example.com"
    assert chosen(None, {}) == ""


@pytest.mark.parametrize(
    "text", [SECRET, "ftp://a/b", "https://", "http://a:x/", "https://a b/", "http://[::1/"]
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    """Before anything is bought."""
    with pytest.raises(UsageError, match="must be an http") as refused:
        chosen(text, {})
    assert text not in str(refused.value)


# ---------------------------------------------------------------- at the end of a run


def everything_below(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_run_tells_how_it_ended(tmp_path: Path) -> None:
    """The address is on no screen and in no file."""
    with sandboxed(tmp_path / "film") as (film, _), chat() as host:
        film.write(2)
        shown = film.do(
            "run", "film.yaml", "-y", "--log", "run.jsonl", KLINGFLOW_NOTIFY=host.address
        )
        ((_, _, sent),) = host.sent
        assert (sent["name"], sent["exit_code"], sent["counts"]) == ("film", 0, {"done": 2})
        assert sent["cost"]["spent"]["amounts"] == {"CNY": "4"}
        assert sent["text"].splitlines()[:2] == ["klingflow", "film: 2 done."]
        assert SECRET not in shown
        assert SECRET.encode() not in everything_below(tmp_path)


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_notification_that_fails_changes_no_exit_code(
    tmp_path: Path, quiet: tuple[str, ...]
) -> None:
    """It is said on stderr."""
    with sandboxed(tmp_path / "film") as (film, _), chat(500) as host:
        film.write(1)
        shown = film.do("run", "film.yaml", "-y", *quiet, "--notify", host.address)
        assert "The notification could not be sent: the host answered 500." in shown
        assert SECRET not in shown


def test_a_wrong_address_is_refused_before_anything_is_bought(tmp_path: Path) -> None:
    """The run would end in a complaint, hours later."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film.write(1)
        shown = film.do("run", "film.yaml", "-y", "--notify", SECRET, code=2)
        assert SECRET not in shown
        assert sandbox.ledger()["charges"] == []


def test_no_file_of_a_folder_names_the_address(tmp_path: Path) -> None:
    """A folder from elsewhere must not learn what is bought."""
    with sandboxed(tmp_path / "film") as (film, _), chat() as host:
        film.write(1)
        (film.folder / ".env").write_text(f"{VARIABLE}={host.address}\n", encoding="utf-8")
        (film.folder / ".env").chmod(0o600)
        film.do("run", "film.yaml", "-y")
        assert host.sent == []


def test_a_dry_run_tells_nobody(tmp_path: Path) -> None:
    """Nothing has ended."""
    with sandboxed(tmp_path / "film") as (film, _), chat() as host:
        film.write(1)
        film.do("run", "film.yaml", "-n", "--notify", host.address)
        assert host.sent == []

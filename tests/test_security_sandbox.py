"""The sandbox belongs to this machine: nobody else reaches it, and it gets no key."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from klingflow.sandbox import child
from klingflow.sandbox.child import Child
from klingflow.sandbox.options import Options

KEY = "sk-0123456789abcdef"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Child]:
    """Started as `run --sandbox` does by a user who also has a key, in a folder from elsewhere."""
    monkeypatch.setenv("KLINGFLOW_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yaml.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    (tmp_path / "uvicorn.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    with child.start(Options(plain_clips=True, key="sandbox-key-0123456789")) as running:
        yield running


def test_a_module_in_the_users_folder_is_not_run(sandbox: Child, tmp_path: Path) -> None:
    """`python -m` would look there first."""
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_key_is_in_the_childs_environment_or_arguments(sandbox: Child) -> None:
    """Neither the user's, which is no business of the sandbox, nor the sandbox's own."""
    process = Path("/proc") / str(sandbox.process.pid)
    shown = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    assert b"klingflow.sandbox" in shown
    assert KEY.encode() not in shown
    assert b"sandbox-key" not in shown


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_socket_listens_on_loopback_alone(sandbox: Child) -> None:
    """There is no option for another address."""
    process = Path("/proc") / str(sandbox.process.pid)
    links = [str(fd.readlink()) for fd in (process / "fd").iterdir()]
    ours = {found[1] for link in links if (found := re.fullmatch(r"socket:\[(\d+)\]", link))}
    lines = [line.split() for name in ("tcp", "tcp6") for line in table(process / "net" / name)]
    listening = [line[1] for line in lines if line[3] == "0A" and line[9] in ours]
    assert len(listening) == 2  # its own, and the other origin's
    assert {address.split(":")[0] for address in listening} == {"0100007F"}
    assert not any("host" in name for name in Options.__dataclass_fields__)


def table(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "[::1]", ""]
)
@pytest.mark.parametrize(
    "route", ["GET /sandbox/ledger", "PUT /sandbox/options", "GET /files/x.mp4"]
)
def test_a_name_that_only_leads_here_is_refused(sandbox: Child, route: str, host: str) -> None:
    """A page whose name was made to mean 127.0.0.1 cannot read the charges or set the faults."""
    method, path = route.split()
    named = host.format(port=httpx.URL(sandbox.base_url).port)
    reply = httpx.request(
        method, sandbox.base_url + path, headers={"host": named}, content=b"{}", trust_env=False
    )
    assert reply.status_code == 400


def test_a_page_elsewhere_is_not_told_that_it_may_ask(sandbox: Child) -> None:
    """A browser asks before a PUT to another origin, and hears no yes."""
    asked = {"origin": "https://evil.example", "access-control-request-method": "PUT"}
    reply = httpx.options(f"{sandbox.base_url}/sandbox/options", headers=asked, trust_env=False)
    assert reply.status_code == 204
    assert not any(name.startswith("access-control") for name in reply.headers)


def test_by_its_own_name_it_answers(sandbox: Child) -> None:
    """As 127.0.0.1 and as localhost."""
    for host in ("127.0.0.1", "localhost"):
        address = httpx.URL(sandbox.base_url).copy_with(host=host)
        named = {"host": address.netloc.decode()}
        reply = httpx.get(f"{sandbox.base_url}/sandbox/ledger", headers=named, trust_env=False)
        assert reply.status_code == 200

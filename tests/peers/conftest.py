"""The peers: installed on first use into pytest's cache, each away from our own environment, and
started for a test.

They are other people's programs. They get nothing of the user's environment, and a folder of their
own as home.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from klingflow.ledger import oslock

# Exact versions: what the tests say of them is true of these. LiteLLM's 1.107.0 was somebody else's
# work.
LITELLM = "litellm[proxy]==1.106.2"
MOTO = "moto[server,s3]==5.2.5"
AZURITE = "azurite@3.37.0"
AIMOCK = "@copilotkit/aimock@1.43.0"
OPENAI_JS = "openai@7.57.0"
YAML_LANGUAGE_SERVER = "yaml-language-server@1.25.0"
AJV = "ajv@8.20.0"
PLAYWRIGHT = "playwright-core@1.65.1"
READERS = ("webvtt-py==0.5.1", "pycmx==1.5.1", "m3u8==6.0.0", "pymediainfo==7.0.1")
AXE = "axe-core@4.14.1"

# Installs a peer into a folder.
Install = Callable[[Path], subprocess.CompletedProcess[str]]
_INSTALL_S = 1200
_START_S = 300
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _installed(cache: pytest.Cache | None, name: str, what: str, install: Install) -> Path:
    """The folder into which `install` has once installed `what`. Skips the test where it cannot.
    One worker of pytest-xdist installs it, and the others wait: they share the folder.
    """
    assert cache is not None, "pytest's cache is not turned off here"
    home = cache.mkdir("peers") / name
    ready = home / "installed"
    with _alone(home.with_name(f"{name}.lock")):
        if not ready.is_file():
            done = install(home)
            if done.returncode:
                last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                pytest.skip(f"{what} cannot be installed here: {' '.join(last)}")
            ready.touch()
    return home


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes out; the lock dies with its process."""
    while (fd := oslock.acquire(path)) is None:
        time.sleep(0.2)  # no event comes from a lock
    try:
        yield
    finally:
        oslock.release(fd)


def _ran(command: Sequence[str | Path], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=home,
        capture_output=True,
        encoding="utf-8",
        timeout=_INSTALL_S,
        check=False,
    )


def _uv(request: pytest.FixtureRequest) -> Path:
    """uv, which installs in seconds what takes pip minutes."""

    def install(home: Path) -> subprocess.CompletedProcess[str]:
        venv.create(home, clear=True, with_pip=True)
        pip = (home / "bin" / "python", "-m", "pip", "install", "-q", "--only-binary", ":all:")
        return _ran([*pip, "uv"], home)

    return _installed(request.config.cache, "uv", "uv", install) / "bin" / "uv"


def _of_pypi(request: pytest.FixtureRequest, name: str, *packages: str) -> Path:
    """The programs of a virtual environment of its own that holds `packages`."""
    uv = _uv(request)

    def install(home: Path) -> subprocess.CompletedProcess[str]:
        venv.create(home, clear=True)
        into = ("--only-binary", ":all:", "--python", home / "bin" / "python")
        return _ran([uv, "pip", "install", "-q", *into, *packages], home)

    return _installed(request.config.cache, name, ", ".join(packages), install) / "bin"


@pytest.fixture(scope="session")
def litellm(request: pytest.FixtureRequest) -> Path:
    """LiteLLM's command: 120 packages, 750 MB, with pins of their own."""
    return _of_pypi(request, LITELLM, LITELLM) / "litellm"


@pytest.fixture(scope="session")
def moto(request: pytest.FixtureRequest) -> Path:
    """moto's server, which speaks S3's protocol."""
    name = MOTO.replace("[", "-").replace("]", "").replace(",", "-")
    return _of_pypi(request, name, MOTO) / "moto_server"


@pytest.fixture(scope="session")
def readers(request: pytest.FixtureRequest) -> Path:
    """A Python that has what reads cuts: subtitles, edit lists, lists for players and MP4."""
    return _of_pypi(request, "readers", *READERS) / "python"


def _of_npm(request: pytest.FixtureRequest, package: str) -> Path:
    """A folder whose node_modules holds `package`, whose install scripts were not run."""
    if shutil.which("node") is None or (npm := shutil.which("npm")) is None:
        pytest.skip(f"{package} needs Node: node and npm are not at hand")
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".")

    def install(home: Path) -> subprocess.CompletedProcess[str]:
        home.mkdir(exist_ok=True)
        return _ran([npm, "install", *options, package], home)

    return _installed(request.config.cache, package.replace("/", "-"), package, install)


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> Path:
    """The part of Azurite that speaks the protocol of Azure's blobs, for node."""
    home = _of_npm(request, AZURITE) / "node_modules" / "azurite"
    return home / "dist" / "src" / "blob" / "main.js"


@pytest.fixture(scope="session")
def aimock(request: pytest.FixtureRequest) -> Path:
    """aimock's command line, for node."""
    return _of_npm(request, AIMOCK) / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


@pytest.fixture(scope="session")
def openai_js(request: pytest.FixtureRequest) -> Path:
    """A folder from which a script can import OpenAI's SDK for JavaScript."""
    return _of_npm(request, OPENAI_JS)


@pytest.fixture(scope="session")
def yaml_language_server(request: pytest.FixtureRequest) -> Path:
    """The server behind most editors of YAML, for node."""
    home = _of_npm(request, YAML_LANGUAGE_SERVER) / "node_modules" / "yaml-language-server"
    return home / "bin" / "yaml-language-server"


@pytest.fixture(scope="session")
def ajv(request: pytest.FixtureRequest) -> Path:
    """A folder from which a script can import ajv."""
    return _of_npm(request, AJV)


@pytest.fixture(scope="session")
def playwright(request: pytest.FixtureRequest) -> Path:
    """A folder from which a script can import what drives a browser; it brings no browser."""
    return _of_npm(request, PLAYWRIGHT)


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> Path:
    """The script that looks for what makes a page hard to use."""
    return _of_npm(request, AXE) / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def serving(
    command: Sequence[str | Path],
    folder: Path,
    alive: str,
    status: int = 200,
    /,
    **environ: str,
) -> Iterator[None]:
    """`command` as a server, once the address `alive` answers with `status`; stopped on leaving."""
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + _START_S
        while _status(alive) != status:
            assert process.poll() is None, f"it ended: {log.read_text(errors='replace')[-2000:]}"
            assert time.monotonic() < until, (
                f"not up in time: {log.read_text(errors='replace')[-2000:]}"
            )
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status(url: str) -> int:
    """Return the status that an address answers with; 0 where nobody answers."""
    try:
        with _DIRECT.open(url, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, OSError):
        return 0

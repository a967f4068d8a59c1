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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

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

_INSTALL_S = 1200
_START_S = 300
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _installed(
    cache: pytest.Cache | None, name: str, what: str, command: Sequence[str | Path]
) -> Path:
    """The folder into which `command`, run there, has once installed `what`. Skips the test where
    it cannot.
    """
    assert cache is not None, "pytest's cache is not turned off here"
    home = cache.mkdir("peers") / name
    ready = home / "installed"
    if not ready.is_file():
        home.mkdir(exist_ok=True)
        done = subprocess.run(
            command,
            cwd=home,
            capture_output=True,
            encoding="utf-8",
            timeout=_INSTALL_S,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            pytest.skip(f"{what} cannot be installed here: {' '.join(last)}")
        ready.touch()
    return home


@pytest.fixture(scope="session")
def litellm(request: pytest.FixtureRequest) -> Path:
    """LiteLLM's command, in a virtual environment of its own: 120 packages, 750 MB, with pins of
    their own.
    """
    cache = request.config.cache
    assert cache is not None
    home = cache.mkdir("peers") / LITELLM
    if not (home / "installed").is_file():
        venv.create(home, clear=True, with_pip=True)
    pip: list[str | Path] = [
        home / "bin" / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--only-binary",
        ":all:",
        LITELLM,
    ]
    return _installed(cache, LITELLM, LITELLM, pip) / "bin" / "litellm"


@pytest.fixture(scope="session")
def moto(request: pytest.FixtureRequest) -> Path:
    """moto's server, which speaks S3's protocol, in a virtual environment of its own."""
    cache = request.config.cache
    assert cache is not None
    name = MOTO.replace("[", "-").replace("]", "").replace(",", "-")
    home = cache.mkdir("peers") / name
    if not (home / "installed").is_file():
        venv.create(home, clear=True, with_pip=True)
    python = home / "bin" / "python"
    pip = (python, "-m", "pip", "install", "-q", "--only-binary", ":all:", MOTO)
    return _installed(cache, name, MOTO, list[str | Path](pip)) / "bin" / "moto_server"


@pytest.fixture(scope="session")
def readers(request: pytest.FixtureRequest) -> Path:
    """A Python that has what reads cuts: subtitles, edit lists, lists for players and MP4."""
    cache = request.config.cache
    assert cache is not None
    home = cache.mkdir("peers") / "readers"
    if not (home / "installed").is_file():
        venv.create(home, clear=True, with_pip=True)
    python = home / "bin" / "python"
    pip = (python, "-m", "pip", "install", "-q", "--only-binary", ":all:", *READERS)
    return _installed(cache, "readers", ", ".join(READERS), pip).joinpath("bin", "python")


def _of_npm(request: pytest.FixtureRequest, package: str) -> Path:
    """A folder whose node_modules holds `package`, whose install scripts were not run."""
    if shutil.which("node") is None or (npm := shutil.which("npm")) is None:
        pytest.skip(f"{package} needs Node: node and npm are not at hand")
    name = package.replace("/", "-")
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        ".",
        package,
    ]
    return _installed(request.config.cache, name, package, command)


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

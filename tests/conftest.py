"""`--long`: the campaigns' long forms. `--seed`: one history of the simulation."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from klingflow.cluster.store import FolderStore
from klingflow.ledger.places import LedgerPaths, ledger_paths

# Every process that a test starts would compile all of klingflow again: more than the test itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes is the machine's matter: a busy one, or one that runs mutants, fails no
# property by it. CI tries the same examples each time, whatever version of Hypothesis it has:
# elsewhere they are others each time.
settings.register_profile(
    "klingflow",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("klingflow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="run the campaigns' long forms (minutes instead of seconds)",
    )
    parser.addoption("--seed", type=int, default=0, help="the history that the simulation tells")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """True if the long forms are wanted."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """No test needs trio, and none is to depend on whether trio is installed."""
    return "asyncio"


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return (tmp_path_factory.mktemp("states") / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_state(_states: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the state folder of whoever runs it, nor finds what another test bought."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(next(_states)))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a command keeps until its process ends is for the collector again after its test: to
    open a ledger counts what is kept, which is slow after thousands of tests.
    """
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test reads English, whatever language the machine speaks."""
    monkeypatch.setenv("KLINGFLOW_LANG", "en")


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    """Where the files of a ledger lie that nobody has begun."""
    return ledger_paths(tmp_path / "film.yaml")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store that nobody has used yet."""
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store")


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's that nothing may change."""
    path = tmp_path / "precious"
    path.write_text("mine")
    return path

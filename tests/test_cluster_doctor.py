"""`doctor --cluster`: what is examined, and what is to be mended first."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.api.cluster_doctor import _of_the_clock, examine
from tests.clusters import a_store

NOWHERE = "temporal://127.0.0.1:9/team"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A host that knows of no cluster."""
    for name in ("KLINGFLOW_CLUSTER", "KLINGFLOW_CLAIMS", "KLINGFLOW_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    return monkeypatch


def test_all_that_is_missing_is_said_at_once() -> None:
    """A key is needed by workers only, so its lack is no failure."""
    key, store, server = examine("team")
    assert (key.ok, key.needed, key.text) == (
        False,
        False,
        "KLINGFLOW_API_KEY is not set: a worker needs it, `run` does not",
    )
    assert (store.ok, store.needed) == (server.ok, server.needed) == (False, True)
    assert store.text.startswith("no store: set KLINGFLOW_CLAIMS")
    assert server.text.startswith("no cluster: set KLINGFLOW_CLUSTER")


def test_a_store_is_proved_and_a_server_asked(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The store is well although the server is away; the key itself is never shown."""
    store = a_store(tmp_path / "store")
    environment.setenv("KLINGFLOW_CLAIMS", str(store.folder))
    environment.setenv("KLINGFLOW_CLUSTER", NOWHERE)
    environment.setenv("KLINGFLOW_API_KEY", "secret")
    found = examine("team")
    assert [finding.ok for finding in found] == [True, True, False]
    assert found[1].text == f"store {store.folder}: an object can be made once only"
    assert f"no server answers at {NOWHERE}" in found[2].text
    assert "secret" not in "".join(finding.text for finding in found)
    assert store.names("probes") == ["probes/put-once"]


@pytest.mark.parametrize(
    ("clock_s", "says"),
    [
        (-0.04, "this clock is +0.0 s from the server's"),
        (-90, "this clock is -90.0 s from the server's; set it (timedatectl set-ntp true)"),
    ],
)
def test_a_clock_that_agrees_is_not_behind(clock_s: float, says: str) -> None:
    """Nothing is less than nothing."""
    assert _of_the_clock(clock_s).text == says

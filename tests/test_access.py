"""Address and key are found in one order, and each says where it was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.gateway.access import BASE_URL, ENVIRONMENT, KEY, Access, find

HERE = "https://here.example.com"
BESIDE = "https://beside.example.com"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest's folder that is not the working folder; both are empty."""
    (tmp_path / "here").mkdir()
    (tmp_path / "film").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "film"


def test_nothing_set_is_no_access(folder: Path) -> None:
    """Each part is None, and so is its source."""
    assert find(folder, {}) == Access()


def test_the_environment_counts_before_env_files(folder: Path) -> None:
    """Then `.env` in the working folder, then `.env` beside the manifest."""
    (folder / ".env").write_text(f"{KEY}=beside\n{BASE_URL}={BESIDE}\n")
    beside = str(folder / ".env")
    assert find(folder, {}) == Access(BESIDE, beside, "beside", beside)
    Path(".env").write_text(f"{BASE_URL}={HERE}\n")
    assert find(folder, {}) == Access(HERE, ".env", "beside", beside)
    found = find(folder, {KEY: "set", "OTHER": "x"})
    assert found == Access(HERE, ".env", "set", ENVIRONMENT)


def test_the_process_environment_is_the_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers need not hand it in."""
    monkeypatch.setenv(KEY, "set")
    monkeypatch.delenv(BASE_URL, raising=False)
    assert find(folder) == Access(key="set", key_from=ENVIRONMENT)


def test_an_empty_variable_is_not_set_and_blanks_set_none(folder: Path) -> None:
    """Blanks around a value are no part of it."""
    (folder / ".env").write_text(f"{KEY}= beside \n{BASE_URL}\n")
    beside = str(folder / ".env")
    assert find(folder, {KEY: ""}) == Access(key="beside", key_from=beside)
    assert find(folder, {KEY: " \n"}) == Access()
    assert find(folder, {KEY: " set "}) == Access(key="set", key_from=ENVIRONMENT)


def test_a_manifests_address_counts_where_the_user_has_set_none() -> None:
    """The first manifest that names an address gives it."""
    assert Access(key="k").naming({"a.yaml": None, "b.yaml": HERE}) == Access(
        HERE, "b.yaml", key="k"
    )
    chosen = Access(BESIDE, ENVIRONMENT)
    assert chosen.naming({"a.yaml": HERE}) == chosen
    assert Access().naming({"a.yaml": None, "b.yaml": ""}) == Access()


def test_manifests_that_disagree_are_told_apart() -> None:
    """One run speaks to one gateway."""
    named = {"a.yaml": HERE, "b.yaml": BESIDE, "c.yaml": HERE}
    found = Access(key="k").naming(named)
    assert found == Access(HERE, "a.yaml", "k", others=frozenset({BESIDE}))
    with pytest.raises(UsageError) as refused:
        found.both()
    assert str(refused.value) == (
        "these manifests name different gateways; run them apart, or set KLINGFLOW_BASE_URL"
    )


def test_the_origin_is_the_address_as_the_ledger_keeps_it() -> None:
    """An address that is none is refused."""
    assert Access("https://Here.example.com/v1/").origin == HERE
    assert Access().origin == ""
    with pytest.raises(UsageError, match="https://"):
        _ = Access("here").origin


def test_both_are_needed_to_ask() -> None:
    """The message says what to set."""
    assert Access(HERE, key="k").both() == (HERE, "k")
    with pytest.raises(UsageError) as refused:
        Access().both()
    assert str(refused.value) == (
        "no gateway: set KLINGFLOW_BASE_URL or the manifest's gateway.base_url,"
        " or try it with --sandbox"
    )
    with pytest.raises(UsageError) as refused:
        Access(HERE).both()
    assert str(refused.value) == (
        "no key: set KLINGFLOW_API_KEY in the environment or in .env, or try it with --sandbox"
    )


def test_the_key_is_in_no_representation() -> None:
    """A trace or a log may show the record."""
    assert "sk-secret" not in repr(Access(HERE, ENVIRONMENT, "sk-secret", ENVIRONMENT))

"""Address and key are found in one order, and each says where it was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.gateway.access import ENVIRONMENT, OPTION, Access, Source, find
from klingflow.gateway.env_file import BASE_URL, KEY

HERE = "https://here.example.com"
IN_HERE = Source("env_file", ".env")
BESIDE = "https://beside.example.com"


def env_of(folder: Path) -> Source:
    """The `.env` in a folder, as a source."""
    return Source("env_file", str(folder / ".env"))


def named_in(file: str) -> Source:
    return Source("manifest", file)


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
    beside = env_of(folder)
    assert find(folder, {}) == Access(BESIDE, beside, "beside", beside)
    Path(".env").write_text(f"{BASE_URL}={HERE}\n")
    assert find(folder, {}) == Access(HERE, IN_HERE, "beside", beside)
    found = find(folder, {KEY: "set", "OTHER": "x"})
    assert found == Access(HERE, IN_HERE, "set", ENVIRONMENT)


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
    beside = env_of(folder)
    assert find(folder, {KEY: ""}) == Access(key="beside", key_from=beside)
    assert find(folder, {KEY: " \n"}) == Access()
    assert find(folder, {KEY: " set "}) == Access(key="set", key_from=ENVIRONMENT)


def test_a_manifests_address_counts_where_the_user_has_set_none() -> None:
    """The first manifest that names an address gives it."""
    assert Access(key="k").naming({"a.yaml": None, "b.yaml": HERE}) == Access(
        HERE, named_in("b.yaml"), key="k"
    )
    chosen = Access(BESIDE, ENVIRONMENT)
    assert chosen.naming({"a.yaml": HERE}) == chosen
    assert Access().naming({"a.yaml": None, "b.yaml": ""}) == Access()


def test_manifests_that_disagree_are_told_apart() -> None:
    """One run speaks to one gateway."""
    named = {"a.yaml": HERE, "b.yaml": BESIDE, "c.yaml": HERE}
    found = Access(key="k").naming(named)
    assert found == Access(HERE, named_in("a.yaml"), "k", others=frozenset({BESIDE}))
    with pytest.raises(UsageError) as refused:
        found.both()
    assert str(refused.value) == (
        "these manifests name different gateways; run them apart, or set KLINGFLOW_BASE_URL"
        " or --gateway"
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


def test_the_command_line_wins_over_every_other_address(folder: Path) -> None:
    """The key has no option; it comes from where it is."""
    (folder / ".env").write_text(f"{KEY}=beside\n{BASE_URL}={BESIDE}\n")
    found = find(folder, {BASE_URL: BESIDE}, gateway=HERE)
    assert found == Access(HERE, OPTION, "beside", env_of(folder))
    assert found.naming({"film.yaml": BESIDE}) == found
    with pytest.raises(UsageError, match="--gateway is empty"):
        find(folder, {BASE_URL: BESIDE}, gateway=" ")


@pytest.mark.parametrize(
    ("address_from", "key_from", "one"),
    [
        (ENVIRONMENT, ENVIRONMENT, True),
        (OPTION, ENVIRONMENT, True),
        (IN_HERE, IN_HERE, True),
        (IN_HERE, ENVIRONMENT, False),
        (ENVIRONMENT, IN_HERE, False),
        (OPTION, IN_HERE, False),
        (IN_HERE, Source("env_file", "film/.env"), False),
        (named_in("film.yaml"), ENVIRONMENT, False),
        (named_in("film.yaml"), IN_HERE, False),
        (named_in(".env"), IN_HERE, False),
        (named_in("the environment"), ENVIRONMENT, False),
    ],
)
def test_one_source_is_the_user_now_or_one_env_file(
    address_from: Source, key_from: Source, one: bool
) -> None:
    """Whoever gave the key gave the address; a file's name is no proof of what it is."""
    assert Access(HERE, address_from, "k", key_from).is_of_one_source is one


def test_a_gateway_is_described_with_its_sources() -> None:
    """Without the key; nothing where there is no address."""
    access = Access(f"{HERE}/v1", named_in("film.yaml"), "sk-secret", ENVIRONMENT)
    assert access.described() == f"{HERE} (address from film.yaml, key from the environment)"
    same = Access(HERE, IN_HERE, "sk-secret", IN_HERE)
    assert same.described() == f"{HERE} (address and key from .env)"
    assert Access(HERE, OPTION).described() == f"{HERE} (address from --gateway, no key)"
    assert Access().described() == ""

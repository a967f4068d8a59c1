"""Before the key goes to an address that somebody else may have written, the user has said yes to
it once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api import approval
from klingflow.api.loading import load
from klingflow.errors import UnapprovedAddress, UsageError
from klingflow.gateway.access import ENVIRONMENT, OPTION, Access, Source
from klingflow.terminal.target import show_question
from tests.harness import Pipeline, charges, on_a_terminal, pipeline_at, sandboxed
from tests.pictures import png

KEY = "sk-test-0123456789abcdef"
FROM_FILM = Source("manifest", "film.yaml")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="terminals as POSIX has them")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test's own."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def access(base_url: str, address_from: Source = FROM_FILM) -> Access:
    return Access(base_url, address_from, KEY, ENVIRONMENT)


def test_an_address_is_open_until_it_was_said_yes_to(state: Path) -> None:
    """Once per base address, path included; however it is written. Asking leaves no trace."""
    assert approval.is_open(access("https://gw.example.com"))
    assert not state.exists()
    approval.remember(access("https://gw.example.com/v1/"))
    assert not approval.is_open(access("https://GW.example.com:443/v1"))
    assert approval.is_open(access("https://gw.example.com/relay"))
    assert approval.is_open(access("http://gw.example.com"))


def test_one_source_is_never_open() -> None:
    """Whoever gave the key gave the address."""
    assert not approval.is_open(access("https://gw.example.com", ENVIRONMENT))
    assert not approval.is_open(access("https://gw.example.com", OPTION))


def test_what_is_forgotten_is_open_again() -> None:
    """What was never approved cannot be forgotten."""
    approval.remember(access("https://gw.example.com"))
    assert list(approval.approved()) == ["https://gw.example.com"]
    assert approval.forget("https://gw.example.com/v1") == "https://gw.example.com"
    assert approval.is_open(access("https://gw.example.com"))
    with pytest.raises(UsageError, match=r"https://gw\.example\.com was not approved"):
        approval.forget("https://gw.example.com")


def test_without_a_home_nothing_is_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is asked; only the answer cannot be kept."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", "relative")
    assert approval.is_open(access("https://gw.example.com"))
    with pytest.raises(UsageError, match="KLINGFLOW_STATE_DIR"):
        approval.remember(access("https://gw.example.com"))


@pytest.mark.parametrize(
    ("key_from", "way"),
    [
        (
            ENVIRONMENT,
            "export KLINGFLOW_BASE_URL=https://gw.example.com or pass --gateway"
            " https://gw.example.com",
        ),
        (
            Source("env_file", "film/.env"),
            "put KLINGFLOW_BASE_URL=https://gw.example.com into film/.env beside it",
        ),
    ],
)
def test_the_refusal_names_host_sources_and_both_ways_out(key_from: Source, way: str) -> None:
    """One line, and the key is not in it."""
    refused = approval.refusal(Access("https://gw.example.com/v1", FROM_FILM, KEY, key_from))
    assert isinstance(refused, UnapprovedAddress)
    assert str(refused) == (
        f"the key from {key_from} was not sent to https://gw.example.com, an address that"
        f" film.yaml gives and nobody has said yes to. If it is your gateway, set both in one"
        f" place: {way};"
        " or run the same once on a terminal and say yes"
    )


# ---------------------------------------------------------------- as a user meets it


def by_manifest(film: Pipeline, address: str) -> Pipeline:
    film.write(1, gateway={"base_url": address})
    return replace(
        film, environ={**film.environ, "KLINGFLOW_API_KEY": KEY, "KLINGFLOW_BASE_URL": ""}
    )


def by_env_file(film: Pipeline, address: str) -> Pipeline:
    film.write(1)
    (film.folder / ".env").write_text(f"KLINGFLOW_BASE_URL={address}\n")
    return replace(film, environ={**film.environ, "KLINGFLOW_API_KEY": KEY})


def by_the_environment(film: Pipeline, address: str) -> Pipeline:
    film.write(1)
    (film.folder / ".env").write_text(f"KLINGFLOW_API_KEY={KEY}\n")
    return replace(film, environ={**film.environ, "KLINGFLOW_BASE_URL": address})


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("run film.yaml -y", by_manifest),
        ("run film.yaml --max-spend 50", by_env_file),
        ("fetch film.yaml", by_the_environment),
        ("doctor film.yaml", by_manifest),
        ("resolve film.yaml shot001 --task task_1", by_env_file),
    ],
)
def test_without_a_terminal_the_key_does_not_go_there(
    tmp_path: Path, command: str, given: Callable[[Pipeline, str], Pipeline]
) -> None:
    """By no command, whatever the command line says of money; and nothing is written."""
    address = "http://127.0.0.1:9"
    film = given(pipeline_at(tmp_path / "film"), address)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    said = film.do(*command.split(), code=2)
    assert f"was not sent to {address}" in said and KEY not in said
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", [["plan"], ["run", "-n"]])
def test_a_plan_says_that_the_run_will_ask(tmp_path: Path, command: list[str]) -> None:
    """Behind the address, and exits as before."""
    film = by_manifest(pipeline_at(tmp_path / "film"), "http://127.0.0.1:9")
    assert " ".join(film.do(*command, "film.yaml").split()).endswith(
        "Gateway: http://127.0.0.1:9 (address from film.yaml, key from the environment)"
        " The key from the environment would go to http://127.0.0.1:9, an address that film.yaml"
        " gives. The run asks before that, for which it needs a terminal."
    )


def test_a_plan_is_silent_where_the_run_does_not_ask(capsys: pytest.CaptureFixture[str]) -> None:
    """After a yes, for one source, and without a key or an address to ask about."""
    approval.remember(access("https://gw.example.com"))
    show_question(access("https://gw.example.com"))
    show_question(access("https://elsewhere.example.com", ENVIRONMENT))
    show_question(replace(access("https://elsewhere.example.com"), key=None))
    show_question(Access())
    assert capsys.readouterr().out == ""


@POSIX
def test_a_yes_is_remembered_and_a_no_is_not(tmp_path: Path) -> None:
    """-y does not answer this question; a run without a terminal goes on after a yes."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film = by_manifest(film, sandbox.base_url)
        refused = on_a_terminal(film, "run", "film.yaml", "-y", typed="n\n")
        assert refused.code == 2 and f"would go to {sandbox.base_url}" in refused.text
        assert charges(sandbox) == []
        agreed = on_a_terminal(film, "run", "film.yaml", "-y", typed="y\n")
        assert (agreed.code, len(charges(sandbox))) == (0, 1)
        film.do("fetch", "film.yaml")
        assert f"{sandbox.base_url} may have the key" in film.do("doctor", "film.yaml")


@POSIX
def test_another_address_is_asked_about_again(tmp_path: Path) -> None:
    """A pulled commit that changes the manifest's is one, and so is a forgotten one."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film = by_manifest(film, sandbox.base_url)
        on_a_terminal(film, "doctor", "film.yaml", typed="y\n")
        by_manifest(film, f"{sandbox.base_url}/relay")
        film.do("run", "film.yaml", "-y", code=2)
        by_manifest(film, sandbox.base_url)
        film.do("fetch", "film.yaml")
        film.do("doctor", "--forget", sandbox.base_url)
        film.do("fetch", "film.yaml", code=2)


def test_resolve_by_force_does_without_the_gateway(tmp_path: Path) -> None:
    """What the user is certain of needs no key to go anywhere."""
    film = by_manifest(pipeline_at(tmp_path / "film"), "http://127.0.0.1:9")
    said = film.do("resolve", "film.yaml", "shot001", "--task", "task_1", "--force")
    assert "taken by --force" in said


def test_the_command_line_names_the_gateway(tmp_path: Path) -> None:
    """It wins over the manifest's; with the key in the environment nothing is asked."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film = by_manifest(film, "http://127.0.0.1:9")
        said = film.do("run", "film.yaml", "-y", "--gateway", f"{sandbox.base_url}/v1/videos")
        assert said.startswith(
            f"Gateway: {sandbox.base_url} (address from --gateway, key from the environment)\n"
        )
        assert len(charges(sandbox)) == 1


# ---------------------------------------------------------------- where local files go

SERVICE = "http://127.0.0.1:9"


def film_with_a_store(folder: Path, endpoint: str = SERVICE) -> Pipeline:
    """A film whose still goes to a service that the manifest names."""
    film = pipeline_at(folder)
    film.write({"a": {"image": "a.png"}}, assets={"store": "s3://neon", "endpoint": endpoint})
    (folder / "a.png").write_bytes(png())
    keys = {"AWS_ACCESS_KEY_ID": "key-id", "AWS_SECRET_ACCESS_KEY": "secret"}
    return replace(film, environ={**film.environ, **keys})


def test_a_service_is_asked_about_until_the_user_names_it(tmp_path: Path) -> None:
    """In the environment, by a command of the user's own, or by a yes, until it is forgotten."""
    manifest = load(film_with_a_store(tmp_path / "film").manifest)
    assert approval.open_endpoint(manifest, {}) == SERVICE
    assert approval.open_endpoint(manifest, {"AWS_ENDPOINT_URL": f"{SERVICE}/"}) is None
    assert approval.open_endpoint(manifest, {"KLINGFLOW_UPLOAD": "put {file}"}) is None
    assert approval.open_endpoint(manifest, {"AWS_ENDPOINT_URL": "127.0.0.1"}) == SERVICE
    nothing_to_send = replace(manifest, files={})
    assert approval.open_endpoint(nothing_to_send, {}) is None
    approval.remember_endpoint(SERVICE, "film.yaml")
    assert approval.open_endpoint(manifest, {}) is None
    assert approval.forget(SERVICE) == SERVICE
    assert approval.open_endpoint(manifest, {}) == SERVICE


def test_a_yes_to_files_is_none_to_the_key() -> None:
    """Nor the other way round."""
    approval.remember_endpoint("https://gw.example.com", "film.yaml")
    assert approval.is_open(access("https://gw.example.com"))


def test_without_a_terminal_no_file_goes_to_a_service_that_only_a_manifest_names(
    tmp_path: Path,
) -> None:
    """Nor a signature; with the environment's word it is tried."""
    film = film_with_a_store(tmp_path / "film")
    said = film.do("refs", "film.yaml", "--push", code=2)
    assert f"nothing was sent to s3://neon at {SERVICE}, which only film.yaml names" in said
    named = replace(film, environ={**film.environ, "AWS_ENDPOINT_URL": SERVICE})
    assert "NOT uploaded a.png" in named.do("refs", "film.yaml", "--push", code=3)


@POSIX
def test_a_terminal_is_asked_once_where_files_may_go(tmp_path: Path) -> None:
    """A no sends nothing and is not remembered."""
    film = film_with_a_store(tmp_path / "film")
    refused = on_a_terminal(film, "refs", "film.yaml", "--push", typed="n\n")
    assert refused.code == 2 and "you said no" in refused.text
    agreed = on_a_terminal(film, "refs", "film.yaml", "--push", typed="y\n")
    assert agreed.code == 3 and "Send them there?" in agreed.text
    assert "NOT uploaded a.png" in film.do("refs", "film.yaml", "--push", code=3)
    assert f"{SERVICE} may have local files" in film.do("doctor", "film.yaml", code=2)

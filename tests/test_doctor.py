"""`doctor` names what is wrong, and asks the gateway nothing that costs."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api import doctor
from klingflow.api.doctor import Finding
from klingflow.api.site import Wish, site_of
from klingflow.errors import UsageError
from klingflow.gateway.access import ENVIRONMENT, Access, Source
from klingflow.gateway.outcomes import Answer
from klingflow.ledger.places import ledger_paths
from tests.harness import charges, pipeline_at, sandboxed
from tests.keeping import keep
from tests.purchases import done
from tests.wire import http, serve

KEY = "sk-test-0123456789abcdef"


def examine(file: str | None, access: Access, *, allowed: bool = True) -> list[Finding]:
    """What doctor finds where this is set, and where the user lets the key go there or not."""
    return doctor.examine(file, lambda _: access, lambda _: allowed)


def faults(findings: list[Finding]) -> list[tuple[str, bool]]:
    """What is said to be wrong, the media extra aside, and whether a run needs it."""
    return [(f.text, f.needed) for f in findings if not f.ok and "media extra" not in f.text]


def test_without_key_and_address_both_are_named() -> None:
    """Each with the variable to set."""
    assert faults(examine(None, Access())) == [
        ("no key: set KLINGFLOW_API_KEY in the environment or in .env (not needed with --sandbox)",
         True),
        ("no gateway: set KLINGFLOW_BASE_URL or gateway.base_url (not needed with --sandbox)",
         True),
    ]  # fmt: skip


def test_a_gateway_that_takes_the_key_is_well(tmp_path: Path) -> None:
    """It is asked after a task that does not exist, at the address that the manifest names."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(2, gateway={"base_url": sandbox.base_url})
        findings = examine(str(film.manifest), Access(key=KEY))
        assert charges(sandbox) == []
    assert faults(findings) == []
    assert [f.text for f in findings[2:]] == [
        f"{film.manifest}: 2 shots",
        f"{ledger_paths(film.manifest).lock}: 0 purchases, 0 problems",
        f"{sandbox.base_url} answers, and takes the key",
    ]


def test_a_gateway_that_refuses_the_key_is_told_apart(tmp_path: Path) -> None:
    """It is there, and the key is not good."""
    with sandboxed(tmp_path, key="another-key-0123456789") as (_, sandbox):
        ((said, needed),) = faults(examine(None, Access(sandbox.base_url, key=KEY)))
    assert said.startswith(f"{sandbox.base_url} refuses the key (key): ") and needed


def said_of(*answers: bytes) -> tuple[list[Finding], list[bytes]]:
    """What doctor finds about a gateway that answers so, and the requests that it sent."""
    requests: list[bytes] = []
    really_ask = doctor._ask

    async def ask(address: str, key: str) -> tuple[Answer, Answer | None]:
        async with serve(*answers) as wire:
            found = await really_ask(wire.base, key)
        requests.extend(wire.requests)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "_ask", ask)
        findings = examine(None, Access("http://127.0.0.1:9", key=KEY))
    return findings, requests


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (http(200, b"<title>Hello</title>"), "HTTP 200, a page called 'Hello'"),
        (http(401, b"<html>"), "HTTP 401, a page"),
        (http(404, b"<html>"), "HTTP 404, a page"),
        (http(302, b"", "location: /login"), "HTTP 302, which sends on to /login"),
        (http(200, b'{"status":"ok"}'), "HTTP 200, JSON with status"),
    ],
)
def test_an_answer_that_does_not_fit_the_route_is_shown(answer: bytes, seen: str) -> None:
    """A page, a login, another product's 200: doctor says what it saw."""
    findings, requests = said_of(answer)
    ((said, needed),) = faults(findings)
    assert said == (
        "http://127.0.0.1:9 does not answer as a gateway of videos:"
        f" {seen}; is it the right address?"
    )
    assert needed and len(requests) == 1


BARE_404 = http(404, b'{"detail":"Not Found"}')


def test_a_404_that_names_nothing_is_well_where_the_route_takes_a_post() -> None:
    """FastAPI says the same of an unknown task and of an unknown address. A GET tells them apart;
    of the key nobody can tell.
    """
    findings, requests = said_of(BARE_404, http(405, b"{}", "Allow: POST"))
    assert faults(findings) == []
    assert findings[-1].text == (
        "http://127.0.0.1:9 takes orders of videos; whether it takes the key only a create shows"
    )
    assert [request.split(b" HTTP")[0] for request in requests] == [
        b"GET /v1/videos/klingflow-doctor-asks-for-no-task", b"GET /v1/videos"
    ]  # fmt: skip


@pytest.mark.parametrize("looked", [BARE_404, http(405, b"{}"), http(405, b"{}", "Allow: GET")])
def test_a_404_that_names_nothing_is_left_open_otherwise(looked: bytes) -> None:
    """Doctor is not content, and says that the address may be right."""
    ((said, needed),) = faults(said_of(BARE_404, looked)[0])
    assert needed and said == (
        "http://127.0.0.1:9 does not say whether the task or the route is unknown:"
        " HTTP 404: Not Found; is it the right address? If so, a run works all the same"
    )


def test_a_ledger_that_git_ignores_is_a_finding(tmp_path: Path) -> None:
    """`.gitignore` holds `*.lock`: doctor says that the ledger is not committed."""
    film = pipeline_at(tmp_path)
    film.write(1)
    subprocess.run(["git", "-C", tmp_path, "init", "-q"], check=True)
    (tmp_path / ".gitignore").write_text(".env\noutputs/\n*.lock\n")
    found = [text for text, _ in faults(examine(str(film.manifest), Access()))]
    assert [text for text in found if text.startswith("git ignores film.lock by .gitignore:3")]


def test_what_is_no_gateway_is_told_apart() -> None:
    """With the reason why nothing was learned."""
    address = "http://127.0.0.1:9"
    ((said, needed),) = faults(examine(None, Access(address, key=KEY)))
    assert said.startswith(f"{address} does not answer as a gateway of videos: no connection")
    assert needed


def test_an_address_that_is_none_is_a_finding() -> None:
    """Doctor goes on to its end."""
    ((said, _),) = faults(examine(None, Access("here", key=KEY)))
    assert said == "the gateway's address must begin with https:// or http:// and name a host"


def test_a_key_sent_in_clear_is_warned_of() -> None:
    """A run can do without the mending."""
    findings = examine(None, Access("http://gateway.invalid", key=KEY))
    said, needed = faults(findings)[0]
    assert said.startswith("the key goes to http://gateway.invalid in clear") and not needed


def test_a_manifest_that_is_wrong_is_named(tmp_path: Path) -> None:
    """With the command that says more, and its mistakes below it."""
    path = tmp_path / "film.yaml"
    path.write_text("version: 2")
    found = next(f for f in examine(str(path), Access()) if "not valid" in f.text)
    assert found.text == f"{path} is not valid: klingflow validate {path} says why" and found.needed
    assert found.more[0].startswith(f"{path}:1:1: error[")


def test_a_key_that_may_not_go_there_is_not_sent() -> None:
    """The finding says what to do; nothing is asked of the gateway."""
    access = Access("https://gw.example.com", Source("manifest", "film.yaml"), KEY, ENVIRONMENT)
    ((said, needed),) = faults(examine(None, access, allowed=False))
    assert said.startswith("the key from the environment was not sent to https://gw.example.com")
    assert needed


def test_an_env_file_that_is_refused_is_a_finding() -> None:
    """Doctor goes on to its end."""

    def refused(_: Path) -> Access:
        raise UsageError(".env is not read: it is no regular file")

    findings = doctor.examine(None, refused, lambda _: True)
    assert faults(findings) == [(".env is not read: it is no regular file", True)]


def test_an_address_with_a_route_is_taken_for_what_it_means(tmp_path: Path) -> None:
    """Doctor says so, and asks at the address itself."""
    with sandboxed(tmp_path) as (_, sandbox):
        address = f"{sandbox.base_url}/v1/chat/completions"
        said = [f.text for f in examine(None, Access(address, key=KEY))]
    assert f"{address} is taken for {sandbox.base_url}: the address goes without" in said[-2]
    assert said[-1] == f"{sandbox.base_url} answers, and takes the key"


def test_the_room_that_earlier_videos_take_is_said(tmp_path: Path) -> None:
    """Nobody else would find them."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}})
    away = "outputs/film/earlier/a.1-00000001.mp4"
    (tmp_path / away).parent.mkdir(parents=True)
    (tmp_path / away).write_bytes(b"x" * 1_500_000)
    paths = ledger_paths(film.manifest)
    keep(paths, replace(done("a"), output=away), done("a", attempt=2))
    said = f"one earlier video takes 1.5 MB in {tmp_path / 'outputs/film/earlier'}"
    assert f"{said}; no shot needs it now" in [
        f.text for f in examine(str(film.manifest), Access())
    ]


def test_the_room_that_kept_frames_take_is_said(tmp_path: Path) -> None:
    """No command deletes them."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}})
    frames = tmp_path / ".klingflow" / "frames"
    (frames / "aa").mkdir(parents=True)
    (frames / "aa" / "last.bb.png").write_bytes(b"x" * 1_500_000)
    said = f"one kept frame takes 1.5 MB in {frames}; what is deleted is taken again"
    assert Finding(True, said, needed=False) in examine(str(film.manifest), Access())


def test_the_copies_of_a_film_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is run, and which place shares what it knows."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    places = [pipeline_at(tmp_path / name) for name in ("home", "copy")]
    for film in places:
        film.write(1)
        if film is not places[0]:
            film.lock.write_bytes(places[0].lock.read_bytes())
        keep(site_of(film.manifest, Wish()).paths, done(film.folder.name))
    said = [f.text for f in examine(str(places[1].manifest), Access())]
    told = [text for text in said if text.startswith("the black box knows this film at")]
    assert len(told) == 2
    assert any("home/film.yaml" in text and "(shares what it knows)" in text for text in told)
    assert any("copy/film.yaml" in text and "--same-film there joins it" in text for text in told)

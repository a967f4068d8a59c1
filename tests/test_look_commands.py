"""`review` as a browser meets it, served by a process of its own; and what `report` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from klingflow.api.site import Wish, site_of
from klingflow.ledger import pickfile
from klingflow.ledger.places import LedgerPaths
from tests.harness import pipeline_at
from tests.keeping import keep
from tests.purchases import done


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    """The ledger of a film with one shot, both takes of which were bought."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x", "takes": 2}})
    made = site_of(film.manifest, Wish()).paths
    keep(made, done("a", uid="u1"), done("a", 2, uid="u2"))
    return made


@pytest.fixture
def browser(tmp_path: Path, paths: LedgerPaths) -> Iterator[httpx.Client]:
    """A browser with a session of the page."""
    with pipeline_at(tmp_path).start("review", "film.yaml", "--no-open") as process:
        assert process.stdout is not None
        home, _, ticket = process.stdout.readline().split()[-1].partition("/#ticket=")
        with httpx.Client(base_url=home, headers={"origin": home}, trust_env=False) as client:
            said = client.post("/session", json={"ticket": ticket}).json()
            client.headers["x-klingflow-session"] = said["session"]
            yield client
        process.kill()


@pytest.mark.parametrize(("verb", "rejects"), [("pick", False), ("reject", True)])
def test_what_is_said_of_the_first_take_is_said_of_no_other(
    browser: httpx.Client, paths: LedgerPaths, verb: str, rejects: bool
) -> None:
    """Its key is the shot's name, which in a command means all takes."""
    take = browser.get("/data").json()["takes"][0]
    answer = browser.post("/picks", json={"verb": verb, "key": take["key"], "uid": take["uid"]})
    assert (take["key"], answer.status_code) == ("a", 200)
    lines = [(line.take, line.rejects, line.purchase) for line in pickfile.lines_of(paths)]
    assert lines == [(1, rejects, "u1")]


@pytest.mark.usefixtures("paths")
def test_a_quiet_report_says_nothing(tmp_path: Path) -> None:
    """Where it was written is no error."""
    assert pipeline_at(tmp_path).do("report", "film.yaml", "-q") == ""

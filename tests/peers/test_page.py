"""The page of a film in Chromium, as Debian and others have it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.peers
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
TAKES = 1000


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the page go: KLINGFLOW_PICTURES, to be looked at, or one of pytest's."""
    chosen = os.environ.get("KLINGFLOW_PICTURES")
    return Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the film lies, and its report."""
    return tmp_path_factory.mktemp("film")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A page of many takes."""
    command = [sys.executable, "-m", "tests.peers.film_page", str(folder), str(TAKES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def found(
    playwright: Path, axe: Path, address: str, folder: Path, pictures: Path
) -> dict[str, Any]:
    """What the browser saw."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed here: apt install chromium fonts-noto-cjk")
    script = playwright / "page.mjs"
    shutil.copyfile(Path(__file__).with_name("page.mjs"), script)
    done = subprocess.run(
        ["node", script, CHROMIUM, address, folder / "report" / "index.html", pictures, axe],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_texts_of_a_film_stay_texts(found: dict[str, Any]) -> None:
    """Whatever they try to be: no element, no style, no script, no address that runs."""
    assert (found["alerts"], found["elements_of_texts"]) == ([], 0)
    assert found["links"] == ["https://example.com/a.png"]


def test_no_other_host_is_asked(found: dict[str, Any]) -> None:
    """Nor does the browser report anything that the policy forbids."""
    assert (found["foreign"], found["errors"]) == ([], [])


def test_every_take_is_there_and_the_ticket_is_gone_from_the_address(found: dict[str, Any]) -> None:
    """A browser's history keeps addresses."""
    assert (found["takes"], found["address"].partition("#")[2]) == (TAKES, "")


def test_a_thousand_takes_stay_fluid(found: dict[str, Any]) -> None:
    """A frame costs less than a quarter of a sum of twenty million steps, which takes about a tenth
    of a second: so it is measured by what the machine is worth at that moment.
    """
    first, frame, sum_ = (found[f"{name}_ms"] for name in ("first_paint", "frame", "sum"))
    print(f"\nfirst paint {first:.0f} ms; CPU of a frame {frame:.1f} ms, of the sum {sum_:.0f} ms")
    assert frame < sum_ / 4


def test_it_is_used_by_keys_alone(found: dict[str, Any]) -> None:
    """The focus is where it was after a dialog, and a search finds a task."""
    assert (found["focused"], found["focused_after"]) == ("s0#2", "s0#2")
    assert found["focused_writing"] == "q"
    assert found["searched"][0] == "s1#2"


def test_picks_that_somebody_writes_meanwhile_are_shown(found: dict[str, Any]) -> None:
    """Beside the one that was made on the page."""
    assert found["edited"] == ["picked", "picked", "rejected"]


def test_an_older_reply_changes_nothing(found: dict[str, Any]) -> None:
    """The page asks when it has written and when the film has changed; the replies may come in the
    other order.
    """
    assert "picked" in found["after_an_older_reply"].split()


def test_it_fits_a_telephone(found: dict[str, Any]) -> None:
    """Nothing has to be pushed sideways."""
    assert not found["wider_than_telephone"]


def test_a_used_address_shows_nothing(found: dict[str, Any]) -> None:
    """In another tab, or to somebody else."""
    assert found["stranger_takes"] == 0


def test_a_report_copies_the_command_for_one_take(found: dict[str, Any]) -> None:
    """The shot's name alone would reject all of its takes."""
    assert found["copied"].endswith("klingflow reject film.yaml 's1#1'")


def test_axe_finds_nothing_serious(found: dict[str, Any]) -> None:
    """Labels, names, contrast; light and dark."""
    assert found["axe"] == []

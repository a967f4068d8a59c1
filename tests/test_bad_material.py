"""Stills, stores and picks that are no good, as a producer meets them: a clear word for each, and
nothing is bought that depends on it.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from klingflow.sandbox.child import Sandbox
from tests.harness import Pipeline, charges, sandboxed
from tests.pictures import png

Here = tuple[Pipeline, Sandbox]
SHOTS = {
    "opening": {"prompt": "rain over the city", "image": "refs/a.png", "takes": 2},
    "plain": {"prompt": "an empty street"},
    "door": {
        "prompt": "the same street by day",
        "image": {"from": "opening", "frame": "last"},
        "allow": ["image-size"],
    },
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    """A film whose shots begin with a still, with nothing, and with a frame of another shot."""
    store = tmp_path / "film" / "store"
    with sandboxed(tmp_path / "film", refs=str(store)) as (film, sandbox):
        write(film, sandbox)
        (film.folder / "refs").mkdir()
        (film.folder / "refs" / "a.png").write_bytes(png())
        yield film, sandbox


def write(film: Pipeline, sandbox: Sandbox, shown_at: str = "refs") -> None:
    """Write the film, with a store that is shown at a path of the sandbox."""
    store, shown = (film.folder / "store").as_uri(), f"{sandbox.base_url}/{shown_at}"
    film.write(SHOTS, assets={"store": store, "public_url": shown})


def bought(sandbox: Sandbox) -> list[str]:
    """Return the takes that were charged."""
    return sorted(charge["client_request_id"].partition("/")[2] for charge in charges(sandbox))


def words(said: str) -> str:
    """Return what a terminal shows without its line breaks."""
    return " ".join(said.split())


def test_a_store_that_the_gateway_cannot_read_buys_nothing_with_its_files(here: Here) -> None:
    """The shot without a file is bought; the others are told of with the address."""
    film, sandbox = here
    write(film, sandbox, "not-shown")
    said = words(film.do("run", "film.yaml", "-y", code=3))
    assert "refs/a.png could not be uploaded" in said and "answers HTTP 404" in said
    assert bought(sandbox) == ["plain"]


def test_a_still_that_changed_since_the_plan_was_saved_is_refused(here: Here) -> None:
    """The plan is stale, and its run buys nothing at all."""
    film, sandbox = here
    film.do("plan", "film.yaml", "-o", "night.plan", "-q")
    (film.folder / "refs" / "a.png").write_bytes(png(shade=9))
    said = words(film.do("run", "--plan", "night.plan", "-y", code=2))
    assert "opening" in said and "changed" in said
    assert bought(sandbox) == []


def test_a_still_that_changes_while_it_is_uploaded_goes_as_it_was(here: Here) -> None:
    """A copy is sent, and the ledger has its content; the next plan names what is changed."""
    film, sandbox = here
    upload = film.folder.parent / "upload.py"
    upload.write_text(
        "import pathlib, shutil, sys\n"
        "still, store, file, name = map(pathlib.Path, sys.argv[1:])\n"
        "still.write_bytes(still.read_bytes() + b'drawn again')\n"
        "store.mkdir(exist_ok=True); shutil.copy(file, store / name)\n"
        f"print('{sandbox.base_url}/refs/' + str(name))\n",
        encoding="utf-8",
    )
    still, store = film.folder / "refs" / "a.png", film.folder / "store"
    parts = [sys.executable, str(upload), str(still), str(store), "{file}", "{name}"]
    film.do("run", "film.yaml", "-y", "-s", "opening#1", KLINGFLOW_UPLOAD=shlex.join(parts))
    sha256 = hashlib.sha256(png()).hexdigest()
    assert film.purchases()[0]["body"]["image"] == {"file": "refs/a.png", "sha256": sha256}
    assert hashlib.sha256((store / f"{sha256}.png").read_bytes()).hexdigest() == sha256
    assert "refs/a.png" in film.do("why", "film.yaml", "opening#1")


@pytest.mark.parametrize(
    ("take", "said"),
    [
        ("opening#5", "opening has takes 1, 2, not 5"),
        ("plain#2", "plain has one take, not 2"),
        ("opnening#1", "there is no shot 'opnening'; did you mean 'opening'?"),
        ("opening#1", "opening has no video yet: nothing is bought for it"),
    ],
)
def test_a_take_that_does_not_exist_cannot_be_picked(here: Here, take: str, said: str) -> None:
    """Nothing is written."""
    film, _ = here
    assert said in film.do("pick", "film.yaml", take, code=2)
    assert not (film.folder / "film.picks.yaml").exists()


@pytest.mark.parametrize(
    ("lines", "said", "way_out"),
    [
        (
            "- { shot: opening, take: 5 }\n",
            "film.picks.yaml:1:3: warning[pick-astray]: opening#5: there is no such take;"
            " the shot has takes 1, 2",
            "opening#2",
        ),
        (
            "- { shot: opening, take: 1 } # Ana\n- { shot: opening, take: 2 } # Bo\n",
            "dispute: opening: opening and opening#2 are both picked",
            "opening#2",
        ),
    ],
    ids=["astray", "dispute"],
)
def test_what_needs_a_pick_that_is_none_waits_for_a_person(
    here: Here, lines: str, said: str, way_out: str
) -> None:
    """Everything else is bought; once a take is picked, the rest is."""
    film, sandbox = here
    film.do("run", "film.yaml", "-y", "-q", "-s", "opening")
    picks = film.folder / "film.picks.yaml"
    picks.write_text(lines, encoding="utf-8")
    assert said in words(film.do("plan", "film.yaml"))
    film.do("run", "film.yaml", "-y", "-q", code=4)
    assert bought(sandbox) == ["opening", "opening#2", "plain"]
    assert all(line.partition(" }")[0] in picks.read_text("utf-8") for line in lines.splitlines())
    film.do("unpick", "film.yaml", "opening")
    film.do("pick", "film.yaml", way_out)
    film.do("run", "film.yaml", "-y", "-q")
    assert bought(sandbox) == ["door", "opening", "opening#2", "plain"]

"""Copies of a film on one machine, and films that followed each other at one place: what each may
know, and what is said before anything is bought twice.

A purchase is recorded here as a run records it, after its black box was begun; the gateway's side
is in the last tests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api.loading import load
from klingflow.api.planning import plan
from klingflow.api.running import open_job
from klingflow.api.site import Wish, site_of
from klingflow.ledger.store import open_ledger
from klingflow.model import Plan, Purchase
from tests.harness import Pipeline, charges, on_a_terminal, pipeline_at, sandboxed
from tests.keeping import keep, now
from tests.purchases import ORIGIN, submitted

SHOTS = {"alley": {"prompt": "x"}, "door": {"prompt": "y"}}


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A manifest of two shots at home, `alley` bought and committed."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    film = pipeline_at(tmp_path / "home")
    film.write(SHOTS)
    buys(film, "alley")
    (film.folder / "committed").write_bytes(film.lock.read_bytes())
    return film


def purchase(film: Pipeline, key: str) -> Purchase:
    """A take as the manifest has it now, bought."""
    (request,) = (r for shot, r in load(film.manifest) if shot.key == key)
    assert request.fingerprint
    prompt = str(request.body["prompt"])
    return submitted(key, fingerprint=request.fingerprint, prompt=prompt)


def buys(film: Pipeline, *keys: str, wish: Wish = Wish()) -> None:
    keep(site_of(film.manifest, wish).paths, *(purchase(film, key) for key in keys))


def copy(film: Pipeline, name: str, *, committed: bool = True) -> Pipeline:
    """A clone or a working tree at another place, with the lock that was committed."""
    there = replace(film, folder=film.folder.parent / name)
    there.folder.mkdir()
    there.write(SHOTS)
    lock = film.folder / "committed" if committed else film.lock
    shutil.copy(lock, there.lock)
    return there


def planned(film: Pipeline, **wish: object) -> Plan:
    return plan(load(film.manifest), Wish(**wish), origin=ORIGIN)  # type: ignore[arg-type]


def verbs(film: Pipeline, **wish: object) -> dict[str, str]:
    return {action.key: action.verb for action in planned(film, **wish).actions}


def reason(film: Pipeline, key: str) -> str:
    return planned(film).by_key[key].reason


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- one film at several places


@pytest.mark.parametrize("name", ["second clone", "git worktree", "build 1234"])
def test_what_home_bought_is_held_at_another_place(film: Pipeline, name: str) -> None:
    """A second clone, a working tree, a build that checks out to another path each time: one
    sentence says what to do, and tells nothing else of the other place.
    """
    buys(film, "door")
    there = copy(film, name)
    assert verbs(there) == {"alley": "resume", "door": "held"}
    said = reason(there, "door")
    assert f"bought at {film.manifest}, of which this copy of its ledger does not know" in said
    assert "--same-film if this is that film too" in said
    assert "task_door" not in said
    assert verbs(there, same_film=True) == {"alley": "resume", "door": "resume"}


def test_having_run_there_is_no_word(film: Pipeline) -> None:
    """And what the other place did never counts at home until it has joined."""
    there = copy(film, "clone")
    buys(film, "door")
    there.write({**SHOTS, "roof": {"prompt": "z"}})
    film.write({**SHOTS, "roof": {"prompt": "z"}})
    buys(there, "roof")
    assert verbs(there) == {"alley": "resume", "door": "held", "roof": "resume"}
    assert verbs(film) == {"alley": "resume", "door": "resume", "roof": "held"}
    assert "a copy of this ledger: `klingflow lock merge" in reason(film, "roof")
    with open_ledger(site_of(there.manifest, Wish(same_film=True)).paths, now) as ledger:
        ledger.begin_box()
    for one in (film, there):
        assert verbs(one) == {"alley": "resume", "door": "resume", "roof": "resume"}


def cleaned(film: Pipeline) -> None:
    shutil.copy(film.folder / "committed", film.lock)
    shutil.rmtree(film.folder / ".klingflow")


def restored(film: Pipeline) -> None:
    shutil.copy(film.folder / "committed", film.lock)


def recreated(film: Pipeline) -> None:
    """A container with a lasting state folder, or a build with a cache: the same path each time."""
    committed = (film.folder / "committed").read_bytes()
    shutil.rmtree(film.folder)
    film.folder.mkdir()
    film.write(SHOTS)
    film.lock.write_bytes(committed)


def deleted(film: Pipeline) -> None:
    film.lock.unlink()
    shutil.rmtree(film.folder / ".klingflow")


@pytest.mark.parametrize("incident", [cleaned, restored, recreated, deleted])
def test_the_same_place_with_an_older_lock_or_none_loses_nothing(
    film: Pipeline, incident: Callable[[Pipeline], None]
) -> None:
    """git clean, a restored backup, a container, a lock that was deleted: nothing to say."""
    buys(film, "door")
    incident(film)
    made = planned(film)
    assert {a.key: a.verb for a in made.actions} == {"alley": "resume", "door": "resume"}
    assert "lost_by_lock" in [problem.kind for problem in made.problems]


def test_what_comes_back_is_in_the_lock_after_the_next_run(film: Pipeline) -> None:
    deleted(film)
    with open_job(load(film.manifest), Wish(), ORIGIN) as job:
        job.ledger.begin_box()
    assert b"task_alley" in film.lock.read_bytes()
    assert planned(film).problems == ()


def test_a_folder_that_was_moved_goes_on_without_a_word(film: Pipeline) -> None:
    """As long as the box knows nothing that its lock lacks."""
    there = replace(film, folder=film.folder.parent / "moved")
    film.folder.rename(there.folder)
    made = planned(there)
    assert {a.key: a.verb for a in made.actions} == {"alley": "resume", "door": "create"}
    assert made.problems == ()


# ---------------------------------------------------------------- (a), (c): folders from elsewhere


def test_looking_and_a_run_that_was_refused_change_nothing_outside_the_folder(
    film: Pipeline, tmp_path: Path
) -> None:
    there = copy(film, "theirs")
    before = contents(tmp_path / "state"), contents(film.folder)
    for command in (["plan"], ["status"], ["lock", "check"], ["run", "--no-progress"]):
        process = there.start(
            *command,
            "film.yaml",
            KLINGFLOW_STATE_DIR=str(tmp_path / "state"),
            KLINGFLOW_BASE_URL="http://127.0.0.1:9",
            KLINGFLOW_API_KEY="sk-test-0123456789abcdef",
        )
        process.communicate(timeout=240)
    assert process.returncode == 2
    assert (contents(tmp_path / "state"), contents(film.folder)) == before


def test_a_lock_that_knows_our_lineage_says_nothing_in_another_folder(
    film: Pipeline, tmp_path: Path
) -> None:
    """Its lines have the right sums, and a run there was accepted: our plan, lock and files are as
    before, and so is what the box holds of our place.
    """
    there = copy(film, "theirs")
    planted = replace(purchase(film, "door"), task_id="task_planted")
    with open_ledger(replace(site_of(there.manifest, Wish()).paths, box=None), now) as ledger:
        ledger.enter([planted, submitted("planted")])
        ledger.fold_now(dict(ledger.book.purchases))
    before = contents(tmp_path / "state"), contents(film.folder), planned(film)
    keep(site_of(there.manifest, Wish()).paths, replace(planted, state="parked"))
    state, folder, made = before
    assert contents(film.folder) == folder
    assert {p: d for p, d in contents(tmp_path / "state").items() if p in state} == state
    assert [(a.key, a.verb, a.reason) for a in planned(film).actions] == [
        (a.key, a.verb, a.reason) for a in made.actions
    ]


# ---------------------------------------------------------------- (d): another film at a place


def test_another_film_at_the_path_of_an_earlier_one_is_another_film(film: Pipeline) -> None:
    """It gets no text of the earlier one. A take of the same id waits for a word."""
    deleted(film)
    (film.folder / "committed").unlink()
    film.write({"alley": {"prompt": "another film"}, "sea": {"prompt": "waves"}})
    assert verbs(film) == {"alley": "held", "sea": "create"}
    assert "bought with another body by the film that was at" in reason(film, "alley")
    buys(film, "sea")
    assert verbs(film) == {"alley": "held", "sea": "resume"}
    assert b"alley" not in film.lock.read_bytes()
    assert verbs(film, buy_again=True, select=("alley",)) == {"alley": "create"}
    assert verbs(film, same_film=True) == {"alley": "resume", "sea": "resume"}


# ---------------------------------------------------------------- with a gateway


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such terminal")
def test_a_renamed_manifest_buys_nothing_before_somebody_was_asked(tmp_path: Path) -> None:
    """`mv film.yaml ep1.yaml`, and the lock stays: held, refused without a terminal also with -y,
    asked on one, and taken over by the command that the reason names.
    """
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film.write(SHOTS)
        film.do("run", "film.yaml", "-y", "-q")
        film.manifest.rename(film.folder / "ep1.yaml")
        shown = film.do("plan", "ep1.yaml")
        assert "2 held" in shown
        assert "`klingflow lock merge ep1.yaml film.lock` takes it over" in shown
        refused = film.do("run", "ep1.yaml", "-y", code=2)
        assert refused.count("whose manifest is gone") == 1
        assert "--buy-again -s 'alley door' buys it again" in refused
        assert "nothing is bought" in refused
        no = on_a_terminal(film, "run", "ep1.yaml", "-y", "--no-progress", typed="n\n")
        assert "Buy these again?" in no.text
        assert (no.code, len(charges(sandbox))) == (4, 2)
        film.do("run", "ep1.yaml", "-y", "-q", "-s", "door", "--buy-again")
        assert len(charges(sandbox)) == 3
        film.do("lock", "merge", "ep1.yaml", "film.lock")
        film.do("run", "ep1.yaml", "-y", "-q")
        assert len(charges(sandbox)) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such terminal")
def test_a_clone_is_asked_on_a_terminal_and_joins_by_a_yes(tmp_path: Path) -> None:
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film.write(SHOTS)
        film.do("run", "film.yaml", "-y", "-q", "-s", "alley")
        there = replace(film, folder=tmp_path / "clone")
        there.folder.mkdir()
        there.write(SHOTS)
        shutil.copy(film.lock, there.lock)
        film.do("run", "film.yaml", "-y", "-q")
        assert "1 held" in there.do("run", "film.yaml", "-y", code=4)
        yes = on_a_terminal(there, "run", "film.yaml", "-y", "--no-progress", typed="y\n")
        assert "Is this that film too?" in yes.text
        assert (yes.code, len(charges(sandbox))) == (0, 2)
        there.write({**SHOTS, "roof": {"prompt": "z"}})
        film.write({**SHOTS, "roof": {"prompt": "z"}})
        there.do("run", "film.yaml", "-y", "-q")
        film.do("run", "film.yaml", "-y", "-q")
        assert len(charges(sandbox)) == 3

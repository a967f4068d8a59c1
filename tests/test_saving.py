"""Saved plans on disk and as a user meets them: used once, and only while nothing has changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from klingflow.api import saving
from klingflow.api.loading import load
from klingflow.api.planning import plan
from klingflow.errors import UsageError
from klingflow.ledger.book import Book
from klingflow.model import Plan
from klingflow.results.saved_plan import Words
from tests.harness import Pipeline, charges, on_a_terminal, pipeline_at, sandboxed
from tests.purchases import ORIGIN


@pytest.fixture
def film(tmp_path: Path) -> Pipeline:
    """A manifest of two shots, `a` and `b`."""
    pipeline = pipeline_at(tmp_path / "here")
    pipeline.write({"a": {"prompt": "x"}, "b": {"prompt": "y"}})
    return pipeline


def made(film: Pipeline) -> Plan:
    """Its plan."""
    return plan(load(film.manifest), origin=ORIGIN)


def test_a_saved_plan_finds_its_manifest(film: Pipeline, tmp_path: Path) -> None:
    """Relative to itself, so that both may lie elsewhere tomorrow."""
    path = tmp_path / "plans" / "p.json"
    path.parent.mkdir()
    saving.save(str(path), [made(film)], Words(), ORIGIN)
    shutil.copytree(tmp_path, moved := tmp_path.with_name("elsewhere"))
    there = moved / "plans" / "p.json"
    (file,) = saving.manifests_of(str(there), saving.load(str(there)))
    assert Path(file).samefile(moved / "here" / "film.yaml")


@pytest.mark.parametrize("file", ["\0", "film\0.yaml", "\ud800.yaml"])
def test_a_saved_plan_that_names_no_path_is_refused(film: Pipeline, file: str) -> None:
    """Somebody has written it by hand."""
    path = film.folder / "p.json"
    saving.save(str(path), [made(film)], Words(), ORIGIN)
    data = json.loads(path.read_bytes())
    data["films"][0]["file"] = file
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UsageError, match="names a manifest by no path: make the plan again"):
        saving.manifests_of(str(path), saving.load(str(path)))


def test_nothing_but_a_saved_plan_is_written_over(film: Pipeline) -> None:
    """`-o film.yaml` is a slip."""
    before = film.manifest.read_bytes()
    with pytest.raises(UsageError, match="is there, and no saved plan; nothing was written"):
        saving.save(str(film.manifest), [made(film)], Words(), ORIGIN)
    assert film.manifest.read_bytes() == before


def test_a_plan_is_saved_over_an_older_one(film: Pipeline) -> None:
    """Each has an id of its own."""
    path, ids = str(film.folder / "p.json"), set()
    for _ in range(2):
        saving.save(path, [made(film)], Words(), ORIGIN)
        ids.add(saving.load(path).id)
    assert len(ids) == 2


def test_a_plan_without_a_gateway_is_not_saved(film: Pipeline) -> None:
    """It would be a plan for any."""
    path = film.folder / "p.json"
    with pytest.raises(UsageError, match="a saved plan is for one gateway, and none is known"):
        saving.save(str(path), [made(film)], Words(), "")
    assert not path.exists()


def test_a_used_plan_is_refused_with_the_command_that_makes_another(film: Pipeline) -> None:
    """Also by the ledger of one of several manifests."""
    path = str(film.folder / "p.json")
    words = Words(select=("tag:a b",), rerun=("changed",), max_spend="5", buy_again=True)
    saving.save(path, [made(film)], words, ORIGIN)
    saved = saving.load(path)
    used = Book(plans={saved.id: "2026-11-27T01:00:00.000Z"})
    with pytest.raises(UsageError, match=r"was used at 2026-11-27 01:00:00 UTC") as refused:
        saving.check(path, saved, [made(film)], [Book(), used], ORIGIN)
    assert str(refused.value).endswith(
        f"klingflow plan {film.manifest} -s 'tag:a b' --rerun changed --max-spend 5 --buy-again"
        f" -o {path}"
    )


def test_another_plan_is_made_by_the_words_of_this_run_too(film: Pipeline) -> None:
    """By another value of a variable, or at another gateway, it would be another plan."""
    path = str(film.folder / "p.json")
    saving.save(path, [made(film)], Words(), ORIGIN)
    saved = saving.load(path)
    also = ("--var", "hero=a b", "--gateway", "https://x.example.com")
    with pytest.raises(UsageError, match="is stale") as refused:
        saving.check(path, saved, [made(film)], [Book()], "https://x.example.com", also)
    assert str(refused.value).endswith(
        f"klingflow plan {film.manifest} --var 'hero=a b' --gateway https://x.example.com -o {path}"
    )


def test_a_stale_plan_lists_ten_changes(film: Pipeline) -> None:
    """And how many there are beyond."""
    film.write(12)
    path = str(film.folder / "p.json")
    saving.save(path, [made(film)], Words(), ORIGIN)
    film.write({f"other{n}": {"prompt": "z"} for n in range(12)})
    with pytest.raises(UsageError, match="is stale") as refused:
        saving.check(path, saving.load(path), [made(film)], [Book()], ORIGIN)
    lines = str(refused.value).splitlines()
    assert len(lines) == 13 and lines[11] == "  … and 14 more"
    assert lines[12].startswith("Nothing was bought; make another: klingflow plan ")


# ---------------------------------------------------------------- as a user meets them


def test_a_saved_plan_runs_exactly_once(tmp_path: Path) -> None:
    """`run --plan` buys what the plan says, its cap included, and is refused the next time. It is
    no consent: without a terminal -y is needed.
    """
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write(3)
        film.do("plan", "film.yaml", "--max-tasks", "2", "-o", "p.json")
        said = film.do("run", "--plan", "p.json", code=2)
        assert "not a terminal: pass -y; that a plan was saved is no consent" in said
        film.do("run", "--plan", "p.json", "-y", code=8)
        assert len(charges(sandbox)) == 2
        assert "and a saved plan runs once" in film.do("run", "--plan", "p.json", "-y", code=2)
        assert len(charges(sandbox)) == 2


def test_a_stale_plan_buys_nothing(tmp_path: Path) -> None:
    """The manifest, the prices and the ledger may have changed since."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write({"a": {"prompt": "x"}, "b": {"prompt": "y"}})
        film.do("plan", "film.yaml", "-o", "p.json")
        film.do("run", "film.yaml", "-s", "a", "-y")
        film.write({"a": {"prompt": "x"}, "b": {"prompt": "z"}})
        said = film.do("run", "film.yaml", "--plan", "p.json", "-y", code=2)
        assert "a: keep now; it was create" in said and "b: its body has changed" in said
        assert len(charges(sandbox)) == 1


def test_a_plan_on_a_terminal_is_asked_about(tmp_path: Path) -> None:
    """After a no nothing is bought, and the plan is not used."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write(1)
        film.do("plan", "film.yaml", "-o", "p.json")
        assert on_a_terminal(film, "run", "--plan", "p.json", typed="n\n").code == 2
        assert charges(sandbox) == []
        assert on_a_terminal(film, "run", "--plan", "p.json", typed="y\n").code == 0
        assert len(charges(sandbox)) == 1


def test_a_killed_run_has_used_its_plan(tmp_path: Path) -> None:
    """The use is durable before the first intent: where the run is killed between the two, another
    plan has to be made.
    """
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write(1)
        film.do("plan", "film.yaml", "-o", "p.json")
        id = json.loads((film.folder / "p.json").read_bytes())["id"]
        killed = (
            "import os, runpy; from klingflow.ledger.store import Ledger as L;"
            "L.record = lambda *a: os._exit(9);"
            "runpy.run_module('klingflow', run_name='__main__')"
        )
        process = film.start("run", "--plan", "p.json", "-y", python=("-c", killed))
        process.communicate(timeout=240)
        header = json.loads(film.lock.read_bytes().splitlines()[0])
        assert (process.returncode, list(header["plans"]), film.purchases()) == (9, [id], [])
        assert "was used at" in film.do("run", "--plan", "p.json", "-y", code=2)
        assert charges(sandbox) == []


def test_a_run_says_by_which_words_its_plan_was_made(tmp_path: Path) -> None:
    """They may be another person's, and cost money: `--rerun failed`."""
    with sandboxed(tmp_path / "here") as (film, _):
        film.write(2)
        film.do("plan", "film.yaml", "-s", "shot001", "--rerun", "failed", "-o", "p.json")
        said = film.do("run", "--plan", "p.json", "-y")
        assert "klingflow plan film.yaml -s shot001 --rerun failed -o p.json" in said
        assert [p["shot"] for p in film.purchases()] == ["shot001"]


def test_one_plan_of_two_manifests_runs_both(tmp_path: Path) -> None:
    """From another folder too, and each ledger notes its use."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write(1)
        other = film.folder / "other"
        other.mkdir()
        for name in ("film.yaml", "prices.yaml"):
            shutil.copy(film.folder / name, other)
        film.do("plan", "film.yaml", "other/film.yaml", "-o", "other/p.json")
        away = Pipeline(other, film.environ)
        away.do("run", "--plan", "p.json", "-y")
        assert len(charges(sandbox)) == 2
        for folder in (film.folder, other):
            header = json.loads((folder / "film.lock").read_bytes().splitlines()[0])
            assert len(header["plans"]) == 1


def test_a_merged_ledger_makes_a_plan_stale(tmp_path: Path) -> None:
    """What a colleague bought meanwhile is not bought again."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write(1)
        shutil.copytree(film.folder, theirs := tmp_path / "theirs")
        film.do("plan", "film.yaml", "-o", "p.json")
        colleague = pipeline_at(theirs, film.environ["KLINGFLOW_BASE_URL"])
        colleague.do("run", "film.yaml", "-y")
        film.do("lock", "merge", "film.yaml", str(colleague.lock))
        assert "download now; it was create" in film.do("run", "--plan", "p.json", "-y", code=2)
        assert len(charges(sandbox)) == 1

"""From a shot list to a film of which every take is picked, by the commands of the manual, with
kill -9 at every stage and at random moments.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.campaigns.figures import Report
from tests.campaigns.production import STAGES, Production
from tests.harness import sandboxed

pytest.importorskip("av")

TAKES = ("1", "1#2", "2", "3", "4", "4#2", "door", "wide", "back")
SHOTS = ("1", "2", "3", "4", "door", "wide", "back")


def test_a_film_from_its_shot_list_to_its_last_pick(
    tmp_path: Path, long: bool, report: Report
) -> None:
    """However often it is killed: nothing is charged, uploaded or decoded twice, and what was said
    of takes stays said.
    """
    wrong, tried = Counter[str](), Counter[str]()
    complaints: list[str] = []
    for seed in range(6 if long else 1):
        made = _made(tmp_path / str(seed), seed, long)
        found = made.found
        wrong.update(found.counts() | {"rules broken": found.wrong["rules broken"]})
        tried.update(kills=made.kills, charges=made.expected.total(), doubts=found.doubts, films=1)
        complaints += found.complaints
    report.add("kill in whole films", tried, wrong=wrong, found=complaints)
    # In the short form about ten can hit a run that goes on, and a quick machine ends some before.
    assert tried["kills"] >= (8 if long else 5) * tried["films"]


def _made(folder: Path, seed: int, long: bool) -> Production:
    """A film that is made by the commands of docs/from-a-spreadsheet.md, references.md and
    takes.md.
    """
    late = ["create:slow=0.5,200ms"] if long else []
    store = folder / "film" / "store"
    with sandboxed(folder / "film", *late, task_time="200ms", refs=str(store)) as (film, sandbox):
        stages = (*STAGES, *[""] * 5) if long else ("uploaded", "intent", "done")
        often = 1.0 if long else 0.2
        it = Production(film, sandbox, store, random.Random(seed), stages, often)
        it.begin()
        it.kill("init", "--from", "分镜.csv", "film.yaml")
        if not film.manifest.exists():
            film.do("init", "--from", "分镜.csv", "film.yaml")
        it.complete()
        it.do("validate", "film.yaml")
        it.do("refs", "film.yaml", "--push")
        it.do("plan", "film.yaml", "--profile", "draft")
        _drafts(it)
        _finals(it)
        _picked(it)
        assert it.missing() == {}
        takes = film.data("status", "film.yaml")["shots"]
        assert sorted(t["id"] for t in takes if t["pick"] == "picked") == sorted(SHOTS)
    return it


def _drafts(it: Production) -> None:
    """Buy drafts of all shots, and pick one of each, by hand."""
    it.expected.update(("draft", take) for take in TAKES)
    it.run("--profile", "draft")
    it.write_picks("film.draft", *((shot, 1) for shot in SHOTS))


def _finals(it: Production) -> None:
    """Buy the film of the approved drafts; run again, which buys nothing."""
    it.expected.update(("", take) for take in TAKES)
    it.run("--approved", "draft")
    it.run()


def _picked(it: Production) -> None:
    """Reject takes, buy one more of their shots, let dependants follow the picks, pick the rest."""
    it.do("reject", "film.yaml", "1", "2", "--note", "手变形", may_pick=True)
    it.expected.update([("", "1#3"), ("", "2#2")])
    it.run("--rerun", "rejected")
    for take in ("1#3", "4#2"):
        it.do("pick", "film.yaml", take, may_pick=True)
    # `door` and `back` were made from 1#1 and 4#1, `wide` with the video of `door`.
    it.expected.update([("", "door"), ("", "back"), ("", "wide")])
    it.run("--rerun", "changed")
    it.do("pick", "film.yaml", "2#2", may_pick=True)
    it.write_picks("film", *((shot, 1) for shot in ("3", "door", "wide", "back")))
    it.run()

"""A ledger under version control: real git takes its lock back, tears it, merges it, between runs
and during one.

The sandbox's ledger says what was charged. A take that two people bought is paid twice; that is
reported.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.sandbox.child import Sandbox
from tests.campaigns.figures import Report
from tests.campaigns.judge import Verdict, judge
from tests.harness import Pipeline, charges, pipeline_at, sandboxed

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

PATIENCE_S = 240
BOTH = "shot005"  # bought on two branches
UNION = "*.lock merge=union\n"


def git(film: Pipeline, *arguments: str, code: int | None = 0) -> str:
    """Git in the pipeline's folder, with nothing of this machine's own; its exit code must be
    `code`, if one is given.
    """
    who = {
        f"GIT_{role}_{what}": "a@b.c"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environ = {
        **film.environ,
        **who,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    done = subprocess.run(
        ["git", *arguments],
        check=False,
        cwd=film.folder,
        env={**environ, "GIT_EDITOR": "true"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
    )
    assert code in (None, done.returncode), (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


def repository(base: Pipeline, sandbox: Sandbox, name: str, attributes: str = UNION) -> Pipeline:
    """A pipeline of six shots whose first is bought, and all of it committed."""
    film = pipeline_at(base.folder / name / "ours", sandbox.base_url)
    film.write({f"shot{n:03}": {"prompt": f"{name} quiet street, number {n}"} for n in range(1, 7)})
    (film.folder / ".gitignore").write_text("outputs/\n")
    (film.folder / ".gitattributes").write_text(attributes)
    git(film, "init", "-q", "-b", "main")
    film.do("run", "film.yaml", "-y", "-q", "-s", "shot001")
    commit(film)
    return film


def commit(film: Pipeline) -> None:
    """All that git does not ignore."""
    git(film, "add", "-A")
    git(film, "commit", "-qm", "bought")


# ------------------------------------- what happens to the lock; who goes on, and where

Incident = Callable[[Pipeline], Pipeline]


def deleted(film: Pipeline) -> Pipeline:
    film.lock.unlink()
    return film


def checked_out(film: Pipeline) -> Pipeline:
    git(film, "checkout", "--", "film.lock")
    return film


def stashed(film: Pipeline) -> Pipeline:
    git(film, "stash", "-q")
    return film


def cleaned(film: Pipeline) -> Pipeline:
    git(film, "checkout", "--", ".")
    git(film, "clean", "-qxfd", code=None)  # 1 where a run puts a video into a folder meanwhile
    return film


def truncated(film: Pipeline) -> Pipeline:
    data = film.lock.read_bytes()
    film.lock.write_bytes(data[: len(data) * 2 // 3])
    return film


def emptied(film: Pipeline) -> Pipeline:
    film.lock.write_bytes(b"")
    return film


def converted(film: Pipeline) -> Pipeline:
    git(film, "config", "core.autocrlf", "true")
    git(film, "add", "-A")
    film.lock.unlink()
    git(film, "checkout", "--", "film.lock")
    assert b"\r\n" in film.lock.read_bytes()
    return film


def cloned(film: Pipeline) -> Pipeline:
    there = replace(film, folder=film.folder.parent / "clone")
    git(film, "clone", "-q", str(film.folder), str(there.folder))
    return there


def worktree(film: Pipeline) -> Pipeline:
    there = replace(film, folder=film.folder.parent / "tree")
    git(film, "worktree", "add", "-q", "-b", "side", str(there.folder))
    return there


# What the next command says of it, in words that help; "" where the lock is whole again by itself.
FORGOTTEN = "which the black box still knows"
ANOTHER = "of which this copy of its ledger does not know: --same-film if this is that film too"
BETWEEN: dict[Incident, str] = {
    deleted: FORGOTTEN,
    checked_out: FORGOTTEN,
    stashed: FORGOTTEN,
    cleaned: FORGOTTEN,
    cloned: ANOTHER,
    worktree: ANOTHER,
    truncated: "git may have",
    emptied: "git may have",
    converted: "",
}
DURING: tuple[Incident, ...] = (
    deleted,
    checked_out,
    stashed,
    cleaned,
    truncated,
    emptied,
    converted,
)


def test_the_lock_goes_back_between_runs(tmp_path: Path, long: bool, report: Report) -> None:
    """What was bought is still known, wherever and by whomever the next run is started, and it is
    said how.
    """

    def tried(incident: Incident) -> Verdict:
        name = incident.__name__
        film = repository(base, sandbox, name)
        film.do("run", "film.yaml", "-y", "-q", "-s", "shot002 shot003 shot004")
        film = incident(film)
        before = len([c for c in charges(sandbox) if c["prompt"].startswith(name)])
        if BETWEEN[incident] == ANOTHER:  # a person says so, once
            said = film.do("run", "film.yaml", "-y", code=4)
            assert ANOTHER in said, (name, said)
            film.do("run", "film.yaml", "-y", "--same-film")
        else:
            said = film.do("run", "film.yaml", "-y")
            assert BETWEEN[incident] in said, (name, said)
        verdict = judge(film, sandbox, of=name)
        assert (before, verdict.charged, verdict.in_doubt) == (4, 6, 0), (name, verdict, said)
        return verdict

    with sandboxed(tmp_path) as (base, sandbox):
        verdicts = _each(
            [*BETWEEN] if long else [checked_out, cleaned, cloned, truncated, converted], tried
        )
        found = {"incidents": len(verdicts), "shots": sum(v.charged for v in verdicts)}
        report.add("git between runs", found, wrong=_wrong(verdicts), found=verdicts)


def test_the_lock_goes_back_during_a_run(tmp_path: Path, long: bool, report: Report) -> None:
    """The run goes on, nobody else gets in, and its ledger is whole in the end; also where it is
    killed.
    """

    def tried(case: tuple[Incident, bool]) -> Verdict:
        incident, killed = case
        name = incident.__name__ + ("-killed" if killed else "-on")
        film = repository(base, sandbox, name)
        process = film.begin("run", "film.yaml", "-y")
        assert process.stdout
        bought = 0
        while bought < 2 and (line := process.stdout.readline()):
            bought += "bought as" in line
        incident(film)
        if process.poll() is None:
            assert film.done("run", "film.yaml", "-y").returncode in (0, 11), name
        if killed:
            process.kill()
        out, err = process.communicate(timeout=PATIENCE_S)
        code = process.returncode
        # 3 where git took videos away that had come already: the next run brings them.
        assert code in {0, -9 if killed else 0, 3 if incident is cleaned else 0}, (name, out, err)
        last = film.done("run", "film.yaml", "-y")
        verdict = judge(film, sandbox, of=name)
        assert last.returncode == (4 if verdict.in_doubt else 0), (name, last)
        return verdict

    cases = [(incident, killed) for incident in DURING for killed in (False, True)]
    few = [(cleaned, False), (cleaned, True), (checked_out, True), (deleted, False)]
    with sandboxed(tmp_path, "create:slow=1,200ms", task_time="300ms") as (base, sandbox):
        verdicts = _each(cases if long else few, tried)
        found = {"incidents": len(verdicts), "in doubt": sum(v.in_doubt for v in verdicts)}
        report.add("git during a run", found, wrong=_wrong(verdicts), found=verdicts)


# ---------------------------------------------------------------- two people


def merged(film: Pipeline, *, clean: bool) -> None:
    git(film, "merge", "-q", "theirs/main", "-m", "merged", code=0 if clean else 1)


def rebased(film: Pipeline, *, clean: bool) -> None:
    git(film, "rebase", "-q", "theirs/main", code=0 if clean else 1)


def picked(film: Pipeline, *, clean: bool) -> None:
    git(film, "cherry-pick", "theirs/main", code=0 if clean else 1)


def popped(film: Pipeline, *, clean: bool) -> None:
    git(film, "reset", "-q", "--soft", "HEAD~1")  # as if it had never been committed
    git(film, "stash", "-q")
    git(film, "merge", "-q", "--ff-only", "theirs/main")
    git(film, "stash", "pop", code=0 if clean else 1)


WAYS: tuple[Callable[..., None], ...] = (merged, rebased, picked, popped)


def test_two_people_s_ledgers_meet(tmp_path: Path, long: bool, report: Report) -> None:
    """By git's union or with conflict markers, every purchase of both counts, and what both paid
    for is said.
    """

    def tried(case: tuple[Callable[..., None], str]) -> Verdict:
        way, attributes = case
        name = f"{way.__name__}-{'union' if attributes else 'markers'}"
        film = repository(base, sandbox, name, attributes)
        theirs = pipeline_at(
            film.folder.parent / "theirs", sandbox.base_url
        )  # with a state folder of their own
        git(film, "clone", "-q", str(film.folder), str(theirs.folder))
        theirs.do("run", "film.yaml", "-y", "-q", "-s", f"shot002 {BOTH}")
        commit(theirs)
        film.do("run", "film.yaml", "-y", "-q", "-s", f"shot003 {BOTH}")
        commit(film)
        git(film, "remote", "add", "theirs", str(theirs.folder))
        git(film, "fetch", "-q", "theirs")
        way(film, clean=bool(attributes))
        assert (b"<<<<<<<" in film.lock.read_bytes()) == (not attributes), name
        planned = film.do("plan", "film.yaml")
        said = film.do("run", "film.yaml", "-y")
        for words in (planned, said):
            assert f"{BOTH} was paid for twice" in words, (name, words)
            assert ("conflict markers" in words) == (not attributes), (name, words)
        assert b"<<<<<<<" not in film.lock.read_bytes()
        commit(film)  # which is how git is told that the conflict is settled
        verdict = judge(film, sandbox, of=name)
        assert (verdict.charged, verdict.twice) == (7, [BOTH]), (name, verdict)
        return replace(verdict, twice=[])

    with sandboxed(tmp_path) as (base, sandbox):
        cases = [(way, attributes) for way in WAYS for attributes in (UNION, "")]
        verdicts = _each(cases if long else [(merged, UNION), (merged, ""), (popped, "")], tried)
        found = {"merges": len(verdicts), "paid by both, and said": len(verdicts)}
        report.add("git merges", found, wrong=_wrong(verdicts), found=verdicts)


def renamed(film: Pipeline, name: str, prompt: str) -> None:
    """Give the bought shot001 another id, and buy shot002 anew with another prompt."""
    shots = json.loads(film.manifest.read_text(encoding="utf-8"))["shots"]
    first = shots.pop("shot001")
    film.write({name: first, **shots, "shot002": {"prompt": prompt}})
    film.do("run", "film.yaml", "-y", "-q", "--rerun", "changed", "-s", f"{name} shot002")
    commit(film)


@pytest.mark.parametrize("way", WAYS[:3], ids=lambda way: way.__name__)
def test_two_people_s_moves_and_new_takes_meet(
    tmp_path: Path, long: bool, way: Callable[..., None]
) -> None:
    """Each calls one purchase otherwise and buys one shot anew: the purchase follows the manifest
    that is kept, all four videos stay, and nothing more is bought.
    """
    if way is not merged and not long:
        pytest.skip("the other ways of git: --long")
    with sandboxed(tmp_path) as (base, sandbox):
        film = repository(base, sandbox, "moved")
        film.do("run", "film.yaml", "-y", "-q", "-s", "shot002")
        commit(film)
        theirs = pipeline_at(film.folder.parent / "theirs", sandbox.base_url)
        git(film, "clone", "-q", str(film.folder), str(theirs.folder))
        renamed(theirs, "door", "moved: at dawn")
        renamed(film, "alley", "moved: at night")
        ours = film.manifest.read_bytes()
        git(film, "remote", "add", "theirs", str(theirs.folder))
        git(film, "fetch", "-q", "theirs")
        way(film, clean=False)  # the manifest's two versions conflict, the ledgers do not
        assert b"<<<<<<<" not in film.lock.read_bytes()
        film.manifest.write_bytes(ours)
        said = film.do("run", "film.yaml", "-y", "-s", "alley shot002")
        assert "shot002 was paid for twice" in said
        assert len(charges(sandbox)) == 4
        states = sorted((p["shot"], p["state"]) for p in film.purchases())
        assert states == [("alley", "done"), *[("shot002", "done")] * 3]
        assert {video.stem for video in film.videos()} >= {"alley", "shot002"}
        assert judge(film, sandbox, of="moved").lost == []


def _each(cases: Sequence[object], tried: Callable[..., Verdict]) -> list[Verdict]:
    """All cases, some at a time."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(tried, cases))


def _wrong(verdicts: Sequence[Verdict]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for verdict in verdicts:
        sums.update(verdict.wrong)
    return {name: sums[name] for name in ("charged twice", "ids lost")}

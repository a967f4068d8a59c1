"""Several runners at once, and runners that are told to end: one buys, the others leave or come
after it, and whoever only looks neither waits nor writes. The sandbox's ledger says what was
charged.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest

from klingflow.ledger.places import ledger_paths
from klingflow.ledger.store import read
from klingflow.sandbox.child import Sandbox
from tests.campaigns.figures import Report
from tests.campaigns.judge import Verdict, judge
from tests.harness import Pipeline, Process, charges, pipeline_at, sandboxed

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="these signals and locks are not Windows' own"
)

PATIENCE_S = 240
# What a look at a ledger may report of a lock that is not whole.
GIT_MAY_HAVE_IT = {"empty_lock", "no_header", "lines_missing", "damaged_pruned"}
# So that every stage lasts long enough to be met: a create, a task, a download.
SLOW = ("create:slow=1,400ms", "content:slow=1,400ms")


def prompts(of: str, number: int) -> dict[str, dict[str, str]]:
    """So many shots whose prompts begin with `of`."""
    return {
        f"shot{n:03}": {"prompt": f"{of} quiet street, number {n}"} for n in range(1, number + 1)
    }


def ended(process: Process) -> tuple[int, str]:
    """A process's exit code and all that it said."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, (out or "") + (err or "")  # a stream that was given up has nothing


def all_wrong(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """The sums for `Report.add`."""
    return {name: sum(v.wrong[name] for v in verdicts) for name in ("charged twice", "ids lost")}


@pytest.mark.parametrize("number", [2, 10])
def test_many_at_once_on_one_manifest(
    tmp_path: Path, number: int, long: bool, report: Report
) -> None:
    """Whoever does not run is told by whom it is run, with exit 11; nothing is bought twice."""
    rounds = 8 if long else 1
    codes: Counter[int] = Counter()
    with sandboxed(tmp_path, task_time="300ms") as (film, sandbox):
        for turn in range(1, rounds + 1):
            film.write(6 * turn)
            processes = [film.begin("run", "film.yaml", "-y") for _ in range(number)]
            pids = "|".join(str(p.pid) for p in processes)
            for code, said in map(ended, processes):
                codes[code] += 1
                assert code == 0 or re.search(
                    rf"process ({pids}) on {socket.gethostname()} is running", said
                )
        verdict = judge(film, sandbox)
        tried = {"runners": number * rounds, "turned away": codes[11], "shots": verdict.charged}
        report.add(f"runners, {number} at once", tried, wrong=verdict.wrong, found=verdict)
        assert codes.keys() <= {0, 11} and codes[0] >= rounds
        assert (verdict.charged, verdict.in_doubt) == (6 * rounds, 0)


def test_several_manifests_in_one_folder(tmp_path: Path, long: bool, report: Report) -> None:
    """Each has a ledger of its own, whether it is run alone or with others, in whatever order."""
    with sandboxed(tmp_path, task_time="200ms") as (film, sandbox):
        films = [replace(film, name=name) for name in "abcd"]
        started = 0
        for turn in range(1, 7 if long else 3):
            for one in films:
                one.write(prompts(one.name, 3 * turn))
            together = (
                [["a"], ["b"], ["c"], ["d"]]
                if turn == 1
                else [["a", "b"], ["b"], ["b", "a"], ["c", "d"]]
            )
            processes = [
                film.begin("run", *(f"{n}.yaml" for n in names), "-y", "--log", "run.jsonl")
                for names in together
            ]
            codes = [code for code, _ in map(ended, processes)]
            assert set(codes) <= ({0} if turn == 1 else {0, 11}), codes
            started += len(codes)
            film.do("run", *(f"{one.name}.yaml" for one in films), "-y")
        verdicts = [judge(one, sandbox, of=f"{one.name} ") for one in films]
        tried = {
            "manifests": len(films),
            "runners": started,
            "shots": sum(v.charged for v in verdicts),
        }
        report.add("runners, several manifests", tried, wrong=all_wrong(verdicts), found=verdicts)
        assert [v.charged for v in verdicts] == [3 * turn] * 4


def test_one_is_killed_while_the_others_try_again(
    tmp_path: Path, long: bool, report: Report
) -> None:
    """Whoever comes next takes the ledger over as the dead one left it."""
    kills, rivals = (60, 4) if long else (5, 2)
    shots = 5 * kills
    chance = random.Random(17)
    alive: dict[int, Process] = {}
    codes: Counter[int] = Counter()

    with sandboxed(tmp_path, "create:slow=0.5,150ms", task_time="100ms") as (film, sandbox):
        film.write(shots, run={"submit": "2/1s"})  # the slowest kills are over before the batch is

        def keep_trying() -> None:
            code = -1
            while code not in (0, 4):
                process = film.begin("run", "film.yaml", "-y", "-q")
                alive[process.pid] = process
                code, _ = ended(process)
                del alive[process.pid]
                codes[code] += 1

        landed = 0
        with ThreadPoolExecutor(rivals) as pool:
            tries = [pool.submit(keep_trying) for _ in range(rivals)]
            while landed < kills and not all(t.done() for t in tries):
                time.sleep(
                    chance.uniform(0.3, 1.2)
                )  # the moment of the kill is the campaign's chance
                if (holder := alive.get(_holder(film))) is not None:
                    holder.kill()
                    landed += 1
            for one in tries:
                one.result(PATIENCE_S)
        verdict = judge(film, sandbox)
        tried = {
            "kills": landed,
            "turned away": codes[11],
            "shots": shots,
            "in doubt": verdict.in_doubt,
        }
        report.add("runners, one killed", tried, wrong=verdict.wrong, found=verdict)
        assert codes.keys() <= {0, 4, 11, -signal.SIGKILL}
        assert verdict.charged + verdict.in_doubt >= shots and landed == kills


def _holder(film: Pipeline) -> int:
    """The process that last wrote the journal."""
    try:
        data = (film.folder / ".klingflow" / f"{film.name}.journal").read_text(
            encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        return 0
    return int((re.findall(r'"runner":\{"pid":(\d+)', data) or ["0"])[-1])


def test_readers_neither_wait_nor_write(tmp_path: Path, long: bool, report: Report) -> None:
    """While it is bought and folded, no id that was once seen is ever missing; nor does looking
    change a byte.
    """
    turns = 12 if long else 3
    seen: set[str] = set()
    missed: set[str] = set()
    looks = 0
    with sandboxed(tmp_path, task_time="100ms") as (film, sandbox):
        film.write(8 * turns, run={"submit": "20/1s"})
        paths = ledger_paths(film.manifest)
        for turn in range(turns):
            some = " ".join(f"shot{n:03}" for n in range(8 * turn + 1, 8 * turn + 9))
            process = film.begin("run", "film.yaml", "-y", "-q", "-s", some)
            running = True
            while running:
                running = process.poll() is None  # and one look after its end
                book = read(paths)
                assert {p.kind for p in book.problems} <= GIT_MAY_HAVE_IT, book.problems
                missed |= seen - book.task_ids.keys()
                seen |= book.task_ids.keys()
                looks += 1
            assert ended(process)[0] == 0
        verdict = judge(film, sandbox)
        commands = _beside_a_runner(film, sandbox)
        lost = {**verdict.wrong, "ids lost": len(verdict.lost) + len(missed)}
        report.add(
            "readers", {"looks": looks, "commands": commands}, wrong=lost, found=[verdict, missed]
        )
        assert len(seen) == 8 * turns


def _beside_a_runner(film: Pipeline, sandbox: Sandbox) -> int:
    """Every command that looks, while a runner is stopped in its middle and then dead with a
    journal not folded.
    """
    sandbox.set(task_time="1h")
    film.write({"late": {"prompt": "a late one"}, "other": {"prompt": "another late one"}})
    holder = film.begin("run", "film.yaml", "-y")
    assert holder.stdout
    for _ in ("the gateway", "late", "other"):  # then both are bought
        holder.stdout.readline()
    looking = [
        ["plan"],
        ["status"],
        ["validate"],
        ["render"],
        ["plan", "--format", "json"],
        ["run", "-n"],
    ]
    asking = [["fetch"], ["resolve", "other", "--abandon"], ["run", "-y"]]
    holder.send_signal(signal.SIGSTOP)
    _all(film, looking, 0)
    for said in _all(film, asking, 11):
        assert f"process {holder.pid} on" in said
    holder.kill()
    ended(holder)
    before = _contents(film)
    _all(film, looking, 0)
    assert _contents(film) == before
    return 2 * len(looking) + len(asking)


def _all(film: Pipeline, commands: Sequence[Sequence[str]], code: int) -> list[str]:
    """All commands at once; each must end with `code`."""
    processes = [film.begin(name, "film.yaml", *rest) for name, *rest in commands]
    answers = [ended(process) for process in processes]
    assert [c for c, _ in answers] == [code] * len(answers), answers
    return [said for _, said in answers]


def _contents(film: Pipeline) -> dict[str, tuple[bytes, int]]:
    """Every file with its time of change, save the cache of hashes."""
    files = [p for p in film.folder.rglob("*") if p.is_file() and p.name != "files.json"]
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def test_the_same_manifest_by_another_path(tmp_path: Path, report: Report) -> None:
    """Links, other folders to start from, and other spellings lead to one ledger; a hard link is
    kept out too.
    """
    with sandboxed(tmp_path / "films", task_time="1h") as (film, sandbox):
        film.write(2)
        holder = film.begin("run", "film.yaml", "-y")
        assert holder.stdout
        for _ in ("the gateway", "a", "b"):  # then both are bought
            holder.stdout.readline()
        (film.folder / "link.yaml").symlink_to("film.yaml")
        (tmp_path / "way").symlink_to(film.folder)
        (tmp_path / "far.yaml").symlink_to(film.manifest)
        (film.folder / "twin.yaml").hardlink_to(film.manifest)
        (tmp_path / "prices.yaml").write_bytes((film.folder / "prices.yaml").read_bytes())
        above = replace(film, folder=tmp_path)
        names = ["./film.yaml", "../films/film.yaml", str(film.manifest), "link.yaml"]
        if (film.folder / "FILM.YAML").exists():
            names.append("FILM.YAML")
        processes = [film.begin("run", name, "-y") for name in names]
        processes += [
            above.begin("run", name, "-y")
            for name in ("films/film.yaml", "way/film.yaml", "far.yaml")
        ]
        for code, said in map(ended, processes):
            assert code == 11 and f"process {holder.pid} on" in said, said
        code, said = ended(film.begin("run", "twin.yaml", "-y"))
        assert code == 11 and "has locked" in said and "twin.yaml" in said, said
        holder.terminate()
        assert ended(holder)[0] == 130
        verdict = judge(film, sandbox)
        report.add(
            "runners, other paths",
            {"paths": len(processes) + 1},
            wrong=verdict.wrong,
            found=verdict,
        )
        assert verdict.charged == 2


def test_two_sandbox_runs_in_one_folder(tmp_path: Path) -> None:
    """Both remember what they sold: their next runs find their tasks and buy nothing."""
    film = pipeline_at(tmp_path)
    films = [replace(film, name=name) for name in "ab"]
    for one in films:
        one.write(prompts(one.name, 2))
    for turn in range(2):
        for code, said in map(
            ended, [one.begin("run", one.manifest.name, "--sandbox") for one in films]
        ):
            assert code == 0 and ("Bought in this run" in said) == (turn == 0), said
        for video in film.videos():
            video.unlink()


# ---------------------------------------------------------------- signals

END = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP}
# What `-v` shows when a stage has begun; at the start nothing is shown yet, and at the end all of
# it was.
STAGES = {
    "start": "",
    "create": "intent",
    "poll": "running",
    "download": "downloading",
    "end": "done:",
}
SHOTS = 3


@dataclass(frozen=True)
class Case:
    """What is done to a run (`INT`, `TERM`, `HUP`, twice with a `+`, `STOP`, `PIPE`), when, and by
    which chance.
    """

    what: str
    stage: str
    seed: int

    def __str__(self) -> str:
        return f"{self.what}-{self.stage}-{self.seed}"


def cases(long: bool) -> list[Case]:
    """Every signal at every stage; in the short form those that differ most."""
    if long:
        every = product((*END, "INT+", "TERM+", "STOP", "PIPE"), STAGES, range(4))
        return [Case(*one) for one in every]
    few = [
        *product(("INT", "TERM"), STAGES),
        ("HUP", "poll"),
        ("INT+", "create"),
        ("TERM+", "download"),
    ]
    return [Case(*one, 0) for one in [*few, ("STOP", "create"), ("PIPE", "poll")]]


def test_signals_at_every_stage(tmp_path: Path, long: bool, report: Report) -> None:
    """Exit 130 with everything in its place, and the next run carries on; a pause or a lost reader
    changes nothing.
    """
    every = cases(long)
    with (
        sandboxed(tmp_path, *SLOW, task_time="700ms") as (film, sandbox),
        ThreadPoolExecutor(3) as pool,
    ):
        tries = [pool.submit(_signalled, film, sandbox, case) for case in every]
        verdicts = [one.result() for one in tries]
        tried = {
            "signals": len(every),
            "shots": SHOTS * len(every),
            "in doubt": sum(v.in_doubt for v in verdicts),
        }
        report.add(
            "signals", tried, wrong=all_wrong(verdicts), found=[*zip(every, verdicts, strict=True)]
        )


def _signalled(base: Pipeline, sandbox: Sandbox, case: Case) -> Verdict:
    of = f"{case} "
    film = pipeline_at(base.folder / str(case), sandbox.base_url)
    film.write(prompts(of.strip(), SHOTS))
    # A signal that meets Python's own start, and a pipe whose reader leaves, want a real one.
    begin = film.start if case.stage == "start" or case.what == "PIPE" else film.begin
    process = begin("run", "film.yaml", "-y", "-v", "--log", "run.jsonl")
    _await(process, case)
    _strike(film, process, case)
    code, said = ended(process)
    over = film.lock.exists() and [p["state"] for p in film.purchases()] == ["done"] * SHOTS
    if not _is_before_us(case, said):
        assert code in _codes(case, over=over), f"{case}: exit {code}\n{said}"
    charged = [c["task_id"] for c in charges(sandbox) if c["prompt"].startswith(of)]
    if case.what in END:  # once: nothing is left open, and all of it is in the lock
        folded = {p.get("task_id") for p in film.purchases()} if film.lock.exists() else set()
        assert folded >= set(charged), f"{case}: not folded\n{said}"
    done = film.done("run", "film.yaml", "-y")
    code, said = done.returncode, done.stdout + done.stderr
    verdict = judge(film, sandbox, of=of)
    assert code == (4 if verdict.in_doubt else 0), f"{case}: the next run ends with {code}\n{said}"
    assert verdict.in_doubt == 0 or case.what.endswith("+"), f"{case}: {verdict}"
    return verdict


def _await(process: Process, case: Case) -> None:
    """Until the run has come to the stage."""
    chance = random.Random(f"{case}")
    assert process.stdout
    if case.stage == "start":
        time.sleep(
            chance.uniform(0, 0.8)
        )  # anywhere between the interpreter's start and the first purchase
        return
    wanted = SHOTS if case.stage == "end" else 1
    while wanted and (line := process.stdout.readline()):
        wanted -= STAGES[case.stage] in line
    if case.stage == "end":
        time.sleep(chance.uniform(0, 0.15))  # the record, the last fold, the last words


def _strike(film: Pipeline, process: Process, case: Case) -> None:
    assert process.stdout and process.stderr
    if case.what == "PIPE":
        threading.Thread(target=process.stderr.close).start()
        process.stdout.close()
        process.stdout = process.stderr = None
    elif case.what == "STOP":
        process.send_signal(signal.SIGSTOP)
        # Whoever is stopped still has the ledger. A busy machine may look when all is over.
        if case.stage in ("create", "poll") and process.poll() is None:
            assert str(process.pid) in film.do("run", "film.yaml", "-y", code=11)
        process.send_signal(signal.SIGCONT)
    else:
        process.send_signal(END[case.what.removesuffix("+")])
        if case.what.endswith("+"):
            while (line := process.stdout.readline()) and "leaving" not in line:
                pass
            process.send_signal(END[case.what.removesuffix("+")])


# What CPython says of a KeyboardInterrupt while it sets itself up.
_CPYTHON_ENDS = ("Could not import runpy module", "Fatal Python error: init_")


def _is_before_us(case: Case, said: str) -> bool:
    """True if the signal met CPython itself, which then cannot run any module of ours and ends with
    a code of its own.
    """
    return case.stage == "start" and said.startswith(_CPYTHON_ENDS)


def _codes(case: Case, *, over: bool) -> set[int]:
    """What the run may end with; with 0 where it was `over` before the signal came.

    Before Python is up, only the signal itself can end it; nothing has begun then. And where
    KeyboardInterrupt passed through an `exec`, as of a dataclass being made, CPython ends by SIGINT
    in the end; a shell calls that 130, too.
    """
    if case.what in ("STOP", "PIPE"):
        return {0}
    early = {-END[case.what.removesuffix("+")], -signal.SIGINT} if case.stage == "start" else set()
    return {130} | early | ({0} if over else set())

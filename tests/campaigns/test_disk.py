"""Disks that are full, broken, small or read-only: what was charged is known, and nothing is bought
twice.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from klingflow.sandbox.child import Sandbox
from tests.campaigns.aftermath import Found, account, ends, examine
from tests.campaigns.figures import Report
from tests.campaigns.judge import judge
from tests.campaigns.tampering import Call, calls, needs_strace, tampered
from tests.harness import Pipeline, charges, pipeline_at, sandboxed

RUN = ("run", "film.yaml", "-y", "-q")
WITHOUT_BOX = "--no-black-box"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all trials, which tell their charges by their prompts."""
    with sandboxed(tmp_path_factory.mktemp("sandbox")) as (_, sandbox):
        yield sandbox


_number = count(1)


def batch(folder: Path, sandbox: Sandbox, shots: int = 2) -> tuple[Pipeline, str]:
    """A pipeline, and what its prompts begin with."""
    film, label = pipeline_at(folder, sandbox.base_url), f"batch {next(_number)}:"
    words = "a long and winding street, " * 6  # the sandbox remembers the first 200 characters
    prompts = {f"shot{n}": {"prompt": f"{label} number {n}, {words}"} for n in range(1, shots + 1)}
    film.write(prompts, run={"connections": 1})
    return film, label


def suffered(
    film: Pipeline,
    sandbox: Sandbox,
    of: str,
    where: object,
    found: Found,
    code: int | None,
    said: str,
) -> None:
    """What a run on a bad disk must have come to: a proper end in words, and every charge accounted
    for.
    """
    if code is None:
        return found.blame("hangs", where, said)
    if code not in (0, 1, 3, 4) or "Traceback" in said or "internal error" in said:
        found.blame("crashes", where, f"exit {code}: {said}")
    elif code != 0 and not said.strip():
        found.blame("crashes", where, f"exit {code} without a word")
    account(film, sandbox, of, where, found, said)


# ------------------------------------------------------------ one call at a time, by strace


@dataclass(frozen=True)
class Fault:
    """An error of a call and, where `on`, of all later calls of its kind on its file; and the calls
    it is tried on.
    """

    error: str
    on: bool
    box: bool
    tried_on: Callable[[Call], bool]

    @property
    def command(self) -> tuple[str, ...]:
        return RUN if self.box else (*RUN, WITHOUT_BOX)


# Of the calls that a signal may interrupt; the others are made or not, whatever the error.
INTERRUPTIBLE = ("write", "fsync", "openat", "ftruncate")
FAULTS = [
    Fault("ENOSPC", on=True, box=False, tried_on=lambda call: call.path != ""),
    Fault("EIO", on=False, box=False, tried_on=lambda call: call.path != ""),
    # Once, for strace tells these by no file: for good it would be the terminal's too.
    Fault("EIO", on=False, box=True, tried_on=lambda call: call.path.startswith("..")),
    Fault(
        "EINTR",
        on=False,
        box=True,
        tried_on=lambda call: call.path != "" and call.kind in INTERRUPTIBLE,
    ),
]


@needs_strace
def test_a_call_fails(sandbox: Sandbox, tmp_path: Path, long: bool, report: Report) -> None:
    """Each call on a file of the ledger, the outputs or the black box fails in turn, once or from
    then on.
    """
    found = Found()
    undisturbed = {
        box: calls(batch(tmp_path / f"box {box}", sandbox)[0], *RUN, *[WITHOUT_BOX] * (not box))
        for box in (False, True)
    }
    trials = [
        (call, fault) for fault in FAULTS for call in undisturbed[fault.box] if fault.tried_on(call)
    ]
    if not long:
        trials = random.Random(3).sample(trials, 8)

    def trial(number: int, call: Call, fault: Fault) -> None:
        film, label = batch(tmp_path / str(number), sandbox)
        ended = tampered(film, call, f"error={fault.error}", *fault.command, on=fault.on)
        where = f"{fault.error}{' for good' * fault.on} at {call}"
        suffered(film, sandbox, label, where, found, ended.code, ended.said)
        if fault.error == "EINTR" and ended.code != 0:
            found.blame("crashes", where, f"exit {ended.code}: {ended.said}")
        examine(film, sandbox, label, where, found)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda item: trial(item[0], *item[1]), enumerate(trials)))
    tried = {"calls that failed": len(trials), "in doubt": found.doubts}
    report.add("disk: a call fails", tried, wrong=found.counts(), found=found.complaints)


# ---------------------------------------------- short writes: no file may grow beyond a size

_SMALL_FILES = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2);"
    "import klingflow.terminal.cli; klingflow.terminal.cli.main()"
)


def test_short_writes(sandbox: Sandbox, tmp_path: Path, long: bool, report: Report) -> None:
    """A write is cut short at any byte, and what follows of it fails; in the journal, the lock and
    the videos alike.
    """
    pytest.importorskip("resource", reason="only where files' sizes can be limited")
    found, sizes = (
        Found(),
        range(90, 5000, 37) if long else random.Random(4).sample(range(90, 5000), 3),
    )

    def trial(size: int) -> None:
        film, label = batch(tmp_path / str(size), sandbox)
        film.do("fetch", "film.yaml", "-q", WITHOUT_BOX)  # the ledger is made, and its reserve
        code, said = ends(film, str(size), *RUN, WITHOUT_BOX, python=("-c", _SMALL_FILES))
        where = f"files of {size} bytes at most"
        suffered(film, sandbox, label, where, found, code, said)
        examine(film, sandbox, label, where, found)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(trial, sizes))
    tried = {"lengths": len(sizes), "in doubt": found.doubts}
    report.add("disk: short writes", tried, wrong=found.counts(), found=found.complaints)


# ------------------------------------------------------------ small disks, truly full


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Callable[[str], None]]:
    """A file system of its own at `folder`; the value mounts it anew with other options. Skips
    where that cannot be.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def mount(options: str, kind: str = "") -> int:
        command = ["mount", "-t", "tmpfs", "-o", kind + options, "tmpfs", str(folder)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode
        except FileNotFoundError:
            return 1

    if mount(f"size={kib}k"):
        pytest.skip("no file system can be mounted here; as root it could")

    def remount(options: str) -> None:
        assert mount(options, "remount,") == 0, options

    try:
        yield remount
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("box", [False, True], ids=["alone", "with its black box"])
def test_a_full_disk(
    box: bool, sandbox: Sandbox, tmp_path: Path, long: bool, report: Report
) -> None:
    """Disks of many sizes run full during a run; with room again, the next run ends the batch."""
    found, fullest = Found(), 112
    sizes = (
        range(8, fullest, 4) if long else random.Random(5 + box).sample(range(72, fullest, 4), 2)
    )
    for kib in sizes:
        with small_disk(tmp_path / str(kib), kib) as remount:
            film, label = batch(tmp_path / str(kib) / "film", sandbox)
            command = RUN if box else (*RUN, WITHOUT_BOX)
            code, said = ends(film, *command)
            where = f"a disk of {kib} KiB"
            suffered(film, sandbox, label, where, found, code, said)
            remount("size=10m")
            examine(film, sandbox, label, where, found)
    tried = {"sizes": len(sizes), "in doubt": found.doubts}
    report.add(
        f"disk: full{', black box and all' * box}",
        tried,
        wrong=found.counts(),
        found=found.complaints,
    )


def test_no_room_for_videos(sandbox: Sandbox, tmp_path: Path, long: bool, report: Report) -> None:
    """A shot stays bought when its video finds no room; `fetch` brings the video when there is."""
    found = Found()
    sizes = range(4, 48, 4) if long else (16,)
    for kib in sizes:
        film, label = batch(tmp_path / str(kib), sandbox, shots=3)
        where = f"{kib} KiB for videos"
        with small_disk(film.folder / "outputs", kib) as remount:
            code, said = ends(film, *RUN)
            suffered(film, sandbox, label, where, found, code, said)
            missing = 3 - len(film.videos())
            if code != (3 if missing else 0):
                found.blame("crashes", where, f"exit {code} with {missing} videos missing: {said}")
            remount("size=10m")
            code, said = ends(film, "fetch", "film.yaml", "-q")
            if code != 0 or len(film.videos()) != 3:
                found.blame(
                    "crashes", where, f"fetch: exit {code}, {len(film.videos())} videos: {said}"
                )
            verdict = judge(film, sandbox, label)
            if verdict.charged != 3 or verdict.in_doubt:
                found.blame("charged twice", where, str(verdict))
            examine(film, sandbox, label, where, found)
    report.add(
        "disk: no room for videos",
        {"sizes": len(sizes)},
        wrong=found.counts(),
        found=found.complaints,
    )


# ------------------------------------------------------------ folders that are not to be written


def test_a_folder_that_cannot_be_written(sandbox: Sandbox, tmp_path: Path) -> None:
    """Nothing is bought where it could not be recorded; the words name the ledger."""
    if os.geteuid() == 0:  # whom modes do not stop
        with small_disk(tmp_path / "disk", 64 << 10) as remount:
            film, label = batch(tmp_path / "disk" / "film", sandbox)
            remount("ro")
            _refused(film, sandbox, label)
            remount("rw")
            film.do(*RUN)
    else:
        film, label = batch(tmp_path / "film", sandbox)
        film.folder.chmod(0o555)
        _refused(film, sandbox, label)
        film.folder.chmod(0o755)
        film.do(*RUN)


def _refused(film: Pipeline, sandbox: Sandbox, label: str) -> None:
    said = film.do(*RUN, code=1)
    assert "film.lock: the ledger cannot be opened" in said
    assert not [c for c in charges(sandbox) if c["prompt"].startswith(label)]


# ------------------------------------------------------------ those who look on


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("redirected", [">/dev/full", ">&- 2>/dev/full", ">/dev/full 2>&-"])
def test_nobody_who_looks_on_changes_a_run(
    redirected: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A terminal, a log or a file behind `>` that takes nothing: all is bought once and here, and
    exit 0 stands.
    """
    film, label = batch(tmp_path / "film", sandbox)
    shell = f"exec {sys.executable} -m klingflow run film.yaml -y --log /dev/full {redirected}"
    code, said = ends(
        film, shell, python=("-c", "import os, sys; os.execvp('sh', ['sh', '-c', sys.argv[1]])")
    )
    assert code == 0, said
    assert ("--log /dev/full could not be written" in said) == ("2>" not in redirected)
    assert (judge(film, sandbox, label).charged, len(film.videos())) == (2, 2)

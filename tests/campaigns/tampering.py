"""Faults at single system calls of a klingflow process, from outside: `strace -e inject=…`.

What a call is known by is its kind, the file (or that it is a socket's), its place among such calls
of its thread, and the thread: strace counts for each thread apart. A signal comes on entering a
call, which is then not made; so a kill after one call is a kill before the next. A batch with one
connection has one worker thread and makes its calls one after the other, the same in every run.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests import forked
from tests.harness import Pipeline

PATIENCE_S = 240
# Some have two names, by processor.
FILE_CALLS = (
    *("write", "fsync", "ftruncate", "openat", "rename", "renameat", "renameat2"),
    *("link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
)
SOCKET_CALLS = ("connect", "sendto", "recvfrom")


@dataclass(frozen=True, order=True)
class Call:
    """The `nth` call of its `kind` by one thread: on the file at `path`, relative to the pipeline's
    folder; or on any file, where `path` leads out of the folder, to the state folder (whose files
    have another name in each run); or by a socket, where it is empty. `worker` is the thread that
    writes the journal; the other is the main one.
    """

    kind: str
    path: str
    nth: int
    worker: bool

    @property
    def named(self) -> bool:
        """True if strace can tell the call by its file."""
        return _told_by(self.path) == self.path != ""

    def __str__(self) -> str:
        by = " by the worker" if self.worker else ""
        return f"{self.kind} {self.nth} of {self.path or 'a socket'}{by}"


def _told_by(path: str) -> str:
    return "" if path.startswith("..") else path


@dataclass(frozen=True)
class Ended:
    """How a process ended, what it said, and what strace saw."""

    pid: int
    code: int
    said: str
    trace: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@cache
def _strace() -> str | None:
    """Where strace is, if it is and may trace."""
    found = shutil.which("strace")
    if found is None:
        return None
    tried = subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False)
    return found if tried.returncode == 0 else None


needs_strace = pytest.mark.skipif(
    _strace() is None, reason="strace is not here, or may not trace: apt-get install strace"
)


def calls(film: Pipeline, *arguments: str) -> list[Call]:
    """The calls that an undisturbed klingflow makes on the pipeline's files and its gateway's
    sockets, in order.
    """
    watched = ",".join(f"?{kind}" for kind in (*FILE_CALLS, *SOCKET_CALLS))
    ended = traced(film, ["-e", f"trace={watched}"], *arguments, follow=True)
    return calls_in(ended.trace, film.folder, ended.pid)


def tampered(film: Pipeline, call: Call, fault: str, *arguments: str, on: bool = False) -> Ended:
    """Run klingflow with one call tampered with, or that and all later ones like it where `on`."""
    options = [
        "-e",
        f"trace={call.kind}",
        "-e",
        f"inject={call.kind}:{fault}:when={call.nth}{'+' * on}",
    ]
    if call.named:
        options += ["-P", str(film.folder / call.path)]  # as a descriptor has it
        options += ["-P", call.path] * (call.path != ".")  # as it is given
    return traced(film, options, *arguments, follow=call.worker)


def traced(film: Pipeline, options: Sequence[str], *arguments: str, follow: bool) -> Ended:
    """Run klingflow to its end under strace with `options`; with its worker thread too, if
    `follow`.
    """
    log = film.folder.with_suffix(".strace")
    # Imports are most of a process's calls and none of its purchases: a forked one has made them.
    process = forked.begin(arguments, film.folder, film.environ, held=True)
    command = [
        str(_strace()),
        *(["-f"] if follow else []),
        "-y",
        "-o",
        str(log),
        "-p",
        str(process.pid),
        *options,
    ]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = iter(tracer.stderr.readline, "")
    try:
        attached = any("attached" in line for line in said)
        process.release()
        out, err = process.communicate(timeout=PATIENCE_S)
        tracer.communicate(timeout=PATIENCE_S)
    finally:
        for each in (process, tracer):
            each.kill()
            each.wait()
    assert attached, "strace may not attach to processes here"
    trace = log.read_text(encoding="utf-8", errors="replace")
    log.unlink()
    return Ended(process.pid, process.returncode, out + err, trace)


_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_DESCRIPTOR = re.compile(r"\d+<([^<>]*)>")
_GIVEN = re.compile(r'"([^"]*)"')
_BY_DESCRIPTOR = frozenset({"write", "fsync", "ftruncate"})


def calls_in(trace: str, folder: Path, main: int) -> list[Call]:
    """What tampering can reach of a trace by `strace -f -y`, in order.

    Following the worker, strace strikes whichever thread is first to make so many calls: those of
    the worker's that the main thread is sure to be ahead of are left out. (They are the first few,
    on the journal, and a kill there leaves what a kill at the main thread's next call leaves.)
    """
    counts: Counter[tuple[bool, str, str | None]] = Counter()
    found = []
    for line in trace.splitlines():
        if not (seen := _LINE.match(line)):
            continue
        worker, kind, arguments = int(seen[1]) != main, seen[2], seen[3]
        path = "" if kind in SOCKET_CALLS else _file(kind, arguments, folder)
        for told in {"", path and _told_by(path)}:
            counts[worker, kind, told] += 1
        if path is None or not _matters(kind, arguments):
            continue
        nth = counts[worker, kind, _told_by(path)]
        if not worker or (path and counts[False, kind, _told_by(path)] < nth):
            found.append(Call(kind, path, nth, worker))
    return found


def _file(kind: str, arguments: str, folder: Path) -> str | None:
    """The file of the pipeline or of its black box that a call names, or has a descriptor of; of
    two names the first, as strace takes it.
    """
    named = (_DESCRIPTOR.match if kind in _BY_DESCRIPTOR else _GIVEN.search)(arguments)
    if named is None or (kind in _BY_DESCRIPTOR and not named[1].startswith("/")):
        return None
    path = os.path.relpath(os.path.normpath(folder / named[1]), folder)
    return path if not path.startswith("..") or path.startswith(f"../{folder.name}.state") else None


def _matters(kind: str, arguments: str) -> bool:
    if kind == "openat":
        return "O_CREAT" in arguments
    if kind == "connect":
        return "AF_INET" in arguments
    # The event loop wakes itself by a null byte, and asks for more than there is.
    return kind not in SOCKET_CALLS or ('"' in arguments and '"\\0"' not in arguments)

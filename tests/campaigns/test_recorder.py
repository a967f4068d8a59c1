"""The recorder sees what the kernel sees: its tape is the same as strace's of the same process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns.ledgers import MANIFEST, STATE, all_states
from tests.campaigns.recorder import Recorder
from tests.campaigns.tapes import a_cleared_folder, a_run, an_older_lock, watched

CALLS = (
    "open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,sendfile,copy_file_range,fsync,fdatasync,"
    "sync_file_range,msync,truncate,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir"
)
BEGIN, END = (
    "/no/such/folder/begins",
    "/no/such/folder/ends",
)  # a call that fails and is in strace's tape
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)")
_FD = re.compile(r"^\d+<(.*?)(?: \(deleted\)|\(deleted\))?>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_AT = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>")

Seen = tuple[str, str, str | int]
PLAYS = {"a run": a_run, "git clean": a_cleared_folder, "git checkout": an_older_lock}


def record_here(root: Path, play: str, tape: Path) -> None:
    """In a process of its own, under strace: play, and leave what the recorder saw, and what was
    there before.
    """
    root.mkdir()
    (root / STATE).mkdir()
    (root / MANIFEST).write_text("version: 1\n")
    all_states(root)
    recorder = Recorder(root)
    before = sorted(recorder.names)
    with watched(recorder):
        _signal(BEGIN)
        PLAYS[play](root, recorder.mark)
        _signal(END)
    seen = [
        ("sync", op.name, "") if op.kind in ("sync", "sync_folder")
        else (op.kind, op.name, len(op.data) if op.kind == "write" else op.offset or op.to)
        for op in recorder.ops if op.kind != "mark"
    ]  # fmt: skip
    tape.write_text(json.dumps([before, seen]))


def _signal(path: str) -> None:
    try:
        os.mkdir(path)  # noqa: PTH102  # the call itself is the signal
    except FileNotFoundError:
        return


def calls(text: str) -> Iterator[tuple[str, str, int]]:
    """Name, arguments and result of every call that succeeded, as they ended, between the signals."""
    begun: dict[str, str] = {}
    playing = False
    for line in text.splitlines():
        if BEGIN in line or END in line:
            playing = BEGIN in line
        pid = line.split()[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>").rstrip()
            continue
        if "resumed>" in line:
            line = begun.pop(pid) + line.split("resumed>", 1)[1]
        if playing and (found := _CALL.match(line)):
            yield found[1], found[2], int(found[3])


def seen_by_strace(text: str, root: Path, names: set[str]) -> Iterator[Seen]:
    """strace's output in the recorder's words. `names` are the files that were there."""

    def inside(path: str) -> str | None:
        here = Path(path)
        return here.relative_to(root).as_posix() if here.is_relative_to(root) else None

    for call, arguments, result in calls(text):
        folders = _AT.findall(arguments)
        texts = [
            str(Path(folders[0], t)) if folders and "at" in call else t
            for t in _TEXT.findall(arguments)
        ]
        at_fd = _FD.match(arguments)
        name = (
            inside(at_fd[1])
            if at_fd and not call.endswith("at")
            else inside(texts[0])
            if texts
            else None
        )
        if name is None:
            continue
        to = inside(texts[1]) if len(texts) > 1 else None
        if call in ("open", "openat"):
            if "O_CREAT" in arguments and name not in names:
                yield "create", name, ""
            elif "O_TRUNC" in arguments:
                yield "truncate", name, ""
            if "O_DIRECTORY" not in arguments and "O_CREAT" in arguments:
                names.add(name)
        elif call == "write":
            yield "write", name if "(deleted)" not in arguments else "", result
        elif call in ("fsync", "fdatasync"):
            yield "sync", name if "(deleted)" not in arguments else "", ""
        elif call == "ftruncate":
            yield "truncate", name, int(arguments.rsplit(",", 1)[1]) or ""
        elif call in ("rename", "renameat", "renameat2"):
            names.discard(name)
            names.add(to or "")
            yield "rename", name, to or ""
        elif call in ("link", "linkat"):
            names.add(to or "")
            yield "link", to or "", ""
        elif call in ("unlink", "unlinkat", "rmdir"):
            names.discard(name)
            yield "rmdir" if call == "rmdir" or "AT_REMOVEDIR" in arguments else "unlink", name, ""
        elif call in ("mkdir", "mkdirat"):
            yield "mkdir", name, ""
        else:
            yield call, name, ""  # which the recorder does not know: the tapes differ


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("play", PLAYS)
def test_nothing_goes_by_the_recorder(play: str, folder: Path) -> None:
    root, tape, trace = folder / "film", folder / "tape.json", folder / "trace"
    play_it = f"record_here(Path({str(root)!r}), {play!r}, Path({str(tape)!r}))"
    code = f"from tests.campaigns.test_recorder import *; {play_it}"
    strace = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", str(trace)]
    traced = subprocess.run(
        [*strace, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if "PTRACE" in traced.stderr or "ptrace" in traced.stderr:
        pytest.skip(f"strace may not trace here: {traced.stderr.splitlines()[0]}")
    assert traced.returncode == 0, traced.stderr
    before, seen = json.loads(tape.read_text())
    truth = [*seen_by_strace(trace.read_text(), root, {*before})]
    assert [(kind, name, what or "") for kind, name, what in seen] == truth
    assert len(truth) > 20

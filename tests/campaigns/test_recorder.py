"""The recorder sees what the kernel sees: its tape is the same as strace's of the same process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

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
    """Yield name, arguments and result of each call that succeeded between the signals."""
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
    """Yield strace's output in the recorder's words. `names` are the files that were there."""
    for call, arguments, result in calls(text):
        paths = _paths(call, arguments)
        name = _inside(root, paths[0]) if paths else None
        if name is None:
            continue
        to = (_inside(root, paths[1]) if len(paths) > 1 else None) or ""
        words = _WORDS.get(call)
        if words is None:
            yield call, name, ""  # which the recorder does not know: the tapes differ
        else:
            yield from words(Call(arguments, result, name, to, names))


def _paths(call: str, arguments: str) -> list[str]:
    """Return the paths that a call names: the file of its first argument, or its texts."""
    at_fd = _FD.match(arguments)
    if at_fd and not call.endswith("at"):
        return [at_fd[1]]
    texts = _TEXT.findall(arguments)
    folders = _AT.findall(arguments)
    if folders and "at" in call:
        return [str(Path(folders[0], text)) for text in texts]
    return list(texts)


def _inside(root: Path, path: str) -> str | None:
    here = Path(path)
    return here.relative_to(root).as_posix() if here.is_relative_to(root) else None


class Call(NamedTuple):
    """A call that succeeded, its files inside the folder, and the files that are there."""

    arguments: str
    result: int
    name: str
    to: str
    names: set[str]

    @property
    def open_name(self) -> str:
        """The name of an open file; an unlinked one has none."""
        return "" if "(deleted)" in self.arguments else self.name


def _open(call: Call) -> Iterator[Seen]:
    creates = "O_CREAT" in call.arguments
    if creates and call.name not in call.names:
        yield "create", call.name, ""
    elif "O_TRUNC" in call.arguments:
        yield "truncate", call.name, ""
    if creates and "O_DIRECTORY" not in call.arguments:
        call.names.add(call.name)


def _write(call: Call) -> Iterator[Seen]:
    yield "write", call.open_name, call.result


def _sync(call: Call) -> Iterator[Seen]:
    yield "sync", call.open_name, ""


def _truncate(call: Call) -> Iterator[Seen]:
    yield "truncate", call.name, int(call.arguments.rsplit(",", 1)[1]) or ""


def _rename(call: Call) -> Iterator[Seen]:
    call.names.discard(call.name)
    call.names.add(call.to)
    yield "rename", call.name, call.to


def _link(call: Call) -> Iterator[Seen]:
    call.names.add(call.to)
    yield "link", call.to, ""


def _unlink(call: Call) -> Iterator[Seen]:
    call.names.discard(call.name)
    yield "rmdir" if "AT_REMOVEDIR" in call.arguments else "unlink", call.name, ""


def _rmdir(call: Call) -> Iterator[Seen]:
    call.names.discard(call.name)
    yield "rmdir", call.name, ""


def _mkdir(call: Call) -> Iterator[Seen]:
    yield "mkdir", call.name, ""


_WORDS: dict[str, Callable[[Call], Iterator[Seen]]] = {
    "open": _open,
    "openat": _open,
    "write": _write,
    "fsync": _sync,
    "fdatasync": _sync,
    "ftruncate": _truncate,
    "rename": _rename,
    "renameat": _rename,
    "renameat2": _rename,
    "link": _link,
    "linkat": _link,
    "unlink": _unlink,
    "unlinkat": _unlink,
    "rmdir": _rmdir,
    "mkdir": _mkdir,
    "mkdirat": _mkdir,
}


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

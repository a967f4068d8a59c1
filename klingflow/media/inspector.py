"""Asks a process of its own what videos are (child.py), one after the other.

That process gets nothing of the environment that it does not need, because it decodes what a server
sent: neither klingflow's key nor a store's.
"""

from __future__ import annotations

import importlib.util
import json
import math
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from klingflow.media.kept import media_in
from klingflow.media.process import bare_environ, command
from klingflow.model import UNREADABLE, Media

_COMMAND = command("child")
_LIMIT_S = 120.0  # for one video on a busy machine; child.py bounds its CPU
_LINE_MOST = 4096
_DYING_S = 0.5
# What reading from a process raises that has ended, or that says more than it should.
_ENDED = (
    anyio.EndOfStream,
    anyio.IncompleteRead,
    anyio.DelimiterNotFound,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
# How a process ends by what it decodes. Of any other end the video may not be the cause.
_CRASHES = {
    getattr(signal, name, math.nan)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGXCPU")
}


class Inspector:
    """Looks at videos. `works` turns False where its process cannot even begin.

    `command` starts the process.
    """

    def __init__(self, command: Sequence[str] = _COMMAND, limit_s: float = _LIMIT_S) -> None:
        self.works = True
        self._command = command
        self._limit_s = limit_s
        self._running: _Running | None = None

    async def look(self, path: Path) -> Media | None:
        """Return what the video at an absolute path is: UNREADABLE if a decoder crashed or did not
        end; None if it cannot be found out. Must not be called twice at once.
        """
        if not self.works:
            return None
        answer = None
        try:
            with anyio.move_on_after(self._limit_s):
                answer = await self._asked(path)
        finally:
            code = 0 if answer else await self._end()
        if answer is None:
            return UNREADABLE if -code in _CRASHES else None
        return media_in(answer)

    async def close(self) -> None:
        """End the process."""
        await self._end()

    async def _asked(self, path: Path) -> object:
        """Return what the process says of a video; None if it says nothing."""
        try:
            running = self._running or await self._start()
            assert running.process.stdin, "it is a pipe"
            await running.process.stdin.send(json.dumps(str(path)).encode() + b"\n")
            return json.loads(await running.line())
        except (OSError, ValueError, RecursionError, *_ENDED):
            return None

    async def _start(self) -> _Running:
        """Start the process. Raises OSError, and _ENDED where it does not begin."""
        self.works = False
        process = await anyio.open_process(
            self._command, stderr=subprocess.DEVNULL, env=bare_environ(), start_new_session=True
        )
        assert process.stdout, "it is a pipe"
        self._running = running = _Running(process, BufferedByteReceiveStream(process.stdout))
        await running.line()
        self.works = True
        return running

    async def _end(self) -> int:
        """End the process. Return its exit code."""
        running, self._running = self._running, None
        if running is None:
            return 0
        with anyio.CancelScope(shield=True):
            await running.end()
        return running.process.returncode or 0


def inspector() -> Inspector | None:
    """Return what looks at videos; None if PyAV is not installed."""
    return Inspector() if importlib.util.find_spec("av") else None


class _Running(NamedTuple):
    """A process, and what is read of it."""

    process: Process
    said: BufferedByteReceiveStream

    async def line(self) -> bytes:
        """Return its next line. Raises _ENDED."""
        return await self.said.receive_until(b"\n", _LINE_MOST)

    async def end(self) -> None:
        """End it, at once where it does not end by itself when its input ends."""
        assert self.process.stdin, "it is a pipe"
        await self.process.stdin.aclose()
        with anyio.move_on_after(_DYING_S):
            await self.process.wait()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.aclose()

"""Asks a process of its own for pictures of videos (posters.py), one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from klingflow.media.inspector import bare_environ

_LIMIT_S = 20.0  # for one picture on a busy machine


class Painter:
    """One such process. Not to be asked by two threads at once."""

    def __init__(self) -> None:
        # -P: a folder from elsewhere may hold an `av.py`, which Python would run first.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "klingflow.media.posters"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=bare_environ(),
            start_new_session=True,  # Ctrl-C in the terminal is for the page alone
        )

    @property
    def is_over(self) -> bool:
        """True once the process has ended, perhaps by a crash."""
        return self._process.poll() is not None

    def draw(self, path: Path) -> bytes:
        """Return the picture of one video; b"" where the process crashes over it or is too slow."""
        assert self._process.stdin and self._process.stdout
        clock = threading.Timer(_LIMIT_S, self._process.kill)
        clock.start()
        try:
            self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
            self._process.stdin.flush()
            length = int.from_bytes(self._process.stdout.read(4), "big")
            return self._process.stdout.read(length)
        except (OSError, ValueError):
            return b""
        finally:
            clock.cancel()

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end."""
        with self._process:
            self.kill()

"""Asks a process of its own for pictures of videos (posters.py), one after the other."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from klingflow.media.process import bare_environ, command
from klingflow.words import _

_COMMAND = command("posters")
_LIMIT_S = 20.0  # for one picture on a busy machine
_BYTES_MOST = 4 << 20  # of one picture


def is_jpeg(data: bytes) -> bool:
    """True for what begins and ends as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")


class Painter:
    """One such process. Not to be asked by two threads at once."""

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._process = subprocess.Popen(
            command,
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
        """Return the picture of one video as a JPEG; b"" where there is none, or where the process
        crashes over it, is too slow or answers with anything else, and has then ended.
        """
        assert self._process.stdin and self._process.stdout
        clock = threading.Timer(_LIMIT_S, self._process.kill)
        clock.start()
        try:
            self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
            self._process.stdin.flush()
            return self._answer(self._process.stdout)
        except (OSError, ValueError):
            self.close()
            return b""
        finally:
            clock.cancel()

    def _answer(self, said: IO[bytes]) -> bytes:
        """Return what the process says of one video. Raises ValueError for what it never says: a
        video may have taken it over.
        """
        head = said.read(4)
        length = int.from_bytes(head, "big")
        if len(head) < 4 or length > _BYTES_MOST:
            raise ValueError(_("no answer"))
        picture = said.read(length)
        if len(picture) < length or (picture and not is_jpeg(picture)):
            raise ValueError(_("no picture"))
        return picture

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end."""
        with suppress(OSError), self._process:  # what could not be written to it is lost
            self.kill()

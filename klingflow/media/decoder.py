"""A process of its own that decodes what a server sent, and is asked line by line. It knows no key
(process.py), and is ended when it answers too late.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Self

from klingflow.media.process import bare_environ
from klingflow.model import Json


class Decoder:
    """One such process, started by `command`. Two threads must not ask it at once."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=bare_environ(),
            start_new_session=True,  # Ctrl-C in the terminal is for klingflow alone
        )

    @property
    def is_over(self) -> bool:
        """Return True once the process has ended, perhaps by a crash."""
        return self._process.poll() is not None

    def ask(self, what: Json) -> None:
        """Send one question. Raises OSError where the process has ended."""
        assert self._process.stdin, "it is a pipe"
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()

    @contextmanager
    def answer(self, limit_s: float) -> Iterator[IO[bytes]]:
        """Give what the process says. It is ended where the block takes longer than `limit_s`."""
        assert self._process.stdout, "it is a pipe"
        clock = threading.Timer(limit_s, self._process.kill)
        clock.start()
        try:
            yield self._process.stdout
        finally:
            clock.cancel()

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait for its end."""
        with suppress(OSError), self._process:  # what could not be written to it is lost
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

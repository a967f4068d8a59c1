"""PURE. Which takes wait until their local files are where the gateway can read them.

Nothing is reserved, granted or written down for a take before all its files are there.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from klingflow.decide.schedule import Wanted
from klingflow.manifest.held_files import Record, records

# Manifest number of the run, SHA-256.
Content = tuple[int, str]


class LocalFileOf(NamedTuple):
    """A local file of manifest number `job`, by its path and its content."""

    job: int
    file: str
    sha256: str

    @property
    def content(self) -> Content:
        """What tells it from others: two paths may lead to one content."""
        return self.job, self.sha256


class Sending:
    """The takes that wait and the files they wait for; `names` has what is in a store by now, and
    `released` the takes that waited for another shot before.
    """

    def __init__(self) -> None:
        self.names: dict[Content, str] = {}
        self._missing: dict[Wanted, set[Content]] = {}
        self._takes: dict[Content, list[Wanted]] = {}
        self._queue: deque[LocalFileOf] = deque()
        self.released: set[Wanted] = set()

    def want(self, wanted: Wanted, *, released: bool = False) -> bool:
        """Return True if all files of a take are there; otherwise it waits from now on. `released`
        as for `Schedule.want`.
        """
        files = [f for f in _files(wanted) if f.content not in self.names]
        for file in files:
            if file.content not in self._takes:
                self._takes[file.content] = []
                self._queue.append(file)
            self._takes[file.content].append(wanted)
        if files:
            self._missing[wanted] = {file.content for file in files}
            self.released |= {wanted} if released else set()
        return not files

    def next(self) -> LocalFileOf | None:
        """Return the file to upload now, each once."""
        return self._queue.popleft() if self._queue else None

    def put(self, file: LocalFileOf, name: str) -> list[Wanted]:
        """Note that a file is in its store as `name`; return the takes that wait no more."""
        self.names[file.content] = name
        free: list[Wanted] = []
        for wanted in self._takes.pop(file.content):
            missing = self._missing.get(wanted)
            if missing is not None:
                missing.discard(file.content)
                if not missing:
                    del self._missing[wanted]
                    free.append(wanted)
        return free

    def failed(self, file: LocalFileOf) -> list[Wanted]:
        """Return the takes that cannot be sent now, because this file could not be put anywhere."""
        takes = dict.fromkeys(self._takes.pop(file.content))
        return [wanted for wanted in takes if self._missing.pop(wanted, None) is not None]

    def name_of(self, job: int, record: Record) -> str:
        """Return what a file of a body is called in its store. Raises KeyError if it is in none."""
        return self.names[job, record["sha256"]]


def _files(wanted: Wanted) -> list[LocalFileOf]:
    request = wanted.action.request
    body = request.body if request else {}
    found = ((r["file"], str(r.get("sha256", ""))) for _, r in records(body))
    return list(dict.fromkeys(LocalFileOf(wanted.job, file, sha256) for file, sha256 in found))

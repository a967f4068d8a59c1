"""PURE. Which takes wait until their local files are where the gateway can read them: files of the
manifest, and what is taken from other shots' videos.

Nothing is reserved, granted or written down for a take before all its files are there. A video that
is still on its way to this disk is waited for.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from klingflow.decide.picks import present_of, source_of
from klingflow.decide.schedule import Wanted
from klingflow.decide.verbs import VERBS
from klingflow.manifest import chained
from klingflow.manifest.held_files import Record, records
from klingflow.model import Action, Plan

# Manifest number of the run, and a SHA-256, or what is taken from which purchase's video.
Content = tuple[int, str]
# Manifest number of the run, uid of a purchase.
Video = tuple[int, str]


class LocalFileOf(NamedTuple):
    """A local file of manifest number `job`, by its path and its content."""

    job: int
    file: str
    sha256: str

    @property
    def content(self) -> Content:
        """What tells it from others: two paths may lead to one content."""
        return self.job, self.sha256

    @property
    def named(self) -> str:
        """The name that people know the file by."""
        return self.file


class PieceOf(NamedTuple):
    """A frame of the video of `purchase`, by the words for it; the whole video without any. `named`
    is what people call it.
    """

    job: int
    purchase: str
    frame: str
    named: str

    @property
    def content(self) -> Content:
        """What tells it from others, whatever shot it is named after."""
        return self.job, f"{self.purchase} {self.frame}"

    @property
    def video(self) -> Video:
        """The video that it is taken from."""
        return self.job, self.purchase


Sent = LocalFileOf | PieceOf


class Sending:
    """The takes that wait and the files they wait for; `names` has what is in a store by now, by
    its name there or by an address. `released` are the takes that waited for another shot before,
    `coming` the videos that are on their way to this disk. `allowed` has what is in a store only
    because a shot allows what is wrong with it: every other shot is judged again.
    """

    def __init__(self) -> None:
        self.names: dict[Content, str] = {}
        self._missing: dict[Wanted, set[Content]] = {}
        self._takes: dict[Content, list[Wanted]] = {}
        self._queue: deque[Sent] = deque()
        self._later: defaultdict[Video, list[PieceOf]] = defaultdict(list)
        self.released: set[Wanted] = set()
        self.coming: set[Video] = set()
        self.allowed: set[Content] = set()

    def want(self, wanted: Wanted, *, released: bool = False) -> bool:
        """Return True if all files of a take are there; otherwise it waits from now on. `released`
        as for `Schedule.want`.
        """
        files = [f for f in _files(wanted) if not self._is_there(f)]
        for file in files:
            if file.content not in self._takes:
                self._takes[file.content] = []
                self._queue.append(file)
            self._takes[file.content].append(wanted)
        if files:
            self._missing[wanted] = {file.content for file in files}
            self.released |= {wanted} if released else set()
        return not files

    def _is_there(self, file: Sent) -> bool:
        return file.content in self.names and file.content not in self.allowed

    def wait(self, file: Sent) -> bool:
        """Let a piece of a video wait for the video; False where that is not on its way."""
        if not isinstance(file, PieceOf) or file.video not in self.coming:
            return False
        self._later[file.video].append(file)
        return True

    def arrived(self, job: int, purchase: str) -> None:
        """Note that a video is not on its way any more: it is here, or it does not come."""
        self.coming.discard((job, purchase))
        self._queue.extend(self._later.pop((job, purchase), ()))

    def waiting_for(self, file: Sent) -> list[Wanted]:
        """Return the takes that wait for a file."""
        takes = dict.fromkeys(self._takes.get(file.content, ()))
        return [wanted for wanted in takes if wanted in self._missing]

    def drop(self, wanted: Wanted) -> None:
        """Let a take not wait any more: it cannot be sent."""
        self._missing.pop(wanted, None)

    def next(self) -> Sent | None:
        """Return the file to upload now, each once. A frame waits for a video that is on its way; a
        whole video may be read at the gateway meanwhile.
        """
        while self._queue:
            file = self._queue.popleft()
            is_frame = isinstance(file, PieceOf) and file.frame
            if not (is_frame and self.wait(file)):
                return file
        return None

    def put(self, file: Sent, name: str) -> list[Wanted]:
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

    def failed(self, file: Sent) -> list[Wanted]:
        """Return the takes that cannot be sent now, because this file could not be put anywhere."""
        takes = self.waiting_for(file)
        del self._takes[file.content]
        for wanted in takes:
            self.drop(wanted)
        return takes

    def name_of(self, job: int, record: Record) -> str:
        """Return what a file of a body is called in its store, or the address at which it is read.
        Raises KeyError if it is nowhere.
        """
        if "sha256" in record:
            return self.names[job, record["sha256"]]
        return self.names[_piece(job, record).content]


def _files(wanted: Wanted) -> list[Sent]:
    request = wanted.action.request
    body = request.body if request else {}
    found: dict[Sent, None] = {}
    for _, record in records(body):
        found[LocalFileOf(wanted.job, record["file"], str(record.get("sha256", "")))] = None
    for _, record in chained.chained(body):
        found[_piece(wanted.job, record)] = None
    return [*found]


def _piece(job: int, record: Record) -> PieceOf:
    frame = str(record.get("frame", ""))
    return PieceOf(job, str(record["purchase"]), frame, chained.named(record))


def also_fetched(plan: Plan) -> Iterator[Action]:
    """Yield the downloads that a run of a plan needs for what it buys, beside those of the plan:
    takes are made from videos of takes that are not selected.
    """
    seen = {action.key for action in plan.actions}
    present = partial(present_of, plan.by_key)
    for action in plan.actions:
        for need in _videos_needed(action):
            source = plan.by_key.get(source_of(need, plan.terms, present).key)
            if source and source.key not in seen and VERBS[source.verb].work == "download":
                seen.add(source.key)
                yield source


def _videos_needed(action: Action) -> Iterator[str]:
    """Yield the shots from whose videos an action takes something."""
    if action.shot and VERBS[action.verb].may_buy:
        needed = action.shot.references
        yield from (r.shot for r in needed if r.attribute == chained.VIDEO)

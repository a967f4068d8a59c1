"""Has videos looked at, one after the other and beside everything else: what arrives, and what an
earlier run brought and nobody has looked at.

Nothing waits for it except the end of the run, and it changes the state of no purchase.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import anyio

from klingflow.decide.filing import fact_of
from klingflow.decide.schedule import Wanted
from klingflow.manifest.meaning import meaning
from klingflow.media.inspector import Inspector
from klingflow.model import Json, Media, Purchase
from klingflow.results.arrived import remarks

if TYPE_CHECKING:
    from klingflow.runner.context import Context

_TOLD_FROM = 10  # videos that the end of a run waits for


class Remarked(NamedTuple):
    """What is remarkable about a video: manifest number, take and remarks."""

    job: int
    key: str
    remarks: list[dict[str, Json]]


class _Waiting(NamedTuple):
    """A video that nobody has looked at."""

    wanted: Wanted
    purchase: Purchase


@dataclass(slots=True)
class Looking:
    """What is looked at in a run. `inspector` is None where PyAV is missing. `remarked` is what
    came of it; `unseen` counts the videos of which nobody can tell what they are.
    """

    inspector: Inspector | None = None
    remarked: list[Remarked] = field(default_factory=list)
    unseen: int = 0
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _is_last: bool = False
    _news: anyio.Event = field(default_factory=anyio.Event)
    _over: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope | None = None

    @property
    def is_able(self) -> bool:
        """True unless PyAV is missing, or does not start."""
        return self.inspector is not None and self.inspector.works

    def add(self, wanted: Wanted, purchase: Purchase) -> None:
        """Let a video wait."""
        self._waiting.append(_Waiting(wanted, purchase))
        self._news.set()

    async def go_on(self, context: Context) -> None:
        """Look at what waits, until `finish` is called and nothing waits any more."""
        try:
            with anyio.CancelScope() as self._scope:
                while self._waiting or not self._is_last:
                    await self._next(context)
        finally:
            if self.inspector:
                await self.inspector.close()
        self._over.set()

    async def finish(self, context: Context) -> None:
        """Wait until nothing waits any more."""
        if len(self._waiting) > _TOLD_FROM:
            context.inform("looking", videos=len(self._waiting))
        self._is_last = True
        self._news.set()
        await self._over.wait()

    def stop(self) -> None:
        """Look at nothing more: the next run does."""
        self._waiting.clear()
        self._is_last = True
        if self._scope:
            self._scope.cancel()

    async def _next(self, context: Context) -> None:
        """Look at the next video, or wait for one."""
        if not self._waiting:
            self._news = anyio.Event()
            return await self._news.wait()
        try:
            await _look(context, *self._waiting.popleft())
        except Exception as error:
            # It is told at the end, but buying goes on: a remark is not worth a video.
            context.outcome.crash = context.outcome.crash or error


def begin(context: Context) -> None:
    """Let the videos wait that are on this disk and that nobody has looked at."""
    for number, job in enumerate(context.jobs):
        if job.media is None or context.looking.inspector is None:
            continue
        for action in job.plan.actions:
            purchase = action.purchase
            if purchase is None or purchase.state != "done":
                continue
            is_here = fact_of(purchase) in job.plan.terms.contents
            if is_here and job.media.get(purchase.sha256) is None:
                context.looking.add(context.wanted(number, action), purchase)


def arrived(context: Context, wanted: Wanted, purchase: Purchase) -> None:
    """Have a video looked at that has just come, unless its content is known."""
    kept = context.jobs[wanted.job].media
    known = kept.get(purchase.sha256) if kept else None
    if known:
        _remark(context, wanted, purchase, known)
    elif context.looking.inspector is None:
        context.looking.unseen += 1
    else:
        context.looking.add(wanted, purchase)


async def _look(context: Context, wanted: Wanted, purchase: Purchase) -> None:
    """Look at one video, and keep what it is."""
    job, inspector = context.jobs[wanted.job], context.looking.inspector
    assert inspector, "otherwise nothing waits"
    present = job.ledger.book.purchases.get(purchase.uid, purchase)  # it may have gone to `earlier`
    media = await inspector.look(job.site.folder.absolute() / (present.output or ""))
    if media is None:
        context.looking.unseen += 1
        return
    if job.media and purchase.sha256:
        job.media.keep(purchase.sha256, media)
    _remark(context, wanted, purchase, media)


def _remark(context: Context, wanted: Wanted, purchase: Purchase, media: Media) -> None:
    what = meaning(dict(purchase.body))  # what a lock holds is no dictionary yet
    if made := remarks(media, purchase, what):
        context.looking.remarked.append(Remarked(wanted.job, purchase.key, made))
        context.tell("remarked", wanted, uid=purchase.uid, remarks=made)

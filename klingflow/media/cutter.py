"""Asks a process of its own (bench.py) what videos are for a cut, and to make one video of many."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from klingflow.media.decoder import Decoder
from klingflow.media.orders import Order, as_json
from klingflow.media.process import READY, command
from klingflow.model import Json
from klingflow.results.timeline import Footage
from klingflow.words import _, joined

_COMMAND: Final = command("bench")
_LOOK_S: Final = 120.0  # for one video on a busy machine; bench.py bounds its CPU
_WORD_S: Final = 600.0  # from one word about an order to the next
_LINE_MOST: Final = 65_536
_WHY_MOST: Final = 200  # characters
# What asking a process raises that has ended, or that says what it never says: a video may have
# taken it over.
_NO_ANSWER: Final = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


class Unmade(Exception):
    """No video was made, or none can be looked at; the message says why."""


class Cutter:
    """One such process after the other: where one has crashed, the next question starts another."""

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._command = command
        self._bench: Decoder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._end()

    def look(self, path: Path) -> Footage | None:
        """Return what a video is; None if it has no picture, cannot be read, or crashed the
        process or kept it busy for too long. Raises Unmade where nothing can look.
        """
        with suppress(*_NO_ANSWER):
            self._ask({"look": str(path)})
            found = self._line(_LOOK_S)
            return _footage(found) if found else None
        self._end()
        return None

    def join(self, order: Order, tell: Callable[[int], None]) -> bool:
        """Make the video of an order. Return True if its pictures are those of the videos, packet
        by packet. `tell` gets how many frames are done. Raises Unmade.
        """
        done = 0
        try:
            self._ask({"join": as_json(order)})
            while isinstance(said := self._line(_WORD_S), int):
                done = min(max(done, said), order.frames)
                tell(done)
            if "copied" in said:
                return said["copied"] is True
            why, done = str(said["why"])[:_WHY_MOST], int(said["at"])
        except _NO_ANSWER as error:
            self._end()
            raise Unmade(_at(order, done, _("the decoder crashed"))) from error
        raise Unmade(_at(order, done, why))

    def _ask(self, what: Json) -> None:
        if self._bench is None:
            self._begin()
        assert self._bench is not None, "it has begun"
        self._bench.ask(what)

    def _begin(self) -> None:
        """Start the process. Raises Unmade where it does not begin, whatever it is asked."""
        try:
            self._bench = Decoder(self._command)
            began = self._line(_LOOK_S)
        except _NO_ANSWER as error:
            self._end()
            raise Unmade(_("the process that decodes videos does not begin")) from error
        if began != READY:
            raise Unmade(_("the process that decodes videos says something else"))

    def _line(self, limit_s: float) -> Any:
        """Return what the process says next. Raises OSError, and ValueError for what is no JSON, as
        where it has ended.
        """
        assert self._bench is not None, "it was asked"
        with self._bench.answer(limit_s) as said:
            return json.loads(said.readline(_LINE_MOST))

    def _end(self) -> None:
        if self._bench is not None:
            self._bench.close()
            self._bench = None


def _at(order: Order, done: int, why: str) -> str:
    """Return why an order cannot be made, with the video at which it ended: until the first frame
    is done, it may be any.
    """
    video = order.part_at(done).video if done > 0 else ""
    return joined(": ", (Path(video).name, why)) if video else why


def _footage(found: Any) -> Footage:
    """Return the footage that a document holds. Raises TypeError, ValueError: a video may have
    taken the process over.
    """
    seen = Footage(**found)
    numbers = seen.width, seen.height, seen.seconds, seen.fps
    if not all(isinstance(n, int | float) and 0 < n < 1e6 for n in numbers):
        raise ValueError(_("no footage"))
    if not isinstance(seen.mark, str):
        raise ValueError(_("no mark"))
    return seen

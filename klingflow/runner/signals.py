"""Ctrl-C, a termination and a closed terminal, wherever a process stands: all three end it in good
order.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

Handlers = dict[signal.Signals, Any]


def ends() -> list[signal.Signals]:
    """The signals that ask a process to end. Not a closed terminal's under `nohup`, which means
    what it says.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


def as_ctrl_c() -> None:
    """From now on each of them raises KeyboardInterrupt, as Ctrl-C does by itself."""
    for number in ends():
        if number is not signal.SIGINT:
            signal.signal(number, _interrupt)


def ignored() -> None:
    """From now on none of them changes anything: all is done, and only the exit code is left to be
    given.
    """
    for number in ends():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def kept() -> Iterator[None]:
    """Put back, in the end, what became of each of them before: asyncio leaves them as the system
    has them.
    """
    before = _handlers()
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def held_off() -> Iterator[None]:
    """Let what is begun be finished: the first signal raises KeyboardInterrupt only afterwards, the
    second at once.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = _handlers()
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        _restore(before)
    if came:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _handlers() -> Handlers:
    """What becomes of each now; nothing in a thread that gets no signals, or where somebody else
    handles them.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in ends()}
    return {number: handler for number, handler in found.items() if handler is not None}


def _restore(handlers: Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)

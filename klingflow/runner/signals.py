"""Ctrl-C, a termination and a closed terminal: all three end a process in good order, at whatever
point it stands.

Knows which signals they are and how handlers are set and put back. What a run does about a signal
is dispatch.py.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import asyncio

    from anyio.streams.memory import MemoryObjectReceiveStream

Handlers = dict[signal.Signals, Any]

_heard: list[int] = []  # the signals that have raised KeyboardInterrupt


def ends() -> list[signal.Signals]:
    """Return the signals that ask a process to end; not SIGHUP where it is ignored, as under
    `nohup`.

    `signal.signal`: "On Windows, signal() can only be called with SIGABRT, SIGFPE, SIGILL, SIGINT,
    SIGSEGV, SIGTERM, or SIGBREAK." The last one is Ctrl-Break and a console that is closed.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        found.append(signal.SIGBREAK)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


def as_ctrl_c() -> None:
    """Let each of the signals raise KeyboardInterrupt from now on, as Ctrl-C does by itself."""
    _heard.clear()
    for number in ends():
        is_ignored = number is signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN
        if not is_ignored:  # as a script's `&` has it
            signal.signal(number, _interrupt)


def broke_off_an_import(error: Exception) -> bool:
    """True if a signal came while a module was being imported, and `error` is what came of it.

    Python raises `TypeError: expected a message argument` there in place of KeyboardInterrupt,
    where the signal meets a `from … import …` that fails and for which the module has another way
    (CPython, `import_from`, `PyErr_SetImportError`).
    """
    frames = traceback.walk_tb(error.__traceback__)
    return bool(_heard) and any(frame.f_code.co_name == "<module>" for frame, _ in frames)


def ignored() -> None:
    """Ignore the signals from now on: all is done, and only the exit code is left to be given."""
    for number in ends():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def kept() -> Iterator[None]:
    """Put the signals' handlers back at the end: asyncio leaves the system's default instead."""
    before = _handlers()
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def heard() -> Iterator[MemoryObjectReceiveStream[signal.Signals]]:
    """Give the signals to the event loop that runs, one by one; put the handlers back at the
    end.
    """
    import asyncio  # for start-up, as anyio

    import anyio  # for start-up

    loop = asyncio.get_running_loop()
    send, receive = anyio.create_memory_object_stream[signal.Signals](math.inf)

    def tell(number: signal.Signals) -> None:
        with suppress(anyio.ClosedResourceError):  # it came while the run was ending
            send.send_nowait(number)

    numbers = ends()
    with kept(), receive, send:
        for number in numbers:
            _hear(loop, number, partial(tell, number))
        try:
            yield receive
        finally:
            for number in numbers:
                _unhear(loop, number)


def _hear(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, tell: Callable[[], None]
) -> None:
    """Call `tell` in the event loop for every signal of this number.

    `loop.add_signal_handler` has "Availability: Unix". On Windows a plain handler hands the signal
    on: `loop.call_soon_threadsafe` is "safe to be called from a reentrant context or signal
    handler".
    """
    try:
        loop.add_signal_handler(number, tell)
    except NotImplementedError:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(tell))


def _unhear(loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    """Take the handler of a signal from the loop again; a plain one is put back by `kept`."""
    with suppress(NotImplementedError):
        loop.remove_signal_handler(number)


@contextmanager
def held_off() -> Iterator[None]:
    """Let the block finish first: the first signal raises KeyboardInterrupt after it, the second
    at once.
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
    _heard.append(number)
    raise KeyboardInterrupt


def _handlers() -> Handlers:
    """Return the present handler of each signal. Empty in a thread that gets no signals; without
    those that were not set from Python.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in ends()}
    return {number: handler for number, handler in found.items() if handler is not None}


def _restore(handlers: Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)

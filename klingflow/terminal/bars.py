"""How far work is that buys nothing and takes a while: a bar on a terminal, a line now and then
elsewhere. live.py shows runs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Final

from klingflow.terminal import console
from klingflow.terminal.layout import clean
from klingflow.words import _

Tell = Callable[[int, int], None]

# Between the lines, in seconds: short work says nothing, and long work is never silent for long.
_FIRST_S: Final = 2.0
_NEXT_S: Final = 5.0


@contextmanager
def bar(what: str, *, quiet: bool) -> Iterator[Tell]:
    """Show on stderr how far it is. What is yielded takes how much is done, and of how much."""
    if quiet or sys.stderr is None:
        yield lambda done, of: None
    elif sys.stderr.isatty():
        with _live(what) as tell:
            yield tell
    else:
        with lines(what, chain([_FIRST_S], repeat(_NEXT_S))) as tell:
            yield tell


@contextmanager
def _live(what: str) -> Iterator[Tell]:
    from rich.console import Console  # for start-up
    from rich.progress import Progress  # for start-up

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(clean(what), total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


@contextmanager
def lines(what: str, pauses_s: Iterable[float]) -> Iterator[Tell]:
    """Write a line after each of the pauses, until the work ends. A thread writes them: a single
    step may take longer than a pause.
    """
    at, ended = [0, 0], threading.Event()

    def tell(done: int, of: int) -> None:
        at[:] = done, of

    def write() -> None:
        for pause_s in pauses_s:
            if ended.wait(pause_s):
                return
            console.warn(line_of(time.strftime("%H:%M:%S"), what, *at))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield tell
    finally:
        ended.set()
        writer.join(1.0)


def line_of(clock: str, what: str, done: int, of: int) -> str:
    """Return a line about work that is `done`, `of` so much; `of` is 0 while nobody knows."""
    if not of:
        return _("{clock}  {what} …", clock=clock, what=what)
    return _("{clock}  {what}: {percent} %", clock=clock, what=what, percent=100 * done // of)

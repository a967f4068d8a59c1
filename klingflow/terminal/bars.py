"""A bar on a terminal, for work that buys nothing and takes a while. live.py shows runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from klingflow.terminal.layout import clean


@contextmanager
def bar(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far it is. What is yielded takes how much is done, and of how much."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console  # for start-up
    from rich.progress import Progress  # for start-up

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(clean(what), total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)

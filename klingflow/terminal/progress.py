"""A run as it happens: a live view on a terminal, plain lines elsewhere, and the log of events.

Showing must never disturb buying: where a terminal or a log cannot be written any more, it is given
up in silence (the log's loss is told at the end) and the run goes on.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

from klingflow.decide.verbs import VERBS
from klingflow.errors import ExitCode, UsageError
from klingflow.model import Plan, Price
from klingflow.terminal import console

if TYPE_CHECKING:
    from rich.console import RenderableType

Event = dict[str, Any]

# What a shot is after an event; events that are not here change nothing.
_STATES = {
    "intent": "buying",
    "submitted": "running",
    "limited": "to buy",
    "unsent": "to buy",
    "rejected": "failed",
    "in_doubt": "in doubt",
    "succeeded": "downloading",
    "failed": "failed",
    "parked": "parked",
    "done": "done",
    "undelivered": "failed",
}
_STYLES = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "in doubt": "yellow",
    "parked": "yellow",
}
# Events that only `-v` shows as lines, and those that a live view prints above its bars.
_CHATTY = frozenset({"intent", "poll", "downloading", "succeeded"})
_LOUD = frozenset(
    {"rejected", "in_doubt", "failed", "parked", "undelivered", "stopped", "leaving", "blind"}
)

Key = tuple[str, str]  # manifest name, shot key


@dataclass(slots=True)
class Tally:
    """What has happened so far, counted. Times are monotonic seconds."""

    states: dict[Key, str]
    prices: dict[Key, Price | None]
    started: float
    running_since: dict[Key, float] = field(default_factory=dict)
    progress: dict[Key, float] = field(default_factory=dict)
    durations: list[float] = field(default_factory=list)
    spent: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0
    bought: int = 0
    finished: int = 0

    @classmethod
    def of(cls, plans: Sequence[Plan], now: float) -> Tally:
        """The state before the first event."""
        states, prices = {}, {}
        for plan in plans:
            for action in plan.actions:
                if action.shot is not None:
                    key = (plan.manifest.name, action.key)
                    states[key] = VERBS[action.verb].label
                    prices[key] = action.request.price if action.request else None
        return cls(states, prices, now)

    def note(self, event: Event, now: float) -> None:
        """Count one event."""
        if "shot" not in event:
            return
        key = (event["manifest"], event["shot"])
        name = event["event"]
        if name in _STATES:
            self.states[key] = _STATES[name]
        if name == "submitted":
            self.running_since[key] = now
        if name in ("submitted", "in_doubt"):
            self._spend(key)
        if name == "poll" and event.get("progress") is not None:
            self.progress[key] = float(event["progress"])
        if name in ("succeeded", "failed", "parked"):
            self.running_since.pop(key, None)
            self.progress.pop(key, None)
        if name == "succeeded":
            self.durations.append(event["after_s"])
        if name in ("done", "failed", "rejected", "in_doubt", "parked", "undelivered"):
            self.finished += 1

    def _spend(self, key: Key) -> None:
        self.bought += 1
        price = self.prices.get(key)
        if price is None:
            self.unpriced += 1
        else:
            self.spent[price.currency] = self.spent.get(price.currency, Decimal(0)) + price.amount

    def left_s(self, now: float) -> float | None:
        """Seconds until all is done, as the run so far suggests; None while it suggests nothing."""
        open_shots = sum(
            s in ("to buy", "buying", "running", "downloading", "waiting")
            for s in self.states.values()
        )
        if not self.finished or not open_shots:
            return None
        pace = (now - self.started) / self.finished * open_shots
        newest = max(self.running_since.values(), default=now)
        alone = median(self.durations) - (now - newest) if self.durations else 0.0
        return max(pace, alone, 0.0)

    def money(self) -> str:
        """`12.00 CNY`, with what has no known price said beside it."""
        parts = [f"{amount:.2f} {currency}" for currency, amount in self.spent.items()]
        if self.unpriced:
            parts.append(f"{self.unpriced} of unknown price")
        return " + ".join(parts) or "nothing"


class Watch:
    """Hands every event to those who show or keep it. `lost` says what could not be written to its
    end.
    """

    def __init__(self) -> None:
        self.sinks: dict[str, Callable[[Event], None]] = {}
        self.lost: list[str] = []
        self.on_abort: list[Callable[[], None]] = []

    def emit(self, event: Event) -> None:
        """Tell everyone; one that fails is told nothing more."""
        for name, sink in tuple(self.sinks.items()):
            try:
                sink(event)
            except (OSError, ValueError) as error:  # ValueError: the file was closed
                del self.sinks[name]
                self.lost.append(f"{name} could not be written to its end: {error}")

    def abort(self) -> None:
        """Leave at once. What was bought is in the journal already, or in doubt there."""
        # In a thread of its own: a terminal that takes no bytes must not keep the process alive.
        farewell = threading.Thread(target=self._say_goodbye, daemon=True)
        farewell.start()
        farewell.join(1.0)
        os._exit(ExitCode.INTERRUPTED)

    def _say_goodbye(self) -> None:
        for restore in self.on_abort:
            restore()
        console.warn("left at once; run again to resume")


class _Behind:
    """Shows events in a thread of its own, so that a terminal which takes no bytes (a full pipe,
    Ctrl-S) cannot hold up a purchase. Events beyond what fits are not shown.
    """

    def __init__(self, show: Callable[[Event], None]) -> None:
        self._show = show
        self._events: queue.Queue[Event | None] = queue.Queue(10_000)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        with suppress(queue.Full):
            self._events.put_nowait(event)

    def close(self) -> None:
        """Show what is left, if the terminal takes it."""
        with suppress(queue.Full):
            self._events.put_nowait(None)
        self._thread.join(5.0)

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._show(event)
            except (OSError, ValueError):
                return  # nobody reads: nothing to tell, and nobody to tell it to


@contextmanager
def watching(
    plans: Sequence[Plan], *, log: str | None, quiet: bool, verbose: bool, plain: bool
) -> Iterator[Watch]:
    """A Watch for one run. Raises UsageError if the log cannot be opened."""
    watch = Watch()
    several = len(plans) > 1
    with ExitStack() as stack:
        if log is not None:
            stack.enter_context(_logging(watch, log))
        if not quiet and sys.stdout is not None:
            if sys.stdout.isatty() and not plain and os.environ.get("TERM") != "dumb":
                stack.enter_context(_live(watch, plans, verbose, several))
            else:
                behind = _Behind(_lines(verbose, several, _name_width(plans)))
                stack.callback(behind.close)
                watch.sinks["terminal"] = behind
        yield watch


@contextmanager
def _logging(watch: Watch, path: str) -> Iterator[None]:
    try:
        file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: PTH123, SIM115 - as typed; closed below
    except OSError as error:
        raise UsageError(f"--log {path}: {error.strerror}") from error

    def write(event: Event) -> None:
        file.write(console.redacted(console.as_json(event)) + "\n")

    watch.sinks[f"--log {path}"] = write
    try:
        yield
    finally:
        with suppress(OSError):  # of a full disk `write` has told already
            file.close()


def _lines(verbose: bool, several: bool, name_width: int) -> Callable[[Event], None]:
    def write(event: Event) -> None:
        if verbose or event["event"] not in _CHATTY:
            print(console.clean(console.redacted(line_of(event, several, name_width))), flush=True)

    return write


def _name_width(plans: Sequence[Plan]) -> int:
    """The columns that shots' names need, within reason."""
    widths = (console.width(action.key) for plan in plans for action in plan.actions)
    return min(40, max(widths, default=8))


def line_of(event: Event, several: bool, name_width: int = 0) -> str:
    """An event as a line for people: the time, the shot, what happened."""
    shot = event.get("shot", "")
    if several and shot:
        shot = f"{event['manifest']}/{shot}"
    local = time.strftime("%H:%M:%S")
    return (
        f"{local}  {console.pad(shot, name_width)}  {_words(event)}"
        if shot
        else f"{local}  {_words(event)}"
    )


def _words(event: Event) -> str:
    name: str = event["event"]
    reason = event.get("reason") or (event.get("failure") or {}).get("message") or ""
    pause = f"; again in {console.duration(event['pause_s'])}" if "pause_s" in event else ""
    texts = {
        "submitted": f"bought as {event.get('task_id')}{_billed(event)}",
        "in_doubt": f"IN DOUBT: {reason}; klingflow resolve settles it",
        "spared": f"not bought: {reason}",
        "rejected": f"refused, not bought: {reason}",
        "failed": f"failed: {reason}"
        + ("; buying it again (retries)" if event.get("retry") else ""),
        "parked": f"parked: {reason}",
        "limited": f"the gateway is busy: {reason}{pause}",
        "unsent": f"not sent: {reason}{pause}",
        "blind": f"the gateway refuses to say ({reason}){pause}",
        "succeeded": f"generated after about {console.duration(event.get('after_s', 0))}",
        "done": f"done: {event.get('file')}",
        "download_retry": f"not downloaded yet: {reason}{pause}",
        "undelivered": f"NOT downloaded: {reason}; klingflow fetch tries again",
        "stopped": f"buying has stopped: {reason}",
        "leaving": f"leaving: {reason}",
        "poll": f"{event.get('status')}{_percent(event)}{': ' + reason if reason else ''}",
    }
    return texts.get(name) or name


def _billed(event: Event) -> str:
    tier, predicted = event.get("tier"), event.get("predicted_tier")
    if not tier:
        return ""
    return f" ({tier})" if tier == predicted else f" ({tier}; predicted {predicted})"


def _percent(event: Event) -> str:
    return f" {event['progress']:g} %" if event.get("progress") else ""


# ------------------------------------------------------------ on a terminal


@contextmanager
def _live(watch: Watch, plans: Sequence[Plan], verbose: bool, several: bool) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live

    terminal = Console()
    tally = Tally.of(plans, time.monotonic())
    at_the_tally = threading.Lock()  # rich draws from a thread of its own

    def view() -> RenderableType:
        with at_the_tally:
            return _view(tally, terminal.size.height, several)

    live = Live(get_renderable=view, console=terminal, refresh_per_second=4, transient=True)

    def show(event: Event) -> None:
        with at_the_tally:
            tally.note(event, time.monotonic())
        if verbose or event["event"] in _LOUD:
            line = console.clean(console.redacted(line_of(event, several)))
            terminal.print(line, markup=False, emoji=False, highlight=False)

    behind = _Behind(show)
    watch.sinks["terminal"] = behind
    watch.on_abort.append(live.stop)
    with live:
        yield
        behind.close()


def _view(tally: Tally, height: int, several: bool) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    now = time.monotonic()
    counts = Counter(tally.states.values())
    head = Text(" ")
    for state, number in counts.most_common():
        head.append(f" {number} {state} ", style=_STYLES.get(state, "default"))
    minutes = max(now - tally.started, 1.0) / 60
    left = tally.left_s(now)
    facts = Text(
        f"  spent {console.clean(tally.money())} · {tally.bought / minutes:.0f} bought a minute"
        f" · {console.duration(now - tally.started)}"
        + (f" · about {console.duration(left)} left" if left is not None else ""),
        style="dim",
    )
    expected = median(tally.durations) if tally.durations else None
    grid = Table.grid(padding=(0, 2))
    room = max(1, height - 6)
    oldest = sorted(tally.running_since.items(), key=lambda item: item[1])
    for key, since in oldest[:room]:
        age = now - since
        share = tally.progress.get(key) or (min(95.0, 100 * age / expected) if expected else None)
        bar = ProgressBar(total=100, completed=share or 0, width=24, pulse=share is None)
        name = "/".join(key) if several else key[1]
        grid.add_row(
            Text("  " + console.clean(name)), bar, Text(console.duration(age), style="dim")
        )
    rest = len(oldest) - room
    return Group(
        head, facts, grid, *([Text(f"  and {rest} more running", style="dim")] if rest > 0 else [])
    )

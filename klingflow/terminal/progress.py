"""A run as it happens: a live view on a terminal, plain lines elsewhere, and the log of events.

Showing must never disturb buying: where a terminal or a log can no longer be written, it is given
up in silence (the log's loss is said at the end) and the run goes on. What the live view looks like
is in live.py.
"""

from __future__ import annotations

import os
import queue
import re
import string
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from klingflow.api.own_names import refuse_own_name
from klingflow.errors import ExitCode, UsageError
from klingflow.model import Limits, Plan
from klingflow.results.arrived import in_words
from klingflow.runner.events import EVENTS, Event
from klingflow.terminal import console
from klingflow.terminal.language import spoken
from klingflow.terminal.layout import clean, pad, width
from klingflow.terminal.manifests import titles
from klingflow.words import _, cause, filled, joined, many

Sink = Callable[[Event], None]
# What stands before a shot's key, by its manifest's path: nothing where one manifest runs alone.
Prefixes = Mapping[str, str]

_USUAL = Limits()
# A line of a log. Its first one may have been cut off, so several are looked at.
_AN_EVENT = re.compile(rb'^\{(?:"at": "[^"]*", )?"event": "', re.MULTILINE)
_HEAD_BYTES = 64 * 1024


class Watch:
    """Hands every event to those who show or keep it. `lost` says what could not be written to its
    end.
    """

    def __init__(self) -> None:
        self.sinks: dict[str, Sink] = {}
        self.lost: list[str] = []
        self.on_abort: list[Callable[[], None]] = []

    def emit(self, event: Event) -> None:
        """Tell everyone; one that fails is told nothing more."""
        for name, sink in tuple(self.sinks.items()):
            try:
                sink(event)
            except (OSError, ValueError) as error:  # ValueError: the file was closed
                del self.sinks[name]
                self.lost.append(
                    _("{name} could not be written to its end: {error}", name=name, error=error)
                )

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
        console.warn(_("left at once; run again to resume"))


class _Behind:
    """Shows events in a thread of its own, so that a terminal which takes no bytes (a full pipe,
    Ctrl-S) cannot hold up a purchase. Events beyond what fits are not shown.
    """

    def __init__(self, show: Sink) -> None:
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
    plans: Sequence[Plan],
    *,
    log: str | None,
    quiet: bool,
    verbose: bool,
    plain: bool,
    limits: Limits = _USUAL,
) -> Iterator[Watch]:
    """Return a Watch for one run under `limits`. Raises UsageError if the log cannot be opened."""
    watch = Watch()
    with ExitStack() as stack:
        if log is not None:
            stack.enter_context(_logging(watch, log))
        if quiet:
            stack.enter_context(_urgent(watch, plans))
        elif sys.stdout is not None:
            stack.enter_context(_showing(watch, plans, limits, verbose, plain))
        yield watch


def _showing(
    watch: Watch, plans: Sequence[Plan], limits: Limits, verbose: bool, plain: bool
) -> AbstractContextManager[None]:
    if plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return _lines(watch, plans, verbose)
    return _live(watch, plans, limits, verbose)


@contextmanager
def _logging(watch: Watch, path: str) -> Iterator[None]:
    refuse_own_name("--log", path)
    try:
        if not _may_be_a_log(Path(path)):
            raise UsageError(_("--log {path} is there, and no log; name another file", path=path))
        # The path as it was typed; closed below. Lines end alike on every system.
        file = open(path, "a", encoding="utf-8", newline="\n", buffering=1)  # noqa: PTH123, SIM115
    except OSError as error:
        raise UsageError(_("--log {path}: {strerror}", path=path, strerror=cause(error))) from error

    def write(event: Event) -> None:
        file.write(console.redacted(console.as_json(event)) + "\n")

    watch.sinks[f"--log {path}"] = write
    try:
        yield
    finally:
        with suppress(OSError):  # of a full disk `write` has told already
            file.close()


def _may_be_a_log(path: Path) -> bool:
    """True if nothing is lost where events are added to `path`: a slip of the pen would add them to
    a manifest or a video. A pipe or a device takes them, too. Raises OSError.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return _AN_EVENT.search(head) is not None


@contextmanager
def _urgent(watch: Watch, plans: Sequence[Plan]) -> Iterator[None]:
    """Say on stderr what waits for a person, who would otherwise never hear of it."""
    prefixes = prefixes_of(plans)

    def sift(event: Event) -> None:
        if EVENTS[event["event"]].volume == "urgent":
            behind(event)

    behind = _Behind(lambda event: console.warn(shown(event, prefixes)))
    watch.sinks["terminal"] = sift
    try:
        yield
    finally:
        behind.close()


@contextmanager
def _lines(watch: Watch, plans: Sequence[Plan], verbose: bool) -> Iterator[None]:
    prefixes, name_width = prefixes_of(plans), _name_width(plans)

    def show(event: Event) -> None:
        print(shown(event, prefixes, name_width), flush=True)

    def sift(event: Event) -> None:
        # Here, because handing an event to another thread takes longer than sending a query.
        if verbose or EVENTS[event["event"]].volume != "chatty":
            behind(event)

    behind = _Behind(show)
    watch.sinks["terminal"] = sift
    try:
        yield
    finally:
        behind.close()


@contextmanager
def _live(watch: Watch, plans: Sequence[Plan], limits: Limits, verbose: bool) -> Iterator[None]:
    from klingflow.terminal.live import View  # for start-up: it imports rich

    prefixes = prefixes_of(plans)
    view = View(plans, prefixes, limits)

    def show(event: Event) -> None:
        view.note(event)
        if verbose or EVENTS[event["event"]].volume in ("loud", "urgent"):
            view.print(shown(event, prefixes))

    behind = _Behind(show)
    watch.sinks["terminal"] = behind
    watch.on_abort.append(view.live.stop)
    with view.live:
        yield
        behind.close()


def prefixes_of(plans: Sequence[Plan]) -> dict[str, str]:
    """Return what stands before the keys of shots, by the paths of several manifests."""
    if len(plans) < 2:
        return {}
    return {path: f"{title}/" for path, title in titles([p.manifest for p in plans]).items()}


def _name_width(plans: Sequence[Plan]) -> int:
    """Return the columns that shots' names need, within reason."""
    widths = (width(action.key) for plan in plans for action in plan.actions)
    return min(40, max(widths, default=8))


def shown(event: Event, prefixes: Prefixes, name_width: int = 0) -> str:
    """Return an event as a line for people that no terminal obeys, without the key."""
    return clean(console.redacted(line_of(event, prefixes, name_width)))


def line_of(event: Event, prefixes: Prefixes, name_width: int = 0) -> str:
    """Return an event as a line for people: the time, the shot, what happened."""
    parts = [time.strftime("%H:%M:%S"), spoken(words(event))]
    if "shot" in event:
        name = prefixes.get(event["path"], "") + event["shot"]
        parts.insert(1, pad(name, name_width))
    return "  ".join(parts)


# ------------------------------------------------------------ what happened, in words


def words(event: Event) -> str:
    """Return what happened, by the words of the event's row."""
    text = EVENTS[event["event"]].words
    names = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return filled(text, {name: FACTS[name](event) for name in names})


def _reason(event: Event) -> str:
    failure = event.get("failure") or {}
    return event.get("reason") or failure.get("message") or ""


def _because(event: Event) -> str:
    reason = _reason(event)
    return _(": {reason}", reason=reason) if reason else ""


def _pause(event: Event) -> str:
    if "pause_s" not in event:
        return ""
    if round(event["pause_s"]) < 1:  # "in 0s" would be no answer
        return _("; again at once")
    return _("; again in {pause_s}", pause_s=console.duration(event["pause_s"]))


def _refund(event: Event) -> str:
    return _("; refunded by your prices") if event.get("refunded") else ""


def _retry(event: Event) -> str:
    return _("; buying it again (retries)") if event.get("retry") else ""


def _after(event: Event) -> str:
    return console.duration(event.get("after_s", 0))


def _billed(event: Event) -> str:
    tier, predicted = event.get("tier"), event.get("predicted_tier")
    if not tier:
        return ""
    return (
        _(" ({tier})", tier=tier)
        if tier == predicted
        else _(" ({tier}; predicted {predicted})", tier=tier, predicted=predicted)
    )


def _by(event: Event) -> str:
    return _(" by {host}", host=event["host"]) if "host" in event else ""


def _percent(event: Event) -> str:
    return _(" {progress:g} %", progress=event["progress"]) if event.get("progress") else ""


# What the words of an event may name.
FACTS: Mapping[str, Callable[[Event], str]] = {
    "after": _after,
    "because": _because,
    "billed": _billed,
    "by": _by,
    "exit_code": lambda event: str(event.get("exit_code")),
    "file": lambda event: str(event.get("file")),
    "host": lambda event: str(event.get("host")),
    "pause": _pause,
    "percent": _percent,
    "reason": _reason,
    "refund": _refund,
    "remarks": lambda event: joined(", ", map(in_words, event["remarks"])),
    "retry": _retry,
    "status": lambda event: str(event.get("status")),
    "videos": lambda event: str(event.get("videos")),
    "takes": lambda event: many(event["takes"], "{number} take", "{number} takes"),
    "task_id": lambda event: str(event.get("task_id")),
}

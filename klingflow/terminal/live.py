"""The live view of a run: the counts, what was spent, and a bar for each task that runs."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from klingflow.decide.verbs import Label
from klingflow.model import Limits, Plan
from klingflow.runner.events import Event
from klingflow.terminal import console
from klingflow.terminal.language import spoken
from klingflow.terminal.layout import can_show, clean, wrapped
from klingflow.terminal.remaining import Remaining
from klingflow.terminal.tally import Tally
from klingflow.words import _, joined, word

STYLES: Mapping[Label, str] = {
    "to buy": "default",
    "waiting": "default",
    "buying": "default",
    "running": "cyan",
    "downloading": "default",
    "done": "green",
    "kept": "default",
    "held": "magenta",
    "left out": "dim",
    "parked": "bold magenta",
    "in doubt": "bold magenta",
    "failed": "bold red",
}
_BAR, _PULSE = 24, 4  # columns of a bar, and of what moves along one that says nothing yet
_A_MINUTE_S = 60.0  # before it, a rate by the minute is a guess: the first creates go out at once
_OTHER_LINES = 6  # of the screen: what is not a bar


class View:
    """Keeps a tally of a run and draws it. `live` is entered while it is on the screen."""

    def __init__(self, plans: Sequence[Plan], prefixes: Mapping[str, str], limits: Limits) -> None:
        self._tally = Tally.of(plans, time.monotonic())
        self._remaining = Remaining(plans, limits, lambda: random.Random(1).random)
        self._prefixes = prefixes
        self._at_the_tally = threading.Lock()  # rich draws in a thread of its own
        self._terminal = Console()
        self.live: Live = Live(
            get_renderable=self._draw,
            console=self._terminal,
            refresh_per_second=4,
            transient=True,
        )

    def note(self, event: Event) -> None:
        """Count one event."""
        with self._at_the_tally:
            self._tally.note(event, time.monotonic())
            self._remaining.note(event)

    def print(self, line: str) -> None:
        """Print a line above the view, in lines that hang where it is longer than the terminal is
        wide, and read no markup in it.
        """
        for part in wrapped(line, self._terminal.size.width, hang="  "):
            self._terminal.print(part, markup=False, emoji=False, highlight=False)

    def _draw(self) -> Group:
        with self._at_the_tally:
            now, height = time.monotonic(), self._terminal.size.height
            left_s = self._remaining.left_s(self._tally, now)
            return drawn(self._tally, self._prefixes, height, now, left_s)


def drawn(
    tally: Tally, prefixes: Mapping[str, str], height: int, now: float, left_s: float | None = None
) -> Group:
    """Return the view at `now` (monotonic seconds) for a screen of `height` lines. `left_s` is how
    long the run will go on, if that is known.
    """
    room = max(1, height - _OTHER_LINES)
    rows: list[RenderableType] = [
        _counts(tally),
        _facts(tally, now, left_s),
        *_hosts(tally),
        _bars(tally, prefixes, room, now),
    ]
    if (rest := len(tally.running_since) - room) > 0:
        rows.append(Text(spoken(_("  and {rest} more running", rest=rest)), style="dim"))
    return Group(*rows)


def _counts(tally: Tally) -> Text:
    text = Text(" ")
    for label, number in Counter(tally.states.values()).most_common():
        said = _(" {number} {label} ", number=number, label=word(label))
        text.append(spoken(said), style=STYLES[label])
    return text


def _facts(tally: Tally, now: float, left_s: float | None) -> Text:
    lasted = now - tally.started
    parts = [_("spent {money}", money=tally.money())]
    if lasted >= _A_MINUTE_S:
        parts.append(_("{bought:.0f} bought a minute", bought=60 * tally.bought / lasted))
    parts.append(console.duration(lasted))
    if left_s is not None:
        parts.append(_("about {roughly} left", roughly=console.roughly(left_s)))
    return Text("  " + clean(joined(" · ", parts)), style="dim")


def _hosts(tally: Tally) -> Iterator[Text]:
    """Yield a line on the hosts of a cluster: what each has bought, and what of it runs."""
    said = []
    for host in sorted({*tally.bought_by, *tally.silent}):
        count = _(
            "{host} {running} running, {bought} bought",
            host=host,
            running=tally.running_at(host),
            bought=tally.bought_by[host],
        )
        said.append(count + _(", silent") if host in tally.silent else count)
    if said:
        told = clean(joined(" · ", said))
        yield Text("  " + told, style="dim", no_wrap=True, overflow="ellipsis")


def _bars(tally: Tally, prefixes: Mapping[str, str], room: int, now: float) -> Table:
    """Return the tasks that have run longest, a bar for each."""
    grid = Table.grid(padding=(0, 2))
    oldest = sorted(tally.running_since.items(), key=lambda item: item[1])
    for (path, key), since in oldest[:room]:
        share = tally.share((path, key), now)
        grid.add_row(
            Text("  " + clean(prefixes.get(path, "") + key), no_wrap=True, overflow="ellipsis"),
            _bar(share, now),
            Text(spoken(console.duration(now - since)), style="dim"),
            Text(clean(tally.hosts.get((path, key), "")), style="dim"),
        )
    return grid


def _bar(share: float | None, now: float) -> Text:
    """Return a bar that is full up to `share` percent. While nobody knows the share, a short piece
    moves along it: also a still picture of it reads as unfinished, and without colours too.
    """
    full, empty = ("━", "─") if can_show("━─") else ("=", "-")
    begin, length = 0, round(_BAR * (share or 0) / 100)
    if share is None:
        begin, length = int(now * 4) % (_BAR - _PULSE), _PULSE
    bar = Text(empty * begin, style="dim")
    bar.append(full * length, style="cyan")
    return bar.append(empty * (_BAR - begin - length), style="dim")

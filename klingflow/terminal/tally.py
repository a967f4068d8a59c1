"""PURE. What has happened in a run so far, counted: the live view's figures.

Plans say how it begins, events what happens. Times are monotonic seconds, handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median

from klingflow.decide.verbs import VERBS, Label
from klingflow.model import Plan, Price
from klingflow.runner.events import EVENTS, Event, EventName
from klingflow.words import _, joined

Key = tuple[str, str]  # the manifest's path, the shot's key

# Events of the whole run after which nothing is bought.
_ENDS_BUYING: frozenset[EventName] = frozenset({"stopped", "leaving"})


@dataclass(slots=True)
class Tally:
    """`running_since` and `progress` (in percent) are of tasks at the gateway, `durations` of
    those that have finished. `buying` is False once nothing more is bought, and `places` how many
    tasks the gateway lets run, where it has refused more.
    """

    states: dict[Key, Label]
    prices: dict[Key, Price | None]
    started: float
    running_since: dict[Key, float] = field(default_factory=dict)
    progress: dict[Key, float] = field(default_factory=dict)
    durations: list[float] = field(default_factory=list)
    spent: dict[str, Decimal] = field(default_factory=dict)
    paid: Counter[Key] = field(default_factory=Counter)  # of this run, and not refunded
    unpriced: int = 0
    bought: int = 0
    buying: bool = True
    places: int | None = None
    hosts: dict[Key, str] = field(default_factory=dict)  # of a cluster: who has bought what
    bought_by: Counter[str] = field(default_factory=Counter)
    silent: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, plans: Sequence[Plan], now: float) -> Tally:
        """Return the tally before the first event."""
        states: dict[Key, Label] = {}
        prices: dict[Key, Price | None] = {}
        for plan in plans:
            for action in plan.actions:
                if action.shot is not None or VERBS[action.verb].work is not None:
                    key = (plan.manifest.path, action.key)
                    left_out = action.key in plan.left_out
                    states[key] = "left out" if left_out else VERBS[action.verb].label
                    prices[key] = action.request.price if action.request else None
        return cls(states, prices, now)

    def note(self, event: Event, now: float) -> None:
        """Count one event."""
        if "shot" not in event:
            self._note_of_the_run(event)
            return
        key, row = (event["path"], event["shot"]), EVENTS[event["event"]]
        if row.label is not None:
            self.states[key] = row.label
        if row.flight == "begins":
            self.running_since[key] = now
            self._count_host(key, event.get("host"))
        elif row.flight == "ends":
            self.running_since.pop(key, None)
            self.progress.pop(key, None)
        self._count_places(event)
        if event.get("progress") is not None:
            self.progress[key] = float(event["progress"])
        if "after_s" in event:
            self.durations.append(event["after_s"])
        self._count_money(key, spends=row.spends, refunded=event.get("refunded", False))

    def _note_of_the_run(self, event: Event) -> None:
        if event["event"] == "silent":
            self.silent.add(event["host"])
        if event["event"] in _ENDS_BUYING:
            self.buying = False

    def _count_money(self, key: Key, *, spends: bool, refunded: bool) -> None:
        if spends:
            self.bought += 1
            self.paid[key] += 1
            self._spend(key, 1)
        if refunded and self.paid[key]:
            self.paid[key] -= 1
            self._spend(key, -1)

    def _count_host(self, key: Key, host: str | None) -> None:
        if host is not None:
            self.hosts[key] = host
            self.bought_by[host] += 1
            self.silent.discard(host)

    def running_at(self, host: str) -> int:
        """Return how many tasks run that this host has bought."""
        return sum(self.hosts.get(key) == host for key in self.running_since)

    def _count_places(self, event: Event) -> None:
        running = len(self.running_since)
        if event["event"] == "limited":
            self.places = max(1, running)
        elif self.places is not None:
            self.places = max(self.places, running)

    def _spend(self, key: Key, sign: int) -> None:
        price = self.prices.get(key)
        if price is None:
            self.unpriced += sign
        else:
            spent = self.spent.get(price.currency, Decimal(0))
            self.spent[price.currency] = spent + sign * price.amount

    def share(self, key: Key, now: float) -> float | None:
        """Return how much of a running task is done, in percent: what the gateway says, or what
        other tasks suggest. None while neither says anything.
        """
        if told := self.progress.get(key):
            return told
        if not self.durations:
            return None
        return min(95.0, 100 * (now - self.running_since[key]) / median(self.durations))

    def money(self) -> str:
        """Return `12.00 CNY`, with what has no known price said beside it."""
        parts = [f"{amount:.2f} {currency}" for currency, amount in self.spent.items()]
        if self.unpriced:
            parts.append(_("{unpriced} of unknown price", unpriced=self.unpriced))
        return joined(" + ", parts) or _("nothing so far")

"""PURE. An account: its limits, as a person has said them, what is set aside under them, and how
fast that lets it buy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from klingflow.decide.caps import Caps
from klingflow.decide.pace import AdaptiveRate, AdaptiveRunning
from klingflow.decide.schedule import BURST
from klingflow.model import Json, Limits, Rate
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person has said of an account. `max_spend` None is no limit."""

    submit: Rate = field(default_factory=lambda: Limits().submit)
    max_running: int = 5
    max_spend: Decimal | None = None

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        spend = None if self.max_spend is None else str(self.max_spend)
        submit = [self.submit.count, self.submit.period_s]
        return {"submit": submit, "max_running": self.max_running, "max_spend": spend}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of."""
        spend = document["max_spend"]
        most = None if spend is None else Decimal(spend)
        return cls(Rate(*document["submit"]), document["max_running"], most)


class Tempo:
    """How fast an account buys: `pace` is creates in time, `places` unfinished tasks at once, and
    `in_time` creates at once that hosts come to before their moment has passed.
    """

    def __init__(self, settings: Settings) -> None:
        self.pace: AdaptiveRate = AdaptiveRate(settings.submit, BURST)
        self.places: AdaptiveRunning = AdaptiveRunning(settings.max_running)
        self.in_time: AdaptiveRunning = AdaptiveRunning(settings.max_running)

    def renewed(self, settings: Settings) -> Tempo:
        """Return what forgets what refusals have taught, but not when the last creates went."""
        made = Tempo(settings)
        bucket = {**self.pace.state()["bucket"], "interval_s": settings.submit.interval_s}
        made.pace.resume({**made.pace.state(), "bucket": bucket})
        return made

    def accepted(self, now: float, at: float) -> None:
        """Note that a create of the moment `at` was taken."""
        self.pace.accepted(now, at)
        self.places.accepted()
        self.in_time.accepted()

    def limited(
        self, now: float, at: float, retry_after_s: float | None, u: float, running: int
    ) -> None:
        """Note that a create of the moment `at` was refused for the time being."""
        self.pace.refused(now, at, retry_after_s, u, running=running)
        self.places.refused(now, at, running)

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            "pace": self.pace.state(),
            "places": self.places.state(),
            "in_time": self.in_time.state(),
        }

    def resume(self, state: Mapping[str, Json]) -> None:
        """Go on as `state` says."""
        self.pace.resume(state["pace"])
        self.places.resume(state["places"])
        self.in_time.resume(state["in_time"])


class Account:
    """What a desk knows of its account. `said` is the number of what a person has said last of it,
    and `count_is_lost` says that nobody knows what was spent.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings: Settings = settings
        self.tempo: Tempo = Tempo(settings)
        self.caps: Caps = Caps(settings.max_spend)
        self.said = 0
        self.count_is_lost = False

    @property
    def halted(self) -> str:
        """Why nothing is bought for it; "" while it is bought for."""
        if not self.count_is_lost:
            return ""
        return _(
            "the server has lost count of what was spent under --max-spend {most}; say what may"
            " still be spent",
            most=self.settings.max_spend,
        )

    def say(self, number: int, settings: Settings, *, told: bool, spend: bool) -> None:
        """Work by what was said as the `number`-th. `spend`: a person has just said what may be
        spent. Not `told`: the store says it.

        Who has not heard of all that was said before has lost its memory, and with it what was
        spent: then nothing is bought under a limit of that.
        """
        if number <= self.said:
            return
        has_forgotten = not told or number > self.said + 1
        self.said = number
        self.settle(settings)
        if spend or settings.max_spend is None:
            self.count_is_lost = False
        elif has_forgotten:
            self.count_is_lost = True

    def settle(self, settings: Settings) -> None:
        """Work by other settings from now on."""
        before = (self.settings.submit, self.settings.max_running)
        if (settings.submit, settings.max_running) != before:
            self.tempo = self.tempo.renewed(settings)
        self.settings, self.caps.max_spend = settings, settings.max_spend

    def go_on(self) -> None:
        """Buy for it again as if nothing had gone wrong, except that a lost count stays lost."""
        self.tempo = self.tempo.renewed(self.settings)

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            "settings": self.settings.as_json(),
            "tempo": self.tempo.state(),
            "caps": self.caps.state(),
            "said": self.said,
            "count_is_lost": self.count_is_lost,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return what `state` was made of."""
        made = cls(Settings.from_json(state["settings"]))
        made.tempo.resume(state["tempo"])
        made.caps = Caps.from_state(state["caps"])
        made.said, made.count_is_lost = state["said"], state["count_is_lost"]
        return made

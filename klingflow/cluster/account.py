"""PURE. An account: its limits, as a person has said them, what is set aside under them, and how
fast that lets it buy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, NamedTuple, Self

from klingflow.cluster import versions
from klingflow.decide.caps import Caps
from klingflow.decide.pace import BURST, AdaptiveRate, AdaptiveRunning
from klingflow.model import Json, Limits, Rate
from klingflow.words import _

_LIMITS: Final = _("what was said of an account")
_WORDS: Final = ("word", "after")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person has said of an account. `max_spend` None is no limit; `stopped`: nothing is
    bought for it.
    """

    submit: Rate = field(default_factory=lambda: Limits().submit)
    max_running: int = 5
    max_spend: Decimal | None = None
    stopped: bool = False

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        spend = None if self.max_spend is None else str(self.max_spend)
        submit = [self.submit.count, self.submit.period_s]
        return {
            "submit": submit,
            "max_running": self.max_running,
            "max_spend": spend,
            "stopped": self.stopped,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of. Raises UsageError, also for a limit that only
        a newer version knows.
        """
        with versions.reading(_LIMITS):
            spend = document["max_spend"]
            most = None if spend is None else Decimal(versions.text(spend))
            submit = Rate(*versions.listed(document["submit"]))
        made = {"submit": submit, "max_spend": most}
        return versions.read(cls, document, _LIMITS, exact=True, **made)

    def no_looser_than(self, before: Settings) -> Settings:
        """Return it without letting anybody spend that `before` did not let."""
        spends = [most for most in (self.max_spend, before.max_spend) if most is not None]
        stopped = self.stopped or before.stopped
        return replace(self, max_spend=min(spends, default=None), stopped=stopped)


class Said(NamedTuple):
    """What a person has said of an account, as the `number`-th: in all, and by a `word` that no
    other has, `after` the word before. Two with one number are of two stores, of which one was put
    in the place of the other.
    """

    number: int
    settings: Settings
    word: str = ""
    after: str = ""

    def follows(self, before: Said) -> bool:
        """True if nothing was said between that word and this one."""
        return self.number == before.number + 1 and self.after == before.word

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON, without its number."""
        return {**self.settings.as_json(), "word": self.word, "after": self.after}

    @classmethod
    def from_json(cls, number: int, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of. Raises UsageError as `Settings`."""
        with versions.reading(_LIMITS):
            limits = {name: value for name, value in document.items() if name not in _WORDS}
            word, after = (versions.text(document.get(name, "")) for name in _WORDS)
        return cls(number, Settings.from_json(limits), word, after)


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
    """What a desk knows of its account. `last` is what a person has said last of it, and
    `count_is_lost` says that nobody knows what was spent. `store_has_forgotten`: the store does not
    know what was said before.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings: Settings = settings
        self.tempo: Tempo = Tempo(settings)
        self.caps: Caps = Caps(settings.max_spend)
        self.last: Said = Said(0, settings)
        self.count_is_lost = False
        self.store_has_forgotten = False

    @property
    def halted(self) -> str:
        """Why nothing is bought for it; "" while it is bought for."""
        if self.settings.stopped:
            return _("stopped by a person")
        if self.store_has_forgotten:
            return _(
                "the store has forgotten what was said of this account: was it put back from a"
                " backup? Then it has lost claims as well, and shots may be bought twice"
            )
        if not self.count_is_lost:
            return ""
        return _(
            "the server has lost count of what was spent under --max-spend {most}; say what may"
            " still be spent",
            most=self.settings.max_spend,
        )

    @property
    def way_out(self) -> str:
        """The command that lets it be bought for."""
        resumes = self.settings.stopped or self.store_has_forgotten or not self.count_is_lost
        return "klingflow desk " + ("--resume" if resumes else "--max-spend AMOUNT")

    def say(self, said: Said, *, told: bool, spend: bool) -> None:
        """Work by what was said. `spend`: a person has just said what may be spent. Not `told`: the
        store says it.

        Who has not heard of all that was said before has lost its memory, and with it what was
        spent: then nothing is bought under a limit of that. Who hears a number that it knows from
        another word has a store that was put back; what that says lets nobody spend more.
        """
        if said.word and said.word in (self.last.word, self.last.after):
            return  # it came twice, or late
        self.store_has_forgotten |= self._contradicts(said, told=told)
        if told or said.number > self.last.number:
            has_missed = not told or said.number > self.last.number + 1
            self._take(said, has_missed=has_missed, spend=spend)

    def _take(self, said: Said, *, has_missed: bool, spend: bool) -> None:
        """Let what was said be the last word. `has_missed`: not all that was said before it was
        heard here, or what was heard is forgotten.
        """
        settings = said.settings
        is_trusted = spend or said.follows(self.last) or not self.last.number
        if not is_trusted:
            settings = settings.no_looser_than(self.settings)
        self.last = said
        self.settle(settings)
        needs_count = settings.max_spend is not None and not spend
        self.count_is_lost = needs_count and (self.count_is_lost or has_missed)

    def _contradicts(self, said: Said, *, told: bool) -> bool:
        """True if the store cannot be the one in which everything was said that was heard. A store
        that only lists too little may be behind.
        """
        if not (said.word and self.last.word):
            return False
        if said.number == self.last.number + 1:
            return not said.follows(self.last)
        return said.number == self.last.number or (told and said.number < self.last.number)

    def stop(self, number: int) -> None:
        """Buy nothing more: a host has read that word of a person in the store, as the `number`-th.
        One that is older than what was heard since does not count.
        """
        if number >= self.last.number:
            self.settings = replace(self.settings, stopped=True)

    def settle(self, settings: Settings) -> None:
        """Work by other settings from now on."""
        before = (self.settings.submit, self.settings.max_running)
        if (settings.submit, settings.max_running) != before:
            self.tempo = self.tempo.renewed(settings)
        self.settings, self.caps.max_spend = settings, settings.max_spend

    def go_on(self) -> None:
        """Buy for it again as if nothing had gone wrong, except that a lost count stays lost."""
        self.settings = replace(self.settings, stopped=False)
        self.store_has_forgotten = False
        self.tempo = self.tempo.renewed(self.settings)

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            "settings": self.settings.as_json(),
            "tempo": self.tempo.state(),
            "caps": self.caps.state(),
            "said": self.last.number,
            "last": self.last.as_json(),
            "count_is_lost": self.count_is_lost,
            "store_has_forgotten": self.store_has_forgotten,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return what `state` was made of. Raises UsageError for one of another version."""
        with versions.reading(_LIMITS):
            return cls._from_state(state)

    @classmethod
    def _from_state(cls, state: Mapping[str, Json]) -> Self:
        made = cls(Settings.from_json(state["settings"]))
        versions.check_names(state, frozenset(made.state()), _LIMITS)
        made.tempo.resume(state["tempo"])
        made.caps = Caps.from_state(state["caps"])
        made.last = Said.from_json(state["said"], state.get("last", state["settings"]))
        made.count_is_lost = state["count_is_lost"]
        made.store_has_forgotten = state.get("store_has_forgotten", False)
        return made

"""PURE. How an account stands with its gateway: whether that takes creates at all, and why nothing
is granted until a person says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from klingflow.cluster.reports import Bought
from klingflow.decide.patience import FIRST_ROUNDS, LONGEST_PAUSE_S, PAGES, PATIENT_ROUNDS
from klingflow.words import _, word


@dataclass(slots=True)
class Standing:
    """What has gone wrong so far. `halted` says why nothing is granted, and `stores` what hosts say
    of the store, by their names; `proven`: the gateway has dealt with a create. Times are a desk's.
    """

    halted: str = ""
    paused_until: float = 0.0
    proven: bool = False
    unsent: int = 0  # rounds in a row of creates that could not be sent, or were lost
    round_until: float = -1.0  # the moment of the last create of the latest of them
    off_the_mark: int = 0
    stores: dict[str, str] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """Why nothing is granted; "" while creates are."""
        return self.halted or next(iter(self.stores.values()), "")

    def halt(self, reason: str) -> None:
        """Let nothing be granted until `go_on`; the first reason counts."""
        self.halted = self.halted or reason

    @property
    def is_reached(self) -> bool:
        """True if the gateway takes creates, as far as anybody knows."""
        return self.proven and not self.unsent

    def go_on(self) -> None:
        """Forget what went wrong."""
        self.halted, self.unsent, self.off_the_mark, self.paused_until = "", 0, 0, 0.0
        self.stores.clear()

    def missed(self, host: str, why: str) -> None:
        """A host misses what was in the store, or goes on with it: "". It says either by itself, so
        that a word which comes after `go_on`, and was said before, does not last.
        """
        self.stores.pop(host, None)
        if why:
            self.stores[host] = why

    def heard(self, told: Bought) -> None:
        """A try is over, whatever came of it."""
        if told.sent:
            self.unsent = self.unsent if told.lost else 0
            self.off_the_mark += told.off_the_mark
        self.proven = self.proven or told.proven or told.outcome == "submitted"

    def lost(self, at: float, last: float, now: float, u: float) -> None:
        """A create of the moment `at` could not be sent, or nobody knows what came of it because
        the way to the gateway is broken: pause, longer each round. Those that were granted by then,
        the `last` of them for its own moment, are of the same round: one failure met them all.
        """
        if at > self.round_until:
            self.unsent += 1
            self.round_until = max(at, last)
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** (self.unsent - 1)) * (0.5 + u / 2)
        self.paused_until = max(self.paused_until, now + pause_s)

    def judge(self, told: Bought) -> None:
        """Halt where no further create has a chance."""
        if told.sent and told.stops:
            kind = word(told.kind or "unknown")
            why = _("the gateway refuses us ({kind}): {reason}", kind=kind, reason=told.reason)
            self.halt(_("{why} (host {host})", why=why, host=told.host) if told.host else why)
        if self.unsent >= (PATIENT_ROUNDS if self.proven else FIRST_ROUNDS):
            self.halt(_("the gateway cannot be reached"))
        if not self.proven and self.off_the_mark >= PAGES:
            self.halt(
                _("the gateway answers with pages: is its address (KLINGFLOW_BASE_URL) right?")
            )

"""PURE. Until when creates and polls of one run are held back, by monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pauses:
    """`missed`: a create was lost, or could not be sent, and none was answered since, so that they
    go one by one. `polls_from` is when polls may go.
    """

    missed: bool = False
    polls_from: float = 0.0
    _creates_from: float = 0.0
    _missed_until: float = 0.0

    def miss(self, until: float) -> None:
        """Hold creates back until then, or until `end`."""
        self.missed = True
        self._missed_until = max(self._missed_until, until)

    def end(self) -> None:
        """Let a create go that `miss` holds back."""
        self._missed_until = 0.0

    def hold(self, until: float) -> None:
        """Hold creates and polls back until then."""
        self._creates_from = max(self._creates_from, until)
        self.polls_from = max(self.polls_from, until)

    @property
    def creates_from(self) -> float:
        """When creates may go."""
        return max(self._creates_from, self._missed_until)

    def holds_polls(self, now: float) -> bool:
        """True while polls are held back."""
        return now < self.polls_from

"""Creates and polls are held back as long as the later of two pauses says."""

from __future__ import annotations

from klingflow.decide.pauses import Pauses


def test_the_later_of_two_pauses_counts() -> None:
    """Of each kind by itself."""
    pauses = Pauses()
    pauses.miss(9.0)
    pauses.miss(4.0)
    assert (pauses.creates_from, pauses.polls_from) == (9.0, 0.0)
    pauses.hold(7.0)
    pauses.hold(5.0)
    assert (pauses.creates_from, pauses.polls_from) == (9.0, 7.0)
    pauses.hold(11.0)
    assert pauses.creates_from == 11.0


def test_what_holds_all_does_not_end_with_a_missed_create() -> None:
    """And a create that is missed stays so until one is answered."""
    pauses = Pauses()
    pauses.hold(7.0)
    pauses.miss(9.0)
    pauses.end()
    assert (pauses.creates_from, pauses.missed) == (7.0, True)


def test_polls_go_from_the_very_moment_on() -> None:
    """A create that is missed holds none of them back."""
    pauses = Pauses()
    pauses.miss(9.0)
    assert not pauses.holds_polls(1.0)
    pauses.hold(7.0)
    assert (pauses.holds_polls(6.9), pauses.holds_polls(7.0)) == (True, False)

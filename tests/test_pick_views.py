"""What people have said of takes, in words."""

from __future__ import annotations

import pytest

from klingflow.model import Verdict
from klingflow.terminal.pick_views import counted, disputes, of

VERDICTS = {
    "picked": Verdict("picked"),
    "rejected (手变形)": Verdict("rejected", "手变形"),
    "rejected (too dark, and late)": Verdict("rejected", "too dark,\n  and late"),
    "in dispute": Verdict("disputed"),
    "an earlier version was picked": Verdict(earlier="picked"),
    "": Verdict(counts=True),
}


@pytest.mark.parametrize("said", VERDICTS)
def test_a_verdict_is_told_in_a_few_words(said: str) -> None:
    """With the note; nothing where nothing is said."""
    assert of(VERDICTS[said]) == said


def test_a_take_without_a_verdict_has_no_words() -> None:
    assert of(None) == ""


def test_verdicts_are_counted() -> None:
    """Each kind once; an open take does not count."""
    verdicts = dict(enumerate(VERDICTS.values()))
    told = counted({str(key): verdict for key, verdict in verdicts.items()})
    assert told == "1 picked, 2 rejected, 1 in dispute, 1 of an earlier version"
    assert counted({}) == ""


def test_disputes_are_listed_up_to_some() -> None:
    """A shot with two picks, one with a pick and a rejection, and the number of the rest."""
    keys = ["a", "a#2", *(f"s{number}" for number in range(6))]
    first, second, *_, last = disputes(dict.fromkeys(keys, Verdict("disputed")))
    way_out = "settle it by `klingflow pick` or `klingflow unpick`"
    assert first == f"dispute: a: a and a#2 are both picked; {way_out}"
    assert second == f"dispute: s0: s0 is picked and rejected; {way_out}"
    assert last == "dispute: 2 more shots (--format json lists all takes)"

"""The sandbox's chance: which faults happen to what, and how long tasks take, all from one seed."""

from __future__ import annotations

import statistics

import pytest

from klingflow.errors import UsageError
from klingflow.sandbox.dice import Dice, parse_fault
from klingflow.sandbox.options import parse_task_time


def test_lognormal_times_have_the_median_and_p95_that_were_asked_for() -> None:
    """And are the same for the same seed."""

    def times(seed: int) -> list[float]:
        dice = Dice((), seed, parse_task_time("lognormal:90s,240s"))
        return [dice.takes_s(number) for number in range(4000)]

    drawn = times(1)
    assert statistics.median(drawn) == pytest.approx(90, rel=0.05)
    assert statistics.quantiles(drawn, n=20)[-1] == pytest.approx(240, rel=0.08)
    assert drawn == times(1) != times(2)


@pytest.mark.parametrize(
    ("text", "share", "first", "seconds"),
    [
        ("create:cut", 1.0, None, 0.0),
        ("create:cut=0.05", 0.05, None, 0.0),
        ("create:cut=5%", 0.05, None, 0.0),
        ("create:cut=first:3", 1.0, 3, 0.0),
        ("create:hang", 1.0, None, 300.0),
        ("create:hang=0.1,30s", 0.1, None, 30.0),
        ("create:hang,1m", 1.0, None, 60.0),
    ],
)
def test_faults_are_written_as_text(
    text: str, share: float, first: int | None, seconds: float
) -> None:
    """By share or by count, with seconds where they take some."""
    chance = parse_fault(text)
    assert (chance.share, chance.first, chance.seconds) == (share, first, seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("create:drop_aftr=0.1", "did you mean 'create:drop_after'"),
        ("drop_after", "did you mean 'create:drop_after'"),
        ("create:cut=2", "not a share from 0 to 1"),
        ("create:cut=first:x", "not a share from 0 to 1, nor first:N"),
        ("create:hang=1,soon", "not a duration"),
    ],
)
def test_faults_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    """With a hint."""
    with pytest.raises(UsageError, match=message):
        parse_fault(text)


def test_the_same_seed_gives_the_same_faults() -> None:
    """And another seed others; one fault's draws do not depend on its neighbours."""

    def drawn(seed: int, *faults: str) -> list[list[str]]:
        dice = Dice(faults, seed)
        return [[chance.fault.name for chance in dice.of_request("create")] for _ in range(200)]

    alone = drawn(7, "create:cut=0.2")
    assert alone == drawn(7, "create:cut=0.2") != drawn(8, "create:cut=0.2")
    assert 20 < sum(map(len, alone)) < 60
    both = drawn(7, "create:reset=first:3", "create:cut=0.2")
    assert [["cut"] if "cut" in names else [] for names in both] == alone


def test_a_tasks_fate_is_decided_by_its_number() -> None:
    """Whatever else happened before."""
    dice = Dice(["query:stuck=0.3", "content:not_ready=first:2,9s"], 1)
    fates = [dice.of_task(number) for number in range(1, 101)]
    assert fates == [
        Dice(["query:stuck=0.3", "content:not_ready=first:2,9s"], 1).of_task(n)
        for n in range(1, 101)
    ]
    assert [f.get("not_ready") for f in fates[:3]] == [9.0, 9.0, None]
    assert 15 < sum("stuck" in f for f in fates) < 45

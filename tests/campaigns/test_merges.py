"""Ledgers that parted and are made one again, in every order and grouping that chance finds."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from klingflow.ledger.unite import Telling, United, unite
from tests.campaigns.figures import Report
from tests.ledgers import as_bytes, as_telling, ids, ledgers


def test_merging_is_the_same_in_any_order_and_grouping(long: bool, report: Report) -> None:
    """The same bytes, again when merged again, and every task id in a purchase or beside what it
    contradicts.
    """
    figures: Counter[str] = Counter()
    found: list[object] = []

    @settings(
        max_examples=4_000 if long else 120,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(ledgers(), st.data())
    def merge(told: list[Telling], data: st.DataObject) -> None:
        figures["manifests"] += 1
        at_once = unite(told)
        kept = ids([*at_once.purchases, *at_once.contradicting])
        lost = ids([a for one in told for a in one.accounts]) - kept
        figures["lost"] += len(lost)
        shuffled = data.draw(st.permutations(told))
        others = [unite(shuffled), unite([as_telling(at_once), *told])]
        by_steps = grouped(shuffled, data)
        figures["merges"] += len(others) + len(by_steps) + 1
        different = [other for other in others if as_bytes(other) != as_bytes(at_once)]
        # What contradicts is set aside at each step, and with it what it alone could tell of its
        # own task.
        same = tasks if at_once.contradicting else as_bytes
        different += [other for other in by_steps if same(other) != same(at_once)]
        figures["different"] += len(different)
        if lost or different:
            found.append((told, lost, different))

    merge()
    tried = {"ledgers merged": figures["manifests"], "merges tried": figures["merges"]}
    wrong = {"ids lost": figures["lost"], "rules broken": figures["different"]}
    report.add("merges", tried, wrong=wrong, found=found[:1])


def tasks(united: United) -> dict[str, str | None]:
    """What was bought, by uid."""
    return {p.uid: p.task_id for p in united.purchases}


def grouped(told: list[Telling], data: st.DataObject) -> list[United]:
    """Merged two by two as chance has it, and one after the other."""
    left = [unite([one]) for one in told]
    while len(left) > 1:
        a = left.pop(data.draw(st.integers(0, len(left) - 1)))
        b = left.pop(data.draw(st.integers(0, len(left) - 1)))
        left.append(unite([as_telling(a), as_telling(b)]))
    chain = unite(told[:1])
    for other in told[1:]:
        chain = unite([as_telling(chain), other])
    return [left[0], chain]

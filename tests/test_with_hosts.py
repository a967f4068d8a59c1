"""A take whose task has failed at a cluster is left to its hosts until they are through with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.with_hosts import why_with_hosts
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import buying_again, handed_over
from klingflow.ledger.lifecycle import advance, placed
from klingflow.model import Failure, FailureKind, Purchase
from tests.planned import plan, verbs
from tests.purchases import AT, LATER, intent, submitted

ORDER = handed_over(intent("a", uid="u1"), store="s", batch="b")
SECOND = replace(ORDER, uid="u2", attempt=2)
PERHAPS, AGAIN = "may have bought it again", "buy it again"


def failed(order: Purchase, kind: FailureKind = "capacity") -> Purchase:
    """What a run beside the cluster has seen of an order."""
    bought = advance(order, "accepted", AT, task_id=f"task_{order.uid}")
    return advance(bought, "failed", LATER, error=Failure(kind, "1", "busy"))


def told(order: Purchase, again: str, kind: FailureKind = "capacity") -> Purchase:
    """The same as hosts tell it."""
    return buying_again(failed(order, kind), again, order=order, number=order.attempt - 1)


UNORDERED = failed(replace(ORDER, evidence=None))
HELD: dict[str, tuple[list[Purchase], str]] = {
    "unordered": ([UNORDERED], ""),
    "nobody has told": ([failed(ORDER)], PERHAPS),
    "not for want of capacity": ([failed(ORDER, "moderation")], ""),
    "through": ([told(ORDER, "")], ""),
    "bought again, unknown as what": ([told(ORDER, "u2")], AGAIN),
    "moved, bought again": ([placed(told(ORDER, "u2"), LATER, shot="z"), SECOND], AGAIN),
    "moved, in doubt": (
        [placed(told(ORDER, "u2"), LATER, shot="z"), advance(SECOND, "doubted", LATER)],
        AGAIN,
    ),
    "moved, refused": (
        [placed(told(ORDER, "u2"), LATER, shot="z"), advance(SECOND, "refused", LATER)],
        "",
    ),
    "failed again": ([told(ORDER, "u2"), told(SECOND, "")], ""),
    "failed again, nobody has told": ([told(ORDER, "u2"), failed(SECOND)], PERHAPS),
    "a circle": ([told(ORDER, "u2"), told(SECOND, "u1")], ""),
}


@pytest.mark.parametrize(("known", "why"), HELD.values(), ids=HELD)
def test_a_failed_take_is_left_to_its_hosts(known: list[Purchase], why: str) -> None:
    """As long as they buy it again, or nobody can know whether they do."""
    found = str(why_with_hosts(known[0], Book(known), frozenset()))
    assert bool(found) is bool(why)
    assert why in found


@pytest.mark.parametrize("rerun", ["", "failed"])
@pytest.mark.parametrize("again", [False, True])
def test_it_is_held_whatever_is_to_be_run_again(rerun: str, again: bool) -> None:
    """Unless a person has it bought all the same; what hosts certainly buy stays theirs."""
    keys = frozenset({"a"} if again else ())
    verb = {"": "failed", "failed": "create"}[rerun] if again else "held"
    assert verbs(plan([failed(ORDER)], rerun=rerun, again=keys)) == [verb]
    assert verbs(plan([told(ORDER, "u2")], rerun=rerun, again=keys)) == ["held"]


def test_a_video_serves_whatever_hosts_do() -> None:
    """Nothing is held that was bought since then."""
    later = submitted("a", attempt=3)
    assert verbs(plan([failed(ORDER), later])) == ["resume"]

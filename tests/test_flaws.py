"""What is wrong with purchases taken by themselves: each flaw with its level and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from klingflow.errors import ExitCode
from klingflow.ledger.flaws import LEVELS, Flaw, examine
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.problems import Level
from klingflow.manifest.request import fingerprint
from klingflow.model import Purchase, State
from tests.purchases import AT, LATER, done, intent, submitted, succeeded

FROM_GIT = "git may have this line as it was: git log -p on the lock"


def right(purchase: Purchase, **changes: Any) -> Purchase:
    """With the fingerprint of its body."""
    changed = replace(purchase, **changes)
    return replace(changed, fingerprint=fingerprint(dict(changed.body)))


def of_state(state: State, task_id: str | None) -> Purchase:
    return right(done("a"), state=state, task_id=task_id)


def damaged(purchase: Purchase, message: str) -> list[Flaw]:
    return [Flaw(purchase, "damaged", message, FROM_GIT)]


def flaws(*purchases: Purchase) -> list[Flaw]:
    return [*examine(purchases, "film.yaml")]


def test_every_level_has_its_exit_code() -> None:
    """A note is nothing that anybody has to mend."""
    assert set(LEVELS) == set(get_args(Level))
    assert LEVELS == {
        "damaged": ExitCode.INTERNAL,
        "unsettled": ExitCode.UNSETTLED,
        "video": ExitCode.FAILED,
        "note": ExitCode.OK,
    }


@pytest.mark.parametrize(
    "purchase",
    [
        submitted("a"),
        succeeded("a"),
        done("a"),
        advance(submitted("a"), "failed", AT),
        advance(intent("a"), "refused", AT),
    ],
)
def test_what_is_well_has_no_flaw(purchase: Purchase) -> None:
    assert flaws(right(purchase)) == []


@pytest.mark.parametrize("state", ["submitted", "parked", "succeeded", "done"])
def test_what_was_bought_has_a_task(state: State) -> None:
    purchase = of_state(state, None)
    assert flaws(purchase)[:1] == damaged(purchase, f"{state}, but without a task id")


@pytest.mark.parametrize("state", ["intent", "in_doubt", "rejected", "abandoned"])
def test_what_was_not_bought_has_none(state: State) -> None:
    purchase = of_state(state, "t")
    assert flaws(purchase)[:1] == damaged(purchase, f"{state}, but with task t")


@pytest.mark.parametrize("task_id", [None, "t"])
def test_what_failed_may_have_a_task(task_id: str | None) -> None:
    """It may have been given up while it had none."""
    assert flaws(of_state("failed", task_id)) == []


@pytest.mark.parametrize("name", ["sha256", "output", "size_bytes"])
def test_what_is_done_has_its_file(name: str) -> None:
    missing: dict[str, Any] = {name: None}
    purchase = right(done("a"), **missing)
    assert flaws(purchase) == damaged(purchase, "done, but without its file's name, hash and size")
    assert flaws(replace(purchase, state="succeeded")) == []


def test_only_a_doubt_may_lack_a_fingerprint() -> None:
    """A damaged line has none."""
    purchase = replace(submitted("a"), fingerprint="")
    assert flaws(purchase) == damaged(purchase, "without a fingerprint")
    assert [f.level for f in flaws(replace(intent("a"), state="in_doubt", fingerprint=""))] == [
        "unsettled"
    ]


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ({"intent": "yesterday"}, ["intent at 'yesterday', which is no time"]),
        ({"odd": "yesterday"}, ["odd at 'yesterday', which is no time"]),
        ({"odd": "2026-06-08T06:00:00"}, ["odd at '2026-06-08T06:00:00', without a time zone"]),
        ({"intent": LATER, "submitted": AT}, [f"submitted at {AT}, before intent at {LATER}"]),
        ({"finished": AT, "submitted": LATER}, [f"finished at {AT}, before submitted at {LATER}"]),
        ({"done": AT, "finished": LATER}, [f"done at {AT}, before finished at {LATER}"]),
        ({"intent": LATER, "done": AT}, [f"done at {AT}, before intent at {LATER}"]),
        ({"intent": AT, "submitted": AT}, []),
        ({"parked": AT, "intent": LATER, "updated": AT}, []),
        ({"intent": "no", "submitted": LATER, "done": AT}, [
            "intent at 'no', which is no time", f"done at {AT}, before submitted at {LATER}",
        ]),
        ({}, []),
    ],
)  # fmt: skip
def test_times_are_times_in_an_order_that_can_be(times: dict[str, str], says: list[str]) -> None:
    purchase = right(submitted("a"), times=times)
    assert flaws(purchase) == [flaw for text in says for flaw in damaged(purchase, text)]


def test_a_body_is_the_one_of_its_fingerprint() -> None:
    purchase = submitted("a")
    says = "its body is not the one of its fingerprint sha256:1"
    assert flaws(purchase) == damaged(purchase, says)
    assert flaws(replace(purchase, body={})) == []
    odd = replace(purchase, body={"seconds": object()})
    assert flaws(odd) == damaged(odd, says)


@pytest.mark.parametrize(
    ("text", "excused"),
    [("https://x/y.mp4", True), ("after task_b", True), ("after task_c", False), ("x", False)],
)
def test_a_body_with_another_shots_result_has_its_fingerprint_of_something_else(
    text: str, excused: bool
) -> None:
    """An address, or an id that the ledger knows."""
    purchase = replace(submitted("a"), body={"prompt": text, "seconds": 5})
    found = [f for f in flaws(purchase, right(submitted("b"))) if f.purchase is purchase]
    assert (found == []) is excused


def test_a_doubt_and_a_parked_task_are_for_a_person() -> None:
    doubt = right(advance(intent("a"), "doubted", AT, evidence={}))
    parked = right(advance(submitted("b"), "parked", LATER))
    begun = right(intent("c"))
    shows = "klingflow status film.yaml shows what is known and how to settle it"
    assert flaws(doubt, parked, begun) == [
        Flaw(doubt, "unsettled", "in doubt: perhaps bought", shows),
        Flaw(
            parked,
            "unsettled",
            "task_b took too long and is parked",
            "klingflow fetch film.yaml asks after it again",
        ),
        Flaw(begun, "unsettled", "in doubt: perhaps bought", shows),
    ]


def test_one_task_of_two_purchases_is_told_with_the_second() -> None:
    a, b = right(submitted("a")), right(submitted("b", task_id="task_a"))
    assert flaws(a, b) == [
        Flaw(
            b,
            "damaged",
            "task_a is also that of a, attempt 1",
            "look the task up at the gateway: one of the two shots has no video of its own",
        )
    ]


def test_a_shot_that_was_paid_for_twice_is_told_with_the_second() -> None:
    a, b = right(submitted("a", uid="1", task_id="t")), right(submitted("a", uid="2", task_id="u"))
    assert flaws(a, b) == [
        Flaw(
            b,
            "video",
            "paid for twice: task t and task u",
            "nothing is lost, both are kept; if the gateway refunds, these are the ids",
        )
    ]

"""The plan: what was bought is kept, what is in doubt is held, and only the rest is bought."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.decide.plan import buys, cost, counts, seconds
from klingflow.ledger.book import Book, contradictions, superseded
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.problems import worded
from klingflow.model import (
    Event,
    Failure,
    FileFact,
    Plan,
    Purchase,
)
from tests.planned import (
    OTHER,
    THERE,
    failed,
    moved,
    pending,
    plan,
    request,
    shot,
)
from tests.purchases import AT, ORIGIN, done, intent, submitted, succeeded


def verbs(made: Plan) -> list[str]:
    return [action.verb for action in made.actions]


GONE: dict[str, FileFact] = {}
WRONG = {"outputs/film/a.mp4": FileFact(10, "bb")}
CASES: list[tuple[str, list[Purchase], dict[str, FileFact], str, str]] = [
    ("nothing", [], THERE, "", "create"),
    ("rejected", [moved(intent("a"), "refused")], GONE, "", "create"),
    ("not sent", [moved(intent("a"), "unsent")], GONE, "", "create"),
    ("intent", [intent("a")], GONE, "failed changed", "in_doubt"),
    ("in doubt", [moved(intent("a"), "doubted")], GONE, "failed changed", "in_doubt"),
    (
        "in doubt, other body",
        [moved(intent("a", fingerprint=OTHER), "doubted")],
        GONE,
        "changed",
        "in_doubt",
    ),
    (
        "in doubt beside done",
        [done("a"), moved(intent("a", attempt=2), "doubted")],
        THERE,
        "",
        "in_doubt",
    ),
    ("submitted", [submitted("a")], GONE, "failed changed", "resume"),
    ("submitted, other body", [submitted("a", fingerprint=OTHER)], GONE, "changed", "resume"),
    ("parked", [moved(submitted("a"), "parked")], GONE, "failed", "resume"),
    ("succeeded", [succeeded("a")], GONE, "failed changed", "download"),
    ("done", [done("a")], THERE, "failed changed", "keep"),
    ("done, no file", [done("a")], GONE, "failed changed", "download"),
    ("done, wrong file", [done("a")], WRONG, "failed changed", "download"),
    ("done, other body", [done("a", fingerprint=OTHER)], THERE, "", "changed"),
    ("done, other body, failed", [done("a", fingerprint=OTHER)], THERE, "failed", "changed"),
    ("done, other body, rerun", [done("a", fingerprint=OTHER)], THERE, "changed", "create"),
    ("done, other body, no file", [done("a", fingerprint=OTHER)], GONE, "", "download"),
    ("done, other body, no file, rerun", [done("a", fingerprint=OTHER)], GONE, "changed", "create"),
    ("failed", [failed()], GONE, "changed", "failed"),
    ("failed, rerun", [failed()], GONE, "failed", "create"),
    ("failed, other body", [failed(fingerprint=OTHER)], GONE, "", "failed"),
    ("failed, other body, rerun", [failed(fingerprint=OTHER)], GONE, "changed", "create"),
    (
        "failed, then refused",
        [failed(), moved(intent("a", attempt=2), "refused")],
        GONE,
        "",
        "failed",
    ),
    ("abandoned", [moved(intent("a"), "doubted", "abandoned")], GONE, "", "failed"),
    ("abandoned, rerun", [moved(intent("a"), "doubted", "abandoned")], GONE, "failed", "create"),
    ("resubmitted", [moved(intent("a"), "doubted", "resubmitted")], GONE, "", "create"),
    (
        "found after all",
        [moved(intent("a"), "doubted", "resubmitted", "found", task_id="t")],
        GONE,
        "",
        "resume",
    ),
    ("parked, resubmitted", [moved(submitted("a"), "parked", "resubmitted")], GONE, "", "create"),
    (
        "permission used up",
        [moved(intent("a"), "doubted", "resubmitted"), submitted("a", attempt=2)],
        GONE,
        "",
        "resume",
    ),
    ("undelivered", [moved(done("a"), "undelivered")], GONE, "", "download"),
    ("undelivered, rerun", [moved(succeeded("a"), "undelivered")], GONE, "failed", "create"),
    ("an older one serves", [done("a"), failed(attempt=2)], THERE, "failed", "keep"),
    (
        "an older body again",
        [done("a"), done("a", attempt=2, fingerprint=OTHER)],
        THERE,
        "changed",
        "keep",
    ),
    (
        "damaged line",
        [replace(intent("a"), state="in_doubt", fingerprint="", origin="")],
        GONE,
        "failed",
        "in_doubt",
    ),
]


@pytest.mark.parametrize(
    ("bought", "files", "rerun", "verb"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_what_a_take_calls_for(
    bought: list[Purchase], files: dict[str, FileFact], rerun: str, verb: str
) -> None:
    made = plan(bought, rerun=rerun, files=files)
    assert verbs(made) == [verb]
    assert made.actions[0].reason


@pytest.mark.parametrize("purchase", [submitted("a"), succeeded("a"), done("a")])
def test_what_another_gateway_has_is_held(purchase: Purchase) -> None:
    assert verbs(plan([purchase], origin="https://elsewhere.example.com", files=GONE)) == ["held"]
    assert verbs(plan([purchase], origin="", files=GONE)) != ["held"]


@pytest.mark.parametrize(
    ("origin", "verb"), [(ORIGIN, "download"), ("https://elsewhere.example.com", "create")]
)
def test_what_was_given_up_elsewhere_comes_where_it_is(origin: str, verb: str) -> None:
    assert verbs(plan([moved(succeeded("a"), "resubmitted")], origin=origin, files=GONE)) == [verb]


@pytest.mark.parametrize(
    ("next_one", "verb"),
    [(failed(attempt=2), "failed"), (moved(intent("a", attempt=2), "doubted"), "in_doubt")],
    ids=["failed", "in doubt"],
)
@pytest.mark.parametrize(
    "given_up", [succeeded("a"), done("a"), moved(succeeded("a"), "undelivered")]
)
def test_a_permission_is_used_up_by_the_next_purchase(
    given_up: Purchase, next_one: Purchase, verb: str
) -> None:
    """Whatever became of it; only a refusal, which bought nothing, leaves it."""
    book = [moved(given_up, "resubmitted")]
    refused = moved(intent("a", attempt=2), "refused")
    elsewhere = "https://elsewhere.example.com"
    assert verbs(plan([*book, refused], origin=elsewhere, files=GONE)) == ["create"]
    assert verbs(plan([*book, next_one], origin=elsewhere, files=GONE)) == [verb]


def test_of_two_refusals_the_one_entered_later_explains_though_the_clock_went_back() -> None:
    old, new = (moved(intent("a", uid=uid), "refused") for uid in ("2026-b", "2026-a"))
    assert superseded([old, new]) == {old.uid}
    assert Book([old, new]).latest("a", 1) == new
    assert superseded([submitted("a"), old]) == {old.uid}


def test_a_file_that_is_here_is_kept_whichever_gateway_made_it() -> None:
    assert verbs(plan([done("a")], origin="https://elsewhere.example.com")) == ["keep"]


def test_a_purchase_that_knows_no_file_gets_the_manifests() -> None:
    """One known from a damaged line only, whose task was found."""
    made = plan([replace(submitted("a"), output=None)])
    assert made.actions[0].purchase and made.actions[0].purchase.output == "outputs/film/a.mp4"


def test_what_is_not_in_the_manifest_is_kept_and_shown_last() -> None:
    refused = moved(intent("z"), "refused")
    made = plan([done("b"), done("a", take=2), refused], shot("a"))
    assert [(a.verb, a.key) for a in made.actions] == [
        ("create", "a"),
        ("orphan", "a#2"),
        ("orphan", "b"),
    ]


@pytest.mark.parametrize(
    ("needed", "rerun", "expected", "reason"),
    [
        ([], "", ["create", "waits"], "waits for a"),
        ([submitted("a")], "", ["resume", "waits"], "waits for a"),
        ([failed()], "", ["failed", "waits"], "waits for a, which failed"),
        (
            [moved(intent("a"), "doubted")],
            "",
            ["in_doubt", "waits"],
            "waits for a, which is in doubt",
        ),
        ([succeeded("a")], "", ["download", "create"], "never bought"),
        ([done("a")], "", ["keep", "create"], "never bought"),
        ([done("a", fingerprint=OTHER)], "", ["changed", "create"], "never bought"),
        ([done("a", fingerprint=OTHER)], "changed", ["create", "waits"], "waits for a"),
        (
            [replace(done("a"), video_url=None)],
            "",
            ["keep", "waits"],
            "needs the address of a video for which",
        ),
    ],
)
def test_a_shot_that_needs_another(
    needed: list[Purchase], rerun: str, expected: list[str], reason: str
) -> None:
    made = plan(needed, shot("a"), pending("b", "a"), rerun=rerun)
    assert verbs(made) == expected
    assert made.actions[1].reason.startswith(reason)


def test_the_final_body_holds_the_address_and_its_fingerprint_the_purchase() -> None:
    """So that a new address for the same video changes nothing."""
    first = plan([done("a", uid="u1")], shot("a"), pending("b", "a")).actions[1].request
    assert first and first.body["images"] == ["https://cdn.example.com/a.mp4"]
    moved_away = replace(done("a", uid="u1"), video_url="https://elsewhere/x.mp4")
    again = plan([moved_away], shot("a"), pending("b", "a")).actions[1].request
    other = plan([done("a", uid="u2")], shot("a"), pending("b", "a")).actions[1].request
    assert again and other
    assert again.fingerprint == first.fingerprint != other.fingerprint


def test_a_dependant_that_is_bought_is_kept_while_its_source_is_unknown() -> None:
    bought = replace(done("b"), output="outputs/film/a.mp4")
    assert verbs(plan([bought], shot("a"), pending("b", "a"))) == ["create", "keep"]
    assert verbs(plan([bought], shot("a"), pending("b", "a"), rerun="changed")) == [
        "create",
        "waits",
    ]
    assert verbs(plan([submitted("b")], shot("a"), pending("b", "a"), rerun="changed")) == [
        "create",
        "resume",
    ]


def test_only_selected_shots_are_planned_and_others_are_not_bought_for_them() -> None:
    made = plan([done("z")], shot("a"), shot("b", "a"), shot("c"), selected={"b", "c"})
    assert [(a.verb, a.key) for a in made.actions] == [("waits", "b"), ("create", "c")]
    assert [a.key for a in buys(made)] == ["c"]


def test_sums_count_what_would_be_bought_and_what_waits_for_it() -> None:
    made = plan(
        [failed(), done("k")],
        shot("a"),
        shot("after-a", "a"),
        shot("b"),
        shot("after-b", "b"),
        shot("after-after-b", "after-b"),
        (shot("unpriced"), request(amount=None)),
    )
    assert counts(made) == {"create": 2, "failed": 1, "waits": 3, "orphan": 1}
    assert [a.key for a in buys(made)] == ["b", "after-b", "after-after-b", "unpriced"]
    assert (cost(made), seconds(made)) == (({"CNY": Decimal("9.00")}, 1), 20)


def test_what_is_bought_again_after_another_is_counted() -> None:
    """`--rerun changed`: both are bought, so both are in the cost that a person agrees to."""
    old = [done("a", fingerprint=OTHER), done("b", fingerprint=OTHER)]
    made = plan(old, shot("a"), shot("b", "a"), shot("c", "b"), rerun="changed")
    assert verbs(made) == ["create", "waits", "waits"]
    assert [a.key for a in buys(made)] == ["a", "b", "c"]
    assert cost(made) == ({"CNY": Decimal("9.00")}, 0)


def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    shots = [shot("s0"), *(shot(f"s{i}", f"s{i - 1}") for i in range(1, 10_000))]
    made = plan([], *reversed(shots))
    assert counts(made) == {"create": 1, "waits": 9_999}
    assert len(buys(made)) == 10_000


@pytest.mark.parametrize(
    ("bought", "problems"),
    [
        (
            [done("a", task_id="1"), done("a", task_id="2")],
            ["a was paid for twice: task 1 and task 2; both are kept"],
        ),
        ([done("a"), done("a", attempt=2, fingerprint=OTHER, task_id="2")], []),
        ([moved(done("a"), "undelivered"), done("a", attempt=2, task_id="2")], []),
        (
            [done("a"), done("b", task_id="task_a")],
            ["task task_a is in two purchases: a attempt 1 and b attempt 1"],
        ),
        ([failed(), done("a", attempt=2, task_id="2")], []),
    ],
)
def test_a_shot_paid_twice_is_reported(bought: list[Purchase], problems: list[str]) -> None:
    assert [*map(worded, contradictions(bought))] == problems


def test_an_action_knows_its_take() -> None:
    made = plan([done("a")], shot("a"), shot("a", take=2))
    assert [(a.verb, a.key) for a in made.actions] == [("keep", "a"), ("create", "a#2")]


@pytest.mark.parametrize(
    ("event", "error", "reason"),
    [
        ("unsent", Failure("not_sent", "not_sent", "no connection"), "not sent (no connection)"),
        ("unsent", None, "not sent"),
        ("refused", Failure("limited", "429", "too many"), "refused (too many)"),
    ],
)
def test_a_try_that_never_left_was_not_refused(
    event: Event, error: Failure | None, reason: str
) -> None:
    (action,) = plan([advance(intent("a"), event, AT, error=error)]).actions
    assert (action.verb, action.reason) == ("create", f"never bought; the last try was {reason}")

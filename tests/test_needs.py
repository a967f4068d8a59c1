"""A shot is made from the purchases that meet its needs, and waits while one is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.needs import is_delivered
from klingflow.decide.take import decide
from klingflow.ledger.book import Book
from klingflow.model import Action, PickLine, Purchase, Reference, Verb
from tests.planned import OTHER, failed, moved, pending, plan, request, shot, verbs
from tests.purchases import done, intent, submitted, succeeded


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


@pytest.mark.parametrize(
    ("takes", "need", "picks", "reason"),
    [
        (2, "a", [], "never bought; made from a, which nobody has picked"),
        (2, "a", [PickLine("a", 1, purchase="u1")], "never bought"),
        (2, "a#1", [], "never bought"),
        (1, "a", [], "never bought"),
    ],
)
def test_a_plan_says_what_a_shot_is_made_from_that_nobody_has_picked(
    takes: int, need: str, picks: list[PickLine], reason: str
) -> None:
    """A take that is named is chosen, and of one take nobody has to choose."""
    record = {"from": need, "frame": "last"}
    reference = Reference(need, "video")
    wanted = replace(shot("b"), references=(reference,))
    later = replace(request(None), body={"model": "kling-3.0", "image": record})
    sources = [shot("a", take=number + 1) for number in range(takes)]
    made = plan([done("a", uid="u1")], *sources, (wanted, later), picks=picks).actions[-1]
    assert (made.verb, made.reason) == ("create", reason)
    assert made.request and made.request.body["image"] == {**record, "purchase": "u1"}


@pytest.mark.parametrize(
    ("bought", "verb"),
    [
        ([], "waits"),
        ([succeeded("a", attempt=2)], "create"),
        ([done("a", attempt=2)], "create"),
        ([submitted("a", attempt=2)], "waits"),
        ([succeeded("a", attempt=2), failed(3)], "waits"),  # the newest counts
        ([succeeded("a", take=2)], "waits"),  # take 1 serves the others
        ([succeeded("z")], "waits"),
    ],
)
def test_what_is_bought_again_supplies_its_newest_purchase(
    bought: list[Purchase], verb: Verb
) -> None:
    """Not the one that it had."""
    old = done("a", fingerprint=OTHER)
    made = plan([old], shot("a"), pending("b", "a"), rerun="changed")
    action = decide(*pending("b", "a"), made.by_key, Book([old, *bought]), made.terms)
    assert action.verb == verb


@pytest.mark.parametrize(
    ("verb", "purchase", "delivered"),
    [
        ("keep", done("a"), True),
        ("changed", done("a"), True),
        ("download", succeeded("a"), True),
        ("resume", submitted("a"), False),
        ("failed", failed(), False),
        ("create", done("a"), False),
        ("waits", done("a"), False),
        ("create", None, False),
        ("orphan", None, False),
    ],
)
def test_what_is_delivered(verb: Verb, purchase: Purchase | None, delivered: bool) -> None:
    """What is finished at the gateway, unless it is to be bought again."""
    assert is_delivered(Action(verb, "a", "because", purchase=purchase)) is delivered

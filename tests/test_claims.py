"""Claims: no two shots have one id, no two takes one file."""

from __future__ import annotations

import pytest

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.claims import Claims, Part
from klingflow.manifest.drafts import Draft
from klingflow.model import Json, Node

FIRST, SECOND = Mark("f.yaml", 1, 1), Mark("f.yaml", 2, 1)


def draft(id: str, take: int, output: str) -> Draft:
    return Draft(
        id=id,
        take=take,
        fields={},
        node=Node({}, FIRST),
        mark=FIRST,
        tags=(),
        after=(),
        references=(),
        about={},
        output=output,
    )


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("alley", "this id is taken already, at f.yaml:1:1; make the values differ"),
        ("Alley", "some file systems take this id for 'alley'; rename one"),
    ],
)
def test_an_id_is_taken_once_whatever_its_case(id: str, message: str) -> None:
    """The second claim of an id says where the first is."""
    claims = Claims()
    assert claims.claim_id("alley", FIRST) is None
    assert claims.claim_id(id, SECOND) == Diagnostic(
        SECOND, "duplicate-id", message, related=FIRST, subject=f"shot '{id}'"
    )


def part(name: str, value: Json, line: int) -> Part:
    return Part(name, value, Mark("f.yaml", line, 5))


@pytest.mark.parametrize(
    ("ids", "first", "second", "message"),
    [
        (
            ("c@x", "c@x"),
            [part("a", "x", 1), part("b", 1, 2)],
            [part("a", "x!", 3), part("b", 1, 2)],
            "a 'x!' makes the same id as a 'x' (f.yaml:1:5); write one of them otherwise",
        ),
        (
            ("c@x", "c@X"),
            [part("key", "x", 1)],
            [part("key", "X", 3)],
            "some file systems take key 'X' for key 'x' (f.yaml:1:5); write one of them otherwise",
        ),
        (
            ("c@1", "c@1"),
            [part("a", 1, 1)],
            [part("a", "1", 3)],
            "a '1' makes the same id as a 1 (f.yaml:1:5); write one of them otherwise",
        ),
        (
            ("c@x", "c@x"),
            [part("a", "x", 1)],
            [part("a", "x", 3)],
            "a 'x' is there twice (first at f.yaml:1:5); drop one",
        ),
        (
            ("c@x", "c@x"),
            [part("a", "x.", 3)],
            [part("a", "x", 3)],
            "a 'x' makes the same id as a 'x.'; write one of them otherwise",
        ),
        (
            ("c@a-b", "c@a-b"),
            [part("a", "a b", 1)],
            [part("a", "a-b", 3), part("light", "x", 4)],
            "a 'a-b' makes the same id as a 'a b' (f.yaml:1:5); write one of them otherwise",
        ),
    ],
    ids=["same id", "case", "number and text", "same value", "from one expression", "an include"],
)
def test_ids_that_values_make_name_both_values_and_both_places(
    ids: tuple[str, str], first: list[Part], second: list[Part], message: str
) -> None:
    """The place of a shot's key says nothing about which of its values clash."""
    claims = Claims()
    assert claims.claim_id(ids[0], FIRST, lambda: first) is None
    assert claims.claim_id(ids[1], FIRST, lambda: second) == Diagnostic(
        Mark("f.yaml", 3, 5),
        "duplicate-id",
        message,
        related=first[0].mark,
        subject=f"shot '{ids[1]}'",
    )


def test_keys_that_clash_are_told_whatever_their_values() -> None:
    """The values are the same: the shots' own names have to differ."""
    claims = Claims()
    claims.claim_id("alley@x", FIRST, lambda: [part("a", "x", 1)])
    found = claims.claim_id("Alley@x", SECOND, lambda: [part("a", "x", 3)])
    message = "some file systems take this id for 'alley@x'; rename one"
    assert found and (found.mark, found.message) == (SECOND, message)


def test_every_id_is_known_with_its_place() -> None:
    """Links are judged by the ids, those that clash included."""
    claims = Claims()
    claims.claim_id("alley", FIRST)
    claims.claim_id("Alley", SECOND)
    assert claims.ids == {"alley": FIRST, "Alley": SECOND}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            draft("a", 2, "A.mp4"),
            "takes 1 and 2 have the same output 'A.mp4'; put {take} into output",
        ),
        (
            draft("b", 1, "a.mp4"),
            "it and shot 'a' have the same output 'a.mp4'; put {shot} into output",
        ),
    ],
    ids=["a take", "another shot"],
)
def test_an_output_is_taken_once(second: Draft, message: str) -> None:
    """Two takes that would write one file are a mistake; the message names the placeholder."""
    claims = Claims()
    assert claims.claim_output(draft("a", 1, "a.mp4"), FIRST) is None
    assert claims.claim_output(second, SECOND) == Diagnostic(
        SECOND, "duplicate-output", message, related=FIRST, subject=f"shot '{second.id}'"
    )


def test_one_take_may_claim_its_output_again() -> None:
    """A take whose id clashes is expanded twice: its file is not a second mistake."""
    claims = Claims()
    claims.claim_output(draft("a", 1, "a.mp4"), FIRST)
    assert claims.claim_output(draft("a", 1, "a.mp4"), SECOND) is None

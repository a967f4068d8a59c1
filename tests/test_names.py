"""Names: what an expression may begin with, and how members are looked up."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.manifest.budget import ExpressionError, Missing
from klingflow.manifest.names import Later, Shots, Vars, lookup, opened
from klingflow.model import Pending, Reference

PENDING = Pending((Reference("a", "video_url"),))


@pytest.mark.parametrize(
    ("holder", "key", "value"),
    [
        (Vars(str.upper), "look", "LOOK"),
        ({"a": 1}, "a", 1),
        ([5, 6], -1, 6),
        ({"caf\u00e9": 1}, "cafe\u0301", 1),
        ({"cafe\u0301": 1}, "caf\u00e9", 1),
        ("雨夜", 1, "夜"),
        ({1: "a"}, 1, "a"),
    ],
)
def test_a_member_is_looked_up_in_its_holder(holder: Any, key: Any, value: Any) -> None:
    """Namespaces answer by their own rule, maps by key, lists by index."""
    assert lookup(holder, key) == value


@pytest.mark.parametrize(
    ("holder", "key", "message"),
    [
        ({"alley": 1}, "aley", "'aley' is undefined; did you mean 'alley'?"),
        ([5], 1, "[1] is undefined: the list has 1 items"),
        ("雨夜", 2, "[2] is undefined: the text has 2 characters"),
        ({1: "a", "b": 2}, "c", "'c' is undefined"),
    ],
)
def test_what_is_not_there_says_what_was_meant(holder: Any, key: Any, message: str) -> None:
    """A missing member is a value that only `default` may touch."""
    missing = lookup(holder, key)
    assert isinstance(missing, Missing)
    assert missing.message == message


@pytest.mark.parametrize(
    ("holder", "key", "code", "message"),
    [
        (
            lookup(Shots(), "a"),
            "url",
            "undefined",
            "a shot has no 'url'; there are video_url and task_id",
        ),
        (5, "a", "undefined", "a number has no 'a'"),
        (
            Later(PENDING),
            "a",
            "expression",
            "what another shot makes is known at run time only;"
            " use it unchanged, as the whole expression",
        ),
    ],
)
def test_what_must_not_be_looked_into_is_refused(
    holder: Any, key: str, code: str, message: str
) -> None:
    """A shot's other facts, a scalar and a later result have no members."""
    with pytest.raises(ExpressionError) as refusal:
        lookup(holder, key)
    assert (refusal.value.code, str(refusal.value)) == (code, message)


def test_what_a_shot_makes_is_a_later_of_its_pending() -> None:
    """`shots.a.video_url` is known to the run alone; it is carried as it is."""
    later = lookup(lookup(Shots(), "a"), "video_url")
    assert isinstance(later, Later)
    assert later.pending.parts == (Reference("a", "video_url"),)
    assert isinstance(opened(PENDING), Later)

"""The records: what a take is called, and which takes a manifest wants."""

from __future__ import annotations

import pytest

from klingflow.errors import Mark
from klingflow.model import Node, key_of, split_key
from tests.one_shot import manifest_of
from tests.purchases import intent


@pytest.mark.parametrize(
    ("key", "take"), [("a", ("a", 1)), ("a#2", ("a", 2)), ("a#12", ("a", 12)), ("a#b", ("a#b", 1))]
)
def test_a_key_is_a_shot_and_a_take(key: str, take: tuple[str, int]) -> None:
    """The first take is called as its shot."""
    assert split_key(key) == take
    assert key_of(*take) == key


def test_the_first_take_may_be_named_as_such() -> None:
    """`opening#1` is `opening`."""
    assert split_key("opening#1") == ("opening", 1)


def test_shots_and_their_purchases_have_the_same_keys() -> None:
    """So that a line of a plan and a line of a status name the same thing."""
    manifest = manifest_of(model="kling-3.0", prompt="x", takes=2)
    assert [shot.key for shot in manifest.shots] == ["s", "s#2"]
    assert [intent("s", take).key for take in (1, 2)] == ["s", "s#2"]


def test_a_manifest_knows_its_takes() -> None:
    """What is in the ledger and not among them is an orphan."""
    assert manifest_of(model="kling-3.0", prompt="x", takes=2).takes == {("s", 1), ("s", 2)}


@pytest.mark.parametrize(
    "key", [Mark("a.yaml", 3, 1), Mark("a.yaml", 2, 7), Mark("b.yaml", 3, 1), None]
)
def test_a_value_knows_where_its_key_begins(key: Mark | None) -> None:
    """On its own line, as most do, on another one, in another file, or nowhere."""
    for at in (Mark("a.yaml", 3, 5), Mark("a.yaml", 9, 9), Mark("b.yaml", 3, 9)):
        node = Node("x", Mark("a.yaml", 3, 9), key)
        node.share_line(at)
        assert node.mark == Mark("a.yaml", 3, 9)
        assert (node.key_mark, node.place) == (key, key or node.mark)
        other = node.holding("y")
        assert (other.value, other.mark, other.key_mark) == ("y", node.mark, key)

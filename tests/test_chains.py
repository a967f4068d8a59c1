"""The longest chain that each take begins."""

from __future__ import annotations

from dataclasses import replace

from klingflow.decide.chains import Chain, chains
from klingflow.model import LeftOut, Plan
from tests.planned import plan, request, shot
from tests.purchases import done, submitted


def found(made: Plan, **seconds: float) -> dict[str, tuple[float, int]]:
    """The chain of each take; a task of any other tier takes one second."""
    found = chains(made, lambda tier: seconds.get(tier, 1.0))
    return {key: (chain.length, chain.links) for key, chain in found.items()}


def test_a_take_that_none_waits_for_is_a_chain_of_its_own() -> None:
    assert found(plan([], shot("a"), shot("b"))) == {"a": (1.0, 1), "b": (1.0, 1)}


def test_the_longest_of_the_takes_that_wait_counts() -> None:
    """Through all that wait for them in turn."""
    made = plan([], shot("a"), shot("b", "a"), shot("c", "a"), shot("d", "c", "x"), shot("x"))
    assert found(made) == {
        "a": (3.0, 3),
        "b": (1.0, 1),
        "c": (2.0, 2),
        "d": (1.0, 1),
        "x": (2.0, 2),
    }


def test_long_is_what_takes_long_by_its_tiers() -> None:
    """One slow take counts for more than three quick ones."""
    slow = replace(request(), predicted_tier="slow")
    made = plan(
        [], shot("a"), (shot("b", "a"), slow), shot("c", "a"), shot("d", "c"), shot("e", "d")
    )
    assert found(made, slow=90.0)["a"] == (91.0, 2)


def test_the_order_of_the_manifest_makes_no_difference() -> None:
    """A shot may stand before one that it waits for."""
    assert found(plan([], shot("b", "a"), shot("a"))) == {"a": (2.0, 2), "b": (1.0, 1)}


def test_what_is_not_bought_belongs_to_no_chain() -> None:
    """Neither what is here or running, nor what the caps leave out."""
    bought = [done("a"), submitted("r")]
    made = plan(bought, shot("a"), shot("b", "a"), shot("r"), shot("c", "r"), shot("d", "c"))
    assert found(made) == {"b": (1.0, 1), "c": (2.0, 2), "d": (1.0, 1)}
    made = replace(made, left_out={"d": LeftOut("max_tasks", "because")})
    assert found(made) == {"b": (1.0, 1), "c": (1.0, 1)}


def test_of_equally_long_chains_any_may_count() -> None:
    """Of two that last as long, the one of more takes."""
    assert max(Chain(2.0, 1), Chain(2.0, 2)) == Chain(2.0, 2)

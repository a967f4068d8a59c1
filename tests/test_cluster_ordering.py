"""Which shots go to a cluster: what is bought now, and what waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.cluster.ordering import ordered
from klingflow.cluster.waits import Supply, supply_of, waits_of
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.uids import next_try, uid_of
from klingflow.model import Json, LeftOut, Plan, Purchase, Reference, Request, Shot
from tests.clusters import LINEAGE
from tests.planned import pending, plan, request, shot
from tests.purchases import AT, LATER, ORIGIN, done, intent, submitted

END: Json = {"from": "a", "frame": "last"}


def from_video(name: str, need: str = "a", **fields: Json) -> tuple[Shot, Request]:
    """A shot that begins with the last frame of another."""
    made = replace(shot(name), references=(Reference(need, "video"),), fields=fields)
    body = {**request().body, "image": {"from": need, "frame": "last"}}
    return made, replace(request(None), body=body)


def orders(made: Plan, *bought: Purchase) -> dict[str, Purchase]:
    """The orders of a plan, by their keys."""
    book = Book(bought, lineage=LINEAGE)
    found = ordered(made, book, origin=ORIGIN, store="s", batch="b1", at=AT)
    assert all(map(is_at_cluster, found))
    return {order.key: order for order in found}


def test_what_waits_goes_with_what_it_waits_for() -> None:
    """Sources come first, whatever the manifest's order; the next shots wait in turn."""
    made = plan([], from_video("c", "b"), from_video("b"), shot("a"), pending("d", "c"))
    found = orders(made)
    assert [*found] == ["a", "b", "c", "d"]
    assert waits_of(found["a"]) is None
    for key, source in ("b", "a"), ("c", "b"), ("d", "c"):
        waits = waits_of(found[key])
        assert waits and waits.needs == {source: Supply(order=found[source].uid)}
        assert found[key].fingerprint == ""


def test_a_shot_that_only_comes_after_others_keeps_its_fingerprint() -> None:
    """Its body is final, so it moves as any other."""
    found = orders(plan([], shot("a"), shot("b", "a")))
    assert found["b"].fingerprint == "sha256:1" and waits_of(found["b"])


def test_what_is_here_is_told_with_the_order() -> None:
    """The body is final; what the shot allows goes with it, because hosts look at the frame."""
    source = done("a", uid="uid-0")
    made = plan([source], shot("a"), from_video("b", allow=["image-size"]))
    order = orders(made, source)["b"]
    waits = waits_of(order)
    assert order.body["image"] == {**END, "purchase": "uid-0"} and order.fingerprint
    assert waits and waits.needs == {"a": supply_of(source)} and waits.allow == ["image-size"]


def test_what_waits_for_another_purchase_is_not_ordered() -> None:
    """A task that a plain run has bought is no host's: nobody would tell them of its end."""
    running = submitted("a", uid="uid-0")
    made = plan([running], shot("a"), shot("b", "a"), shot("c", "b"), shot("d"))
    assert [*orders(made, running)] == ["d"]


def test_what_a_cap_leaves_out_is_not_ordered() -> None:
    """The next run may buy it."""
    made = plan([], shot("a"), shot("b"), shot("c", "a"))
    assert [*orders(replace(made, left_out={"b": LeftOut("max_tasks", "no")}))] == ["a", "c"]


@pytest.mark.parametrize("refused", [False, True])
def test_every_copy_of_a_ledger_makes_the_same_order(refused: bool) -> None:
    """A refused try is followed by the next one, of the same attempt."""
    first = uid_of(LINEAGE, "a", 1, 1)
    before = [advance(intent("a", uid=first), "refused", LATER)] if refused else []
    found = orders(plan([], shot("a"), shot("b", "a")), *before)
    second = uid_of(LINEAGE, "b", 1, 1)
    assert [p.uid for p in found.values()] == [next_try(first) if refused else first, second]
    waits = waits_of(found["b"])
    assert waits and waits.orders == (found["a"].uid,)

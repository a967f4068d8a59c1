"""Orders that wait: their bodies become the very ones that a ledger would buy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from klingflow.cluster.waits import (
    Supply,
    Waits,
    allowed_by,
    finished,
    is_body_of,
    sources_first,
    supply_of,
    waiting,
    waits_of,
)
from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.lines import journal_line, parse_journal
from klingflow.manifest.request import finish
from klingflow.model import Json, Pending, Purchase, Reference, Request
from tests.clusters import order
from tests.purchases import done

END = {"from": "opening", "frame": "last"}
URL = Reference("opening", "video_url")
BODIES: list[dict[str, Json]] = [
    {"model": "kling-3.0", "prompt": "x", "image": END},
    {"model": "kling-3.0", "prompt": Pending(["like ", URL, "!"]), "images": [Pending([URL]), END]},
    {"model": "kling-3.0", "prompt": Pending([Reference("opening", "task_id")])},
]
SOURCE = done("opening", uid="uid-0")
ORDERED = {"opening": Supply(order="film-1-001")}


def handed(body: Mapping[str, Json], needs: Mapping[str, Supply] = ORDERED) -> Purchase:
    """An order of this body as a host reads it."""
    intent = replace(order("door", fingerprint=""), body=body)
    made = handed_over(waiting(intent, needs, ["image-size"]), store="s", batch="b")
    (read,) = parse_journal(journal_line(made), "page").accounts
    return read


def as_planned(body: Mapping[str, Json]) -> Request:
    """What the plan of a ledger makes of a body that needs `opening`."""
    open_ = Request(body, None, "tier", 5, None)
    return finish(open_, lambda r: getattr(SOURCE, r.attribute), lambda need: SOURCE.uid)


@pytest.mark.parametrize("body", BODIES)
def test_a_host_buys_the_body_of_the_plan(body: dict[str, Json]) -> None:
    """Body and fingerprint are those of a ledger that knows the source, so that the plan keeps what
    hosts have bought.
    """
    read = handed(body)
    waits = waits_of(read)
    assert waits and waits.orders == ("film-1-001",) and allowed_by(read) == ["image-size"]
    last, planned = finished(read, waits, {"opening": supply_of(SOURCE)}), as_planned(body)
    assert (dict(last.body), last.fingerprint) == (dict(planned.body), planned.fingerprint)
    assert waits_of(last) is None and last.evidence == {"cluster": {"batch": "b", "store": "s"}}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("supply", [ORDERED["opening"], supply_of(SOURCE)])
def test_an_order_is_known_by_its_body(body: dict[str, Json], supply: Supply) -> None:
    """Whether it waits for another order or its body was final from the start."""
    read = handed(body, {"opening": supply})
    if not supply.order:
        read = replace(
            read, body=(final := as_planned(body)).body, fingerprint=final.fingerprint or ""
        )
    now, other = Request(body, None, "tier", 5, None), {**body, "prompt": Pending([URL, "?"])}
    assert is_body_of(now, read)
    assert not is_body_of(replace(now, body=other), read)
    assert not is_body_of(None, read) and not is_body_of(replace(now, fingerprint="f"), read)


def test_a_body_that_is_final_stays_as_it_is() -> None:
    """A shot that only comes after others has its fingerprint from the start."""
    read = replace(handed({"prompt": "x"}), fingerprint="sha256:1")
    waits = waits_of(read)
    assert waits and finished(read, waits, {}).fingerprint == "sha256:1"


def test_a_text_that_nobody_knows_makes_no_body() -> None:
    """The gateway gave no address of the video."""
    read = handed(BODIES[1])
    waits = waits_of(read)
    assert waits
    with pytest.raises(KeyError, match="video_url"):
        finished(read, waits, {"opening": Supply(purchase="uid-0", task_id="task_1")})


def test_what_is_here_already_is_told_with_the_order() -> None:
    """No host has to know the ledger that bought it."""
    waits = waits_of(handed(BODIES[0], {"opening": supply_of(SOURCE)}))
    address = "https://cdn.example.com/opening.mp4"
    assert waits and waits.orders == ()
    assert waits.needs == {"opening": Supply("", "uid-0", "task_opening", address)}


def test_another_order_waits_for_nothing() -> None:
    """Also one that was handed over by a ledger that knew all."""
    assert waits_of(order("alley")) is None and allowed_by(order("alley")) == ()
    assert waits_of(handed_over(order("alley"), store="s", batch="b")) is None


@pytest.mark.parametrize("told", [
    [], {"needs": {}}, {"needs": {"a": {"uid": "x"}}, "texts": [], "allow": []},
    {"needs": {}, "texts": [[["prompt"], [["a"]]]], "allow": []},
])  # fmt: skip
def test_words_of_others_are_refused(told: Any) -> None:
    """A page of another klingflow is believed whole or not at all."""
    odd = replace(order("alley"), evidence={"cluster": json.loads(json.dumps({"waits": told}))})
    with pytest.raises(ValueError, match="alley: what it waits for cannot be read"):
        waits_of(odd)


def test_sources_come_first() -> None:
    """Whatever the order of the lines in a lock."""
    first, second, third = order("c"), order("b", fingerprint=""), order("a", fingerprint="")
    second = waiting(second, {"c": Supply(order=first.uid), "x": Supply(order="elsewhere")}, [])
    third = waiting(third, {"b": Supply(order=second.uid)}, [])
    assert sources_first([third, second, first]) == [first, second, third]


def test_orders_are_named_once() -> None:
    """Two needs may be met by one."""
    assert Waits({"a": Supply("1"), "a#2": Supply("1"), "b": Supply("", "u")}).orders == ("1",)

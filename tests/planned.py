"""Plans for tests: shots that need each other, the manifest of them, and what was bought before."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from klingflow.decide.plan import make_plan
from klingflow.errors import Mark
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.model import (
    Event,
    Failure,
    FileFact,
    GatewaySettings,
    Limits,
    Manifest,
    Node,
    Pending,
    Plan,
    Price,
    Purchase,
    Reference,
    Request,
    Shot,
)
from tests.purchases import LATER, ORIGIN, submitted

SAME = "sha256:1"
OTHER = "sha256:0"
THERE = {"outputs/film/a.mp4": FileFact(10, "aa")}
NODE = Node({}, Mark("film.yaml", 1, 1))


def shot(name: str, *needs: str, take: int = 1) -> Shot:
    """A shot that comes after others."""
    return Shot(name, take, "text", {}, f"outputs/film/{name}.mp4", NODE, after=needs)


def request(fingerprint: str | None = SAME, amount: str | None = "3.00") -> Request:
    """What would be sent; without an `amount` its price is unknown."""
    price = Price(Decimal(amount), "CNY", "flat") if amount else None
    return Request(
        {"model": "kling-3.0", "prompt": "雨夜"}, fingerprint, "kling-3.0-720p", 5, price
    )


def manifest(*wanted: Shot | tuple[Shot, Request]) -> Manifest:
    """A manifest of these shots; each has the usual request unless it brings its own."""
    pairs = [w if isinstance(w, tuple) else (w, request()) for w in wanted]
    shots, requests = tuple(s for s, _ in pairs), tuple(r for _, r in pairs)
    return Manifest("film.yaml", "film", shots, requests, Limits(), GatewaySettings(), (), {})


def plan(
    bought: Sequence[Purchase],
    *wanted: Shot | tuple[Shot, Request],
    rerun: str = "",
    **more: object,
) -> Plan:
    """The plan for these shots, by default `a`, after these purchases; the file of `a` is there."""
    options = {"files": THERE, "rerun": frozenset(rerun.split()), "origin": ORIGIN, **more}
    return make_plan(manifest(*(wanted or (shot("a"),))), Book(bought), **options)  # type: ignore[arg-type]


def moved(purchase: Purchase, *events: Event, **changes: object) -> Purchase:
    """The purchase after these events; each learns the same."""
    for event in events:
        purchase = advance(purchase, event, LATER, **changes)
    return purchase


def failed(attempt: int = 1, fingerprint: str = SAME) -> Purchase:
    """A purchase of `a` whose task failed."""
    purchase = submitted("a", attempt=attempt, fingerprint=fingerprint)
    return moved(purchase, "failed", error=Failure("capacity", "busy", "too busy"))


def pending(name: str, need: str) -> tuple[Shot, Request]:
    """A shot whose body holds the address of another one's video."""
    reference = Reference(need, "video_url")
    body = {
        "model": "kling-3.0-omni",
        "prompt": "x",
        "images": [Pending([reference])],
        "seconds": "5",
    }
    wanted = Shot(name, 1, "images", {}, f"outputs/film/{name}.mp4", NODE, references=(reference,))
    return wanted, Request(body, None, "kling-3.0-omni-720p", 5, None)


def verbs(made: Plan) -> list[str]:
    """The verbs of a plan, in its order."""
    return [action.verb for action in made.actions]

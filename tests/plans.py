"""Plans whose actions are given, of manifests of plain shots."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from klingflow.errors import Mark
from klingflow.model import (
    Action,
    GatewaySettings,
    Limits,
    Manifest,
    Node,
    Plan,
    Price,
    Purchase,
    Request,
    Shot,
    Verb,
)

PRICE = Price(Decimal("2.00"), "CNY", "per request")


def action(
    verb: Verb, id: str, purchase: Purchase | None = None, price: Price | None = PRICE
) -> Action:
    """An action about the first take of a shot; an orphan has no shot."""
    if verb == "orphan":
        return Action(verb, id, "because", purchase=purchase)
    shot = Shot(id, 1, "text", {}, f"outputs/film/{id}.mp4", Node({}, Mark("film.yaml", 1, 1)))
    request = Request({"model": "kling-3.0"}, "sha256:1", "kling-3.0-720p", 5, price)
    return Action(verb, id, "because", shot, request, purchase)


def plan_of(*actions: Action, path: str = "film.yaml", name: str = "film") -> Plan:
    """A plan with these actions, of a manifest at `path` that is called `name`."""
    shots = tuple(a.shot for a in actions if a.shot)
    requests = tuple(a.request for a in actions if a.request)
    film = Manifest(path, name, shots, requests, Limits(), GatewaySettings(), (), {})
    return Plan(film, actions, {a.key: a for a in actions if a.shot})


def several(verbs: Sequence[Verb]) -> Plan:
    """A plan of shots a, b, c … with these verbs."""
    return plan_of(*(action(verb, chr(97 + n)) for n, verb in enumerate(verbs)))

"""What `status` shows of purchases in doubt: a line of each, and on demand a card with all that
finds it at the gateway and the commands that settle it.

A doubt is a record of `klingflow.results.doubts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import isinf
from typing import Any

from klingflow.terminal import console
from klingflow.terminal.clock import local
from klingflow.terminal.layout import room, showable, wrapped

_CARD = 80  # columns of a terminal that a card fills at most
_HEAD = 12  # columns before what is known


def line_of(doubt: Mapping[str, Any]) -> str:
    """Return what the table says of a shot in doubt."""
    sent = local(doubt["from"])
    status = doubt["status"]
    parts = (
        f"perhaps paid, {_most(doubt)}",
        f"sent {sent}" if sent else "",
        f"HTTP {status}" if status else "",
    )
    return "; ".join(filter(None, parts))


def _most(doubt: Mapping[str, Any]) -> str:
    most = doubt["most"]
    if most is None:
        return "price unknown"
    return f"up to {Decimal(most['amount']):.2f} {most['currency']}"


def show_way_out(number: int, named: str, indent: str = "") -> None:
    """Print what to do about this many doubts. `named` is the manifest, as a shell reads it."""
    if number:
        console.prose(
            f"In doubt, perhaps paid: {number}. `klingflow status {named} -v` says what is known of"
            f" each, and how to settle it.{all_at_once(number, named)}",
            indent,
        )


def all_at_once(number: int, named: str) -> str:
    """Return how to settle several doubts alike; "" for one."""
    if number < 2:
        return ""
    every = f"klingflow resolve {named} -s state:in_doubt"
    return f" `{every} --abandon` (or --resubmit) settles all of them, after asking."


def show_card(doubt: Mapping[str, Any]) -> None:
    """Print all that is known of a doubt, a line for each thing, and the ways to settle it."""
    sent = local(doubt["from"]) or "at an unknown time"
    about = (
        ("sent", f"{sent} … {local(doubt['to']) or 'unknown'}"),
        ("to", doubt["origin"]),
        ("model", doubt["model"]),
        ("tier", doubt["predicted_tier"] and f"{doubt['predicted_tier']}, predicted"),
        ("may cost", _may_cost(doubt)),
        ("tag", doubt["tag"]),
        ("our id", doubt["client_request_id"]),
        *((f"its {name}", value) for name, value in doubt["request_ids"].items()),
        ("status", doubt["status"] and f"HTTP {doubt['status']}"),
        ("received", doubt["received"]),
    )
    # A pipe has no width: a line of a card that begins with words of a server may be a command of a
    # build.
    columns = room() if isinf(room()) else min(room(), _CARD)
    console.say()
    console.say(f"{doubt['key']} is in doubt, perhaps paid:")
    for name, value in about:
        if value:
            head = f"  {name + ':':<{_HEAD - 3}} "
            for line in wrapped(showable(str(value)), columns, head, " " * _HEAD):
                console.say(line)
    console.say("  Look it up at the gateway, then say what you found:")
    for command in doubt["commands"].values():
        console.say(f"    {command}")


def _may_cost(doubt: Mapping[str, Any]) -> str:
    if doubt["most"] is None and doubt["predicted_tier"]:
        return "unknown: its tier has no price"
    return "unknown" if doubt["most"] is None else _most(doubt)

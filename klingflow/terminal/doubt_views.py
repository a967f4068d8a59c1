"""What `status` shows of purchases in doubt: a line of each, and on demand a card with all that
finds it at the gateway and the commands that settle it.

A doubt is a record of `klingflow.results.doubts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isinf
from typing import Any

from klingflow.terminal import console
from klingflow.terminal.clock import local
from klingflow.terminal.layout import clean, pad, room, showable, wrapped
from klingflow.words import _, joined

_CARD = 80  # columns of a terminal that a card fills at most
_HEAD = 12  # columns before what is known


def line_of(doubt: Mapping[str, Any]) -> str:
    """Return what the table says of a shot in doubt."""
    sent = local(doubt["from"])
    status = doubt["status"]
    parts = (
        _("perhaps paid, {most}", most=_most(doubt)),
        _("sent {sent}", sent=sent) if sent else "",
        _("HTTP {status}", status=status) if status else "",
    )
    return joined("; ", filter(None, parts))


def _most(doubt: Mapping[str, Any]) -> str:
    most = doubt["most"]
    if most is None:
        return _("price unknown")
    return _(
        "up to {amount:.2f} {currency}", amount=Decimal(most["amount"]), currency=most["currency"]
    )


def show_way_out(number: int, named: str, indent: str = "") -> None:
    """Print what to do about this many doubts. `named` is the manifest, as a shell reads it."""
    if number:
        together = all_at_once(number, named)
        console.prose(
            _(
                "In doubt, perhaps paid: {number}. `klingflow status {named} -v` says what is"
                " known of"
                " each, and how to settle it.{all_at_once}",
                number=number,
                named=named,
                all_at_once=_(" {together}", together=together) if together else "",
            ),
            indent,
        )


def all_at_once(number: int, named: str) -> str:
    """Return how to settle several doubts alike; "" for one."""
    if number < 2:
        return ""
    every = f"klingflow resolve {named} -s state:in_doubt"
    return _("`{every} --abandon` (or --resubmit) settles all of them, after asking.", every=every)


# What each option of `resolve` says.
_VERDICTS = (
    ("--task ID", _("it was bought, and ID is its task")),
    ("--resubmit", _("it was not bought: the next run buys it")),
    ("--abandon", _("let it go; only --rerun failed would buy it")),
    ("--not-charged", _("let it go, and the bill shows that it cost nothing")),
)


def show_cards(doubts: Sequence[Mapping[str, Any]], named: str) -> None:
    """Print a card of each doubt, and once what the options mean that settle one. `named` is the
    manifest, as a shell reads it.
    """
    for doubt in doubts:
        show_card(doubt)
    if not doubts:
        return
    console.say()
    console.table([[option, meaning] for option, meaning in _VERDICTS])
    if together := all_at_once(len(doubts), named):
        console.prose(together)


def show_card(doubt: Mapping[str, Any]) -> None:
    """Print all that is known of a doubt, a line for each thing, and the ways to settle it."""
    # A pipe has no width: a line of a card that begins with words of a server may be a command of a
    # build.
    columns = room() if isinf(room()) else min(room(), _CARD)
    console.say()
    console.say(_("{key} is in doubt, perhaps paid:", key=doubt["key"]))
    for name, value in _known(doubt):
        if value:
            head = f"  {pad(clean(name) + ':', _HEAD - 3)} "
            for line in wrapped(showable(str(value)), columns, head, " " * _HEAD):
                console.say(line)
    console.say(_("  Look it up at the gateway, then say what you found:"))
    for command in doubt["commands"].values():
        console.say(_("    {command}", command=command))


def _known(doubt: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield what may be known of a doubt, each fact with its name; those not known are empty."""
    tier, status = doubt["predicted_tier"], doubt["status"]
    yield _("sent"), _sent(doubt)
    yield _("to"), doubt["origin"]
    yield _("model"), doubt["model"]
    yield _("tier"), tier and _("{predicted_tier}, predicted", predicted_tier=tier)
    yield _("may cost"), _may_cost(doubt)
    yield _("tag"), doubt["tag"]
    yield _("our id"), doubt["client_request_id"]
    for name, value in doubt["request_ids"].items():
        yield _("its {name}", name=name), value
    yield _("names"), joined(", ", doubt["names"])
    yield _("status"), status and _("HTTP {status}", status=status)
    yield _("received"), doubt["received"]


def _sent(doubt: Mapping[str, Any]) -> str:
    """Return when the request went out, and when it ended, if that is another second."""
    sent = local(doubt["from"]) or _("at an unknown time")
    to = local(doubt["to"]) or _("unknown")
    return sent if sent == to else _("{sent} … {to}", sent=sent, to=to)


def _may_cost(doubt: Mapping[str, Any]) -> str:
    if doubt["most"] is None and doubt["predicted_tier"]:
        return _("unknown: its tier has no price")
    return _("unknown") if doubt["most"] is None else _most(doubt)

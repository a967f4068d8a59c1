"""PURE. Purchases that another ledger holds: which of them hold a take, and what is said of each.

They are found by klingflow.ledger.searching, and only for takes that a plan would buy. A take that
they hold is bought only by `--buy-again`, or after a terminal was asked.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from klingflow.ledger.book import Book
from klingflow.model import Action, Elsewhere, ElsewhereKind, Plan, Purchase, Request, Shot, Terms
from klingflow.words import _, filled

# What is asked on a terminal: whether to buy in spite of the other purchase, or whether this is the
# same film. Without a terminal, "buy" refuses the run, and "same film" leaves the take held.
Question = Literal["buy", "same film"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereRow:
    """What a kind of elsewhere means. No field has a default: a new row has to say it all."""

    holds: bool  # True if the take is not bought
    question: Question | None
    reason: str  # for `str.format`: `where`, `command` and `key`


NAMED = 5  # takes in one line
# The first that applies counts.
ROWS: Mapping[ElsewhereKind, ElsewhereRow] = {
    "place": ElsewhereRow(
        holds=True,
        question="same film",
        reason=_(
            "bought at {where}, of which this copy of its ledger does not know: --same-film if"
            " this is that film too, `{command}` if it is a film of its own, or --buy-again -s"
            " {key}"
        ),
    ),
    "copy": ElsewhereRow(
        holds=True,
        question="buy",
        reason=_(
            "paid for at {where}, a copy of this ledger: `{command}` takes it over,"
            " --buy-again -s {key} buys it again"
        ),
    ),
    "former": ElsewhereRow(
        holds=True,
        question="same film",
        reason=_(
            "bought with another body by the film that was at {where} before: --same-film if"
            " this is that film, `{command}` if it is a film of its own, or --buy-again -s {key}"
        ),
    ),
    "lost": ElsewhereRow(
        holds=True,
        question="buy",
        reason=_(
            "paid for in {where}, whose manifest is gone: `{command}` takes it over,"
            " --buy-again -s {key} buys it again"
        ),
    ),
    "box": ElsewhereRow(
        holds=True,
        question="buy",
        reason=_(
            "paid for by {where}, which is gone: `{command}` takes it over,"
            " --buy-again -s {key} buys it again"
        ),
    ),
    "beside": ElsewhereRow(holds=False, question=None, reason=_("also paid for in {where}")),
    "gateway": ElsewhereRow(holds=False, question=None, reason=_("paid for at {where}")),
}
_ORDER = {kind: number for number, kind in enumerate(ROWS)}


def found(shot: Shot, request: Request, terms: Terms, *, never_bought: bool) -> Elsewhere | None:
    """Return where else the body of a take was paid for, or the take itself if it was
    `never_bought` here; None if nowhere, or if it is to be bought again.
    """
    if shot.key in terms.again:
        return None
    told = list(terms.elsewhere.by_body.get(request.fingerprint or "", ()))
    options = [_as_seen_from(one, terms.origin) for one in told]
    held = terms.elsewhere.by_take.get((shot.id, shot.take))
    if held is not None and never_bought:
        options.append(held)
    return min(options, key=lambda one: _ORDER[one.kind], default=None)


def _as_seen_from(one: Elsewhere, origin: str) -> Elsewhere:
    """Return what was found as seen from this gateway, which has not sold a purchase at another
    one.
    """
    is_known = origin and one.origin
    return (
        Elsewhere("gateway", one.origin, one.origin) if is_known and one.origin != origin else one
    )


def reason(one: Elsewhere, *keys: str) -> str:
    """Say it, in the words of its row. The takes are named as a shell reads them after -s, and as
    SHOT where there are more than a line can hold.
    """
    selection = shlex.quote(" ".join(keys)) if 0 < len(keys) <= NAMED else "SHOT"
    return filled(
        ROWS[one.kind].reason, {"where": one.where, "command": one.command, "key": selection}
    )


def holds(one: Elsewhere) -> bool:
    """True if the take is not bought because of it."""
    return ROWS[one.kind].holds


def asked_about(plan: Plan, question: Question) -> list[Action]:
    """Return the actions of a plan that such a question is about."""
    return [
        action
        for action in plan.actions
        if action.elsewhere is not None and ROWS[action.elsewhere.kind].question == question
    ]


def recalled(plan: Plan, book: Book) -> list[Purchase]:
    """Return what this place bought under another lineage, of bodies that the plan would buy."""
    wanted = {
        action.request.fingerprint
        for action in plan.by_key.values()
        if action.verb == "create"
        and action.request is not None
        and action.key not in plan.terms.again
    }
    origin = plan.terms.origin
    return [
        p
        for p in book.recallable.values()
        if p.fingerprint in wanted and (not origin or p.origin in ("", origin))
    ]

"""PURE. What a shot needs of other shots: which purchase supplies each need, or why the shot waits.

Which take of a shot counts is for picks.py; what the take itself needs is for take.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from klingflow.decide.picks import present_of, source_of
from klingflow.decide.verbs import VERBS
from klingflow.ledger.book import Book
from klingflow.manifest.chained import VIDEO
from klingflow.manifest.request import finish
from klingflow.model import Action, Purchase, Reference, Request, Shot, Terms, Verb
from klingflow.words import _, joined

DELIVERED = frozenset({"succeeded", "done"})


class Obstacle(NamedTuple):
    """Why a shot cannot be bought yet, and what it does meanwhile."""

    reason: str
    verb: Verb = "waits"


def is_delivered(action: Action) -> bool:
    """True if the action leaves a finished video as it is: shots that need it can be bought."""
    purchase = action.purchase
    leaves = not VERBS[action.verb].may_buy
    return leaves and purchase is not None and purchase.state in DELIVERED


def supplies_of(
    shot: Shot, by_key: Mapping[str, Action], book: Book, terms: Terms
) -> tuple[dict[str, Purchase], Obstacle | None]:
    """Return the purchases that meet a shot's needs, by need, and why one is not met."""
    supplies: dict[str, Purchase] = {}
    for need in shot.needs:
        source = source_of(need, terms, partial(present_of, by_key))
        if not source.key:
            return supplies, Obstacle(source.reason, source.verb)
        action = by_key.get(source.key)
        if action is None:
            return supplies, Obstacle(_("needs {need}, which is not in the manifest", need=need))
        purchase = _supply(action, book)
        if purchase is None or purchase.state not in DELIVERED:
            why = VERBS[action.verb].of_a_need
            return supplies, Obstacle(
                _("waits for {key}{of_a_need}", key=source.key, of_a_need=why)
            )
        supplies[need] = purchase
    for reference in shot.references:
        if reference.attribute == "video_url" and not supplies[reference.shot].video_url:
            no_address = _("needs the address of a video for which the gateway gave none")
            return supplies, Obstacle(no_address)
    return supplies, None


def _supply(action: Action, book: Book) -> Purchase | None:
    """Return the purchase of a needed shot; for a shot that is to be bought, only a newer one than
    it had.
    """
    before = action.purchase.uid if action.purchase else ""
    if not VERBS[action.verb].may_buy:
        return book.purchases.get(before)
    assert action.shot is not None, "an action without a shot is an orphan's, which no shot needs"
    newest = book.bought(action.shot.id, action.shot.take)[-1:]
    return next((p for p in newest if p.uid != before), None)


def unpicked(shot: Shot, by_key: Mapping[str, Action], terms: Terms) -> str:
    """Return which takes a shot is made from although nobody has picked them of several; "" where
    there is none. A shot with one take leaves nothing to pick.
    """
    needs = [r.shot for r in shot.references if r.attribute == VIDEO and r.shot in terms.takes]
    found = (source_of(need, terms, partial(present_of, by_key)) for need in needs)
    keys = dict.fromkeys(source.key for source in found if not source.picked)
    return _("made from {keys}, which nobody has picked", keys=joined(", ", keys)) if keys else ""


def finished(request: Request, supplies: Mapping[str, Purchase]) -> Request:
    """Return the final request of a shot of which every need is met."""

    def text(reference: Reference) -> str:
        value: str = getattr(supplies[reference.shot], reference.attribute)
        return value

    return finish(request, text, lambda need: supplies[need].uid)

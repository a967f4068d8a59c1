"""`pick`, `reject` and `unpick`: what a person says of takes, written into the picks file.

They change no ledger. What they do to the lines is decided in klingflow.decide.picking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from klingflow.api.planning import ahead, book_of, planned
from klingflow.api.site import Wish, site_for
from klingflow.decide import picking
from klingflow.errors import KlingflowError, UsageError
from klingflow.ledger import pickfile
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.manifest.amending import Change
from klingflow.model import Manifest, PickLine, Plan, Purchase, Verdict
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Picked:
    """What came of it: the purchases that were meant, what the picks say of the film's takes now,
    and whether the file was changed.
    """

    purchases: Sequence[Purchase]
    verdicts: Mapping[str, Verdict]
    changed: bool


# What is done to the lines of a plan, with the purchases that are meant.
_Deed = Callable[[Plan, Book], tuple[Change, Sequence[Purchase]]]


def pick(manifest: Manifest, text: str, wish: Wish, note: str = "", seen: str = "") -> Picked:
    """Pick one take, as `alley#2`. `seen` is the uid of the video that was looked at, if another
    one there is not meant. Raises UsageError, ManifestError, LedgerError.
    """

    def deed(plan: Plan, book: Book) -> tuple[Change, Sequence[Purchase]]:
        change, chosen = picking.pick(plan, book, picking.target_of(text), note)
        _check_seen([chosen], seen)
        return change, [chosen]

    return _done(manifest, wish, deed)


def reject(
    manifest: Manifest, texts: Sequence[str], note: str, wish: Wish, seen: str = ""
) -> Picked:
    """Reject takes, each as `alley#2`, or as `alley` for all takes of a shot. `seen` and what it
    raises are as for `pick`.
    """
    targets = [picking.target_of(text) for text in texts]

    def deed(plan: Plan, book: Book) -> tuple[Change, Sequence[Purchase]]:
        change, chosen = picking.reject(plan, book, targets, note)
        _check_seen(chosen, seen)
        return change, chosen

    return _done(manifest, wish, deed)


def _check_seen(chosen: Sequence[Purchase], seen: str) -> None:
    """Refuse what is about another video than the one that was looked at. Raises UsageError."""
    for purchase in chosen:
        if seen not in ("", purchase.uid):
            raise UsageError(
                _("another video is there for {key} now; look at it first", key=purchase.key)
            )


def unpick(manifest: Manifest, texts: Sequence[str], wish: Wish) -> Picked:
    """Take back what was said of takes, named as for `reject`. Raises as `pick`."""
    targets = [picking.target_of(text) for text in texts]

    def deed(plan: Plan, book: Book) -> tuple[Change, Sequence[Purchase]]:
        return picking.unpick(plan.terms.picks.lines, book, targets), []

    return _done(manifest, wish, deed)


def name_purchases(site: Site, plan: Plan) -> str | None:
    """Write into lines without a purchase the one that each means, because a run may put another
    one at the take. Return why that cannot be done.
    """
    try:
        lines = pickfile.lines_of(site.paths)
        if picking.naming(plan.terms.picks, lines):
            pickfile.change(site.paths, partial(picking.naming, plan.terms.picks))
    except KlingflowError as error:
        return _("the picks keep naming takes without their purchases: {error}", error=error)
    return None


def _done(manifest: Manifest, wish: Wish, deed: _Deed) -> Picked:
    """Do it to the lines that the file has once no other writer can change them."""
    site = site_for(manifest, wish)
    book = book_of(manifest, site)
    meant: list[Purchase] = []

    def decide(lines: Sequence[PickLine]) -> Change:
        made = planned(manifest, book, site, lines=lines)
        change, meant[:] = deed(made, ahead(book, made))
        return picking.on_file(change, lines)

    changed = pickfile.change(site.paths, decide)
    return Picked(meant, planned(manifest, book, site).verdicts, changed)

"""PURE. `lock move`: a person says to which take a purchase goes, also where the body changed.

What goes over by itself, because the body is the same, is for klingflow.decide.moves.
"""

from __future__ import annotations

from collections.abc import Sequence

from klingflow.errors import UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT, UNFINISHED, placed
from klingflow.model import Action, Move, Plan, key_of, split_key
from klingflow.words import _, word

Take = tuple[str, int]


def relocate(plan: Plan, book: Book, old: str, new: str, at: str) -> list[Move]:
    """Move every purchase of the takes that `old` means to the takes that `new` means.

    Both are ids (then all takes), keys of single takes, or ids with one `*`, which stands for the
    same text in both. `book` is the ledger after the plan's own moves. Raises UsageError.
    """
    takes = sorted(take for take in book.takes() if book.bought(*take))
    pairs = _pairs(takes, old, new)
    if not pairs:
        raise UsageError(_("{old}: the ledger has no purchase of such a take", old=old))
    targets: dict[Take, Take] = {}
    for source, target in pairs:
        _check(plan, source, target)
        other = targets.setdefault(target, source)
        if other != source:
            both = _("{key} and {key_of_source}", key=key_of(*other), key_of_source=key_of(*source))
            raise UsageError(
                _("{both} would both go to {key}; move one of them", both=both, key=key_of(*target))
            )
    leaving = set(targets.values())
    moves: list[Move] = []
    for target, source in targets.items():
        if target not in leaving:
            _check_free(plan.by_key[key_of(*target)])
        moves += _moved(plan, book, source, target, at)
    return moves


def _pairs(takes: Sequence[Take], old: str, new: str) -> list[tuple[Take, Take]]:
    """Return each of the ledger's `takes` that is meant, and the take that it goes to."""
    stars = old.count("*"), new.count("*")
    if stars == (1, 1):
        return _starred(takes, old, new)
    if stars != (0, 0):
        raise UsageError(
            _("{old!r} and {new!r}: both have one *, or neither has", old=old, new=new)
        )
    if "#" in old + new:
        source = split_key(old)
        return [(source, split_key(new))] if source in takes else []
    return [((shot, take), (new, take)) for shot, take in takes if shot == old]


def _starred(takes: Sequence[Take], old: str, new: str) -> list[tuple[Take, Take]]:
    """Return the pairs of two ids with one `*`, which stands for the same text in both."""
    head, tail = old.split("*")
    pairs: list[tuple[Take, Take]] = []
    for shot, take in takes:
        rest = shot.removeprefix(head)
        middle = rest.removesuffix(tail)
        if head + middle + tail == shot:
            pairs.append(((shot, take), (new.replace("*", middle), take)))
    return pairs


def _check(plan: Plan, source: Take, target: Take) -> None:
    """Refuse what cannot be, or would not last. Raises UsageError."""
    before, after = key_of(*source), key_of(*target)
    if source == target:
        raise UsageError(_("{before} is there already", before=before))
    if after not in plan.by_key:
        raise UsageError(_("{after} is not in the manifest", after=after))
    stays = plan.by_key.get(before)
    if stays is not None and _serves(stays):
        raise UsageError(
            _(
                "{before} is in the manifest with the body that was bought, and would take it back;"
                " change or rename that shot first",
                before=before,
            )
        )


def _check_free(action: Action) -> None:
    """Refuse a take that has what it needs, or waits for it. Raises UsageError."""
    purchase = action.purchase
    if purchase is None:
        return
    is_open = purchase.state in IN_DOUBT | UNFINISHED
    if is_open or _serves(action):
        state = word(purchase.state.replace("_", " "), "purchase")
        raise UsageError(
            _(
                "{key} has a purchase that serves it ({state}); nothing was moved",
                key=action.key,
                state=state,
            )
        )


def _serves(action: Action) -> bool:
    """True if the take has a purchase of the body that the manifest has."""
    purchase, request = action.purchase, action.request
    if purchase is None or request is None or purchase.state == "failed":
        return False
    return purchase.fingerprint == request.fingerprint


def _moved(plan: Plan, book: Book, source: Take, target: Take, at: str) -> Sequence[Move]:
    shot = plan.by_key[key_of(*target)].shot
    assert shot is not None, "every action by key has its shot"
    return [
        Move(
            placed(p, at, shot=shot.id, take=shot.take, output=None if p.sha256 else shot.output),
            p.key,
        )
        for p in book.bought(*source)
    ]

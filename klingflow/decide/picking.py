"""PURE. What `pick`, `reject` and `unpick` do to the lines of a picks file.

A pick takes the place of every other pick of its shot, and of a rejection of the same purchase; a
rejection takes the place of a pick of the same purchase. Every other line stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from klingflow.decide.needs import DELIVERED
from klingflow.decide.picks import present_of
from klingflow.errors import UsageError
from klingflow.ledger.book import Book
from klingflow.manifest.amending import Change
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import PickLine, Picks, Plan, Purchase, Shot, composed, key_of, split_key
from klingflow.words import _, joined, word

Take = tuple[str, int]


class Target(NamedTuple):
    """A shot that a person names, and one of its takes; None for all of them."""

    shot: str
    take: int | None = None

    @property
    def named(self) -> str:
        """The target as it was typed."""
        return self.shot if self.take is None else key_of(self.shot, self.take)

    def means(self, take: Take) -> bool:
        """True for a take that is meant."""
        return take[0] == self.shot and self.take in (None, take[1])


def target_of(text: str) -> Target:
    """Return what `alley` or `alley#2` means."""
    return Target(*split_key(text)) if "#" in text else Target(composed(text))


def _key_in_full(shot: Shot) -> str:
    """Return the key of a take with its number: a shot's name alone may mean all of its takes."""
    return f"{shot.id}#{shot.take}"


def pick(plan: Plan, book: Book, target: Target, note: str = "") -> tuple[Change, Purchase]:
    """Return what a pick does to the lines of `plan.terms.picks`, and the picked purchase. `book`
    is as it stands after the plan's moves. An empty `note` keeps the one that a line has. Raises
    UsageError.
    """
    chosen = _present(plan, book, _one_take(plan, target))
    if chosen.state not in DELIVERED:
        state = word(chosen.state.replace("_", " "), "purchase")
        raise UsageError(
            _("{key} has no video to pick: it is {state}", key=chosen.key, state=state)
        )
    new = PickLine(chosen.shot, chosen.take, note=note, purchase=chosen.uid)
    kept: list[int] = []
    drop: set[int] = set()
    for number, line in enumerate(plan.terms.picks.lines):
        if not kept and _says_so(line, new):
            kept.append(number)
        elif _gives_way(line, chosen, book):
            drop.add(number)
    add = () if kept else (new,)
    return Change(frozenset(drop), dict.fromkeys(kept, chosen.uid), add), chosen


def _says_so(line: PickLine, new: PickLine) -> bool:
    """True if a line of the file already says what the new one would; an empty note says nothing
    else.
    """
    is_same_note = new.note in ("", line.note)
    return is_same_note and (line.rejects, line.purchase) == (new.rejects, new.purchase)


def _gives_way(line: PickLine, picked: Purchase, book: Book) -> bool:
    """True if a pick takes the place of a line: of a rejection of the same purchase, and of every
    other pick of the shot.
    """
    if line.rejects:
        return line.purchase == picked.uid
    return _standing(line, book)[0] == picked.shot


def reject(
    plan: Plan, book: Book, targets: Sequence[Target], note: str
) -> tuple[Change, list[Purchase]]:
    """Return what a rejection of takes does to the lines, and the rejected purchases. An empty
    `note` keeps the one that a line has. Raises UsageError.
    """
    found: dict[str, Purchase] = {}
    for target in targets:
        found |= _rejectable(plan, book, target)
    lines = plan.terms.picks.lines
    drop: set[int] = set()
    named: dict[int, str] = {}
    add: list[PickLine] = []
    for uid, purchase in found.items():
        new = PickLine(purchase.shot, purchase.take, True, note, uid)
        about = [n for n, line in enumerate(lines) if line.purchase == uid]
        same = [n for n in about if _says_so(lines[n], new)]
        drop |= {*about}.difference(same)
        named |= dict.fromkeys(same, uid)
        if not same:
            add.append(new)
    return Change(frozenset(drop), named, tuple(add)), [*found.values()]


def unpick(lines: Sequence[PickLine], book: Book, targets: Sequence[Target]) -> Change:
    """Return what takes back all that lines say of takes, and of earlier versions of them."""
    drop: set[int] = set()
    for number, line in enumerate(lines):
        take = _standing(line, book)
        if any(target.means(take) for target in targets):
            drop.add(number)
    return Change(frozenset(drop))


def naming(picks: Picks, lines: Sequence[PickLine]) -> Change:
    """Return what writes into lines without a purchase the one that each means in a plan, before
    another purchase can stand at its take. `lines` are those of the file now.
    """
    meant = {line[:4]: line.purchase for line in picks.lines}
    named: dict[int, str] = {}
    for number, line in enumerate(lines):
        uid = meant.get(line[:4])
        if uid and not line.purchase:
            named[number] = uid
    return Change(named=named)


def on_file(change: Change, lines: Sequence[PickLine]) -> Change:
    """Return a change without the purchases that the lines of the file name already."""
    named = {n: uid for n, uid in change.named.items() if not lines[n].purchase}
    return change._replace(named=named)


def _standing(line: PickLine, book: Book) -> Take:
    """Return the take that a line is about: where its purchase stands now, otherwise the take that
    the line names.
    """
    purchase = book.purchases.get(line.purchase) or book.pruned.get(line.purchase)
    return (purchase.shot, purchase.take) if purchase else (line.shot, line.take)


def _takes(plan: Plan, target: Target) -> list[Shot]:
    """Return the takes of the manifest that are meant. Raises UsageError where there are none."""
    shots = plan.manifest.shots
    found = [shot for shot in shots if target.means((shot.id, shot.take))]
    if found:
        return found
    numbers = [shot.take for shot in shots if shot.id == target.shot]
    if numbers:
        there_are = (
            _("takes {numbers}", numbers=joined(", ", map(str, numbers)))
            if numbers[1:]
            else _("one take")
        )
        raise UsageError(
            _(
                "{shot} has {there_are}, not {take}",
                shot=target.shot,
                there_are=there_are,
                take=target.take,
            )
        )
    hint = did_you_mean(target.shot, {shot.id for shot in shots})
    raise UsageError(_("there is no shot '{shot}'{hint}", shot=target.shot, hint=hint))


def _one_take(plan: Plan, target: Target) -> Shot:
    """Return the only take that is meant. Raises UsageError where there are several or none."""
    takes = _takes(plan, target)
    if len(takes) == 1:
        return takes[0]
    keys = joined(", ", (_key_in_full(shot) for shot in takes))
    raise UsageError(
        _(
            "{shot} has {takes} takes; name one: {keys}",
            shot=target.shot,
            takes=len(takes),
            keys=keys,
        )
    )


def _present(plan: Plan, book: Book, shot: Shot) -> Purchase:
    """Return the present purchase of a take. Raises UsageError where there is none."""
    uid = present_of(plan.by_key, shot.key)
    if not uid:
        raise UsageError(_("{key} has no video yet: nothing is bought for it", key=shot.key))
    return book.purchases[uid]


def _rejectable(plan: Plan, book: Book, target: Target) -> dict[str, Purchase]:
    """Return the finished videos that are meant, by uid. Raises UsageError where there are none."""
    finished: dict[str, Purchase] = {}
    for shot in _takes(plan, target):
        uid = present_of(plan.by_key, shot.key)
        if uid and book.purchases[uid].state in DELIVERED:
            finished[uid] = book.purchases[uid]
    if not finished:
        raise UsageError(_("{named} has no video to reject yet", named=target.named))
    return finished

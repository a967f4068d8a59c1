"""PURE. What `pick`, `reject` and `unpick` do to the lines of a picks file.

A pick takes the place of every other pick of its shot, and of a rejection of the same purchase; a
rejection takes the place of a pick of the same purchase. Every other line stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from klingflow.decide.picks import present_of
from klingflow.decide.take import DELIVERED
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


def pick(plan: Plan, book: Book, target: Target, note: str = "") -> tuple[Change, Purchase]:
    """Return what a pick does to the lines of `plan.terms.picks`, and the picked purchase. `book`
    is as it stands after the plan's moves. An empty `note` keeps the one that a line has. Raises
    UsageError.
    """
    takes = _takes(plan, target)
    if len(takes) > 1:
        keys = joined(", ", (shot.key if shot.take > 1 else f"{shot.key}#1" for shot in takes))
        raise UsageError(
            _(
                "{shot} has {takes} takes; name one: {keys}",
                shot=target.shot,
                takes=len(takes),
                keys=keys,
            )
        )
    chosen = _present(plan, book, takes[0])
    if chosen.state not in DELIVERED:
        state = word(chosen.state.replace("_", " "), "purchase")
        raise UsageError(
            _("{key} has no video to pick: it is {state}", key=chosen.key, state=state)
        )
    lines, shot = plan.terms.picks.lines, chosen.shot
    picks = [n for n, line in enumerate(lines) if not line.rejects]
    same = (n for n in picks if note in ("", lines[n].note))
    kept = [n for n in same if lines[n].purchase == chosen.uid][:1]
    drop = {n for n in picks if _standing(lines[n], book)[0] == shot} - {*kept}
    drop |= {n for n, line in enumerate(lines) if line.rejects and line.purchase == chosen.uid}
    add = () if kept else (PickLine(shot, chosen.take, note=note, purchase=chosen.uid),)
    return Change(frozenset(drop), dict.fromkeys(kept, chosen.uid), add), chosen


def reject(
    plan: Plan, book: Book, targets: Sequence[Target], note: str
) -> tuple[Change, list[Purchase]]:
    """Return what a rejection of takes does to the lines, and the rejected purchases. An empty
    `note` keeps the one that a line has. Raises UsageError.
    """
    found = dict.fromkeys(uid for target in targets for uid in _rejectable(plan, book, target))
    lines = plan.terms.picks.lines
    drop: set[int] = set()
    named: dict[int, str] = {}
    add: list[PickLine] = []
    for purchase in (book.purchases[uid] for uid in found):
        about = [n for n, line in enumerate(lines) if line.purchase == purchase.uid]
        same = [n for n in about if lines[n].rejects and note in ("", lines[n].note)]
        drop |= {n for n in about if n not in same and (note or not lines[n].rejects)}
        named |= dict.fromkeys(same, purchase.uid)
        if not same:
            add.append(PickLine(purchase.shot, purchase.take, True, note, purchase.uid))
    return Change(frozenset(drop), named, tuple(add)), [book.purchases[uid] for uid in found]


def unpick(lines: Sequence[PickLine], book: Book, targets: Sequence[Target]) -> Change:
    """Return what takes back all that lines say of takes, and of earlier versions of them."""
    drop = (
        number
        for number, line in enumerate(lines)
        if any(target.means(_standing(line, book)) for target in targets)
    )
    return Change(frozenset(drop))


def naming(picks: Picks, lines: Sequence[PickLine]) -> Change:
    """Return what writes into lines without a purchase the one that each means in a plan, before
    another purchase can stand at its take. `lines` are those of the file now.
    """
    meant = {line[:4]: line.purchase for line in picks.lines}
    unnamed = ((n, line) for n, line in enumerate(lines) if not line.purchase)
    return Change(named={n: uid for n, line in unnamed if (uid := meant.get(line[:4]))})


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


def _present(plan: Plan, book: Book, shot: Shot) -> Purchase:
    """Return the present purchase of a take. Raises UsageError where there is none."""
    uid = present_of(plan.by_key, shot.key)
    if not uid:
        raise UsageError(_("{key} has no video yet: nothing is bought for it", key=shot.key))
    return book.purchases[uid]


def _rejectable(plan: Plan, book: Book, target: Target) -> Iterator[str]:
    """Yield the uids of finished videos that are meant. Raises UsageError where there are none."""
    takes = _takes(plan, target)
    uids = [present_of(plan.by_key, shot.key) for shot in takes]
    finished = [uid for uid in uids if uid and book.purchases[uid].state in DELIVERED]
    if not finished:
        raise UsageError(_("{named} has no video to reject yet", named=target.named))
    yield from finished

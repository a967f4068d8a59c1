"""What a person writes into a ledger by hand: how a purchase ended that nobody else can settle."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from klingflow.api.planning import ahead, planned, take_in
from klingflow.api.site import Wish, now, site_for
from klingflow.decide.adoption import Adoption, judge, unasked
from klingflow.decide.resolve import (
    Verdict,
    abandon,
    adopt,
    not_charged,
    resubmit,
    settled_of,
    what_there_is,
)
from klingflow.decide.select import orphans, select
from klingflow.decide.spending import spending
from klingflow.errors import NothingSelected, UsageError
from klingflow.gateway.outcomes import QueryOutcome
from klingflow.ledger import store, uids
from klingflow.ledger.book import Book
from klingflow.model import (
    Action,
    Manifest,
    Purchase,
    Share,
    State,
    Sum,
    key_of,
    split_key,
    task_named,
)

Ask = Callable[[Purchase], QueryOutcome]  # what the gateway says of a purchase's task


def resolve(
    manifest: Manifest,
    key: str,
    wish: Wish,
    origin: str,
    *,
    task: str | None,
    verdict: Verdict = "abandon",
    ask: Ask | None = None,
    force: bool = False,
) -> list[str]:
    """Settle one take by its task's id, or without one by a verdict. Return what was done, in
    words.

    `ask` asks after the task, which is taken only if what the gateway says fits the purchase, or by
    `force`. Raises UsageError, LedgerHeld, LedgerError.
    """
    site = site_for(manifest, wish, origin)
    key = key_of(*split_key(key))
    with store.open_ledger(site.paths, now) as held:
        take_in(manifest, held.book, site, enter=held.enter)
        made = planned(manifest, held.book, site)
        book, action = ahead(held.book, made), made.by_key.get(key)
        if task is None:
            notes, records = [], _by_verdict(verdict, book, key, action, site.origin)
        else:
            adopted = _adopted(book, key, task, action, origin=site.origin, at=now())
            adoption = _judged(adopted, site.origin, ask)
            notes = _doubts_overruled(adopted, adoption.doubts, force)
            records = adoption.records
        held.begin_box()
        anyio.run(_write, held, [move.purchase for move in made.moves], records)
    if task is None:
        return [f"{key}: {_VERDICT_WORDS[verdict]}"]
    return [*notes, f"{key}: bought as {task_named(task)}{STATE_WORDS.get(records[-1].state, '')}"]


@dataclass(frozen=True, slots=True)
class Settling:
    """What a verdict of many takes is about to settle, and what it comes to."""

    purchases: Sequence[Purchase]
    spending: Mapping[Share, Sum]


def resolve_many(
    manifest: Manifest,
    wish: Wish,
    origin: str,
    verdict: Verdict,
    agreed: Callable[[Settling], bool],
) -> list[str]:
    """Settle what is in doubt of the selected takes, orphans included, if `agreed` says so. Return
    what was done, in words.

    Nothing is written where one of them cannot be settled. Raises NothingSelected, which says what
    is in doubt instead; UsageError, LedgerHeld, LedgerError.
    """
    site = site_for(manifest, wish, origin)
    with store.open_ledger(site.paths, now) as held:
        take_in(manifest, held.book, site, enter=held.enter)
        made = planned(manifest, held.book, site)
        book = ahead(held.book, made)
        takes = [*manifest.shots, *orphans(book, manifest.takes)]
        meant = select(takes, book, wish.select, wish.exclude)
        found = settled_of(book, meant, verdict)
        if not found:
            raise NothingSelected(
                f"{manifest.path}: the selection has nothing to settle; {what_there_is(book)}"
            )
        keys = list(dict.fromkeys(p.key for p in found))
        records: list[Purchase] = []
        for key in keys:
            records += _by_verdict(verdict, book, key, made.by_key.get(key), site.origin)
        if not agreed(Settling(found, spending([found], manifest.prices))):
            return []
        held.begin_box()
        anyio.run(_write, held, [move.purchase for move in made.moves], records)
    return [f"{key}: {_VERDICT_WORDS[verdict]}" for key in keys]


def _by_verdict(
    verdict: Verdict, book: Book, key: str, action: Action | None, origin: str
) -> Sequence[Purchase]:
    """The records of a verdict. Raises UsageError where the take has nothing to settle."""
    match verdict:
        case "abandon":
            return abandon(book, key, origin=origin, at=now())
        case "not_charged":
            return not_charged(book, key, origin=origin, at=now())
        case "resubmit":
            at_another = action is not None and action.verb == "held"
            return resubmit(book, key, origin=origin, at=now(), held=at_another)


async def _write(
    held: store.Ledger, moves: Sequence[Purchase], records: Sequence[Purchase]
) -> None:
    """Write the moves together, and then all records together: who is interrupted finds either none
    or all of a selection settled. Raises LedgerBroken.
    """
    for together in (moves, records):
        if together:
            await held.record(*together)


def _adopted(
    book: Book, key: str, task: str, action: Action | None, *, origin: str, at: str
) -> Purchase:
    """The purchase with the task's id. Raises UsageError where the id cannot be this take's."""
    wanted = (action.shot, action.request) if action and action.shot and action.request else None
    (adopted,) = adopt(
        book,
        key,
        task,
        wanted=wanted,
        origin=origin,
        new_uid=lambda: uids.new_uid(at, secrets.token_hex),
        at=at,
    )
    return adopted


def _judged(adopted: Purchase, origin: str, ask: Ask | None) -> Adoption:
    """The adoption after the gateway was asked, or why it was not asked."""
    if ask is None:
        return unasked(adopted, "the gateway could not be asked: no key or no address is set")
    if adopted.origin != origin:
        doubt = f"the purchase was sent to {adopted.origin}, and {origin} would be asked"
        return unasked(adopted, doubt)
    return judge(adopted, ask(adopted), now())


def _doubts_overruled(adopted: Purchase, doubts: Sequence[str], force: bool) -> list[str]:
    """Return notes on the doubts that `force` overrules. Raises UsageError without `force`."""
    if doubts and not force:
        raise UsageError(
            f"{adopted.key}: {'; '.join(doubts)}. Nothing was written. If you are certain that task"
            f" {adopted.task_id} is this purchase, pass --force"
        )
    return [f"{adopted.key}: {doubt}; taken by --force" for doubt in doubts]


# What `resolve --task` says became of a purchase, by its state; no more is said of others.
STATE_WORDS: Mapping[State, str] = {
    "submitted": "; klingflow fetch polls and downloads it",
    "succeeded": ", which is finished; klingflow fetch downloads it",
    "failed": ", which failed at the gateway",
}


_VERDICT_WORDS: Mapping[Verdict, str] = {
    "abandon": "abandoned; it is not bought again unless you pass --rerun failed",
    "not_charged": "not charged; it is not bought again unless you pass --rerun failed",
    "resubmit": "not bought; the next run buys it",
}


async def asked(base_url: str, key: str, purchase: Purchase) -> QueryOutcome:
    """Return what the gateway says of a purchase's task."""
    from klingflow.api.connecting import connect  # for start-up
    from klingflow.gateway.replies import read_query  # for start-up

    task_id = str(purchase.task_id)
    async with connect(base_url, key) as gateway:
        return read_query(await gateway.query(task_id), task_id=task_id, body=purchase.body)

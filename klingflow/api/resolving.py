"""What a person writes into a ledger by hand: how a purchase ended that nobody else can settle."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from klingflow.api.claiming import fold_first
from klingflow.api.planning import ahead, planned, take_in
from klingflow.api.site import Wish, now, site_for
from klingflow.api.telling import Telling, telling
from klingflow.decide.adoption import Adoption, judge, unasked
from klingflow.decide.resolve import (
    Verdict,
    abandon,
    adopt,
    adopt_order,
    at_cluster,
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
from klingflow.ledger.handed_over import is_at_cluster, is_withdrawn
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.ledger.places import Site
from klingflow.model import (
    Action,
    Manifest,
    Plan,
    Purchase,
    Share,
    State,
    Sum,
    key_of,
    split_key,
    task_named,
)
from klingflow.words import _, joined

if TYPE_CHECKING:
    from klingflow.cluster.hand import Waits

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
    tell: Callable[[str], None] = lambda line: None,
    waits: Waits | None = None,
) -> list[str]:
    """Settle one take by its task's id, or without one by a verdict. Return what was done, in
    words.

    `ask` asks after the task, which is taken only if what the gateway says fits the purchase, or by
    `force`. Where hosts may buy the take, its order is taken back first; `tell` gets a line before
    the answer of one is waited for, `waits` says how long that may take. Raises UsageError,
    LedgerHeld, LedgerError, StoreAway.
    """
    site = site_for(manifest, wish, origin)
    key = key_of(*split_key(key))
    with store.open_ledger(site.paths, now) as held:
        take_in(manifest, held.book, site, enter=held.enter)
        settling = _Settling(manifest, held, site, telling(site, tell, waits))
        if task is None:
            return settling.by_verdict(key, verdict)
        return settling.by_task(key, task, ask, force=force)


@dataclass(frozen=True, slots=True)
class _Settling:
    """One take of a ledger that is held is settled; the store of claims hears of it first."""

    manifest: Manifest
    held: store.Ledger
    site: Site
    telling: Telling

    def by_verdict(self, key: str, verdict: Verdict) -> list[str]:
        """Settle a take by a verdict. Raises UsageError where it has nothing to settle."""
        taken_back = self._take_back(key, verdict)
        made = self._planned()
        book = ahead(self.held.book, made)
        taken_back |= verdict == "resubmit" and _is_taken_back(book, key)
        words: Sequence[Purchase] = ()
        if not taken_back:
            words = _by_verdict(verdict, book, key, made.by_key.get(key), self.site.origin)
        self.held.begin_box()
        said, disputes = self.telling.say(book, words)
        anyio.run(_write, self.held, [move.purchase for move in made.moves], said)
        if disputes:
            raise UsageError(disputes[0])
        return [_("{key}: {verdict_words}", key=key, verdict_words=_settled_as(verdict, words))]

    def _take_back(self, key: str, verdict: Verdict) -> bool:
        """Let no host buy a take any more. Return True where that settles it, and nothing of the
        take is in doubt.
        """
        taken_back = False
        while orders := at_cluster(ahead(self.held.book, self._planned()), key):
            for order in orders:
                taken_back |= self.telling.take_back(order, verdict)
            fold_first(self.held.book, self.site, self.held.enter)
        book = ahead(self.held.book, self._planned())
        return taken_back and not any(p.state in IN_DOUBT for p in book.of(*split_key(key)))

    def by_task(self, key: str, task: str, ask: Ask | None, *, force: bool) -> list[str]:
        """Settle a take by its task's id. Raises UsageError where the id cannot be this take's."""
        while True:
            made = self._planned()
            book = ahead(self.held.book, made)
            adopted = self._adopted(book, key, task, made.by_key.get(key))
            adoption = _judged(adopted, self.site.origin, ask)
            notes = _doubts_overruled(adopted, adoption.doubts, force)
            self.held.begin_box()
            if self._is_told(book, adoption.records[0]):
                break
            fold_first(self.held.book, self.site, self.held.enter)
        anyio.run(_write, self.held, [move.purchase for move in made.moves], adoption.records)
        said = STATE_WORDS.get(adoption.records[-1].state, "")
        return [
            *notes,
            _(
                "{key}: bought as {task_named}{said}",
                key=key,
                task_named=task_named(task),
                said=said,
            ),
        ]

    def _is_told(self, book: Book, found: Purchase) -> bool:
        """Tell the store of a task. Return False where a host has claimed its purchase."""
        known = book.purchases.get(found.uid)
        if found.state != "submitted" or (known and known.state == "submitted"):
            return True
        if known and is_at_cluster(known):
            self.telling.check(known)
        is_known = known is not None and not is_at_cluster(known)
        return self.telling.adopt(found, is_known=is_known)

    def _adopted(self, book: Book, key: str, task: str, action: Action | None) -> Purchase:
        """Return the purchase with the task's id. Raises UsageError where the id cannot be this
        take's.
        """
        at = now()
        if orders := at_cluster(book, key):
            return adopt_order(book, orders[-1], task, at)
        shot, take = split_key(key)
        wanted = (
            (action.shot, action.request) if action and action.shot and action.request else None
        )

        def new_uid() -> str:
            shared = self.telling.uid(book, shot, take, book.next_attempt(shot, take))
            return shared or uids.new_uid(at, secrets.token_hex)

        origin = self.site.origin
        (adopted,) = adopt(book, key, task, wanted=wanted, origin=origin, new_uid=new_uid, at=at)
        return adopted

    def _planned(self) -> Plan:
        return planned(self.manifest, self.held.book, self.site)


def _is_taken_back(book: Book, key: str) -> bool:
    """True if the last that was done with a take is that its order was taken back."""
    last = book.latest(*split_key(key))
    return last is not None and last.state == "rejected" and is_withdrawn(last)


@dataclass(frozen=True, slots=True)
class Settling:
    """What a verdict of many takes is about to settle, and the money in it."""

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

    Nothing is written where one of them cannot be settled; of what another person has settled
    otherwise, nothing. Raises NothingSelected, which says what
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
                _(
                    "{path}: the selection has nothing to settle; {what_there_is}",
                    path=manifest.path,
                    what_there_is=what_there_is(book),
                )
            )
        keys = list(dict.fromkeys(p.key for p in found))
        records: list[Purchase] = []
        for key in keys:
            records += _by_verdict(verdict, book, key, made.by_key.get(key), site.origin)
        if not agreed(Settling(found, spending([found], manifest.prices))):
            return []
        held.begin_box()
        said, disputes = telling(site, lambda line: None, None).say(book, records)
        anyio.run(_write, held, [move.purchase for move in made.moves], said)
    if disputes:
        raise UsageError("\n".join(disputes))
    return [
        _("{key}: {verdict_words}", key=key, verdict_words=_VERDICT_WORDS[verdict]) for key in keys
    ]


def _by_verdict(
    verdict: Verdict, book: Book, key: str, action: Action | None, origin: str
) -> Sequence[Purchase]:
    """Return the records of a verdict. Raises UsageError where the take has nothing to settle."""
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


def _judged(adopted: Purchase, origin: str, ask: Ask | None) -> Adoption:
    """Return the adoption after the gateway was asked, or why it was not asked."""
    if ask is None:
        return unasked(adopted, _("the gateway could not be asked: no key or no address is set"))
    if adopted.origin != origin:
        doubt = _(
            "the purchase was sent to {origin}, and {asked} would be asked",
            origin=adopted.origin,
            asked=origin,
        )
        return unasked(adopted, doubt)
    return judge(adopted, ask(adopted), now())


def _doubts_overruled(adopted: Purchase, doubts: Sequence[str], force: bool) -> list[str]:
    """Return notes on the doubts that `force` overrules. Raises UsageError without `force`."""
    if doubts and not force:
        raise UsageError(
            _(
                "{key}: {doubts}. Nothing was written. If you are certain that task"
                " {task_id} is this purchase, pass --force",
                key=adopted.key,
                doubts=joined("; ", doubts),
                task_id=adopted.task_id,
            )
        )
    return [_("{key}: {doubt}; taken by --force", key=adopted.key, doubt=doubt) for doubt in doubts]


# What `resolve --task` says became of a purchase, by its state; no more is said of others.
STATE_WORDS: Mapping[State, str] = {
    "submitted": _("; klingflow fetch polls and downloads it"),
    "succeeded": _(", which is finished; klingflow fetch downloads it"),
    "failed": _(", which failed at the gateway"),
}


_VERDICT_WORDS: Mapping[Verdict, str] = {
    "abandon": _("abandoned; it is not bought again unless you pass --rerun failed"),
    "not_charged": _("not charged; it is not bought again unless you pass --rerun failed"),
    "resubmit": _("not bought; the next run buys it"),
}


def _settled_as(verdict: Verdict, records: Sequence[Purchase]) -> str:
    """Return what a verdict on one take comes to. What has a task was bought, whoever says so."""
    tasks = [task_named(record.task_id) for record in records if record.task_id]
    if verdict != "resubmit" or not tasks:
        return _VERDICT_WORDS[verdict]
    return _(
        "the next run buys it once more; {tasks} stays in the ledger", tasks=joined(", ", tasks)
    )


async def asked(base_url: str, key: str, purchase: Purchase) -> QueryOutcome:
    """Return what the gateway says of a purchase's task."""
    from klingflow.api.connecting import connect  # for start-up
    from klingflow.gateway.query_replies import read_query  # for start-up

    task_id = str(purchase.task_id)
    async with connect(base_url, key) as gateway:
        return read_query(await gateway.query(task_id), task_id=task_id, body=purchase.body)

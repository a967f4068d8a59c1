"""What a person writes into a ledger by hand: how a purchase that nobody else can settle came out."""

from __future__ import annotations

import anyio

from klingflow.api import Wish, in_sandbox, now, paths_of, planned, takes_of
from klingflow.decide.resolve import abandon, adopt, resubmit
from klingflow.effects import ledger
from klingflow.model import Manifest


def resolve(
    manifest: Manifest, key: str, wish: Wish, origin: str, *, task: str | None, verdict: str
) -> list[str]:
    """Settle one take: its task's id, or the verdict `abandon` or `resubmit`. Returns what was done, in words.

    Raises UsageError, LedgerHeld, LedgerError.
    """
    paths = paths_of(manifest, wish)
    key = next((s.key for s in manifest.shots if key in (s.key, f"{s.id}#{s.take}")), key)
    with ledger.open_ledger(paths, now) as held:
        held.book.recall(takes_of(manifest))
        at = now()
        meant = in_sandbox(manifest) if wish.sandbox else manifest
        action = planned(meant, held.book, None, frozenset(), origin).by_key.get(key)
        wanted = (action.shot, action.request) if action and action.shot and action.request else None
        if task is not None:
            records = adopt(
                held.book, key, task, wanted=wanted, origin=origin, new_uid=lambda: ledger.new_uid(at), at=at
            )
        elif verdict == "abandon":
            records = abandon(held.book, key, origin=origin, at=at)
        else:
            at_another = action is not None and action.verb == "held"
            records = resubmit(held.book, key, origin=origin, at=at, held=at_another)

        async def write() -> None:
            for record in records:
                await held.record(record)

        anyio.run(write)
    said = (
        f"bought as task {task}; klingflow fetch polls and downloads it" if task else _VERDICT_WORDS[verdict]
    )
    return [f"{key}: {said}"]


_VERDICT_WORDS = {
    "abandon": "abandoned; it is not bought again unless you say --rerun failed",
    "resubmit": "not bought; the next run buys it",
}

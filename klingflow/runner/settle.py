"""Lets files follow the ledger: the records of their new places become durable first, then files
get their names. What goes where is decided in klingflow.decide.filing.

Whatever cuts this off, every video keeps a name by which the next run finds it again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG

import anyio

from klingflow import disk
from klingflow.decide.filing import Operation, arrival, far_sources, operations
from klingflow.ledger import files
from klingflow.ledger.lifecycle import placed
from klingflow.ledger.places import Site
from klingflow.ledger.store import Ledger
from klingflow.model import FileFact, Filing, Purchase
from klingflow.words import _, cause

_IN_USE = frozenset({32, 33})  # Windows: another program has the file open


async def settle(ledger: Ledger, site: Site, filing: Filing, now: Callable[[], str]) -> list[str]:
    """Make a filing true. Return what went wrong with single files, for people.

    Raises LedgerBroken; then no file was touched.
    """
    if far := far_sources(filing):
        try:
            await anyio.to_thread.run_sync(files.note, site, far)
        except OSError as error:
            return [
                _(
                    "{facts}: cannot be written, so no file was moved: {strerror}",
                    facts=site.facts,
                    strerror=cause(error),
                )
            ]
    book = ledger.book
    moved = [
        placed(book.purchases[uid], now(), output=output)
        for uid, output in filing.placed.items()
        if uid in book.purchases
    ]
    await record_all(ledger, moved)
    return await anyio.to_thread.run_sync(carry_out, site, filing)


async def deliver(
    ledger: Ledger, site: Site, purchase: Purchase, fact: FileFact, now: Callable[[], str]
) -> list[str]:
    """Give a video that was downloaded whole its place; what lies there makes room.

    Returns what went wrong, for people. Raises LedgerBroken.
    """
    output = purchase.output or ""
    there: dict[str, FileFact] = {}
    if _is_taken(site, output):  # seldom, and a thread costs more than the look
        there = await anyio.to_thread.run_sync(files.facts, site.folder, [output], None)
    filing = arrival(purchase, fact, there.get(output), ledger.book)
    return await settle(ledger, site, filing, now)


def _is_taken(site: Site, output: str) -> bool:
    return os.path.lexists(site.folder / output)


async def record_all(ledger: Ledger, purchases: Sequence[Purchase]) -> None:
    """Record them all by one fsync. Raises LedgerBroken."""
    if purchases:
        await ledger.record(*purchases)


def carry_out(site: Site, filing: Filing) -> list[str]:
    """Rename files by a filing whose places are recorded. Blocks. Return the troubles."""
    troubles: list[str] = []
    given_up: set[str] = set()
    moved: dict[str, FileFact] = {}
    for operation in operations(filing, secrets.token_hex(4)):
        if operation.source in given_up or (operation.kind == "drop" and troubles):
            continue
        trouble = _tried(site, operation)
        if trouble:
            troubles.append(trouble)
            given_up.add(operation.target)
        elif operation.kind == "put" and operation.fact:
            moved[operation.target] = operation.fact
    troubles += _synced(site.folder / path for path in moved)
    _remember(site, filing, moved)
    return troubles


def _remember(site: Site, filing: Filing, moved: Mapping[str, FileFact]) -> None:
    """Keep what is known of files at their new places; those left empty need no look any more."""
    done = replace(filing, steps=tuple(step for step in filing.steps if step.target in moved))
    files.remember(site.folder, moved, site.facts, far_sources(done))


def _tried(site: Site, operation: Operation) -> str | None:
    """Do one operation. Return what is wrong, for people."""
    source, target = site.folder / operation.source, site.folder / operation.target
    try:
        if wrong := _unmovable(site, operation):
            return wrong
        match operation.kind:
            case "copy":
                disk.make_folder(target.parent)
                disk.copy_new(source, target)
            case "rename":
                disk.make_folder(target.parent)
                disk.rename_new(source, target)
            case "put":
                disk.put_aside(target)
                disk.rename_new(source, target)
            case "drop":
                source.unlink(missing_ok=True)
    except OSError as error:
        return _said(operation, error)
    return None


def _unmovable(site: Site, operation: Operation) -> str | None:
    """Return why a file is left where it is: it is a link, or a link on its way leads out of its
    folder.
    """
    for path in filter(None, (operation.source, operation.target)):
        if site.leads_elsewhere(path):
            return _("{path} leads elsewhere by a link; nothing was moved", path=path)
    if operation.fact is None:
        return None
    stat = (site.folder / operation.source).lstat()
    if not S_ISREG(stat.st_mode):
        return _(
            "{source} is no plain file, and was not moved to {target}",
            source=operation.source,
            target=operation.target,
        )
    if stat.st_size != operation.fact.size_bytes:
        return _(
            "{source} has changed meanwhile, and was not moved; run again", source=operation.source
        )
    return None


def _said(operation: Operation, error: OSError) -> str:
    in_use = getattr(error, "winerror", None) in _IN_USE
    what = _("is in use by another program; close it and run again") if in_use else cause(error)
    return _(
        "{source} could not be moved to {target}: {what}",
        source=operation.source,
        target=operation.target,
        what=what or error,
    )


def _synced(paths: Iterable[Path]) -> Iterator[str]:
    """Make the names in the folders of these paths durable."""
    for folder in {path.parent for path in paths}:
        try:
            disk.sync_folder(folder)
        except OSError as error:
            yield _("{folder}: {error}", folder=folder, error=cause(error))

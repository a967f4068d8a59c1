"""`klingflow doctor`: what may be wrong with this installation, the key, the address and a
manifest's folder.

It asks the gateway one question that cannot cost anything: after a task that does not exist.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import anyio

from klingflow import __version__
from klingflow.api import loading
from klingflow.api.connecting import connect
from klingflow.errors import KlingflowError
from klingflow.gateway import key as keys
from klingflow.gateway import outcomes, replies
from klingflow.gateway.origin import in_clear_warning
from klingflow.ledger import store
from klingflow.ledger.problems import worded

_NO_TASK = "klingflow-doctor-asks-for-no-task"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined. `needed`: a run cannot do without it."""

    ok: bool
    text: str
    needed: bool = True


def examine(file: str | None) -> list[Finding]:
    """Everything worth knowing, in the order in which to mend it."""
    folder = Path(file).parent if file else Path()
    findings = [
        Finding(True, f"klingflow {__version__}, Python {sys.version.split()[0]}"),
        _media(),
    ]
    findings += _env_file(folder)
    base_url = None
    if file:
        try:
            manifest = loading.load(file)
        except KlingflowError as error:
            findings.append(
                Finding(False, f"{file} is not valid: klingflow validate {file} says why\n{error}")
            )
        else:
            base_url = manifest.gateway.base_url
            findings.append(Finding(True, f"{file}: {len(manifest.shots)} shots"))
            findings += _ledger(file)
            findings += _folder(folder)
    findings += _gateway(folder, base_url)
    return findings


def _media() -> Finding:
    if find_spec("av") and find_spec("PIL"):
        return Finding(
            True, "the media extra is installed: sandbox videos show their shot", needed=False
        )
    return Finding(
        False,
        "no media extra: sandbox videos are plain (pip install 'klingflow[media]')",
        needed=False,
    )


def _env_file(folder: Path) -> Iterator[Finding]:
    for path in keys.exposed(folder):
        yield Finding(False, keys.said_of_exposed(path), needed=False)


def _ledger(file: str) -> Iterator[Finding]:
    paths = store.ledger_paths(file)
    try:
        book = store.read(paths)
    except KlingflowError as error:
        yield Finding(False, str(error))
        return
    yield Finding(
        not book.problems,
        f"{paths.lock}: {len(book.purchases)} purchases, {len(book.problems)} problems",
    )
    for problem in book.problems:
        yield Finding(False, worded(problem), needed=False)


def _folder(folder: Path) -> Iterator[Finding]:
    if not os.access(folder or Path(), os.W_OK):
        yield Finding(
            False, f"{folder or '.'} cannot be written: the ledger and the videos go there"
        )
    attributes = next(
        (
            p / ".gitattributes"
            for p in (folder, *folder.resolve().parents)
            if (p / ".gitattributes").is_file()
        ),
        None,
    )
    if attributes is None or "merge=union" not in attributes.read_text(
        encoding="utf-8", errors="replace"
    ):
        yield Finding(
            False,
            "no .gitattributes with '*.lock merge=union': two branches' ledgers would conflict",
            needed=False,
        )


def _gateway(folder: Path, base_url: str | None) -> Iterator[Finding]:
    found = keys.settings(folder)
    address = found.get(keys.BASE_URL) or base_url
    if keys.KEY not in found:
        yield Finding(
            False,
            f"no key: set {keys.KEY} in the environment or in .env (not needed with --sandbox)",
        )
    if not address:
        yield Finding(
            False,
            f"no gateway: set {keys.BASE_URL} or gateway.base_url (not needed with --sandbox)",
        )
    if keys.KEY not in found or not address:
        return
    if warning := in_clear_warning(address):
        yield Finding(False, warning, needed=False)
    try:
        outcome = anyio.run(_ask, address, found[keys.KEY])
    except KlingflowError as error:
        yield Finding(False, str(error))
        return
    yield _verdict(address, outcome)


async def _ask(address: str, key: str) -> outcomes.QueryOutcome:
    async with connect(address, key) as gateway:
        return replies.read_query(await gateway.query(_NO_TASK), task_id=_NO_TASK)


def _verdict(address: str, outcome: outcomes.QueryOutcome) -> Finding:
    if isinstance(outcome, outcomes.NoSuchTask):
        return Finding(True, f"{address} answers, and takes the key")
    if isinstance(outcome, outcomes.Blind):
        return Finding(
            False, f"{address} refuses the key ({outcome.failure.kind}): {outcome.failure.message}"
        )
    reason = outcome.reason if isinstance(outcome, outcomes.Hiccup) else type(outcome).__name__
    return Finding(False, f"{address} does not answer as a gateway of videos: {reason}")

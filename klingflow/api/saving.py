"""Saved plans on disk: written once, read with distrust, and held against today's plans.

What a saved plan holds, and what makes it stale, is klingflow.results.saved_plan's to say.
"""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path

from klingflow import disk, plain_files
from klingflow.api.own_names import refuse_own_name
from klingflow.api.site import now
from klingflow.errors import UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.moments import in_utc
from klingflow.model import Plan
from klingflow.results import saved_plan
from klingflow.results.saved_plan import SavedPlan, Words
from klingflow.words import _, cause

_SHOWN = 10
_MAX_BYTES = 256 * 1024 * 1024


def save(path: str, plans: Sequence[Plan], words: Words, gateway: str) -> None:
    """Write plans to a file, durably. `gateway` is the address that the run will have, "" while it
    is not known.

    Raises UsageError where no gateway is known, where something else lies at `path` or klingflow
    gives such a name to another file, and where the file cannot be written.
    """
    if not gateway:
        raise UsageError(
            _(
                "a saved plan is for one gateway, and none is known: set KLINGFLOW_BASE_URL or pass"
                " --gateway URL, or --sandbox"
            )
        )
    refuse_own_name("-o", path)
    target = Path(path)
    by_file = {_relative(Path(plan.manifest.path), target.parent): plan for plan in plans}
    data = saved_plan.as_bytes(
        by_file, words, id=secrets.token_hex(8), made_at=now(), gateway=gateway
    )
    try:
        if target.exists():
            saved_plan.read(_read(target), path)
        disk.atomic_write(target, data)
    except UsageError as error:
        raise UsageError(
            _("{path} is there, and no saved plan; nothing was written", path=path)
        ) from error
    except OSError as error:
        raise UsageError(
            _("{path}: cannot be written: {error}", path=path, error=cause(error))
        ) from error


def load(path: str) -> SavedPlan:
    """Return a saved plan. Raises UsageError for a file that is none, or cannot be read."""
    try:
        return saved_plan.read(_read(Path(path)), path)
    except OSError as error:
        raise UsageError(
            _("{path}: cannot be read: {error}", path=path, error=cause(error))
        ) from error


def manifests_of(path: str, saved: SavedPlan) -> list[str]:
    """Return the paths of a saved plan's manifests, as they are from here. Raises UsageError for a
    text that no file system takes as a name.
    """
    if not all(map(_can_be_a_name, saved.films)):
        raise UsageError(_("{path} names a manifest by no path: make the plan again", path=path))
    return [_relative(Path(path).parent / file, Path()) for file in saved.films]


def check(
    path: str,
    saved: SavedPlan,
    plans: Sequence[Plan],
    books: Sequence[Book],
    gateway: str,
    also: Sequence[str] = (),
) -> None:
    """Raise UsageError for a saved plan that was used, or that is not today's plans any more.

    `plans` are today's, with what the caps leave out, and `books` their ledgers. `also` is what
    this run was told beside the plan's words, and another plan has to be told again.
    """
    files = [plan.manifest.path for plan in plans]
    again = _("make another: {command}", command=command(path, saved, files, also))
    for book in books:
        if at := book.plans.get(saved.id):
            raise UsageError(
                _(
                    "{path} was used at {at}, and a saved plan runs once; {again}",
                    path=path,
                    at=in_utc(at),
                    again=again,
                )
            )
    found = saved_plan.changes(saved, plans, gateway)
    if not found:
        return
    more = [_("… and {found} more", found=len(found) - _SHOWN)] if len(found) > _SHOWN else []
    raise UsageError(
        _(
            "{path} is stale: since it was made at {made_at}",
            path=path,
            made_at=in_utc(saved.made_at),
        ),
        *(_("  {line}", line=line) for line in (*found[:_SHOWN], *more)),
        _("Nothing was bought; {again}", again=again),
    )


def command(path: str, saved: SavedPlan, files: Sequence[str], also: Sequence[str] = ()) -> str:
    """Return the command that makes a plan by the same words again, and by those of `also`, as a
    shell reads it.
    """
    words = saved.words
    parts = ["klingflow", "plan", *files]
    for flag, texts in (("-s", words.select), ("--exclude", words.exclude)):
        for text in texts:
            parts += [flag, text]
    for what in words.rerun:
        parts += ["--rerun", what]
    for flag, cap in (
        ("--max-spend", words.max_spend),
        ("--max-tasks", words.max_tasks),
        ("--max-seconds", words.max_seconds),
    ):
        if cap is not None:
            parts += [flag, str(cap)]
    parts += ["--profile", words.profile] if words.profile else []
    parts += ["--approved", words.approved] if words.approved else []
    parts += ["--buy-again"] * words.buy_again + ["--sandbox"] * words.sandbox
    return shlex.join([*parts, *also, "-o", path])


def _can_be_a_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half a character
        return False


def _relative(file: Path, folder: Path) -> str:
    """Return a file's path relative to a folder, by the folders that both really lie in; whole
    where there is none, as between two drives.
    """
    whole = Path(os.path.realpath(file.parent)) / file.name
    try:
        return Path(os.path.relpath(whole, os.path.realpath(folder))).as_posix()
    except ValueError:
        return whole.as_posix()


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX_BYTES:
        raise UsageError(_("{path} is too large for a saved plan", path=path))
    return plain_files.read_whole(path)

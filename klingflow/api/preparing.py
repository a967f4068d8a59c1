"""Before a run: refuse what cannot be run as it is, and only then write the first thing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from klingflow.api.apart import check_apart
from klingflow.api.picking import name_purchases
from klingflow.decide.verbs import VERBS
from klingflow.errors import StoreAway, UsageError
from klingflow.gateway.secret import key_holder
from klingflow.ledger.boxes import is_begun
from klingflow.model import Limits, Manifest, Plan
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.runner.context import Job

# Open files of a process that does nothing yet, and of each ledger.
_FILES, _FILES_OF_A_LEDGER = 12, 4


def prepare(
    jobs: Sequence[Job], key: str, limits: Limits, used: str | None = None, *, buying: bool = True
) -> list[str]:
    """Refuse what cannot be run as it is, and then begin to write: the black box, the use of a
    saved plan, the purchases that picks name. Return what could not be named.

    Raises UsageError, and StoreAway where something is to be bought.
    """
    _refuse(jobs, key, limits)
    agreed = [job for job in jobs if is_agreed(job)]
    for job in jobs:
        _begin_box(job)
    if used:
        for job in jobs:
            job.ledger.use_plan(used)
    for job in agreed:
        _hand_in(job, buying=buying)
    return [why for job in jobs if (why := name_purchases(job.site, job.plan))]


def _refuse(jobs: Sequence[Job], key: str, limits: Limits) -> None:
    """Raise UsageError for jobs that cannot be run as they are. Nothing is written: a run that is
    refused leaves no trace in a black box.
    """
    check_apart([(job.site, job.plan.manifest) for job in jobs])
    for job in jobs:
        check_names(job.site.record(job.plan.manifest.name), _outputs(job.plan))
        if key:
            _check_key_apart(job.plan.manifest, key)
    _check_files(limits, len(jobs))


def is_agreed(job: Job) -> bool:
    """True if the user has agreed to what is done here: to work of the plan, or to that of an
    earlier run in this place. Until then nothing that the files of a folder say goes to a store:
    they may be from anywhere. Raises LedgerError.
    """
    box, lineage = job.site.paths.box, job.ledger.book.lineage
    return _has_work(job) or (box is not None and is_begun(box, lineage))


def _has_work(job: Job) -> bool:
    return any(VERBS[action.verb].work for action in job.plan.actions)


def _hand_in(job: Job, *, buying: bool) -> None:
    """Tell the store of claims what it does not know. Raises StoreAway where something is to be
    bought.
    """
    if job.claims is None:
        return
    try:
        anyio.run(job.claims.hand_in, job.ledger.book)
    except StoreAway:
        if buying:
            raise


def _begin_box(job: Job) -> None:
    """Hold the black box if there is something to record: the user has agreed."""
    box = job.site.paths.box
    if _has_work(job) or job.ledger.entered or (box is not None and box.same_film):
        job.ledger.begin_box()


def _outputs(plan: Plan) -> set[str]:
    """Return where the videos of a plan lie or will lie."""
    wanted = {action.shot.output for action in plan.actions if action.shot}
    return wanted | {action.purchase.output or "" for action in plan.actions if action.purchase}


def check_names(record: Path, outputs: Iterable[str]) -> None:
    """Raise UsageError where this process can give a file that is to be written no name: in a
    locale without UTF-8 a video would be paid for that cannot be kept.
    """
    for name in (str(record), *sorted(outputs)):
        try:
            os.fsencode(name)
        except UnicodeEncodeError as error:
            raise UsageError(
                _(
                    "{name} cannot be the name of a file here, because the locale's file names are"
                    " {encoding}; set PYTHONUTF8=1, or LC_ALL=C.UTF-8; nothing was bought",
                    name=name,
                    encoding=error.encoding,
                )
            ) from error


def _check_files(limits: Limits, ledgers: int) -> None:
    """Raise UsageError where the system allows fewer open files than the run may need at once: a
    ledger that cannot be opened any more could not keep what was bought.
    """
    if sys.platform == "win32":
        return
    import resource  # not there on Windows

    allowed, _unused = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES + _FILES_OF_A_LEDGER * ledgers + limits.connections + limits.downloads
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        raise UsageError(
            _(
                "the system allows {allowed} open files, and this run may need {needed}: allow more"
                " (ulimit -n 256), or set fewer connections; nothing was bought",
                allowed=allowed,
                needed=needed,
            )
        )


def _check_key_apart(manifest: Manifest, key: str) -> None:
    """Raise UsageError for a manifest that holds the key."""
    if holder := key_holder(manifest, key):
        raise UsageError(
            _(
                "{path}: {holder} holds the key, which would be written down and sent;"
                " take it out: it belongs into the environment or .env alone",
                path=manifest.path,
                holder=holder,
            )
        )

"""What a run and `fetch` do before they ask the gateway anything: purchases that move are recorded,
and files get the names that the plan says.
"""

from __future__ import annotations

from klingflow.api.site import now
from klingflow.decide.filing import filed
from klingflow.runner import settle as files
from klingflow.runner.context import Job


async def settle(job: Job) -> list[str]:
    """Make the plan's moves and filing true; the plan then has purchases as they stand. Return what
    went wrong with single files, for people.

    Raises LedgerBroken; then no file was touched.
    """
    await files.record_all(job.ledger, [move.purchase for move in job.plan.moves])
    if not job.plan.filing:
        return []
    troubles = await files.settle(job.ledger, job.site, job.plan.filing, now)
    job.plan = filed(job.plan, job.ledger.book)
    return troubles

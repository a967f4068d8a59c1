"""Downloads what is finished, one try at a time; when and from where is decided in
klingflow.decide.delivery. A download that failed is tried again, and can never buy anything.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from klingflow.decide.delivery import most_bytes
from klingflow.decide.schedule import Fetch
from klingflow.gateway import download
from klingflow.gateway.outcomes import Succeeded
from klingflow.gateway.query_replies import read_query
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import placed
from klingflow.ledger.places import Site
from klingflow.model import Failure, FileFact, Purchase
from klingflow.runner import look, settle
from klingflow.runner.context import Context
from klingflow.words import _, joined


async def fetch(context: Context, fetch: Fetch) -> None:
    """Try once to download. Raises LedgerBroken."""
    try:
        target, result = await _tried(context, fetch)
    finally:  # also where nobody foresaw it: the place is for the next download
        context.schedule.fetched()
    if result is None:
        return
    if isinstance(result, download.Downloaded):
        await _arrived(context, fetch, target, result)
    elif await _goes_on(context, fetch, target, result):
        return
    context.sending.arrived(fetch.job, fetch.purchase.uid)


async def _tried(context: Context, fetch: Fetch) -> tuple[Path, download.Result | None]:
    """Return where the video goes, and what became of one try."""
    shot = fetch.wanted.action.shot
    if shot and not fetch.purchase.output:  # known from a damaged line only, or from elsewhere
        fetch.purchase = placed(fetch.purchase, context.now(), output=shot.output)
    output = fetch.purchase.output or ""
    target = context.jobs[fetch.job].site.folder / output
    context.tell("downloading", fetch.wanted, uid=fetch.purchase.uid)
    unwritable = _unwritable(context.jobs[fetch.job].site, output)
    return target, unwritable or await _try(context, fetch, target)


async def _goes_on(
    context: Context,
    fetch: Fetch,
    target: Path,
    result: download.NotYet | download.DownloadFailed,
) -> bool:
    """Do what follows from a try that failed. Return True if there is another one."""
    fetch.delivery = fetch.delivery.failed(download.received_bytes(target))
    if isinstance(result, download.DownloadFailed) and result.permanent:
        context.tell("undelivered", fetch.wanted, uid=fetch.purchase.uid, reason=result.reason)
    elif fetch.delivery.is_over:
        await _give_up(context, fetch, result.reason)
    else:
        await _again(context, fetch, result)
        return True
    return False


def _unwritable(site: Site, output: str) -> download.Result | None:
    """Return why `output` is not written at all."""
    if not output:
        return download.DownloadFailed(_("the ledger does not say where its video goes"), True)
    if site.leads_elsewhere(output):
        reason = _("{output} leads elsewhere by a link", output=output)
        return download.DownloadFailed(reason, True)
    return None


async def _try(context: Context, fetch: Fetch, target: Path) -> download.Result | None:
    """Try once; return None where the run left it, and the next one goes on from there."""
    purchase, claims = fetch.purchase, context.jobs[fetch.job].claims
    if claims is not None and await claims.video(purchase, target):
        size_bytes, sha256 = purchase.size_bytes or 0, purchase.sha256 or ""
        return download.Downloaded(download.part_of(target), size_bytes, sha256)
    content = context.gateway.content_url(purchase.task_id or "")
    address = fetch.delivery.address(purchase.video_url, content)
    most = min(most_bytes(purchase.seconds), download.MAX_BYTES)
    with context.leaving():
        return await download.fetch(context.gateway, address, target, max_bytes=most)
    return None


async def _arrived(
    context: Context, fetch: Fetch, target: Path, result: download.Downloaded
) -> None:
    """Give the video its place, where the one that it replaces makes room; then write it down."""
    job = context.jobs[fetch.job]
    fact = FileFact(result.size_bytes, result.sha256)
    troubles = await settle.deliver(job.ledger, job.site, fetch.purchase, fact, context.now)
    if troubles:
        return context.tell(
            "undelivered", fetch.wanted, uid=fetch.purchase.uid, reason=joined("; ", troubles)
        )
    purchase = fetch.purchase
    if not _is_known(purchase, fact, job.ledger.book):
        facts = {"sha256": fact.sha256, "size_bytes": fact.size_bytes}
        purchase = await context.record(fetch.job, purchase, "downloaded", **facts)
    context.tell(
        "done", fetch.wanted, uid=purchase.uid, file=str(target), size_bytes=fact.size_bytes
    )
    look.arrived(context, fetch.wanted, purchase)


def _is_known(purchase: Purchase, fact: FileFact, book: Book) -> bool:
    """True if the ledger says already all that a download has shown. It is no news that a file was
    missing here: copies of a film whose ledgers say the same go on saying the same.
    """
    is_done = purchase.state == "done" and purchase.error is None
    is_same = (purchase.size_bytes, purchase.sha256) == (fact.size_bytes, fact.sha256)
    return is_done and is_same and book.purchases.get(purchase.uid) == purchase


async def _give_up(context: Context, fetch: Fetch, reason: str) -> None:
    if odd := (fetch.purchase.evidence or {}).get("video_url"):
        reason = _(
            "{reason}; in place of an address the gateway gave {odd!r}", reason=reason, odd=odd
        )
    failure = Failure("unknown", "undelivered", reason)
    await context.record(fetch.job, fetch.purchase, "undelivered", error=failure)
    context.tell("undelivered", fetch.wanted, uid=fetch.purchase.uid, reason=reason)


async def _again(
    context: Context, fetch: Fetch, result: download.NotYet | download.DownloadFailed
) -> None:
    if fetch.delivery.is_stale:
        await _renew(context, fetch)
    pause_s = fetch.delivery.pause_s(result.retry_after_s)
    context.tell(
        "download_retry",
        fetch.wanted,
        uid=fetch.purchase.uid,
        reason=result.reason,
        pause_s=round(pause_s, 3),
    )
    context.schedule.fetch(fetch, context.clock() + pause_s)


async def _renew(context: Context, fetch: Fetch) -> None:
    """Ask for the result's present address, where the polls leave room for it.

    What else the reply says is not news: the task has succeeded.
    """
    if not context.schedule.spare_poll(context.clock()):
        return
    task_id = fetch.purchase.task_id
    assert task_id is not None, "what succeeded has a task id"
    outcome = read_query(await context.gateway.query(task_id), task_id=task_id)
    if isinstance(outcome, Succeeded) and outcome.named and outcome.video_url:
        fetch.purchase = replace(fetch.purchase, video_url=outcome.video_url)

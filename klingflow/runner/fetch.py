"""Downloads what is finished. A failed download is tried again, and can never buy anything."""

from __future__ import annotations

from dataclasses import replace

from klingflow import disk
from klingflow.decide.schedule import Fetch
from klingflow.gateway import download, outcomes, replies
from klingflow.model import Failure
from klingflow.runner.context import Context

# Downloads of one file that brought nothing, in one run; `fetch` or the next run tries again.
_TRIES = 8
# At this many, the result's address is asked for anew: such addresses expire.
_STALE_AFTER = 2
# Seconds before the second try; each further pause doubles, so that a video which is not there for
# some seconds after its task has completed (gateway.md 4) is waited for, about a minute in all.
_FIRST_PAUSE_S = 0.5
# What a server may ask for at most.
_LONGEST_PAUSE_S = 60.0


async def fetch(context: Context, fetch: Fetch) -> None:
    """Try once to download. Raises LedgerBroken."""
    purchase = fetch.purchase
    output = purchase.output or (
        fetch.wanted.action.shot.output if fetch.wanted.action.shot else ""
    )
    context.tell("downloading", fetch.wanted)
    target = context.jobs[fetch.job].site.folder / output
    result: download.Result
    if not output:
        result = download.DownloadFailed(
            "the ledger does not say where its video goes", permanent=True
        )
    elif not disk.stays_below(context.jobs[fetch.job].site.folder, output):
        result = download.DownloadFailed(
            f"{output} leads elsewhere by a link below its first folder", True
        )
    else:
        result = await download.fetch(context.gateway, purchase, target, attempt=fetch.tries)
    context.schedule.fetched()
    if isinstance(result, download.Downloaded):
        await context.record(
            fetch.job,
            purchase,
            "downloaded",
            output=output,
            sha256=result.sha256,
            size_bytes=result.size_bytes,
        )
        context.tell("done", fetch.wanted, file=str(target), size_bytes=result.size_bytes)
        return
    received = download.received_bytes(target)
    if (
        received > fetch.received_bytes
    ):  # cut, but further than before: a slow server, not a dead one
        fetch.received_bytes, fetch.tries = received, 0
    fetch.tries += 1
    permanent = isinstance(result, download.DownloadFailed) and result.permanent
    if permanent or fetch.tries >= _TRIES:
        if not permanent:
            await context.record(
                fetch.job,
                purchase,
                "undelivered",
                error=Failure("unknown", "undelivered", result.reason),
            )
        context.tell("undelivered", fetch.wanted, reason=result.reason)
        return
    if fetch.tries == _STALE_AFTER:
        await _renew(context, fetch)
    pause_s = max(
        _FIRST_PAUSE_S * 2.0 ** (fetch.tries - 1),
        min(result.retry_after_s or 0.0, _LONGEST_PAUSE_S),
    )
    context.tell("download_retry", fetch.wanted, reason=result.reason, pause_s=round(pause_s, 3))
    context.schedule.fetch(fetch, context.clock() + pause_s)


async def _renew(context: Context, fetch: Fetch) -> None:
    """Ask for the result's present address, where the polls leave room for it. What else the reply
    says is not news: the task has succeeded.
    """
    if not context.schedule.spare_poll(context.clock()):
        return
    task_id = fetch.purchase.task_id
    assert task_id is not None, "what succeeded has a task id"
    outcome = replies.read_query(await context.gateway.query(task_id), task_id=task_id)
    if isinstance(outcome, outcomes.Succeeded) and outcome.named and outcome.video_url:
        fetch.purchase = replace(fetch.purchase, video_url=outcome.video_url)

"""What is taken from another shot's video for one that is to be bought: where it lies on this disk,
and which takes wait for it that do not allow what is wrong with it.

The video is the one of the purchase that stands in the body. What waits for it is decided in
klingflow.decide.sending.
"""

from __future__ import annotations

from collections.abc import Collection, Container
from pathlib import Path

from anyio import move_on_after, to_thread

from klingflow.assets.fitness import Kept, NotHad, forbidden
from klingflow.assets.reading_back import GIVE_UP_S, why_unreadable
from klingflow.decide.filing import fact_of
from klingflow.decide.schedule import Wanted
from klingflow.decide.sending import PieceOf
from klingflow.ledger import files
from klingflow.manifest.coerce import as_list
from klingflow.manifest.values import Fault
from klingflow.media.kept_frames import EXTRA, Untaken, kept_frame
from klingflow.media.process import can_decode
from klingflow.model import FileFact
from klingflow.runner.context import Context, Job
from klingflow.words import _


class ComesLater(Exception):
    """A video that is on its way to this disk: who needs it is asked again."""


async def address_of(context: Context, piece: PieceOf) -> str:
    """Return the address at which the gateway itself has a whole video; "" for a frame, and where
    no video answers there.
    """
    purchase = context.jobs[piece.job].ledger.book.purchases.get(piece.purchase)
    address = purchase.video_url if purchase else None
    if piece.frame or not address:
        return ""
    with move_on_after(GIVE_UP_S):
        if await why_unreadable(context.gateway, address) is None:
            return address
    return ""


async def kept(context: Context, piece: PieceOf) -> Kept:
    """Return a piece of a video as a file on this disk. A frame is taken, unless it is there.

    Raises ComesLater and NotHad.
    """
    if context.sending.wait(piece):  # before the look: the video may come during it
        raise ComesLater
    return await taken(context.jobs[piece.job], piece)


async def taken(job: Job, piece: PieceOf) -> Kept:
    """Return a piece of a video of a job's ledger as `kept` does. Raises NotHad."""
    fact = _fact(job, piece)
    video = await to_thread.run_sync(_video, job, piece, fact) if fact else None
    if fact is None or video is None:
        command = f"klingflow fetch {job.site.named}"
        raise NotHad(
            _(
                "needs its video, which is not on this disk; `{command}` tries to bring it",
                command=command,
            )
        )
    if not piece.frame:
        return Kept(video, fact.sha256)
    if not can_decode():
        raise NotHad(_("needs the media extra: {extra}", extra=EXTRA))
    try:
        frame = await kept_frame(video, piece.frame, job.site.frames / fact.sha256)
    except Untaken as error:
        raise NotHad(
            _("cannot be taken out of {name}: {error}", name=video.name, error=error)
        ) from error
    return Kept(frame.path, frame.sha256)


def unfit(context: Context, piece: PieceOf, found: Collection[Fault]) -> list[tuple[Wanted, str]]:
    """Return the takes that wait for a piece with these faults and do not allow each of them, with
    the first that they do not allow.
    """
    context.sending.allowed |= {piece.content} if found else set()
    told = ((w, forbidden(found, _allowed_by(w))) for w in context.sending.waiting_for(piece))
    return [(wanted, why) for wanted, why in told if why]


def _allowed_by(wanted: Wanted) -> Container[str]:
    shot = wanted.action.shot
    return as_list(shot.fields.get("allow")) if shot else ()


def _fact(job: Job, piece: PieceOf) -> FileFact | None:
    purchase = job.ledger.book.purchases.get(piece.purchase)
    return fact_of(purchase) if purchase else None


def _video(job: Job, piece: PieceOf, fact: FileFact) -> Path | None:
    """Return where a video lies: at its place, or where the plan found it. Every byte is read."""
    purchase = job.ledger.book.purchases[piece.purchase]
    seen = (path for path, found in job.plan.terms.files.items() if found == fact)
    for path in filter(None, (purchase.output, *seen)):
        is_ours = not job.site.leads_elsewhere(path)
        if is_ours and files.facts(job.site.folder, [path], None).get(path) == fact:
            return job.site.folder / path
    return None

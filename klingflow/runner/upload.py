"""Puts local files where the gateway can read them, before anything that needs one is bought: those
of the manifest, and what is taken from other shots' videos.
"""

from __future__ import annotations

from collections.abc import Collection

from klingflow.assets import uploading
from klingflow.assets.fitness import Kept, NotHad, faults
from klingflow.assets.reading_back import read_back
from klingflow.decide.sending import PieceOf, Sent
from klingflow.errors import NotStored
from klingflow.manifest.values import Fault
from klingflow.runner.chaining import ComesLater, address_of, kept, unfit
from klingflow.runner.context import Context
from klingflow.words import _


async def upload(context: Context, file: Sent) -> None:
    """Put one file into its store, and read it back over its public address.

    Takes that wait for nothing more are queued. Those that cannot be sent are reported.
    """
    name = None
    try:
        with context.leaving():
            name = await _put(context, file)
    except ComesLater:
        return
    except NotHad as error:
        return _failed(context, file, _("{named} {error}", named=file.named, error=error))
    except NotStored as error:
        if error.of_all:
            context.unstorable[file.job] = str(error)
        return _failed(
            context,
            file,
            _("{named} could not be uploaded: {error}", named=file.named, error=error),
        )
    if name is not None:
        for wanted in context.sending.put(file, name):
            context.schedule.want(wanted, released=wanted in context.sending.released)


async def _put(context: Context, file: Sent) -> str:
    """Return the file's name in its store, or the address at which the gateway reads it."""
    if not isinstance(file, PieceOf):
        path = context.jobs[file.job].site.folder / file.file
        return await _stored(context, file, Kept(path, file.sha256))
    if address := await address_of(context, file):
        return address
    piece = await kept(context, file)
    found = await faults(piece, file.named, is_frame=bool(file.frame))
    _judge(context, file, found)
    if not context.sending.waiting_for(file):
        raise NotHad(_("goes with no shot"))
    name = await _stored(context, file, piece)
    _judge(context, file, found)  # others may wait for it by now
    return name


def _judge(context: Context, file: PieceOf, found: Collection[Fault]) -> None:
    """Let no take wait for a piece that the service does not take, unless its shot allows that."""
    for wanted, why in unfit(context, file, found):
        context.sending.drop(wanted)
        context.tell("unsendable", wanted, reason=why)


async def _stored(context: Context, file: Sent, here: Kept) -> str:
    job = context.jobs[file.job]
    if job.store is None:
        raise NotStored(_("there is no store for local files"), of_all=True)
    if why := context.unstorable.get(file.job):
        raise NotStored(why)
    context.inform("uploading", file=file.named)
    taken = await uploading.put(job.store, here.path, file.named, here.sha256)
    await read_back(context.gateway, job.store.address(taken.name), taken)
    context.inform("uploaded", file=file.named, size_bytes=taken.size_bytes)
    return taken.name


def _failed(context: Context, file: Sent, reason: str) -> None:
    for wanted in context.sending.failed(file):
        context.tell("unsendable", wanted, reason=reason)

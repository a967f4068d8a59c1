"""One try at fetching one video, from the gateway to a whole file beside its place. A try can never
buy anything.

The bytes go to `<target>.part`, which is whole and on the disk once a try has succeeded; the caller
gives it its name. A later try goes on where an earlier one ended, if the server honours Range.
Relays drop ETags, so the bytes tell that it is still the same video: those that a resumed transfer
sends again must equal those that are here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio

from klingflow.disk import make_folder, sync, write_all
from klingflow.gateway import mp4
from klingflow.gateway.http import Gateway
from klingflow.gateway.outcomes import NoReply
from klingflow.gateway.payload import clean, error_of, retry_after_s
from klingflow.gateway.reading import Cut, Stream, content_range, whole_size
from klingflow.plain_files import is_link, open_itself
from klingflow.words import _, cause

MAX_BYTES = 4 * 1024**3
DEADLINE_S = 3600.0
OVERLAP_BYTES = 64 * 1024
# Where a server states no size, the disk is asked for room this often; so much stays free.
_LOOK_EVERY_BYTES, _KEPT_FREE_BYTES = 16 * 1024**2, 8 * 1024**2
_OPEN = os.O_RDWR | os.O_CREAT
_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
# What the content route of a finished task says while the video is not there yet (gateway.md 4).
_NOT_READY = frozenset({202, 204, 404, 409, 425})


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The video is whole and on the disk, in the file `path`."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """The server has no video to give at this moment."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class DownloadFailed:
    """This try failed. `permanent`: so would any other, because the reason lies on this side."""

    reason: str
    permanent: bool = False
    retry_after_s: float | None = None


Result = Downloaded | NotYet | DownloadFailed


class _Failed(Exception):
    def __init__(self, result: NotYet | DownloadFailed) -> None:
        self.result = result


async def fetch(
    gateway: Gateway,
    url: str,
    target: Path,
    *,
    max_bytes: int = MAX_BYTES,
    deadline_s: float = DEADLINE_S,
) -> Result:
    """Fetch the video at `url` to the file beside `target` that a download has (`part_of`).

    Nothing is kept of one of more than `max_bytes`. Where the task is cancelled, what has come
    stays for a later try.
    """
    try:
        with _open_part(target, max_bytes) as part, anyio.move_on_after(deadline_s):
            await _transfer(gateway, url, part)
            with anyio.CancelScope(shield=True):  # the video is here: who leaves now takes it along
                return await anyio.to_thread.run_sync(part.finish)
    except _Failed as failed:
        return failed.result
    except Cut as cut:
        return DownloadFailed(str(cut))
    except OSError as error:
        where = error.filename or target  # what is in the way may be the unfinished file
        return DownloadFailed(
            _("{target}: {error}", target=where, error=cause(error)), permanent=True
        )
    return DownloadFailed(
        _("not finished after {deadline_s:g} minutes", deadline_s=deadline_s / 60)
    )


class _Part:
    """The unfinished file. `size` bytes are here; `total` is what the server has, if it says so."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._fd = _opened(path)
        self._room = 0  # bytes that may be written before the disk is asked again
        self.size = os.fstat(self._fd).st_size
        self.total: int | None = None
        if self.size > max_bytes:
            self.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        os.close(self._fd)
        # On a full disk the ledger needs the room more than half a video does.
        if self.size == 0 or (isinstance(error, OSError) and error.errno in _NO_ROOM):
            self._path.unlink(missing_ok=True)

    def tail(self) -> bytes:
        """Return the last bytes, with which a resumed transfer must begin."""
        os.lseek(self._fd, max(0, self.size - OVERLAP_BYTES), os.SEEK_SET)
        return os.read(self._fd, OVERLAP_BYTES)

    def restart(self) -> None:
        """Forget what is here."""
        if self.size == 0:
            return
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def expect(self, total: int | None) -> None:
        """Take note of the size that the server states. Raises _Failed for one that is too large,
        or has no room on this disk.
        """
        self.total = total
        if total is not None:
            self._refuse_over(total)
            self._need(total - self.size)

    def write(self, data: bytes) -> None:
        """Append `data`. Raises _Failed for a video that is too long, OSError."""
        self._refuse_over(self.size + len(data))
        if self._room < len(data):
            self._need(_LOOK_EVERY_BYTES + len(data))
        write_all(self._fd, data)
        self._room -= len(data)
        self.size += len(data)

    def _refuse_over(self, size: int) -> None:
        if size > self._max_bytes:
            self.restart()
            raise _Failed(
                DownloadFailed(
                    _("longer than {max_bytes} bytes", max_bytes=self._max_bytes), permanent=True
                )
            )

    def _need(self, size: int) -> None:
        """Refuse to fill the disk, on which the ledger has to be written too."""
        free = shutil.disk_usage(self._path.parent).free
        if size + _KEPT_FREE_BYTES > free:
            self.restart()
            said = _(
                "no room: the disk has {free} MiB left, and the video needs more", free=free >> 20
            )
            raise _Failed(DownloadFailed(said, permanent=True))
        self._room = size

    def finish(self) -> Downloaded:
        """Check and sync. Blocks; raises OSError."""
        if self.total is not None and self.size != self.total:
            raise _Failed(
                DownloadFailed(
                    _("cut short at {size} of {total} bytes", size=self.size, total=self.total)
                )
            )
        wrong = mp4.check(self._path, all_here=self.total is not None)
        if wrong is not None:
            if self.total is not None:
                self.restart()  # all bytes are here, and they are no video: going on cannot help
            raise _Failed(DownloadFailed(wrong))
        sync(self._fd)
        return Downloaded(self._path, self.size, _sha256(self._path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_part(target: Path, max_bytes: int) -> _Part:
    if is_link(target):
        reason = _("{name} is a symbolic link, and is not written through", name=target.name)
        raise _Failed(DownloadFailed(reason, permanent=True))
    make_folder(target.parent)
    return _Part(part_of(target), max_bytes)


def _opened(path: Path) -> int:
    """Open a `.part`, made if need be. One that has another name (a hard link) is another file,
    which stays as it is.
    """
    fd = open_itself(path, _OPEN)
    if os.fstat(fd).st_nlink < 2:
        return fd
    os.close(fd)
    path.unlink()
    return open_itself(path, _OPEN | os.O_EXCL)


def part_of(target: Path) -> Path:
    """Return where the bytes go until they are a whole video."""
    return target.with_name(f"{target.name}.part")


def received_bytes(target: Path) -> int:
    """Return how much of a video is here already; this tells a slow server from a dead one."""
    try:
        return part_of(target).stat().st_size
    except OSError:
        return 0


async def _transfer(gateway: Gateway, url: str, part: _Part) -> None:
    """Write to `part` all that the server sends. Raises _Failed, Cut, OSError."""
    tail = part.tail() if part.size > OVERLAP_BYTES else b""
    headers = {"range": f"bytes={part.size - len(tail)}-"} if tail else {}
    async with gateway.open(url, headers) as stream:
        if isinstance(stream, NoReply):
            raise _Failed(DownloadFailed(stream.reason))
        if stream.status == 206 and tail:
            await _resume(stream, part, tail)
        else:
            await _start(stream, part)
        while piece := await stream.read():
            part.write(piece)


async def _start(stream: Stream, part: _Part) -> None:
    """Write the first bytes of a whole video, if they are a video's. Raises _Failed."""
    total = whole_size(stream)
    is_whole_part = stream.status == 206 and total is not None
    if stream.status not in (200, 203) and not is_whole_part:
        if stream.status == 416:
            part.restart()
        raise _Failed(await _refusal(stream))
    if name := stream.unknown_packing:
        reason = _("the video came packed as {name}, which klingflow does not unpack", name=name)
        raise _Failed(DownloadFailed(reason))
    head = await stream.at_least(12)
    if head[4:8] != b"ftyp":
        raise _Failed(await _no_video(stream, head))
    part.restart()
    part.expect(None if stream.is_packed else total)
    part.write(head)


async def _resume(stream: Stream, part: _Part, tail: bytes) -> None:
    """Go on where `part` ends, if the server's bytes overlap with those that are here."""
    first, total = content_range(stream)
    try:
        again = await stream.at_least(len(tail))
    except Cut:
        if stream.is_packed:  # perhaps a piece of the packed bytes, which follows on from nothing
            part.restart()
        raise
    if first != part.size - len(tail) or not again.startswith(tail):
        part.restart()
        reason = _("the server's bytes do not follow on from those here; starting over")
        raise _Failed(DownloadFailed(reason))
    part.expect(None if stream.is_packed else total)
    part.write(again[len(tail) :])


async def _refusal(stream: Stream) -> NotYet | DownloadFailed:
    error = error_of(await stream.words())
    reason = _("HTTP {status}", status=stream.status) + (
        _(": {text}", text=error.text) if error else ""
    )
    kind = NotYet if stream.status in _NOT_READY else DownloadFailed
    return kind(reason, retry_after_s=retry_after_s(stream.headers))


async def _no_video(stream: Stream, head: bytes) -> NotYet:
    """Return what to say of a good status without a video; `head` has been read."""
    error = error_of(await stream.words(head))
    said = " ".join(error).strip() if error else clean(stream.headers.get("content-type", ""), 80)
    return NotYet(
        _("no video yet: {said}", said=said or _("nothing")), retry_after_s(stream.headers)
    )

"""One try at fetching one video, from the gateway to a whole file under its name. It can never buy
anything.

The bytes go to `<target>.part`, which only becomes the target when it is a whole MP4 and on the
disk. What is left of an earlier try is gone on with where the server honours Range. Whether that is
still the same video is not asked of ETags, which relays drop, but of the bytes: the resumed part
overlaps what is here, and has to be equal.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio

from klingflow.disk import make_folder, sync_folder, write_all
from klingflow.gateway import mp4
from klingflow.gateway.http import Cut, Gateway, Stream
from klingflow.gateway.outcomes import NoReply
from klingflow.gateway.payload import clean, error_of, retry_after_s

MAX_BYTES = 4 * 1024**3
DEADLINE_S = 3600.0
OVERLAP_BYTES = 64 * 1024
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
# What a finished task's content route says while the video is still on its way to it.
_NOT_READY = frozenset({202, 204, 404, 409, 425})


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The video is whole, under its name and on the disk."""

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
    """This try failed; `permanent` where another would too, because the reason lies on this side."""

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
    """Fetch the video at `url` to `target`."""
    try:
        with _open_part(target, max_bytes) as part, anyio.move_on_after(deadline_s):
            await _transfer(gateway, url, part)
            return await anyio.to_thread.run_sync(part.become, target)
    except _Failed as failed:
        return failed.result
    except Cut as cut:
        return DownloadFailed(str(cut))
    except OSError as error:
        return DownloadFailed(f"{target}: {error.strerror or error}", permanent=True)
    return DownloadFailed(f"not finished after {deadline_s / 60:g} minutes")


class _Part:
    """The unfinished file: `size` bytes of it are here, of `total` where the server has said so."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._fd = os.open(path, _OPEN, 0o666)
        self.size = os.fstat(self._fd).st_size
        self.total: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        os.close(self._fd)
        # On a full disk the ledger needs the room more than half a video does.
        if self.size == 0 or (isinstance(error, OSError) and error.errno in _NO_ROOM):
            self._path.unlink(missing_ok=True)

    def tail(self) -> bytes:
        """The last bytes, to be compared with what a resumed transfer begins with."""
        os.lseek(self._fd, max(0, self.size - OVERLAP_BYTES), os.SEEK_SET)
        return os.read(self._fd, OVERLAP_BYTES)

    def restart(self) -> None:
        """Forget what is here."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def write(self, data: bytes) -> None:
        """Go on at the end."""
        if self.size + len(data) > self._max_bytes:
            self.restart()
            raise _Failed(DownloadFailed(f"longer than {self._max_bytes} bytes", permanent=True))
        write_all(self._fd, data)
        self.size += len(data)

    def become(self, target: Path) -> Downloaded:
        """Check, sync and rename. Blocks; raises OSError."""
        if self.total is not None and self.size != self.total:
            raise _Failed(DownloadFailed(f"cut short at {self.size} of {self.total} bytes"))
        wrong = mp4.check(self._path, all_here=self.total is not None)
        if wrong is not None:
            if self.total is not None:
                self.restart()  # all bytes are here, and they are no video: going on cannot help
            raise _Failed(DownloadFailed(wrong))
        os.fsync(self._fd)
        sha256 = _sha256(self._path)
        # Not known to be what was bought, or it would not be fetched: perhaps somebody's own work.
        # But it may also be the very video, of a run that died before it could say so.
        if target.exists() and not (target.is_file() and _sha256(target) == sha256):
            target.replace(target.with_name(f"{target.name}.bak"))
        self._path.replace(target)
        sync_folder(target.parent)
        return Downloaded(target, self.size, sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_part(target: Path, max_bytes: int) -> _Part:
    if target.is_symlink():
        reason = f"{target.name} is a symbolic link, and is not written through"
        raise _Failed(DownloadFailed(reason, permanent=True))
    make_folder(target.parent)
    return _Part(_part_of(target), max_bytes)


def _part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def received_bytes(target: Path) -> int:
    """How much of a video is here already, for telling a slow server from a dead one."""
    try:
        return _part_of(target).stat().st_size
    except OSError:
        return 0


async def _transfer(gateway: Gateway, url: str, part: _Part) -> None:
    """Bring `part` to the end of what the server sends."""
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
    """Take the first bytes of a whole video, after looking whether they are one."""
    total = _size_of_all(stream)
    if stream.status not in (200, 203) and (stream.status != 206 or total is None):
        if stream.status == 416:
            part.restart()
        raise _Failed(await _refusal(stream))
    head = await stream.at_least(12)
    if head[4:8] != b"ftyp":
        error = error_of(await stream.words(head))
        said = (
            f"{error[0]} {error[1]}".strip()
            if error
            else clean(stream.headers.get("content-type", ""), 80)
        )
        raise _Failed(NotYet(f"no video yet: {said or 'nothing'}", retry_after_s(stream.headers)))
    part.restart()
    part.total = total
    part.write(head)


async def _resume(stream: Stream, part: _Part, tail: bytes) -> None:
    """Go on where `part` ends, if the server's bytes overlap with those that are here."""
    found = _range(stream.headers.get("content-range", ""))
    again = await stream.at_least(len(tail))
    if found is None or found[0] != part.size - len(tail) or not again.startswith(tail):
        part.restart()
        raise _Failed(
            DownloadFailed("the server's bytes do not follow on from those here; starting over")
        )
    part.total = found[1]
    part.write(again[len(tail) :])


async def _refusal(stream: Stream) -> NotYet | DownloadFailed:
    error = error_of(await stream.words())
    reason = f"HTTP {stream.status}" + (f": {error[1] or error[0]}" if error else "")
    kind = NotYet if stream.status in _NOT_READY else DownloadFailed
    return kind(reason, retry_after_s=retry_after_s(stream.headers))


def _size_of_all(stream: Stream) -> int | None:
    """How long the whole video is that a reply brings, as far as it says; None where it brings a
    part of one.
    """
    if stream.status == 206:  # of a relay that asks for a range by itself
        first, size = _range(stream.headers.get("content-range", "")) or (None, None)
        return size if first == 0 else None
    if "transfer-encoding" in stream.headers:  # which overrides a length (RFC 9112, 6.3)
        return None
    return _size(stream.headers.get("content-length", ""))


def _size(text: str) -> int | None:
    """A number of bytes from a header; longer ones are nobody's, and Python refuses to read 5,000
    digits.
    """
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _range(text: str) -> tuple[int, int | None] | None:
    """(first byte, whole size where it is given) from a Content-Range."""
    found = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", text)
    return (int(found[1]), _size(found[2])) if found else None

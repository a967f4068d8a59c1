"""Local files looked at: what each is, its size and its SHA-256. Nothing is sent.

A cache in the user's state folder saves hashing a file again while its size, its times and its
number on the disk are the same. It holds no path and no text of a folder, so that no folder can
make another one's file look different. A cache that cannot be read or written is only slow.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

from klingflow import disk, plain_files
from klingflow.assets.pictures import picture
from klingflow.model import LocalFile
from klingflow.words import _

# A file changed twice within one tick of the file system's clock keeps its time; git waits as long.
_SETTLED_NS = 2_000_000_000
_ENTRIES_MOST = 20_000
# Ten times what the service takes of a video. A larger file may be one of holes alone, which costs
# the folder that brings it nothing, and hours to hash.
_BYTES_MOST = 1 << 30
_THREADS = 4
# size, mtime and ctime in ns, sha256, suffix, width, height
_FORM: Final = (int, int, int, str, str, int, int)

Entries = dict[str, list[Any]]  # by device and number of the file


def look(
    places: Mapping[str, Path | OSError], cache: Path | None
) -> dict[str, LocalFile | OSError]:
    """Return what each file is, by the name it is asked for by; an error for what cannot be read.

    `places` says where each lies, or why it is not to be looked at. `cache` is a file; nothing is
    written where its folder does not exist.
    """
    looker = _Looker(_cached(cache) if cache else {})
    known = ((name, looker.remembered(name, place)) for name, place in places.items())
    found: dict[str, LocalFile | OSError] = {name: file for name, file in known if file}
    if unknown := {name: place for name, place in places.items() if name not in found}:
        with ThreadPoolExecutor(_THREADS) as pool:  # hashing lets other threads run
            found |= pool.map(looker.one, unknown.items())
    if cache and looker.fresh:
        _keep(cache, looker.known | looker.fresh)
    return found


class _Looker:
    """What the cache knows, and what is to be kept of this look."""

    def __init__(self, known: Entries) -> None:
        self.known = known
        self.fresh: Entries = {}

    def remembered(self, name: str, place: Path | OSError) -> LocalFile | None:
        """Return a file that has not changed since it was hashed; None for any other."""
        if isinstance(place, OSError) or not self.known:
            return None
        try:
            stat = _stat(place)
        except (OSError, ValueError):
            return None
        entry = self.known.get(_number(stat))
        return _file(name, entry) if entry and entry[:3] == _stamp(stat) else None

    def one(self, item: tuple[str, Path | OSError]) -> tuple[str, LocalFile | OSError]:
        name, place = item
        if isinstance(place, OSError):
            return name, place
        try:
            with os.fdopen(os.open(place, _READ), "rb") as file:
                return name, self._look(name, file)
        except OSError as error:
            return name, error
        except ValueError:  # Python's word for NUL, and for half a character
            return name, OSError(_("no file system has a file of such a name"))

    def _look(self, name: str, file: BufferedReader) -> LocalFile:
        stat = os.fstat(file.fileno())
        if not S_ISREG(stat.st_mode):  # a device has no end
            raise OSError(_("it is no regular file"))
        if stat.st_size > _BYTES_MOST:
            raise OSError(_("larger than {bytes_most} MB", bytes_most=_BYTES_MOST >> 20))
        stamp = _stamp(stat)
        entry = [*stamp, *_read(file)]
        is_still = _stamp(os.fstat(file.fileno())) == stamp
        if is_still and time.time_ns() - max(stamp[1:]) > _SETTLED_NS:
            self.fresh[_number(stat)] = entry
        return _file(name, entry)


_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _stat(place: Path) -> os.stat_result:
    """Return what is known of a file that can be opened. Raises OSError and ValueError."""
    fd = os.open(place, _READ)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _file(name: str, entry: list[Any]) -> LocalFile:
    size, _unused, _unused, sha256, suffix, width, height = entry
    return LocalFile(name, size, sha256, suffix, width, height)


def _number(stat: os.stat_result) -> str:
    return f"{stat.st_dev}:{stat.st_ino}"


def _stamp(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _read(file: BufferedReader) -> list[Any]:
    """Return a file's hash, and what it is."""

    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    what = picture(read)
    file.seek(0)
    return [hashlib.file_digest(file, "sha256").hexdigest(), *what]


def _cached(cache: Path) -> Entries:
    try:
        entries = json.loads(plain_files.read_whole(cache))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {number: entry for number, entry in entries.items() if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and tuple(map(type, entry)) == _FORM


def _keep(cache: Path, entries: Entries) -> None:
    """Write the newest entries."""
    newest = dict(list(entries.items())[-_ENTRIES_MOST:])
    if cache.parent.is_dir():
        try:
            disk.atomic_write(cache, json.dumps(newest).encode())
        except (OSError, ValueError):
            return

"""What is known of the videos on disk, without reading them again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISREG
from typing import Any

from klingflow.disk import atomic_write, read_whole
from klingflow.model import FileFact

# A file changed twice within one tick of the file system's clock keeps its time; git waits as long.
_SETTLED_NS = 2_000_000_000


def facts(folder: Path, paths: Iterable[str], cache: Path | None) -> dict[str, FileFact]:
    """Size and SHA-256 of those of `paths` (relative to `folder`) that are files.

    `cache` is a file that saves hashing them again while size and times are the same. Without a
    cache every file is read, and nothing is written.
    """
    old = _cached(cache) if cache else {}
    wanted = set(paths)
    known: dict[str, FileFact] = {}
    new = {path: entry for path, entry in old.items() if path not in wanted}
    now_ns = time.time_ns()
    for path in wanted:
        entry = _look(folder / path, old.get(path))
        if entry is None:
            continue
        size, modified_ns, changed_ns, _, sha256 = entry
        known[path] = FileFact(size, sha256)
        if now_ns - max(modified_ns, changed_ns) > _SETTLED_NS:
            new[path] = entry
    if cache and new != old:
        _keep(cache, new)
    return known


def _look(path: Path, remembered: list[Any] | None) -> list[Any] | None:
    """Return size, times, inode and hash of a file; None where there is none that can be read."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # a device has no end
            return None
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        is_as_it_was = remembered is not None and remembered[:4] == stamp
        return remembered if is_as_it_was else [*stamp, _sha256(path)]
    except (OSError, ValueError):  # absent, a folder, unreadable, or no path at all
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(cache: Path) -> dict[str, list[Any]]:
    try:
        entries = json.loads(read_whole(cache))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {
        k: v
        for k, v in entries.items()
        if isinstance(v, list) and len(v) == 5 and isinstance(v[4], str)
    }


def _keep(cache: Path, entries: dict[str, list[Any]]) -> None:
    """A cache that cannot be written is only slow."""
    if cache.parent.is_dir():
        try:
            atomic_write(cache, json.dumps(entries, ensure_ascii=False).encode())
        except (OSError, ValueError):
            return

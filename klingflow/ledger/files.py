"""What is known of the videos on disk, without reading them again; and where those lie that are not
where the ledger has them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

from klingflow.disk import atomic_write
from klingflow.ledger.places import Site
from klingflow.ledger.records import EARLIER, is_output
from klingflow.model import FileFact
from klingflow.plain_files import read_whole

# A file changed twice within one tick of the file system's clock keeps its time; git waits as long.
_SETTLED_NS = 2_000_000_000
# The entry of a path to look at, of whose file nothing is known: no file has such times.
_NAME: list[Any] = [0, 0, 0, 0, ""]


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
        elif path in old:
            new[path] = _NAME
    if cache and new != old:
        _keep(cache, new)
    return known


def search(
    site: Site, lost: Set[FileFact], outputs: Iterable[str], is_ours: Callable[[str], bool]
) -> dict[str, FileFact]:
    """Find videos under names that the ledger does not have them by. Return facts by path.

    Looked at are `outputs`, whatever `is_ours` in their folders and in `earlier/` beside them, and
    the paths that the site's cache remembers. Only files of a size that is looked for are read.
    """
    if not lost:
        return {}
    candidates = _candidates(site, set(outputs), is_ours)
    sizes = {fact.size_bytes for fact in lost}
    fitting = [path for path in candidates if _size(site.folder / path) in sizes]
    found = facts(site.folder, fitting, site.facts)
    return {path: fact for path, fact in found.items() if fact in lost}


def _candidates(site: Site, outputs: set[str], is_ours: Callable[[str], bool]) -> set[str]:
    """Return the paths under which a video may lie; none leads out of the manifest's folder."""
    candidates = set(outputs)
    for at in _beside(outputs):
        if not site.leads_elsewhere(_below(at, "x")):
            candidates.update(filter(is_ours, _in(site.folder, at)))
    for path in _cached(site.facts):
        if _is_safe(path, is_ours) and not site.leads_elsewhere(path):
            candidates.add(path)
    return candidates


def _beside(outputs: Iterable[str]) -> set[str]:
    """Return the folders of these outputs, each with its `earlier/`, and for an `earlier/` the
    folder that it lies in. The manifest's own folder is "".
    """
    folders = {path.rpartition("/")[0] for path in outputs}
    folders |= {at.removesuffix(EARLIER).removesuffix("/") for at in folders}
    return folders | {_below(at, EARLIER) for at in folders}


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_safe(path: str, is_ours: Callable[[str], bool]) -> bool:
    """True if a path that anybody may have written is that of a video, or of what `is_ours`."""
    folder, slash, _ = path.rpartition("/")
    is_name = is_ours(path) and not any(sign in path for sign in "\\:")
    return is_output(path) or (is_name and is_output(f"{folder}{slash}x.mp4"))


def _in(folder: Path, at: str) -> Iterator[str]:
    """Yield the names in a folder, as paths."""
    with suppress(OSError, ValueError):
        for path in (folder / at).iterdir():
            yield _below(at, path.name)


def _size(path: Path) -> int | None:
    """Return the size of a file; None where there is none, for a link, and for what is no file."""
    try:
        stat = path.lstat()
    except (OSError, ValueError):
        return None
    return stat.st_size if S_ISREG(stat.st_mode) else None


def remember(
    folder: Path, moved: Mapping[str, FileFact], cache: Path, left: Iterable[str] = ()
) -> None:
    """Keep what is known of files that just got these paths, so that they are not read again: a new
    name changes a file's times. `left` are paths that need not be looked at any more.
    """
    now_ns = time.time_ns()
    known: dict[str, list[Any]] = {}
    for path, fact in moved.items():
        with suppress(OSError):
            stat = (folder / path).lstat()
            # A later change would leave another time than this one.
            if stat.st_size == fact.size_bytes and now_ns - stat.st_mtime_ns > _SETTLED_NS:
                known[path] = [*_stamp(stat), fact.sha256]
    gone = {*left}.difference(known)
    if not known and not gone:
        return
    kept: dict[str, list[Any]] = {}
    for path, entry in (_cached(cache) | known).items():
        is_gone = path in gone or (entry == _NAME and not (folder / path).exists())
        if not is_gone:
            kept[path] = entry
    _keep(cache, kept)


def note(site: Site, paths: Iterable[str]) -> None:
    """Let `search` look at these paths too, durably, whatever becomes of the ledger's own names.
    Raises OSError.
    """
    entries = _cached(site.facts)
    if new := {path: _NAME for path in paths if path not in entries}:
        text = json.dumps(entries | new, ensure_ascii=False)
        atomic_write(site.facts, text.encode())


def _stamp(stat: os.stat_result) -> list[Any]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _look(path: Path, remembered: list[Any] | None) -> list[Any] | None:
    """Return size, times, inode and hash of a file; None where there is none that can be read."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # a device has no end
            return None
        stamp = _stamp(stat)
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
    return {path: entry for path, entry in entries.items() if _is_entry(entry)}


def _is_entry(value: object) -> bool:
    return isinstance(value, list) and len(value) == 5 and isinstance(value[4], str)


def _keep(cache: Path, entries: dict[str, list[Any]]) -> None:
    """Write the cache. If it cannot be written, hashing is only slow."""
    if cache.parent.is_dir():
        try:
            atomic_write(cache, json.dumps(entries, ensure_ascii=False).encode())
        except (OSError, ValueError):
            return

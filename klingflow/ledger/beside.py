"""What the other manifests of a folder hold: the videos in their locks, and their records.

Only locks are read whose manifest is there, and of each line only where its video lies. What is
read may be anybody's word: it can keep a run from writing, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from klingflow.disk import read_whole
from klingflow.ledger.places import Site, manifest_called
from klingflow.ledger.traces import outputs_in, text_at
from klingflow.manifest.identity import same_file

_MANIFEST = re.compile(rb'"manifest":\s*("(?:[^"\\]|\\.)*")')
_HEAD_BYTES = 1 << 16  # of a record; the manifest is among its first fields


@dataclass(frozen=True, slots=True)
class Holding:
    """Another manifest of the folder. `outputs` are those of its purchases, as `same_file` has
    them.
    """

    manifest: Path
    lock: Path
    outputs: frozenset[str]


def holdings(site: Site) -> list[Holding]:
    """Return the other manifests of a site's folder that have a lock, by their names. A lock that
    cannot be read holds nothing.
    """
    found = []
    for lock in other_locks(site):
        manifest = manifest_called(site.folder, lock.stem)
        if not manifest.exists():
            continue
        try:
            data = read_whole(lock)
        except OSError:
            continue
        found.append(Holding(manifest, lock, frozenset(map(same_file, outputs_in(data)))))
    return found


def other_locks(site: Site) -> list[Path]:
    """Return the locks beside a site's own, by their names."""
    lock = site.paths.lock
    return [path for path in sorted(lock.parent.glob("*.lock")) if path != lock]


def keeper(record: Path) -> str | None:
    """Return the name of the manifest whose record lies at `record`, "" for one that does not say
    so; None where there is none.
    """
    try:
        with record.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    found = _MANIFEST.search(head)
    return Path(text_at(found[1]) or "").name if found else ""


def of_others(site: Site, paths: Iterable[str]) -> set[str]:
    """Return those of `paths` (relative to the manifest's folder) that another manifest has: by its
    lock beside this one, or because they lie in a folder below with a ledger of its own.
    """
    held = frozenset[str]().union(*(one.outputs for one in holdings(site)))
    return {path for path in paths if same_file(path) in held or _is_apart(site.folder, path)}


def _is_apart(folder: Path, path: str) -> bool:
    """True if a folder on the way to `path` has a ledger."""
    parents = Path(path).parents
    return any((folder / at / ".klingflow").is_dir() for at in parents if at != Path())

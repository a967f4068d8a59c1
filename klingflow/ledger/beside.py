"""What the other manifests of a folder hold: the videos in their locks, and their records.

Only locks are read whose manifest is there, and of each line only where its video lies. Anybody may
have written them: they can keep a run from writing, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from klingflow.disk import read_whole
from klingflow.ledger.places import PRUNED, Site, manifest_called
from klingflow.ledger.traces import outputs_in, text_at
from klingflow.manifest.folds import same_file

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


def other_pruned(site: Site) -> list[Path]:
    """Return the files beside a site's own of what was pruned from locks, by their names."""
    own = site.paths.pruned
    return [path for path in sorted(own.parent.glob(f"*{PRUNED}")) if path != own]


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
    paths = list(paths)
    held = frozenset[str]().union(*(one.outputs for one in holdings(site)))
    below = ledgers_below(site, paths)
    return {path for path in paths if same_file(path) in held or _parent(path) in below}


def ledgers_below(site: Site, paths: Iterable[str]) -> dict[str, Path]:
    """Return the folders of `paths` (relative to the manifest's folder) that lie in a project of
    its own, each with that project's folder.
    """
    known: dict[str, Path | None] = {"": None}
    parents = {_parent(path) for path in paths}
    for parent in parents:
        _look(site.folder, parent, known)
    return {parent: found for parent in parents if (found := known[parent])}


def _look(folder: Path, parent: str, known: dict[str, Path | None]) -> Path | None:
    """The outermost folder on the way to `parent` that has a ledger, `parent` included."""
    if parent not in known:
        above = _look(folder, _parent(parent), known)
        known[parent] = above or (folder / parent if _has_ledger(folder / parent) else None)
    return known[parent]


def _has_ledger(folder: Path) -> bool:
    """True if a run was here, or a lock lies beside its manifest."""
    if (folder / ".klingflow").is_dir():
        return True
    return any(manifest_called(folder, lock.stem).exists() for lock in folder.glob("*.lock"))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]

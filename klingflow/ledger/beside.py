"""What the other manifests of a folder hold: the videos in their locks, and their records.

Only locks are read whose manifest is there, and of each line only where its video lies. Anybody may
have written them: they can keep a run from writing, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from klingflow.ledger.lines import headers_in
from klingflow.ledger.places import PRUNED, Site, draft_named, film_of, manifest_called
from klingflow.ledger.traces import outputs_in, text_at
from klingflow.manifest.folds import same_file
from klingflow.plain_files import read_head, read_whole

_TEXT = rb'("(?:[^"\\]|\\.)*")'
# The two stand beside each other: what an author wrote of a shot may have these words, too.
_MANIFEST = re.compile(rb'"manifest":\s*' + _TEXT + rb'(?:,\s*"profile":\s*' + _TEXT + rb")?")
_HEAD_BYTES = 1 << 16  # of a record; the manifest is among its first fields


@dataclass(frozen=True, slots=True)
class Holding:
    """Another manifest of the folder, or a profile of one. `outputs` are those of its purchases, as
    `same_file` has them.
    """

    manifest: Path
    lock: Path
    outputs: frozenset[str]
    profile: str = ""

    @property
    def named(self) -> str:
        """Return it as commands name it."""
        return f"{self.manifest} --profile {self.profile}" if self.profile else str(self.manifest)


class Owner(NamedTuple):
    """Whose ledger a lock is: the manifest, which need not exist, and the profile of drafts."""

    manifest: Path
    profile: str = ""


def owner_of(lock: Path, folder: Path) -> Owner:
    """Return whose ledger a lock is that belongs to a manifest in `folder`. A lock that says so is
    of a profile's drafts, unless a manifest has its very name.
    """
    there = manifest_called(folder, lock.stem)
    if not there.exists():
        for header in headers_in(_bytes(lock)):
            if film := film_of(there, header["profile"]):
                return Owner(manifest_called(folder, film.stem), header["profile"])
    return Owner(there)


def film_beside(manifest: Path, lock: Path) -> Owner | None:
    """Return the manifest that made a lock for its drafts, if that is there and another manifest
    has the lock's name.
    """
    if "." not in manifest.stem:
        return None
    for header in headers_in(_bytes(lock)):
        film = film_of(manifest, header["profile"])
        if film and manifest.exists() and manifest_called(film.parent, film.stem).exists():
            return Owner(manifest_called(film.parent, film.stem), header["profile"])
    return None


def _bytes(path: Path) -> bytes:
    """Return the bytes of a file; none where it cannot be read."""
    try:
        return read_whole(path)
    except OSError:
        return b""


def holdings(site: Site) -> list[Holding]:
    """Return the other manifests of a site's folder that have a lock, by their names. A lock that
    cannot be read holds nothing.
    """
    found = []
    for lock in other_locks(site):
        manifest, profile = owner_of(lock, site.folder)
        if not manifest.exists():
            continue
        try:
            data = read_whole(lock)
        except OSError:
            continue
        outputs = frozenset(map(same_file, outputs_in(data)))
        found.append(Holding(manifest, lock, outputs, profile))
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
    """Return the name of the manifest whose record lies at `record`, as `draft_named` has that of
    drafts; "" for one that does not say so, None where there is none.
    """
    try:
        head = read_head(record, _HEAD_BYTES)
    except OSError:
        return None
    found = _MANIFEST.search(head)
    if found is None:
        return ""
    name, profile = Path(text_at(found[1]) or "").name, text_at(found[2] or b"")
    return draft_named(name, profile) if name and profile else name


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
    """Return the outermost folder on the way to `parent` that has a ledger, `parent` included."""
    if parent not in known:
        above = _look(folder, _parent(parent), known)
        known[parent] = above or (folder / parent if _has_ledger(folder / parent) else None)
    return known[parent]


def _has_ledger(folder: Path) -> bool:
    """True if a run was here, or a lock lies beside its manifest."""
    if (folder / ".klingflow").is_dir():
        return True
    return any(owner_of(lock, folder).manifest.exists() for lock in folder.glob("*.lock"))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]

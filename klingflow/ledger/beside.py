"""What the other manifests of a folder hold: the videos in their locks, and their records.

Only locks are read whose manifest is there, and of each line only where its video lies. What is
read may be anybody's word: it can keep a run from writing, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from klingflow.disk import read_whole
from klingflow.ledger.places import Site
from klingflow.manifest.identity import same_file

_OUTPUT = b',"output":'
_BODY = b',"body":'
_NOTHING = b'"state":"rejected"'  # bought nothing, so it holds no place
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
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
    for lock in sorted(site.paths.lock.parent.glob("*.lock")):
        manifest = next(filter(Path.exists, _manifests(site.folder, lock.stem)), None)
        if lock == site.paths.lock or manifest is None:
            continue
        try:
            data = read_whole(lock)
        except OSError:
            continue
        found.append(Holding(manifest, lock, frozenset(map(same_file, _outputs(data)))))
    return found


def _manifests(folder: Path, stem: str) -> list[Path]:
    return [folder / f"{stem}{suffix}" for suffix in (".yaml", ".yml")]


def _outputs(lock: bytes) -> Iterator[str]:
    """The outputs of a lock's lines, without reading the lines as JSON: a ledger may be large."""
    for line in lock.split(b"\n"):
        about = line.partition(_BODY)[0]
        _, found, rest = about.partition(_OUTPUT)
        if text := _text(rest) if found and _NOTHING not in about else None:
            yield text


def _text(data: bytes) -> str | None:
    """The JSON text that `data` begins with."""
    found = _TEXT.match(data)
    try:
        return cast(str, json.loads(found[0])) if found else None
    except ValueError:
        return None


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
    return Path(_text(found[1]) or "").name if found else ""


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

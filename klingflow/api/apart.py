"""Whether what a run writes is its manifest's alone and can be put down: no other manifest of the
run, and none beside it whose lock says so, has the same file, none lies in a folder below with a
ledger of its own, and no ordinary file stands where a folder is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from klingflow.errors import UsageError
from klingflow.ledger.beside import Holding, holdings, keeper, ledgers_below
from klingflow.ledger.places import Site, draft_of
from klingflow.manifest.folds import same_file
from klingflow.model import Manifest, Place, Problem
from klingflow.words import _

_ADVICE = _("give one of them another name: or output:")


def check_apart(films: Sequence[tuple[Site, Manifest]]) -> None:
    """Raise UsageError where two manifests would have one file for their own, or where a file of a
    run has no place. The manifests have their outputs where they go.
    """
    _check_each_other(films)
    for site, manifest in films:
        for path, other in shared(site, manifest):
            raise UsageError(
                _(
                    "{named} and {site_named} both write {path}, which {lock} has; {advice}",
                    named=other.named,
                    site_named=site.named,
                    path=path,
                    lock=other.lock,
                    advice=_ADVICE,
                )
            )
        for path, folder in _inside(site, manifest):
            raise UsageError(
                _(
                    "{manifest} writes {path}, but {folder} is a project with a ledger of its"
                    " own; give the manifest another name: or output:",
                    manifest=manifest.path,
                    path=path,
                    folder=folder,
                )
            )
        for path, blocker in _blocked(site, manifest):
            raise UsageError(
                _(
                    "{manifest} writes {path}, but {blocker} is no folder; move it away or change"
                    " output:",
                    manifest=manifest.path,
                    path=path,
                    blocker=blocker,
                )
            )


def problems(site: Site, manifest: Manifest) -> list[Problem]:
    """Return what commands that only read say of a file that a run would refuse to write."""
    beside = [
        Problem("place_taken", Place(path), detail=other.named)
        for path, other in [*shared(site, manifest)][:1]
    ]
    below = [
        Problem("place_below", Place(path), detail=str(folder))
        for path, folder in [*_inside(site, manifest)][:1]
    ]
    blocked = [
        Problem("place_blocked", Place(path), detail=str(blocker))
        for path, blocker in [*_blocked(site, manifest)][:1]
    ]
    return beside + below + blocked


def shared(site: Site, manifest: Manifest) -> Iterator[tuple[str, Holding]]:
    """Yield the files that a run of this manifest writes and another manifest beside it has by its
    lock: the record first, then videos in the manifest's order. Paths are relative to the folder.
    """
    others = holdings(site)
    if not others:
        return
    record = site.record(manifest.name)
    if other := _recorder(site, record, others):
        yield record.relative_to(site.folder).as_posix(), other
    holders = {output: other for other in others for output in other.outputs}
    for shot in manifest.shots:
        if other := holders.get(same_file(shot.output)):
            yield shot.output, other


def _inside(site: Site, manifest: Manifest) -> Iterator[tuple[str, Path]]:
    """Yield the files that a run of this manifest writes into a project of a folder below, each
    with that folder.
    """
    paths = _written(site, manifest)
    below = ledgers_below(site, paths)
    for path in paths if below else ():
        if folder := below.get(path.rpartition("/")[0]):
            yield path, folder


def _blocked(site: Site, manifest: Manifest) -> Iterator[tuple[str, Path]]:
    """Yield the files that a run of this manifest cannot put down, each with what stands where a
    folder of its path should be.
    """
    known: dict[str, Path | None] = {"": None}
    for path in _written(site, manifest):
        if blocker := _no_folder(site.folder, path.rpartition("/")[0], known):
            yield path, blocker


def _no_folder(folder: Path, parent: str, known: dict[str, Path | None]) -> Path | None:
    """Return the outermost part of `parent`, itself included, that is there and is no folder."""
    if parent not in known:
        above = _no_folder(folder, parent.rpartition("/")[0], known)
        here = folder / parent
        known[parent] = above or (here if os.path.lexists(here) and not here.is_dir() else None)
    return known[parent]


def _written(site: Site, manifest: Manifest) -> list[str]:
    """Return the record and the videos, relative to the manifest's folder."""
    record = site.record(manifest.name).relative_to(site.folder).as_posix()
    return [record, *(shot.output for shot in manifest.shots)]


def _recorder(site: Site, record: Path, others: Iterable[Holding]) -> Holding | None:
    """Return the other manifest whose record is `record`: by its own word, or, where it is not
    there, by the videos in its folder.
    """
    named = keeper(record)
    if named is not None:
        names = {draft_of(other.manifest, other.profile).name: other for other in others}
        return names.get(named)
    folder = same_file(record.parent.relative_to(site.folder).as_posix())
    for other in others:
        if any(output.rpartition("/")[0] == folder for output in other.outputs):
            return other
    return None


def _check_each_other(films: Sequence[tuple[Site, Manifest]]) -> None:
    writers: dict[str, str] = {}
    folders: dict[str, str] = {}  # as they are named, and as they are without links
    for site, manifest in films if len(films) > 1 else ():
        outputs = (site.folder / shot.output for shot in manifest.shots)
        for path in {site.record(manifest.name), *outputs}:
            parent = str(path.parent)
            if parent not in folders:
                folders[parent] = os.path.realpath(parent)
            real = same_file(f"{folders[parent]}/{path.name}")
            other = writers.setdefault(real, manifest.path)
            if other != manifest.path:
                raise UsageError(
                    _(
                        "{other} and {manifest} both write {path}; {advice}",
                        other=other,
                        manifest=manifest.path,
                        path=path,
                        advice=_ADVICE,
                    )
                )

"""What the page of a film shows, and where the videos and images lie that it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from klingflow import plain_files
from klingflow.api import reporting
from klingflow.api.planning import book_of, planned
from klingflow.api.site import Wish, read_of, site_for
from klingflow.errors import UsageError
from klingflow.ledger.book import Book, in_order
from klingflow.ledger.moments import moment
from klingflow.ledger.places import Site
from klingflow.model import Json, Manifest
from klingflow.results.gallery import gallery
from klingflow.results.timeline import STILLS
from klingflow.words import _, cause


class Video(NamedTuple):
    """A video on this disk."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """The page's data as JSON. `videos` has the video of each delivered purchase that is on this
    disk, by uid; `stills` the local images, by SHA-256. `watched` are the files whose change
    changes the data.
    """

    data: dict[str, Json]
    videos: dict[str, Video]
    stills: dict[str, Path]
    watched: tuple[Path, ...]


def look(manifest: Manifest, wish: Wish, log: str | None = None) -> Gallery:
    """Return what the page of a film shows now. `log` is the log of a run, as `run --log` writes
    it. Raises LedgerError, ManifestError, UsageError.
    """
    site = site_for(manifest, wish)
    book = book_of(manifest, site)
    plan = planned(manifest, book, site)
    record = reporting.status_by(manifest, book, wish, site)
    data = gallery(record, plan, in_order(book.purchases.values()), _day)
    stills = {
        file.sha256: site.folder / name
        for name, file in manifest.files.items()
        if file.suffix in STILLS
    }
    paths = site.paths
    return Gallery(
        data={**data, "command": site.named, "marks": [*_busy(log)] if log else []},
        videos=dict(_videos(data, book, site)),
        stills=stills,
        watched=(site.manifest, paths.lock, paths.journal, paths.picks, *read_of(manifest, site)),
    )


def _videos(data: dict[str, Json], book: Book, site: Site) -> Iterator[tuple[str, Video]]:
    """Yield the videos of all versions of the takes. A link that leads out of the folder leads
    nowhere: the ledger may come from anywhere.
    """
    for take in data["takes"]:
        for version in take["versions"]:
            output = version["file"]
            if version["present"] and output and not site.leads_elsewhere(output):
                path, purchase = site.folder / output, book.purchases[version["uid"]]
                if purchase.sha256 and not plain_files.is_link(path):
                    yield purchase.uid, Video(path, purchase.sha256)


def _busy(log: str) -> Iterator[dict[str, Json]]:
    """Yield the times at which the gateway was busy, by a log. Raises UsageError."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(_("{log} cannot be read: {error}", log=log, error=cause(error))) from error
    for line in lines:
        if '"limited"' in line:
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                event = json.loads(line)
                if event["event"] == "limited":
                    yield {"at": str(event["at"])}


def _day(time: str) -> str:
    """Return the day of a time of the ledger, here; "" where the ledger names no time."""
    at = moment(time)
    return f"{at.astimezone():%Y-%m-%d}" if at else ""

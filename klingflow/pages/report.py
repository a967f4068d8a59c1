"""The page written down: a folder that opens from disk, without the buttons that write.

A page that comes from disk may read no other file, so its data is a script. The videos stay where
they are, and the page names them by relative paths; with copies, the folder is whole by itself.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from klingflow import disk, plain_files
from klingflow.api.gallery import Gallery, Video
from klingflow.errors import UsageError
from klingflow.model import Json
from klingflow.pages.posters import Posters
from klingflow.pages.server import SCRIPTS, STYLES, static
from klingflow.words import _, cause

# `frame-ancestors` counts only in a header. A folder on disk is no origin: `file:` is what it has.
_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:;"
    " media-src 'self' file:; base-uri 'none'; form-action 'none'"
)
_PLACE = "<!-- data -->"
_DATA = "data.js"
_BEGIN = b"const DATA = "  # by which a folder is known as a report
_INDEX = "index.html"


def write(
    gallery: Gallery,
    folder: Path,
    posters: Posters,
    *,
    copies: bool,
    tell: Callable[[int, int], None],
) -> Path:
    """Write the page into `folder` and return its index. `copies` puts the videos and references
    into the folder, too. `tell` gets how many of the videos are done, and of how many. Raises
    UsageError.
    """
    _check(folder)
    try:
        disk.make_folder(folder)
        videos = dict(_shown(gallery))
        pictures = _posters(folder, videos, posters, tell)
        addresses = {
            uid: _address(folder, one.path, f"videos/{one.sha256}.mp4" if copies else "")
            for uid, one in videos.items()
        }
        stills = {
            sha256: _address(folder, path, f"stills/{sha256}{path.suffix}" if copies else "")
            for sha256, path in gallery.stills.items()
        }
        data = {
            **gallery.data,
            "may_write": False,
            "videos": addresses,
            "posters": pictures,
            "stills": stills,
        }
        _page(folder, data)
    except OSError as error:
        raise UsageError(
            _("{folder} cannot be written: {error}", folder=folder, error=cause(error))
        ) from error
    return folder / _INDEX


def _check(folder: Path) -> None:
    """Refuse a folder that holds something else. Raises UsageError."""
    if plain_files.is_link(folder) or (folder.exists() and not folder.is_dir()):
        raise UsageError(_("{folder} is no folder; name another one with -o", folder=folder))
    if folder.is_dir() and any(folder.iterdir()) and not _is_report(folder):
        raise UsageError(_("{folder} holds other files; name a new folder with -o", folder=folder))


def _is_report(folder: Path) -> bool:
    try:
        with plain_files.opened_itself(folder / _DATA) as file:
            return file.read(len(_BEGIN)) == _BEGIN
    except OSError:
        return False


def _shown(gallery: Gallery) -> list[tuple[str, Video]]:
    """Return the videos that the page shows: one a take."""
    shown = {take["uid"] for take in gallery.data["takes"]}
    return [(uid, video) for uid, video in gallery.videos.items() if uid in shown]


def _posters(
    folder: Path, videos: Mapping[str, Video], posters: Posters, tell: Callable[[int, int], None]
) -> dict[str, str]:
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        tell(done, len(videos))

    pictures = posters.all(videos.values(), one_more)
    found: dict[str, str] = {}
    place = _below(folder, "posters")
    for (uid, video), picture in zip(videos.items(), pictures, strict=True):
        if picture:
            disk.atomic_write(place / f"{video.sha256}.jpg", picture)
            found[uid] = f"posters/{video.sha256}.jpg"
    return found


def _address(folder: Path, path: Path, copy: str) -> str:
    """Return the address of a file from the report's folder: of the file itself, or of its copy
    that has the relative path `copy`, if it is to have one.
    """
    if not copy:
        return _relative(folder, path)
    place, _, name = copy.partition("/")
    target = _below(folder, place) / name
    if plain_files.is_link(target) or not target.exists():
        part = target.with_suffix(".part")
        with suppress(FileNotFoundError):
            part.unlink()
        shutil.copyfile(path, part)
        part.replace(target)
    return copy


def _below(folder: Path, name: str) -> Path:
    """Return a folder in the report's. Raises UsageError for a link: a report may come from
    elsewhere, and nothing is written where it leads.
    """
    place = folder / name
    if plain_files.is_link(place):
        raise UsageError(
            _("{place} is a link; remove it, or name a new folder with -o", place=place)
        )
    disk.make_folder(place)
    return place


def _relative(folder: Path, path: Path) -> str:
    """Return the address of a file from the report's folder; where there is none, as on another
    drive of Windows, its own.
    """
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix())
    except ValueError:
        return path.resolve().as_uri()


def _page(folder: Path, data: Mapping[str, Json]) -> None:
    names = (*SCRIPTS, *STYLES)
    for name in names:
        disk.atomic_write(folder / name, static(name))
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    disk.atomic_write(folder / _DATA, _BEGIN, f"{text};\n".encode())
    policy = f'<meta http-equiv="content-security-policy" content="{_POLICY}">'
    page = static("page.html").decode()
    here = f'{policy}\n<script src="{_DATA}" defer></script>'
    disk.atomic_write(folder / _INDEX, page.replace(_PLACE, here).encode())

"""What was found in videos, by their SHA-256, so that no video is looked at twice, even if it has
moved or come back.

A file has one line of JSON a video. A line that cannot be read or written only costs another look.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final, get_args

from klingflow import disk, plain_files
from klingflow.model import UNREADABLE, Label, Media, Sound

_HASH = slice(len('{"sha256":"'), len('{"sha256":"') + 64)
_MOST: Final = 10_000_000  # of any number: beyond lies no video
_KINDS: Final = {name: type(value) for name, value in asdict(UNREADABLE).items()}


class Kept:
    """What a file remembers of videos. Lines are read when somebody asks for them: a ledger has
    many more videos than one look at it needs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = {line[_HASH]: line for line in _lines(path)}
        self._known: dict[str, Media | None] = {}

    def get(self, sha256: str | None) -> Media | None:
        """Return what a video is; None if that is not known."""
        if sha256 is None:
            return None
        if sha256 not in self._known:
            self._known[sha256] = _read(self._lines.get(sha256.encode(), b""))
        return self._known[sha256]

    def keep(self, sha256: str, media: Media) -> None:
        """Remember what a video is."""
        self._known[sha256] = media
        line = json.dumps({"sha256": sha256, **asdict(media)}, separators=(",", ":"))
        with suppress(OSError):
            disk.append_soon(self._path, [line.encode()])


def _lines(path: Path) -> list[bytes]:
    try:
        return plain_files.read_whole(path).splitlines()
    except (OSError, ValueError):
        return []


def _read(line: bytes) -> Media | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict):
        document.pop("sha256", None)
    return media_in(document)


def media_in(document: object) -> Media | None:
    """Return the Media that a document of JSON holds; None if it holds none: anybody may have
    written it.
    """
    if not isinstance(document, dict) or document.keys() != {f.name for f in fields(Media)}:
        return None
    values: dict[str, Any] = {**document}
    labels = values["labels"]
    if not isinstance(labels, list) or not all(label in get_args(Label) for label in labels):
        return None
    values["labels"] = tuple(labels)
    is_well = all(_fits(values[name], kind) for name, kind in _KINDS.items())
    return Media(**values) if is_well and values["sound"] in get_args(Sound) else None


def _fits(value: object, kind: type) -> bool:
    if kind is float and type(value) is int:
        kind = int
    if type(value) is not kind:
        return False
    return not isinstance(value, (int, float)) or (math.isfinite(value) and 0 <= value <= _MOST)

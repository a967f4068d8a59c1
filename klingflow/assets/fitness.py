"""What is taken from another shot's video, a frame or all of it, as a file to upload: whether the
service takes it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

from anyio import to_thread

from klingflow.assets.looking import look
from klingflow.manifest.local_files import wrong
from klingflow.manifest.values import Fault
from klingflow.model import LocalFile
from klingflow.words import _, cause


class NotHad(Exception):
    """What a piece lacks; the message completes "the last frame of opening …"."""


class Kept(NamedTuple):
    """A file on this disk that is to be uploaded, and its SHA-256."""

    path: Path
    sha256: str


async def faults(file: Kept, name: str, *, is_frame: bool) -> list[Fault]:
    """Return what the service does not take of a frame or a video. Raises NotHad."""
    seen = await to_thread.run_sync(look, {name: file.path}, None)
    found = seen[name]
    if not isinstance(found, LocalFile):
        raise NotHad(_("cannot be read: {error}", error=cause(found)))
    return [*wrong((), found, "image" if is_frame else "video")]


def forbidden(found: Iterable[Fault], allowed: Container[str]) -> str:
    """Return what is wrong with a piece for a shot that allows these codes; "" if nothing is."""
    return next((fault.message for fault in found if fault.code not in allowed), "")

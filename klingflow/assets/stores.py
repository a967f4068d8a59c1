"""What every store of local references can do, and the file that goes there: a copy of its own, so
that nothing changes on the way.

A file's name in a store is its content's: `<sha256>.<suffix>`. What is there under that name is
never written again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from klingflow.assets.pictures import picture
from klingflow.errors import NotStored
from klingflow.model import AssetSettings
from klingflow.words import _, cause

# The environment variable with the command that uploads a file, instead of a store.
UPLOAD = "KLINGFLOW_UPLOAD"
# How many first bytes are compared with what the gateway will read.
HEAD_BYTES = 4096
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of a local file: `path` is the copy, `file` what the user calls the original."""

    file: str
    path: Path
    name: str
    size_bytes: int
    head: bytes


class Store(Protocol):
    """Where local files are put so that a gateway can read them."""

    @property
    def described(self) -> str:
        """The store in words for people, and the host it is at."""
        ...

    @property
    def settings(self) -> AssetSettings:
        """The store's address, as a manifest would say it; nothing for a command of the user's."""
        ...

    async def keep(self, snapshot: Snapshot) -> None:
        """Put a file there, unless it is there. Raises NotStored."""
        ...

    def address(self, name: str) -> str:
        """Return where the gateway reads a file that was put there. It may carry a signature, so
        it is written nowhere.
        """
        ...


def snapshot(path: Path, file: str, sha256: str, folder: Path) -> Snapshot:
    """Copy the file at `path` into `folder`, which goes with the upload. Raises NotStored where its
    content is not `sha256` (any more).
    """
    copy = folder / "copy"
    try:
        if not S_ISREG(path.stat().st_mode):  # a device has no end
            raise NotStored(_("it is no regular file"))
        found, size = _copied(path, copy)
    except (OSError, ValueError) as error:
        raise NotStored(_("it cannot be read: {why}", why=cause(error))) from error
    if found != sha256:
        raise NotStored(_("it has changed since the plan was made; run again"))
    with copy.open("rb") as data:

        def read(at: int, count: int) -> bytes:
            data.seek(at)
            return data.read(count)

        suffix, head = picture(read).suffix or "bin", read(0, HEAD_BYTES)
    name = f"{sha256}.{suffix}"
    return Snapshot(file, copy.rename(folder / name), name, size, head)


def _copied(path: Path, copy: Path) -> tuple[str, int]:
    """Copy a file; return the SHA-256 and the size of what was copied."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, copy.open("wb") as target:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            target.write(piece)
    return digest.hexdigest(), size

"""A folder that a web server shows to the gateway: `file://` with a public address.

The folder may have come with a manifest from elsewhere, so nothing is written through a link in it.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Final
from urllib.parse import quote

import anyio.to_thread

from klingflow import disk, plain_files
from klingflow.assets.stores import Snapshot
from klingflow.errors import NotStored
from klingflow.model import AssetSettings
from klingflow.words import _, cause

# What a file is called until it is whole: the name of its content, and 16 digits of chance.
_UNFINISHED: Final = re.compile(r"\.[0-9a-f]{64}\.[a-z0-9]+\.[0-9a-f]{16}\.tmp")
# Copying 100 MB takes no day. Another machine's clock may be hours away from this one's.
_ABANDONED_S: Final = 24 * 3600.0


class FolderStore:
    """Files in `folder`, read at `public_url`."""

    def __init__(self, folder: Path, public_url: str) -> None:
        self._folder = folder
        self._public_url = public_url.rstrip("/")
        self._is_tidy = False

    @property
    def described(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def settings(self) -> AssetSettings:
        """The folder and its public address."""
        return AssetSettings(f"file://{quote(str(self._folder.absolute()))}", self._public_url)

    async def keep(self, snapshot: Snapshot) -> None:
        """Put a file there, unless it is there. Raises NotStored."""
        await anyio.to_thread.run_sync(self._keep, snapshot)

    def _keep(self, snapshot: Snapshot) -> None:
        target = self._folder / snapshot.name
        temp = target.with_name(f".{snapshot.name}.{os.urandom(8).hex()}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._tidy()
            if _size(target) == snapshot.size_bytes:
                return
            disk.copy_new(snapshot.path, temp)
            with os.fdopen(plain_files.open_itself(temp, os.O_RDWR), "rb+") as file:
                disk.sync(file.fileno())
            temp.replace(target)
            disk.sync_folder(self._folder)
        except OSError as error:
            why = cause(error)
            raise NotStored(
                _("{folder} cannot be written: {why}", folder=self._folder, why=why), of_all=True
            ) from error
        finally:
            # It is still there, too, where `target` became another name of the very same file.
            with suppress(OSError):
                temp.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Delete, once, what uploads of this user's that were killed have left here."""
        if self._is_tidy:
            return
        self._is_tidy = True
        with suppress(OSError):
            for path in [p for p in self._folder.iterdir() if _UNFINISHED.fullmatch(p.name)]:
                with suppress(OSError):
                    if _is_abandoned(path.lstat(), time.time()):
                        path.unlink()

    def address(self, name: str) -> str:
        """Return where the gateway reads a file."""
        return f"{self._public_url}/{name}"


def _is_abandoned(stat: os.stat_result, now_s: float) -> bool:
    """True if an unfinished upload is this user's, and older than any that goes on."""
    owned = not hasattr(os, "getuid") or stat.st_uid == os.getuid()
    return owned and S_ISREG(stat.st_mode) and now_s - stat.st_mtime > _ABANDONED_S


def _size(path: Path) -> int | None:
    """Return the size of a file; None where there is none, or a link to one."""
    there = path.lstat() if path.exists() else None
    return there.st_size if there and S_ISREG(there.st_mode) else None

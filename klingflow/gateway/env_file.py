"""One `.env` file: the two variables that klingflow takes from it, and no others.

A folder may come from a stranger. So the file is read only where it lies in its folder, is a
regular file of a moderate size, and is UTF-8 or UTF-16; otherwise it is refused by its name.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from klingflow.errors import UsageError
from klingflow.manifest.encodings import decode_utf16
from klingflow.plain_files import open_itself
from klingflow.words import _, cause

KEY: Final = "KLINGFLOW_API_KEY"
BASE_URL: Final = "KLINGFLOW_BASE_URL"

MAX_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class _Refused(Exception):
    """The file is not read; its text says why."""


def env_files(folder: Path) -> list[Path]:
    """Return the `.env` files here and in the manifest's `folder`, the one that counts first.

    A folder called `.env` is none; people keep virtual environments there.
    """
    places = dict.fromkeys((Path(".env"), folder / ".env"))
    return [path for path in places if os.path.lexists(path) and not path.is_dir()]


def read(path: Path) -> Mapping[str, str]:
    """Return what the file gives of KLINGFLOW_API_KEY and KLINGFLOW_BASE_URL.

    Raises UsageError, which names the file, for one that is refused or cannot be read.
    """
    from dotenv import dotenv_values  # for start-up

    try:
        text = _text(_bytes(path))
    except _Refused as refused:
        raise UsageError(_("{path} is not read: {refused}", path=path, refused=refused)) from None
    except OSError as error:
        raise UsageError(
            _("{path} cannot be read: {error}", path=path, error=cause(error))
        ) from error
    # No interpolation: `$` is a common character in keys.
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: values[name] or "" for name in (KEY, BASE_URL) if name in values}


def _bytes(path: Path) -> bytes:
    """Raises _Refused, OSError."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(path.parent)):
        raise _Refused(_("it is a link out of its folder; put the file itself there"))
    with os.fdopen(open_itself(real, os.O_RDONLY), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _Refused(_("it is no regular file"))
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Refused(_("it is larger than {max_bytes} KB", max_bytes=MAX_BYTES >> 10))
    return data


def _text(data: bytes) -> str:
    """Raises _Refused."""
    text = decode_utf16(data)
    if text is None:
        with suppress(UnicodeDecodeError):
            text = data.decode("utf-8-sig")
    if text is None or "\0" in text:
        raise _Refused(_("it is neither UTF-8 nor UTF-16 with a mark (BOM); save it as UTF-8"))
    return text


def exposed(folder: Path) -> list[Path]:
    """Return the `.env` files that are read for a manifest in `folder` and that other users can
    read or change. POSIX tells, Windows does not.
    """
    if os.name != "posix":
        return []
    return [path for path in env_files(folder) if path.lstat().st_mode & _OTHERS]


def said_of_exposed(path: Path) -> str:
    """Return what to do about an exposed file."""
    return _("{path} is open to other users: chmod 600 {path}", path=path)

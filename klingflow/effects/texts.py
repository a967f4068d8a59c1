"""The texts that a manifest is made of: its own, and those it names, which lie below its folder.

A manifest may come from a stranger, and what is in the files it names is shown in messages and sent in prompts. So
none of them may lead elsewhere by a link, nor be one of those hidden files in which keys are kept, nor be without
an end. The manifest itself is what the user typed, and may be a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

# A manifest or a table of rows that is larger is not one.
MAX_BYTES = 64 * 1024 * 1024


def reader(manifest: str) -> Callable[[str], str]:
    """What reads the text of `manifest` and of the files below its folder, by paths as the user would type them.

    It raises OSError, for what is refused too, and UnicodeDecodeError.
    """
    folder = os.path.realpath(Path(manifest).parent)

    def read(path: str) -> str:
        if path == manifest:
            return _text(os.open(path, os.O_RDONLY))
        _check_below(folder, os.path.realpath(path))
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        if not S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError("it is no regular file")
        return _text(fd)

    return read


def _check_below(folder: str, real: str) -> None:
    try:
        parts = Path(real).relative_to(folder).parts
    except ValueError:
        raise OSError("a link leads it out of the manifest's folder; put the file itself below it") from None
    if any(part.startswith(".") for part in parts):
        raise OSError("hidden files are not for manifests; rename it")


def _text(fd: int) -> str:
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(f"larger than {MAX_BYTES >> 20} MB")
    return data.decode("utf-8")

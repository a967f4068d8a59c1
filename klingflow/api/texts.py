"""The texts that a manifest is made of: its own, and those it names, which lie below its folder.

A manifest may come from a stranger, and what is in the files it names is shown in messages and sent
in prompts. So none of them may lead elsewhere by `..` or by a link, nor be one of those hidden
files in which keys are kept, nor be without an end. Other folders are allowed by the user's
environment, never by the manifest. The manifest itself is what the user typed, and may be a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISREG

from klingflow.api import nearby
from klingflow.api.workbooks import text_of
from klingflow.errors import OutsideError, UsageError
from klingflow.manifest.sheets import SUFFIXES, split_sheet, suffix_of
from klingflow.words import _

READ_BELOW = "KLINGFLOW_READ_BELOW"

# A manifest or a table of rows that is larger is not one.
MAX_BYTES = 64 * 1024 * 1024


def allowed_folders(chosen: str, variable: str = READ_BELOW) -> list[Path]:
    """Return the folders that a variable such as KLINGFLOW_READ_BELOW names, separated as in PATH.

    Raises UsageError for a relative one, and for the root, which would allow everything.
    """
    folders = [Path(folder) for folder in chosen.split(os.pathsep) if folder]
    for folder in folders:
        if not folder.is_absolute() or folder.parent == folder:
            raise UsageError(
                _(
                    "{variable} holds '{folder}'; name folders by their whole path,"
                    " and none that is all",
                    variable=variable,
                    folder=folder,
                )
            )
    return folders


def reader(
    manifest: str, allowed: Iterable[Path] = (), *, prices: str | None = None
) -> Callable[[str], str]:
    """Return what reads the text of `manifest` and of the files below its folder, by paths as the
    user would type them.

    Files below the `allowed` folders may be read as well, and the file of `prices` that the user's
    environment names. The reader raises OSError, also for what
    it refuses (OutsideError where the place is why), and UnicodeDecodeError of what is in a file.
    """
    folders = [os.path.realpath(folder) for folder in (Path(manifest).parent, *allowed)]

    beside = Path(manifest).parent

    def read(path: str) -> str:
        named_by_user = path in (manifest, prices)
        try:
            return _named_by_user(path) if named_by_user else _below(path)
        except FileNotFoundError as error:
            raise nearby.absent(path, None if named_by_user else beside) from error
        except UnicodeDecodeError:
            raise
        except ValueError as error:  # Python's word for NUL, and for half a character
            raise OSError(_("no file system has a file of such a name")) from error

    def _below(path: str) -> str:
        path, sheet = split_sheet(path)
        check_below(folders, path)
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        if not S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(_("it is no regular file"))
        data = _bytes(fd)
        return text_of(data, sheet) if suffix_of(path) in SUFFIXES else data.decode("utf-8")

    return read


def _named_by_user(path: str) -> str:
    if Path(path).is_dir():
        raise nearby.is_folder(path)
    return _bytes(os.open(path, os.O_RDONLY)).decode("utf-8")


def check_below(folders: Iterable[str], path: str) -> None:
    """Raise OSError for a path that leads out of `folders`, links followed, or to a hidden file."""
    place = Path(os.path.realpath(path))
    below = [place.relative_to(folder) for folder in folders if place.is_relative_to(folder)]
    if not below:
        raise OutsideError(
            _(
                "put the file itself below it, or allow its folder by {read_below}",
                read_below=READ_BELOW,
            )
        )
    if all(map(_is_hidden, below)):
        raise OSError(_("hidden files are not for manifests; rename it"))


def _is_hidden(path: Path) -> bool:
    """True if the path itself, or a folder on it, has a name that begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def _bytes(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(_("larger than {max_bytes} MB", max_bytes=MAX_BYTES >> 20))
    return data

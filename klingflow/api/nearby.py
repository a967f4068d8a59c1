"""What to say of a path that leads to no file: which file near it was probably meant."""

from __future__ import annotations

import os
from errno import EISDIR, ENOENT
from itertools import islice
from pathlib import Path

from klingflow.manifest.spelling import nearest_file
from klingflow.words import _, joined

_MANIFESTS = (".yaml", ".yml")
_NAMES_READ = 5_000  # of one folder
_NAMES_SHOWN = 3


def absent(path: str, beside: Path | None = None) -> FileNotFoundError:
    """Return the error of a path without a file: it names the file that was probably meant, as it
    is written from the folder `beside`.
    """
    return FileNotFoundError(ENOENT, missing(path, beside))


def is_folder(path: str) -> IsADirectoryError:
    """Return the error of a path to a folder: it names the manifests in the folder."""
    return IsADirectoryError(EISDIR, folder(path))


def missing(path: str, beside: Path | None = None, *, also: str = "") -> str:
    """Return that there is no such file, `also` what else there is not, and the near file that
    there is.
    """
    wanted = Path(path)
    if not wanted.parent.is_dir():
        folder = _from(wanted.parent, beside)
        return _(
            "there is no such file{also}: there is no folder '{folder}'", also=also, folder=folder
        )
    found = nearest_file(wanted.name, _names(wanted.parent))
    if found is None:
        return _("there is no such file{also}", also=also)
    meant = wanted.parent / found
    return _(
        "there is no such file{also}; did you mean '{the_from}'?",
        also=also,
        the_from=_from(meant, beside),
    )


def _from(path: Path, beside: Path | None) -> str:
    return Path(os.path.relpath(path, beside)).as_posix() if beside else str(path)


def folder(path: str) -> str:
    """Return that a path is a folder, and which manifests are in it."""
    inside = sorted(name for name in _names(Path(path)) if name.endswith(_MANIFESTS))
    files = joined(_(" or "), (f"'{Path(path) / name}'" for name in inside[:_NAMES_SHOWN]))
    return _(
        "it is a folder; name a file in it{such_as}{files}",
        such_as=_(", such as ") if files else "",
        files=files,
    )


def _names(home: Path) -> list[str]:
    """Return the names in a folder, hidden ones left out; none where it cannot be read."""
    try:
        with os.scandir(home) as entries:
            return [e.name for e in islice(entries, _NAMES_READ) if not e.name.startswith(".")]
    except OSError:
        return []

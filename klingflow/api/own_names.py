"""Files that klingflow names itself: nothing else that the user has written may take their names.

A file that is there already is recognised by what it holds; these names count where none is there
yet, because klingflow will look for a ledger, picks or a video under them.
"""

from __future__ import annotations

from pathlib import Path

from klingflow.decide.file_names import is_name_of_ours
from klingflow.errors import UsageError
from klingflow.ledger.places import is_kept_by_klingflow
from klingflow.words import _


def refuse_own_name(option: str, path: str) -> None:
    """Raise UsageError if klingflow gives such a name to another file: to one of a ledger, to a
    video, to a record. `option` is that by which the user named `path`.
    """
    named = Path(path)
    is_video = named.suffix.casefold() == ".mp4" or is_name_of_ours(named.as_posix())
    if is_video or is_kept_by_klingflow(named):
        raise UsageError(
            _(
                "{option} {path}: klingflow gives such a name to another file; choose another one",
                option=option,
                path=path,
            )
        )

"""Where black boxes lie: the user's state folder, the box of a lineage, the place of a manifest.

What lies in a box is for boxes.py and blackbox.py.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from klingflow.errors import UsageError
from klingflow.words import _

STATE_DIR = "KLINGFLOW_STATE_DIR"
PLACES = "places"

_PLAIN = re.compile(r"[0-9A-Za-z]{1,64}")


def state_folder(chosen: str | None) -> Path:
    """Return the folder of the black boxes: the one chosen with KLINGFLOW_STATE_DIR, or the user's
    own state folder.

    Raises UsageError where the user's home is unknown, and for a relative path: with another
    working folder it would be another state folder, and what was bought would be forgotten.
    """
    if chosen:
        folder = Path(chosen)
        with suppress(RuntimeError):
            folder = folder.expanduser()
    else:
        from platformdirs import user_state_path  # for start-up

        folder = user_state_path("klingflow", appauthor=False)
    if str(folder).startswith("~"):
        raise UsageError(
            _(
                "the folder of the black box, {folder}, is in a home folder that is unknown; name"
                " another one in {state_dir}, or pass --no-black-box",
                folder=folder,
                state_dir=STATE_DIR,
            )
        )
    if not folder.is_absolute():
        raise UsageError(
            _(
                "{state_dir} is {folder}, which is another folder wherever klingflow is called;"
                " give an absolute path, or pass --no-black-box",
                state_dir=STATE_DIR,
                folder=folder,
            )
        )
    return folder


@dataclass(frozen=True, slots=True)
class BoxPlace:
    """The folder of all black boxes, and the place whose ledger is to be kept there: a manifest.

    `same_film` says that the user said so: what other places of the lineage bought is this film's.
    For a draft the manifest is the one that would have its ledger (`draft_of`).
    """

    state: Path
    manifest: Path
    same_film: bool = False
    profile: str = ""

    @property
    def name(self) -> str:
        """The name of this place's folder in every black box."""
        return place_name(self.manifest)

    def box(self, lineage: str) -> Path:
        """Return the black box of one lineage, which comes out of a file that anybody may have
        written.
        """
        name = (
            lineage
            if _PLAIN.fullmatch(lineage)
            else hashlib.sha256(lineage.encode("utf-8", "surrogatepass")).hexdigest()
        )
        return boxes_in(self.state) / name

    def folder(self, lineage: str) -> Path:
        """Return the folder of this place in the black box of one lineage."""
        return self.box(lineage) / PLACES / self.name


def boxes_in(state: Path) -> Path:
    """Return the folder that has a black box for each lineage."""
    return state / "ledgers"


def place_name(manifest: str | os.PathLike[str]) -> str:
    """Return the name of a manifest's folder in a black box; links to the manifest are followed."""
    return hashlib.sha256(os.fsencode(os.path.realpath(manifest))).hexdigest()[:32]

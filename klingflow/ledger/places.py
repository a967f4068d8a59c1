"""Where the files of a ledger lie."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from klingflow.errors import UsageError

STATE_DIR = "KLINGFLOW_STATE_DIR"

_PLAIN = re.compile(r"[0-9A-Za-z]{1,64}")


def state_folder(chosen: str | None) -> Path:
    """The folder of the black boxes: the one chosen with KLINGFLOW_STATE_DIR, or the user's own for
    such things.

    Raises UsageError where nobody knows the user's home, which would else be a folder called `~`
    where we stand, and for one that depends on where we stand: called from elsewhere, what was
    bought would be forgotten.
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
            f"the folder of the black box, {folder}, is in a home folder that is unknown; name another one in"
            f" {STATE_DIR}, or say --no-black-box"
        )
    if not folder.is_absolute():
        raise UsageError(
            f"{STATE_DIR} is {folder}, which is another folder wherever klingflow is called; name all of its path,"
            " or say --no-black-box"
        )
    return folder


@dataclass(frozen=True, slots=True)
class BoxPlace:
    """The folder of all black boxes, and the manifest whose ledger is to be kept in one of them."""

    state: Path
    manifest: Path

    def folder(self, lineage: str) -> Path:
        """The black box of one lineage, which comes out of a file that anybody may have written."""
        name = (
            lineage
            if _PLAIN.fullmatch(lineage)
            else hashlib.sha256(lineage.encode("utf-8", "surrogatepass")).hexdigest()
        )
        return self.state / "ledgers" / name

    def pruned(self, lineage: str) -> Path:
        """What was pruned from the lock, once more: `git clean` takes a file that is not committed
        yet.
        """
        return self.folder(lineage) / "ledger.pruned.jsonl"

    @property
    def remembered(self) -> Path:
        """The file that tells the lineage of this manifest's ledger where its lock is gone."""
        where = hashlib.sha256(os.fsencode(os.path.realpath(self.manifest))).hexdigest()
        return self.state / "manifests" / f"{where[:32]}.json"


@dataclass(frozen=True, slots=True)
class LedgerPaths:
    """Where a manifest's ledger lies. `hidden` is the `.klingflow` folder beside it, which git
    ignores.

    `anchor` is the manifest, which is locked too: it stays where `hidden` is cleared away. The
    sandbox's ledger has none, for it may be used beside the real one. `box` is where its black box
    lies, if it has one.
    """

    lock: Path
    journal: Path
    hidden: Path
    anchor: Path | None = None
    box: BoxPlace | None = None

    @property
    def lock_damaged(self) -> Path:
        """Lock lines that were set aside."""
        return self.lock.with_name(self.lock.name + ".damaged")

    @property
    def journal_damaged(self) -> Path:
        """Journal lines that were set aside."""
        return self.journal.with_name(self.journal.name + ".damaged")

    @property
    def pruned(self) -> Path:
        """What was pruned from the lock, line by line as it stood there."""
        return self.lock.with_suffix(".pruned.jsonl")

    @property
    def folded(self) -> Path:
        """While a run lasts, a second name of the lock it folded last: git may put an older one in
        its place.
        """
        return self.journal.with_suffix(".folded")


def ledger_paths(
    manifest_path: str | os.PathLike[str], *, sandbox: bool = False, state: Path | None = None
) -> LedgerPaths:
    """The ledger beside a manifest; the sandbox's is hidden, so that it never counts as bought.

    `state` is the folder of the black boxes; without one, and in the sandbox, there is none. Raises
    UsageError for two manifests that would share a ledger.
    """
    manifest = manifest_file(manifest_path)
    _refuse_twin(manifest)
    hidden = manifest.parent / ".klingflow"
    folder = hidden / "sandbox" if sandbox else hidden
    lock_folder = folder if sandbox else manifest.parent
    lock, journal = lock_folder / f"{manifest.stem}.lock", folder / f"{manifest.stem}.journal"
    if sandbox:
        return LedgerPaths(lock, journal, hidden)
    return LedgerPaths(
        lock, journal, hidden, manifest, BoxPlace(state, manifest) if state else None
    )


def manifest_file(path: str | os.PathLike[str]) -> Path:
    """The manifest itself where `path` is a link to it: one manifest has one ledger, whatever it is
    called.
    """
    manifest = Path(path)
    return Path(os.path.realpath(manifest)) if manifest.is_symlink() else manifest


_TWINS = {".yaml": ".yml", ".yml": ".yaml"}


def _refuse_twin(manifest: Path) -> None:
    if manifest.suffix not in _TWINS:
        return
    twin = manifest.with_suffix(_TWINS[manifest.suffix])
    if manifest.exists() and twin.exists() and not twin.samefile(manifest):
        raise UsageError(
            f"{manifest} and {twin.name} share the ledger {manifest.stem}.lock; rename one of them"
        )

"""Where a manifest's ledger and videos lie, and what of the manifest is meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from klingflow.ledger import store
from klingflow.model import Manifest

# The origin under which sandbox purchases are kept: its port is another one each time.
SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a manifest is meant: `select` and `exclude` as on the command line, `rerun` of
    `changed`, `failed`.

    Without `black_box`, what the user's state folder remembers of the ledger does not count, and
    nothing is kept there.
    """

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    rerun: frozenset[str] = frozenset()
    sandbox: bool = False
    black_box: bool = True


def takes_of(manifest: Manifest) -> set[tuple[str, int]]:
    """Every take that the manifest wants."""
    return {(shot.id, shot.take) for shot in manifest.shots}


def sandbox_state(manifest: Manifest) -> Path:
    """Where the sandbox of this manifest keeps its tasks and charges over restarts."""
    return store.ledger_paths(manifest.path, sandbox=True).journal.parent / "server.jsonl"


def paths_of(manifest: Manifest, wish: Wish) -> store.LedgerPaths:
    """Where the manifest's ledger lies, its black box included. Raises UsageError."""
    return paths_at(manifest.path, wish)


def paths_at(manifest: str | os.PathLike[str], wish: Wish) -> store.LedgerPaths:
    """As `paths_of`, for a manifest that need not be readable; its lock means the same ledger."""
    path = Path(manifest)
    if path.suffix == ".lock":
        path = next(
            (p for s in (".yaml", ".yml") if (p := path.with_suffix(s)).exists()),
            path.with_suffix(".yaml"),
        )
    state = None
    if wish.black_box and not wish.sandbox:
        state = store.state_folder(os.environ.get(store.STATE_DIR))
    return store.ledger_paths(path, sandbox=wish.sandbox, state=state)


def folder_of(manifest: Manifest) -> Path:
    """Where the manifest's outputs are relative to."""
    return store.manifest_file(manifest.path).parent


def in_sandbox(manifest: Manifest) -> Manifest:
    """The manifest with its outputs under `outputs/sandbox/`."""
    shots = tuple(
        replace(shot, output="outputs/sandbox/" + shot.output.removeprefix("outputs/"))
        for shot in manifest.shots
    )
    return replace(manifest, shots=shots)


def now() -> str:
    """UTC with milliseconds, as the ledger writes times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""One file put into a store, as a copy of its own. Whoever sends its address reads it back first
(reading_back.py).
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from anyio import to_thread

from klingflow.assets.stores import Snapshot, Store, snapshot


async def put(store: Store, path: Path, named: str, sha256: str) -> Snapshot:
    """Put the file at `path`, which people call `named`, into a store, unless it is there. What is
    returned says how it is called there; its copy is gone.

    Raises NotStored.
    """
    with TemporaryDirectory(prefix="klingflow-", ignore_cleanup_errors=True) as folder:
        taken = await to_thread.run_sync(snapshot, path, named, sha256, Path(folder))
        await store.keep(taken)
        return taken

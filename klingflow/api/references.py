"""The references of a manifest: listed, uploaded, and asked for as the gateway would ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.to_thread

from klingflow.api import stores
from klingflow.api.connecting import NOBODY, reader
from klingflow.api.planning import book_of, planned
from klingflow.api.site import Wish, site_for
from klingflow.assets.reading_back import GIVE_UP_S, read_back, why_refused
from klingflow.assets.stores import Store, snapshot
from klingflow.decide.contents import contents
from klingflow.errors import NotStored, UsageError
from klingflow.gateway.http import Gateway
from klingflow.manifest.addresses import private_host
from klingflow.media.kept_frames import size_of
from klingflow.model import FileFact, LocalFile, Manifest
from klingflow.results.references import Listed, from_videos, listed
from klingflow.words import _

_AT_ONCE = 4

# Told of each file or address when it is done with: its name, and what is wrong with it.
Tell = Callable[[str, str | None], None]


def references(manifest: Manifest, wish: Wish) -> list[Listed]:
    """Return every reference, by the ledger, without network. Raises LedgerError, and as
    `planning.planned` where shots are made from others' videos.
    """
    site = site_for(manifest, wish)
    book = book_of(manifest, site)
    purchases = list(book.everything())
    found = listed(manifest, purchases, contents(purchases))
    if not any(shot.references for shot in manifest.shots):
        return found

    def size(video: FileFact, words: str) -> int | None:
        return size_of(words, site.frames / video.sha256)

    return found + from_videos(planned(manifest, book, site), purchases, size)


def push(manifest: Manifest, tell: Tell, wish: Wish = Wish(), sandbox_at: str = "") -> int:
    """Upload every local file that is here, and read it back. Return how many could not be.

    `sandbox_at` is the address of the sandbox whose store is meant, "" for the user's. Raises
    UsageError where there is no store, or one that cannot be used.
    """
    if sandbox_at:
        store: Store | None = stores.of_sandbox(site_for(manifest, wish), sandbox_at)
    else:
        store = stores.of_user(manifest)
    if store is None:
        raise UsageError(
            _("{path}: no store: name one in assets:, or set KLINGFLOW_UPLOAD", path=manifest.path)
        )
    files = [file for file in manifest.files.values() if file.sha256]
    shown_at = sandbox_at or manifest.assets.public_url or manifest.assets.endpoint or NOBODY
    return anyio.run(_push, Path(manifest.path).parent, store, shown_at, files, tell)


async def _push(
    folder: Path, store: Store, shown_at: str, files: Sequence[LocalFile], tell: Tell
) -> int:
    failed, down = 0, ""
    places = anyio.CapacityLimiter(_AT_ONCE)

    async def one(file: LocalFile) -> None:
        nonlocal failed, down
        async with places:
            try:
                if down:
                    raise NotStored(down)
                await _put(folder, file, store, gateway)
            except NotStored as error:
                failed += 1
                down = str(error) if error.of_all else down
                tell(file.path, str(error))
            else:
                tell(file.path, None)

    async with reader(shown_at) as gateway, anyio.create_task_group() as group:
        for file in files:
            group.start_soon(one, file)
    return failed


async def _put(folder: Path, file: LocalFile, store: Store, gateway: Gateway) -> None:
    with TemporaryDirectory(prefix="klingflow-", ignore_cleanup_errors=True) as scratch:
        taken = await anyio.to_thread.run_sync(
            snapshot, folder / file.path, file.path, file.sha256, Path(scratch)
        )
        await store.keep(taken)
        await read_back(gateway, store.address(taken.name), taken)


def check(manifest: Manifest, tell: Tell) -> int:
    """Ask for each remote address once, without a key. Return how many the gateway cannot read."""
    names = [one.name for one in listed(manifest, (), {}) if one.state == "remote"]
    return anyio.run(_check, names, tell) if names else 0


async def _check(names: Sequence[str], tell: Tell) -> int:
    failed = 0
    places = anyio.CapacityLimiter(_AT_ONCE)

    async def one(address: str) -> None:
        nonlocal failed
        async with places:
            why = await _why(address, gateway)
            failed += why is not None
            tell(address, why)

    async with reader() as gateway, anyio.create_task_group() as group:
        for name in names:
            group.start_soon(one, name)
    return failed


async def _why(address: str, gateway: Gateway) -> str | None:
    """Return why the gateway cannot read what stands at an address; None where it can."""
    if host := private_host(address):
        return _("only your own network knows '{host}'", host=host)
    try:
        with anyio.fail_after(GIVE_UP_S):
            return await why_refused(gateway, address)
    except TimeoutError:
        return _("no answer within {give_up_s:.0f} s", give_up_s=GIVE_UP_S)

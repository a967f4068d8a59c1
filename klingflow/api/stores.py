"""Which store a run's local references go to: the sandbox's own, the command that the user's
environment names, or what the manifest says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from klingflow.api.texts import allowed_folders
from klingflow.assets.stores import UPLOAD, Store
from klingflow.errors import UsageError
from klingflow.ledger.places import Site
from klingflow.manifest.settings import ASSETS
from klingflow.model import AssetSettings, Manifest
from klingflow.words import _

WRITE_BELOW = "KLINGFLOW_WRITE_BELOW"
BUCKETS: Final = "KLINGFLOW_BUCKETS"


def is_stored(environ: Mapping[str, str], *, sandbox: bool) -> bool:
    """True if local files go somewhere whatever the manifest says."""
    return sandbox or bool(environ.get(UPLOAD))


def of_sandbox(site: Site, base_url: str) -> Store:
    """Return the store whose files the sandbox at `base_url` serves."""
    from klingflow.assets.folders import FolderStore  # for start-up: it imports anyio

    return FolderStore(site.refs, f"{base_url}/refs")


def of_user(manifest: Manifest, environ: Mapping[str, str] | None = None) -> Store | None:
    """Return the store of a run at a gateway; None where nobody has named one.

    Raises UsageError for one that cannot be used as it is described.
    """
    environ = os.environ if environ is None else environ
    if command := environ.get(UPLOAD):
        from klingflow.assets.commands import CommandStore  # for start-up: it imports anyio

        return CommandStore(command)
    if manifest.assets.store is None:
        return None
    own = (Path(manifest.path).parent,)
    return _named(manifest.path, own, manifest.assets, environ)


def of_host(assets: AssetSettings, environ: Mapping[str, str]) -> Store | None:
    """Return the store of a host of a cluster for what it takes out of videos: its own command, or
    what the batch's manifest names; None where nobody has named one.

    A person is asked about a manifest's store, and nobody about a batch's: a host writes only to
    buckets, and its key signs only for the service, that its own environment names. Raises
    UsageError as `of_user`.
    """
    if command := environ.get(UPLOAD):
        from klingflow.assets.commands import CommandStore  # for start-up: it imports anyio

        return CommandStore(command)
    if assets.store is None:
        return None
    _check_settings(assets)
    if not assets.store.startswith("file://"):
        _check_bucket(assets.store, environ)
    if assets.endpoint is not None:
        _check_endpoint(assets.endpoint, environ)
    return _named(_("this host"), (), assets, environ)


def _check_settings(assets: AssetSettings) -> None:
    """Raise UsageError for what no manifest may say: no manifest was read on this host."""
    for setting in ASSETS.values():
        value = getattr(assets, setting.attribute)
        try:
            if isinstance(value, str):
                setting.read(value)
        except ValueError as error:
            raise UsageError(f"assets.{setting.name}: {error}") from error


def _check_bucket(store: str, environ: Mapping[str, str]) -> None:
    """Raise UsageError for a bucket, or a part of one, that the environment does not name."""
    is_named = any(
        urlsplit(one).netloc and f"{store.rstrip('/')}/".startswith(f"{one.rstrip('/')}/")
        for one in environ.get(BUCKETS, "").split()
    )
    if not is_named or ".." in store.split("/"):
        raise UsageError(
            _(
                "its environment does not name {store}, where the film's frames go: if they may,"
                " set {buckets}={store}",
                store=store,
                buckets=BUCKETS,
            )
        )


def _check_endpoint(endpoint: str, environ: Mapping[str, str]) -> None:
    """Raise UsageError for a service that the environment does not name."""
    from klingflow.assets.objects import endpoint_in  # for start-up: it imports anyio

    if (endpoint_in(environ) or "").rstrip("/") != endpoint.rstrip("/"):
        raise UsageError(
            _(
                "its environment does not name {endpoint}, which the film does: if the key may be"
                " used there, set AWS_ENDPOINT_URL={endpoint}",
                endpoint=endpoint,
            )
        )


def _named(
    manifest: str, own: Sequence[Path], assets: AssetSettings, environ: Mapping[str, str]
) -> Store:
    store = assets.store or ""
    if not store.startswith("file://"):
        from klingflow.assets.objects import ObjectStore  # for start-up: it imports anyio

        return ObjectStore(assets, environ)
    from klingflow.assets.folders import FolderStore  # for start-up: it imports anyio

    if assets.public_url is None:
        raise UsageError(
            _("{manifest}: a store on this disk needs assets.public_url", manifest=manifest)
        )
    if assets.endpoint is not None:
        raise UsageError(
            _("{manifest}: assets.endpoint is for s3:// stores only", manifest=manifest)
        )
    return FolderStore(_folder(manifest, own, store, environ), assets.public_url)


def _folder(manifest: str, own: Sequence[Path], store: str, environ: Mapping[str, str]) -> Path:
    """Return the folder of a store on this disk. Raises UsageError for one that is not the
    manifest's to write to: `own` are its folders.
    """
    parts = urlsplit(store)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(
            _(
                "{manifest}: assets.store {store}: a folder is written file:///srv/refs",
                manifest=manifest,
                store=store,
            )
        )
    folder = Path(os.path.realpath(unquote(parts.path)))
    allowed = allowed_folders(environ.get(WRITE_BELOW, ""), WRITE_BELOW)
    if not any(folder.is_relative_to(os.path.realpath(one)) for one in (*own, *allowed)):
        raise UsageError(
            _(
                "{manifest}: assets.store {store} is outside the manifest's folder: allow it by"
                " {write_below}={folder}",
                manifest=manifest,
                store=store,
                write_below=WRITE_BELOW,
                folder=folder,
            )
        )
    return folder

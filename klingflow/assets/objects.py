"""Object stores, through obstore: S3 and what speaks its protocol, GCS, Azure. No other module
imports it.

Its blocking calls are made in threads. Its asynchronous ones call Python from threads of their own,
and a process that ends meanwhile is aborted. Credentials come from the environment alone. What an
error of the library says is not repeated: it may quote requests, which hold signatures.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import anyio
import anyio.to_thread

from klingflow import disk, plain_files
from klingflow.assets.listing import CHUNK, Listing
from klingflow.assets.stores import Snapshot
from klingflow.errors import NotStored, StoreAway, UsageError
from klingflow.model import AssetSettings
from klingflow.words import _

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

T = TypeVar("T")

# A store that does not answer is given up within this time.
GIVE_UP_S = 20.0
_CONNECT: Final = timedelta(seconds=5)
_REPEAT: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
# Of one request; a file of over 5 MB goes in several.
_PUT: Final = timedelta(seconds=300)
# What the environment calls the service that a bucket is at, the more particular name first.
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_KEY_ID, _SECRET, _REGION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"
# Where the library's words have the service's own code, and its status.
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>|status code: ([0-9]{3})")
_TYPES: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
}


def endpoint_in(environ: Mapping[str, str]) -> str | None:
    """Return which service the environment names for buckets; None where it names none."""
    return next((url for name in _ENDPOINTS if (url := environ.get(name))), None)


class ObjectStore:
    """Files in a bucket, read at its public address or at signed ones."""

    def __init__(self, settings: AssetSettings, environ: Mapping[str, str]) -> None:
        """Raises UsageError for a store that cannot be used; nothing is asked yet."""
        self._settings = settings
        self._asking = _opened(settings, environ, timedelta(seconds=GIVE_UP_S))
        self._putting = _opened(settings, environ, _PUT)

    @property
    def described(self) -> str:
        """The store, and the service that it is at."""
        return _described(self._settings)

    @property
    def settings(self) -> AssetSettings:
        """The settings that the store was opened with; no credentials are among them."""
        return self._settings

    async def keep(self, snapshot: Snapshot) -> None:
        """Put a file there, unless it is there. Raises NotStored."""
        if await self._size(snapshot.name) == snapshot.size_bytes:
            return
        suffix = snapshot.name.rpartition(".")[2]
        attributes = {"Content-Type": _TYPES.get(suffix, "application/octet-stream")}
        put = partial(_put, self._putting, snapshot.name, snapshot.path, attributes)
        await self._do(put)

    async def _size(self, name: str) -> int | None:
        """Return the size of what is there; None where nothing is, or where we may not look."""
        try:
            with anyio.fail_after(GIVE_UP_S):
                return await self._do(partial(_size, self._asking, name))
        except TimeoutError:
            raise self._unreachable() from None

    async def _do(self, work: Callable[[], T]) -> T:
        """Do something in a thread. Raises NotStored, without what the library says."""
        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        except Exception as error:
            failure = self._failure(error)
        raise failure  # here, so that no traceback shows what it came from

    def _failure(self, error: Exception) -> NotStored:
        """Return an error of the library as ours: only its class and the service's code are
        repeated.
        """
        found = _code_in(error)
        code = _(" ({found})", found=found) if found else ""
        match type(error).__name__:
            case "PermissionDeniedError" | "UnauthenticatedError":
                why = _(
                    "{described} refuses the credentials of the environment{code}",
                    described=self.described,
                    code=code,
                )
            case "NotFoundError" | "FileNotFoundError":
                why = _("{described} is not there{code}", described=self.described, code=code)
            case _ if code:
                why = _("{described} takes nothing{code}", described=self.described, code=code)
            case _:
                return self._unreachable()
        return NotStored(why, of_all=True)

    def _unreachable(self) -> NotStored:
        return NotStored(_("{described} cannot be reached", described=self.described), of_all=True)

    def address(self, name: str) -> str:
        """Return where the gateway reads a file: signed where the store has no public address."""
        if self._settings.public_url:
            return f"{self._settings.public_url.rstrip('/')}/{name}"
        import obstore  # for start-up

        expires = timedelta(seconds=self._settings.expires_s)
        address: str = obstore.sign(self._asking, "GET", name, expires)
        return address


class Bucket:
    """Objects that are made once, by conditional puts (`klingflow.cluster.store.PutOnce`). Where
    the service is, is the environment's to say. All calls block.
    """

    def __init__(self, address: str, environ: Mapping[str, str], most_bytes: int) -> None:
        """No object of over `most_bytes` is read whole. Raises UsageError for a bucket that cannot
        be used; nothing is asked yet.
        """
        self._most_bytes = most_bytes
        endpoint = endpoint_in(environ) if urlsplit(address).scheme == "s3" else None
        region = environ.get(_REGION) if endpoint else None
        self._settings = AssetSettings(address, endpoint=endpoint, region=region)
        self._objects = _opened(self._settings, environ, timedelta(seconds=GIVE_UP_S))
        self._files = _opened(self._settings, environ, _PUT)
        self._listing = Listing(self._listed)

    @property
    def described(self) -> str:
        """The bucket, and the service that it is at."""
        return _described(self._settings)

    @property
    def identity(self) -> str:
        """A hash of its address."""
        where = f"{self._settings.store} {self._settings.endpoint or ''}"
        return hashlib.sha256(where.encode()).hexdigest()[:32]

    def put(self, name: str, data: bytes) -> bool:
        """Make an object. Return False where there is one. Raises StoreAway."""
        import obstore  # for start-up
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            obstore.put(self._objects, name, data, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError, FileExistsError):
            return False
        except Exception as error:
            failure = self._away(error)
        else:
            return True
        raise failure  # here, so that no traceback shows what it came from

    def get(self, name: str) -> bytes | None:
        """Return what an object holds; None where there is none. Of one that is too large
        nothing: nobody can believe it. Raises StoreAway.
        """
        import obstore  # for start-up
        from obstore.exceptions import NotFoundError

        try:
            found = obstore.get(self._objects, name)
            return bytes(found.bytes()) if found.meta["size"] <= self._most_bytes else b""
        except (NotFoundError, FileNotFoundError):
            return None
        except Exception as error:
            failure = self._away(error)
        raise failure  # here, as above

    def names(self, folder: str, begin: str = "") -> list[str]:
        """Return the names of all objects below a folder that begin so, sorted. Raises
        StoreAway.
        """
        try:
            return self._listing.names(f"{folder}/", begin)
        except Exception as error:
            failure = self._away(error)
        raise failure  # here, as above

    def _listed(self, folder: str, after: str | None = None) -> Iterator[list[str]]:
        """Yield the names below a folder as the service lists them, many at once."""
        import obstore  # for start-up

        for page in obstore.list(self._objects, folder, offset=after, chunk_size=CHUNK):
            if page:
                yield [str(one["path"]) for one in page]

    def keep(self, name: str, path: Path) -> None:
        """Make an object of a file whose hash its name is; one that is there stays. Raises
        StoreAway.
        """
        try:
            if _size(self._objects, name) != path.stat().st_size:
                _put(self._files, name, path, {})
            return
        except OSError:
            raise
        except Exception as error:
            failure = self._away(error)
        raise failure  # here, as above

    def copy_to(self, name: str, path: Path) -> bool:
        """Copy an object to a new file, durably. Return False where there is none. Raises
        StoreAway, OSError for the file.
        """
        import obstore  # for start-up
        from obstore.exceptions import NotFoundError

        with os.fdopen(
            plain_files.open_itself(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb"
        ) as file:
            try:
                for piece in obstore.get(self._files, name).stream():
                    file.write(piece)
                file.flush()
                disk.sync(file.fileno())
            except (NotFoundError, FileNotFoundError):
                path.unlink()
                return False
            except OSError:
                raise
            except Exception as error:
                failure = self._away(error)
            else:
                return True
        path.unlink()
        raise failure  # here, as above

    def _away(self, error: Exception) -> StoreAway:
        """Return an error of the library without its words: they may quote a request."""
        found = _code_in(error)
        code = _(": {found}", found=found) if found else ""
        return StoreAway(
            _("the store {described} cannot be used now{code}", described=self.described, code=code)
        )


def _described(settings: AssetSettings) -> str:
    """Return what to call a store: its address, and the service that it is at."""
    if not settings.endpoint:
        return str(settings.store)
    return f"{settings.store}" + _(" at {endpoint}", endpoint=settings.endpoint)


def _code_in(error: Exception) -> str:
    """Return the service's own code in an error of the library, otherwise its status; "" for
    none.
    """
    found = max(_CODE.finditer(str(error)), key=lambda one: bool(one[1]), default=None)
    return str(found[1] or found[2]) if found else ""


def _size(store: Any, name: str) -> int | None:
    import obstore  # for start-up
    from obstore.exceptions import NotFoundError, PermissionDeniedError

    try:
        size: int = obstore.head(store, name)["size"]
    except (FileNotFoundError, NotFoundError, PermissionDeniedError):
        # Who may only write is refused where nothing is; writing will show.
        return None
    return size


def _put(store: Any, name: str, path: Path, attributes: dict[str, str]) -> None:
    import obstore  # for start-up

    obstore.put(store, name, path, attributes=attributes)


def _opened(
    settings: AssetSettings, environ: Mapping[str, str], timeout: timedelta
) -> AzureStore | GCSStore | S3Store:
    try:
        from obstore.store import AzureStore, GCSStore, S3Store  # for start-up, and an extra
    except ImportError:
        raise UsageError(
            _(
                "assets.store {store} needs the upload extra: pip install 'klingflow[upload]'",
                store=settings.store,
            )
        ) from None
    parts = urlsplit(settings.store or "")
    if settings.endpoint and parts.scheme != "s3":
        raise UsageError(_("assets.endpoint is for s3:// stores only"))
    bucket, options = parts.netloc, _options(settings, parts.path, timeout)
    own = _of_s3(parts, settings, environ)
    try:
        match parts.scheme:
            case "gs":
                return GCSStore(bucket, **options)
            case "az":
                return AzureStore(bucket, **options)
            case _:
                with _without_aws() if settings.endpoint else nullcontext():
                    return S3Store(bucket, **options, **own)
    except Exception as error:
        failure = UsageError(
            _(
                "assets.store {store} cannot be opened: {name}",
                store=settings.store,
                name=type(error).__name__,
            )
        )
    raise failure  # here, so that no traceback shows what it came from


def _options(settings: AssetSettings, path: str, timeout: timedelta) -> dict[str, Any]:
    """Return what a store of any kind is opened with."""
    plain = (settings.endpoint or "").startswith("http://")
    return {
        "prefix": path.strip("/") or None,
        "client_options": {"connect_timeout": _CONNECT, "timeout": timeout, "allow_http": plain},
        "retry_config": _REPEAT,
    }


def _of_s3(
    address: SplitResult, settings: AssetSettings, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return what S3, or a service that speaks its protocol, is opened with besides; nothing for
    other stores.
    """
    if address.scheme != "s3":
        return {}
    if settings.endpoint:
        return _at_endpoint(address.netloc, settings, environ)
    return {"region": settings.region} if settings.region else {}


def _at_endpoint(
    bucket: str, settings: AssetSettings, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return what a service that a manifest names is opened with: a key, whose secret it is never
    shown. A session token would be sent as it is, and instance metadata is for AWS alone.
    """
    key, secret = environ.get(_KEY_ID), environ.get(_SECRET)
    if not key or not secret:
        raise UsageError(
            _(
                "{store} at {endpoint} needs {key_id} and {secret} in the environment",
                store=settings.store,
                endpoint=settings.endpoint,
                key_id=_KEY_ID,
                secret=_SECRET,
            )
        )
    endpoint = str(settings.endpoint)
    host = urlsplit(endpoint).hostname or ""
    return {
        "access_key_id": key,
        "secret_access_key": secret,
        "endpoint": endpoint,
        "region": settings.region or environ.get(_REGION) or "us-east-1",
        "virtual_hosted_style_request": host.startswith(f"{bucket}."),
    }


@contextmanager
def _without_aws() -> Iterator[None]:
    """Take AWS' variables away meanwhile: the library reads them while a store is opened, and lets
    some win over what it is told.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    try:
        yield
    finally:
        os.environ.update(hidden)

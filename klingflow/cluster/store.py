"""The store that all hosts see: small objects, each made once and never changed. Whoever makes an
object has the right to what it stands for; everybody else is refused.

A folder, or a bucket through klingflow.assets.objects. Where a store cannot be reached nothing is
known: StoreAway is raised, and no object counts as missing. All calls block.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Final, Literal, Protocol
from urllib.parse import urlsplit

from klingflow import disk, plain_files
from klingflow.cluster.known_stores import known_at, plain_address
from klingflow.errors import StoreAway, UsageError
from klingflow.words import _, cause

ORDERS, PURCHASES, VIDEOS, PIECES, SCRATCH = "orders", "purchases", "videos", "pieces", "scratch"
ACCOUNTS: Final = "accounts"
# What is told of a purchase: its claim; what the gateway answered, a person settled, or nobody can
# know; and how its task ended, or that hosts have left it.
Chapter = Literal["intent", "answer", "resolved", "doubt", "done", "parked"]
_FOLDERS: Final = (ORDERS, PURCHASES, VIDEOS, PIECES, ACCOUNTS, SCRATCH, "probes")
_PIECE: Final = 1 << 20
# No object that klingflow makes is as large, videos apart: a page of a hundred orders at most.
MOST_BYTES: Final = 64 << 20
_MARK: Final = "store.json"
_PROBE: Final = "probes/put-once"
_BUCKETS: Final = frozenset({"s3", "gs", "az"})
# No part of a name begins with a dot, so that a name never leads out of its store.
_NAME: Final = re.compile(
    r"([0-9A-Za-z_-][0-9A-Za-z._-]{0,100}/){1,2}[0-9A-Za-z_-][0-9A-Za-z._-]{0,100}"
)
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
# A host that sees no such folder may have lost a network drive.
_AWAY: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


def is_name(text: str) -> bool:
    """True if an object of a store may be called so."""
    return _NAME.fullmatch(text) is not None


def told_of(uid: str, chapter: Chapter) -> str:
    """Return the name of the object that tells this of a purchase."""
    return f"{PURCHASES}/{uid}.{chapter}"


def uid_of_object(name: str) -> str:
    """Return whose object of purchases it is, by its name."""
    return name.removeprefix(f"{PURCHASES}/").partition(".")[0]


class PutOnce(Protocol):
    """Objects that are made once. Names have two or three parts: `purchases/<uid>.intent`."""

    @property
    def described(self) -> str:
        """What a person is told about the store."""
        ...

    @property
    def identity(self) -> str:
        """Which store it is, wherever it is mounted; no secret."""
        ...

    def put(self, name: str, data: bytes) -> bool:
        """Make an object, durably. Return False where there is one, which stays as it is, and is
        durable.

        Raises StoreAway, and then the object may have been made all the same.
        """
        ...

    def get(self, name: str) -> bytes | None:
        """Return what an object holds; None where there is none. Of one larger than MOST_BYTES
        nothing: nobody can believe it. Raises StoreAway.
        """
        ...

    def names(self, folder: str, begin: str = "") -> list[str]:
        """Return the names of all objects below a folder that go on with `begin`, sorted. Raises
        StoreAway.
        """
        ...

    def keep(self, name: str, path: Path) -> None:
        """Make an object of a file whose hash its name is; one that is there stays. Raises
        StoreAway, OSError for the file.
        """
        ...

    def copy_to(self, name: str, path: Path) -> bool:
        """Copy an object to a new file, durably. Return False where there is no such object.

        Raises StoreAway, OSError for the file.
        """
        ...


def open_store(address: str, environ: Mapping[str, str], state: Path | None) -> PutOnce:
    """Return the store at an address: a folder, or a bucket with credentials of the environment.

    `state` is the user's state folder: it keeps in mind which store lies at an address, so that an
    empty folder in the place of an unmounted drive is noticed, and no store begins in it. Raises
    UsageError.
    """
    address = plain_address(address)
    known = None if state is None else known_at(state, address)
    scheme = urlsplit(address).scheme
    if scheme in _BUCKETS:
        from klingflow.assets.objects import Bucket  # for start-up, and an extra

        store: PutOnce = Bucket(address, environ, MOST_BYTES)
    elif not scheme:
        folder = Path(address)
        if known:
            known.check_there(folder / _MARK)
        store = FolderStore(folder)
    else:
        raise UsageError(
            _(
                "no store can be at {address}: name a folder, or s3://, gs:// or az://",
                address=address,
            )
        )
    if known:
        known.check(store.identity, store.described)
    return store


def prove(store: PutOnce) -> None:
    """Put an object that is there. Raises UsageError where that is not refused: two hosts could buy
    one shot there. Raises StoreAway.

    All proofs share one object, which the first of them makes: none piles up.
    """
    first, second = secrets.token_bytes(16), secrets.token_bytes(16)
    was_made, was_made_again = store.put(_PROBE, first), store.put(_PROBE, second)
    there = store.get(_PROBE)
    is_kept = there == first if was_made else there not in (None, first, second)
    if was_made_again or not is_kept:
        raise UsageError(
            _(
                "{described} lets an object be made twice, so it cannot keep two hosts from"
                " buying one shot; use a store with conditional puts",
                described=store.described,
            )
        )


def copy_video(store: PutOnce, sha256: str, path: Path) -> bool:
    """Copy a video to a new file, durably. Return False where the store does not have it, whole;
    then the file may hold something else. Raises StoreAway, OSError for the file.
    """
    is_hash = _HASH.fullmatch(sha256)  # a ledger from elsewhere may have any text there
    if not is_hash or not store.copy_to(f"{VIDEOS}/{sha256}.mp4", path):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


class FolderStore:
    """A folder that all hosts mount. It is made in an empty folder, and has a mark of its own."""

    def __init__(self, folder: Path) -> None:
        """Open the store, or make it in an empty folder. Raises UsageError, StoreAway."""
        if not folder.is_absolute():
            raise UsageError(_("the store {folder} needs an absolute path", folder=folder))
        self._folder = folder
        try:
            self._identity = self._opened()
        except OSError as error:
            why = cause(error)
            raise UsageError(
                _("{folder} cannot be used as a store: {why}", folder=folder, why=why)
            ) from error

    @property
    def described(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def identity(self) -> str:
        """What its mark says."""
        return self._identity

    @property
    def folder(self) -> Path:
        """Where it is mounted here."""
        return self._folder

    def _opened(self) -> str:
        if not self._folder.is_dir():
            raise UsageError(
                _(
                    "there is no folder {folder}: mount it, or make it with mkdir -p",
                    folder=self._folder,
                )
            )
        if not (self._folder / _MARK).exists():
            self._make()
        mark = plain_files.read_whole(self._folder / _MARK).decode("utf-8", "replace").strip()
        found = re.fullmatch(r'\{"klingflow_store":1,"id":"([0-9a-f]{32})"\}', mark)
        if found is None:
            raise UsageError(_("{folder} is not of this klingflow", folder=self._folder / _MARK))
        return found[1]

    def _make(self) -> None:
        """Make the folders, then the mark; of several hosts at once one makes the mark."""
        others = {path.name for path in self._folder.iterdir()} - {*_FOLDERS, _MARK}
        if any(not name.startswith(".") for name in others):
            raise UsageError(
                _(
                    "{folder} holds other files; a store begins in an empty folder",
                    folder=self._folder,
                )
            )
        for name in _FOLDERS:
            disk.make_folder(self._folder / name)
        mark = b'{"klingflow_store":1,"id":"%s"}\n' % secrets.token_hex(16).encode()
        self._make_object(self._folder / _MARK, mark)

    def put(self, name: str, data: bytes) -> bool:
        """Make an object: written beside, synced, and linked to its name, which fails where there
        is one.
        """
        path = self._path(name)
        try:
            self._check_folders(path, make=True)
            return self._make_object(path, data)
        except OSError as error:
            raise self._away(error) from error

    def _make_object(self, path: Path, data: bytes) -> bool:
        return self._linked(path, BytesIO(data))

    def _linked(self, path: Path, source: BinaryIO) -> bool:
        temp = self._folder / SCRATCH / f"{secrets.token_hex(16)}.tmp"
        try:
            with os.fdopen(plain_files.open_itself(temp, _NEW), "wb") as file:
                shutil.copyfileobj(source, file, _PIECE)
                file.flush()
                disk.sync(file.fileno())
            try:
                os.link(temp, path)
                was_made = True
            except FileExistsError:
                was_made = False
            # Also where it is there: whoever made it may have failed to sync it, and be this one.
            disk.sync_folder(path.parent)
        finally:
            with suppress(OSError):
                temp.unlink(missing_ok=True)
        return was_made

    def keep(self, name: str, path: Path) -> None:
        """Make an object of a file; one that is there stays."""
        target = self._path(name)
        with os.fdopen(plain_files.open_itself(path, os.O_RDONLY), "rb") as source:
            try:
                self._check_folders(target, make=False)
                self._linked(target, source)
            except OSError as error:
                raise self._away(error) from error

    def copy_to(self, name: str, path: Path) -> bool:
        """Copy an object to a new file, durably."""
        source = self._opened_object(self._path(name))
        if source is None:
            return False
        with source, os.fdopen(plain_files.open_itself(path, _NEW), "wb") as file:
            shutil.copyfileobj(source, file, _PIECE)
            file.flush()
            disk.sync(file.fileno())
        return True

    def get(self, name: str) -> bytes | None:
        """Return what an object holds."""
        file = self._opened_object(self._path(name))
        if file is None:
            return None
        with file:
            try:
                data = file.read(MOST_BYTES + 1)
            except OSError as error:
                raise self._away(error, name) from error
        return data if len(data) <= MOST_BYTES else b""

    def _opened_object(self, path: Path) -> BinaryIO | None:
        """Open an object, through no link, and no device; None where there is none."""
        try:
            self._check_folders(path, make=False)
            file = os.fdopen(plain_files.open_itself(path, os.O_RDONLY), "rb")
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                file.close()
                raise OSError(errno.EINVAL, _("not a regular file"), str(path))
            return file
        except FileNotFoundError as error:
            if not self._is_there():
                raise self._away(error) from error
            return None
        except OSError as error:
            raise self._away(error, path.relative_to(self._folder).as_posix()) from error

    def names(self, folder: str, begin: str = "") -> list[str]:
        """Return the names of all objects below a folder that go on with `begin`, sorted."""
        top = self._folder / folder
        try:
            self._check_folders(top / "any", make=False)
            names = self._below(top, folder, begin)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._is_there():
                return []
            raise self._away(error) from error
        return sorted(names)

    def _below(self, top: Path, name: str, begin: str = "") -> list[str]:
        found = []
        with os.scandir(top) as entries:
            for entry in (one for one in entries if one.name.startswith(begin)):
                here = f"{name}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    found += self._below(top / entry.name, here)
                elif entry.is_file(follow_symlinks=False) and _NAME.fullmatch(here):
                    found.append(here)  # and none of what systems leave: .DS_Store, .nfs0000
        return found

    def _path(self, name: str) -> Path:
        if not is_name(name):
            raise ValueError(_("{name!r} is no name of an object", name=name))
        return self._folder / name

    def _check_folders(self, path: Path, *, make: bool) -> None:
        """Raise OSError where a folder of a path below the store is a link, or is missing; `make`
        makes a batch's own folder.
        """
        *above, folder = reversed([p for p in path.parents if p.is_relative_to(self._folder)][:-1])
        for one in above:
            _check_folder(one)
        if make and above:
            with suppress(FileExistsError):
                folder.mkdir()
                disk.sync_folder(folder.parent)
        _check_folder(folder)

    def _is_there(self) -> bool:
        return (self._folder / _MARK).is_file() and (self._folder / PURCHASES).is_dir()

    def _away(self, error: OSError, name: str = "") -> StoreAway:
        why = _("is not there") if error.errno in _AWAY else cause(error)
        if name:
            return StoreAway(
                _(
                    "the store {folder} cannot be used now: {name}: {why}",
                    folder=self._folder,
                    name=name,
                    why=why,
                )
            )
        return StoreAway(
            _("the store {folder} cannot be used now: {why}", folder=self._folder, why=why)
        )


def _check_folder(folder: Path) -> None:
    if not S_ISDIR(folder.lstat().st_mode):
        raise OSError(
            errno.ELOOP, _("{folder} is no folder, perhaps a link", folder=folder), str(folder)
        )

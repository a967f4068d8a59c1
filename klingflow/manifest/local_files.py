"""PURE. The local files of a manifest: found in bodies, looked at all at once, and judged as the
gateway would.

held_files.py says how a file stands in a body. The caller looks at the files
(klingflow.assets.looking).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace as with_changes
from errno import ENOENT
from typing import Final, Literal, NamedTuple, TypeAlias

from klingflow.errors import Mark, OutsideError, shortened
from klingflow.manifest.addresses import addresses, elsewhere_meant
from klingflow.manifest.chained import frames
from klingflow.manifest.coerce import as_list, as_mapping
from klingflow.manifest.fields import Path
from klingflow.manifest.held_files import Record, is_path, put, records, replaced
from klingflow.manifest.request import author_path, fingerprint
from klingflow.manifest.values import Fault
from klingflow.model import Json, LocalFile, Manifest, Node, Request
from klingflow.words import _, cause, filled

# Looks at files by their paths; what cannot be read is an error in a file's place.
Seen: TypeAlias = Mapping[str, LocalFile | OSError]
Look: TypeAlias = Callable[[Collection[str]], Seen]
Medium = Literal["image", "video"]

NO_SUCH_FILE: Final = "no-such-file"
NO_STORE: Final = "no-store"
# The service's own limits (gateway.md 3), which `allow` lifts, each with its words.
LIMITS: Final[dict[str, str]] = {
    "file-size": _("The file is larger than the service takes."),
    "image-size": _("A side of the image is shorter than the service takes."),
    "image-ratio": _("The image is longer or taller than the service takes."),
}
_MB: Final = 1_000_000
_MOST_BYTES: Final[dict[Medium, int]] = {"image": 10 * _MB, "video": 100 * _MB}
_SUFFIXES: Final[dict[Medium, frozenset[str]]] = {
    "image": frozenset({"png", "jpg", "webp"}),
    "video": frozenset({"mp4", "mov"}),
}
_FORMATS: Final[dict[Medium, str]] = {"image": _("PNG, JPEG or WebP"), "video": _("MP4 or MOV")}
_NONE_OF_IT: Final[dict[Medium, str]] = {
    "image": _("no image by its bytes"),
    "video": _("no video by its bytes"),
}
_TOO_LARGE: Final[dict[Medium, str]] = {
    "image": _("'{path}' has {size}; the service takes images of at most {limit} MB"),
    "video": _("'{path}' has {size}; the service takes videos of at most {limit} MB"),
}
_ABSENT: Final = FileNotFoundError(ENOENT, _("there is no such file"))
_LEAST_SIDE = 300
_MOST_RATIO = 2.5


class Use(NamedTuple):
    """A local file in a body: where it stands there, where the author wrote it, as a path of fields
    and as a place, and how it stands in the body.
    """

    path: Path
    field: Path
    mark: Mark
    record: Record

    @property
    def file(self) -> str:
        """Its path relative to the manifest's folder."""
        return str(self.record["file"])


class LocalFiles:
    """The local files of one manifest, each once: `records` has how each stands in all bodies."""

    def __init__(self, manifest: str) -> None:
        self._manifest = manifest
        self._folder = posixpath.dirname(manifest)
        self._in_one_folder = False
        self.records: dict[str, Record] = {}
        self._named: dict[tuple[str, str], Record] = {}
        self._good: dict[tuple[str, Medium], bool] = {}

    def said_in(self, files: Iterable[str]) -> None:
        """Note which files may name local files. Most often all lie in the manifest's folder; then
        nobody has to find out for each path which file names it.
        """
        self._in_one_folder = all(posixpath.dirname(file) == self._folder for file in files)

    def placed(self, body: dict[str, Json], file_of: Callable[[Path], str]) -> dict[str, Json]:
        """Return the body with a record for each path of a file in it; the same object if it names
        none. `file_of` returns the file that says what is at a path of the body: a path is relative
        to that file's folder.
        """
        for path, value in list(addresses(body)):
            if type(value) is str and is_path(value):
                said_in = self._manifest if self._in_one_folder else file_of(path)
                body = put(body, path, self._record(value, said_in))
        return body

    def _record(self, text: str, said_in: str) -> Record:
        if record := self._named.get((text, said_in)):
            return record
        folder = posixpath.dirname(said_in)
        beside = posixpath.relpath(folder or ".", self._folder or ".")
        path = posixpath.normpath(posixpath.join(beside, text))
        record = self._named[text, said_in] = self.records.setdefault(path, {"file": path})
        return record

    def are_good(self, body: Mapping[str, Json], seen: Seen) -> bool:
        """Return True if nothing is wrong with any local file of a body; each file is judged
        once.
        """
        for path, record in records(body):
            use = record["file"], medium_of(path, body)
            good = self._good.get(use)
            if good is None:
                good = self._good[use] = _is_good(*use, seen)
            if not good:
                return False
        return True

    def as_found(self, seen: Seen) -> dict[str, LocalFile]:
        """Return all files by path, without content if there is none."""
        files = {}
        for path in self.records:
            found = seen.get(path)
            files[path] = found if isinstance(found, LocalFile) else LocalFile(path)
        return files

    def seen(self, look: Look) -> Seen:
        """Look at all files, and give their records the content."""
        if not self.records:
            return {}
        found = {**dict.fromkeys(self.records, _ABSENT), **look(self.records.keys())}
        for path, record in self.records.items():
            file = found[path]
            if isinstance(file, LocalFile) and file.sha256:
                record["sha256"] = file.sha256
        return found


def _is_good(file: str, medium: Medium, seen: Seen) -> bool:
    found = seen[file]
    return isinstance(found, LocalFile) and not any(wrong((), found, medium))


def uses(
    fields: Mapping[str, Json], kind: str, node: Node, body: Mapping[str, Json]
) -> Iterator[Use]:
    """Yield the local files in the body of a shot with these fields."""
    for path, record in records(body):
        field = author_path(fields, kind, path)
        yield Use(path, field, node.at(*field).mark, record)


def goes_to_a_store(body: Mapping[str, Json]) -> bool:
    """Return True if a body has a local file in it, or a frame of another shot's video."""
    return any(records(body)) or any(frames(body))


# --- what a ledger knows -------------------------------------------------------------------------


def remembered(manifest: Manifest, known: Callable[[], Mapping[str, str]]) -> Manifest:
    """Return the manifest with what is known of files that are not on this disk. `known` returns
    content (sha256) by path, and is called only if there are such files.
    """
    absent = {path for path, file in manifest.files.items() if not file.sha256}
    contents = known() if absent else {}
    if absent.isdisjoint(contents):
        return manifest
    requests = tuple(_with_contents(request, contents) for request in manifest.requests)
    return with_changes(manifest, requests=requests)


def _with_contents(request: Request, contents: Mapping[str, str]) -> Request:
    def known(record: Record) -> Record:
        content = record.get("sha256") or contents.get(record["file"])
        return {**record, "sha256": content} if content else record

    body = replaced(request.body, known)
    if body == request.body:
        return request
    if request.fingerprint is None:
        return with_changes(request, body=body)
    return with_changes(request, body=body, fingerprint=fingerprint(body))


# --- what is wrong with a file -------------------------------------------------------------------


def without_store(field: Path, *, is_frame: bool = False) -> Fault:
    """Return the fault of a local file for which no store is named; with `is_frame`, of a frame of
    another shot's video, which becomes a local file.
    """
    what = _("a frame of a video, which is a file on this disk") if is_frame else _("a local file")
    text = _(
        "the gateway cannot read {what}: name a store in assets:, or set KLINGFLOW_UPLOAD",
        what=what,
    )
    return Fault(field, NO_STORE, text)


def fault_of(use: Use, body: Mapping[str, Json], found: LocalFile | OSError) -> Fault | None:
    """Return what is wrong with a local file in a body, as a fault at the author's field; None if
    nothing is.
    """
    match found:
        case FileNotFoundError():
            return Fault(use.field, NO_SUCH_FILE, _absent(use.file, cause(found)))
        case OutsideError():
            text = _(
                "'{file}' leads out of the manifest's folder; {found}", file=use.file, found=found
            )
            return Fault(use.field, "path-outside", text)
        case OSError():
            text = _("'{file}' cannot be read: {error}", file=use.file, error=cause(found))
            return Fault(use.field, "unreadable", text)
    return next(wrong(use.field, found, medium_of(use.path, body)), None)


def _absent(path: str, why: str) -> str:
    shown = shortened(path)
    if why.endswith("?"):  # it says which file is meant
        return _("'{shown}': {why}", shown=shown, why=why)
    return _(
        "'{shown}': {why}; {elsewhere_meant}",
        shown=shown,
        why=why,
        elsewhere_meant=elsewhere_meant(path) or _("put it there, or write where it is"),
    )


def medium_of(path: Path, body: Mapping[str, Json]) -> Medium:
    """Return what the gateway expects at a path of a body."""
    if "video_url" in path:
        return "video"
    if "file_infos" in path:
        files = as_list(as_mapping(body.get("metadata")).get("file_infos"))
        is_video = as_mapping(files[int(path[2])]).get("category") == "Video"
        return "video" if is_video else "image"
    return "image"


def wrong(field: Path, file: LocalFile, medium: Medium) -> Iterator[Fault]:
    """Yield what is wrong with a file that exists, where the gateway expects a medium."""
    if file.suffix not in _SUFFIXES[medium]:
        kind = (
            _("by its bytes a .{suffix}", suffix=file.suffix)
            if file.suffix
            else _NONE_OF_IT[medium]
        )
        text = _(
            "'{path}' is {kind}; the gateway takes {formats} here",
            path=file.path,
            kind=kind,
            formats=_FORMATS[medium],
        )
        yield Fault(field, "file-type", text)
        return
    most = _MOST_BYTES[medium]
    if file.size_bytes > most:
        size, limit = _("{size_bytes:.1f} MB", size_bytes=file.size_bytes / _MB), most // _MB
        text = filled(_TOO_LARGE[medium], {"path": file.path, "size": size, "limit": limit})
        yield Fault(field, "file-size", text)
    if medium == "image":
        yield from _wrong_sides(field, file)


def _wrong_sides(field: Path, file: LocalFile) -> Iterator[Fault]:
    short, long = sorted((file.width, file.height))
    sides = _("'{path}' is {width}x{height}", path=file.path, width=file.width, height=file.height)
    if not short:
        text = _("'{path}' does not say how large it is; save it again", path=file.path)
        yield Fault(field, "file-type", text)
    elif short < _LEAST_SIDE:
        text = _(
            "{sides}; the service takes images with sides of at least {least_side} pixels",
            sides=sides,
            least_side=_LEAST_SIDE,
        )
        yield Fault(field, "image-size", text)
    elif long > _MOST_RATIO * short:
        text = _(
            "{sides}; the service takes images between 1:{most_ratio} and {most_ratio}:1",
            sides=sides,
            most_ratio=_MOST_RATIO,
        )
        yield Fault(field, "image-ratio", text)

"""PURE. Another shot's video where an address of an image or a video may stand: one frame of it, as
`{"from": SHOT, "frame": last}`, or the whole video, as `{"from": SHOT}`.

Once the run knows the purchase that made the video, the record has its uid, as `purchase`. A
fingerprint counts that uid and the words of `frame`, never pixels or an address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from klingflow.manifest.addresses import addresses
from klingflow.manifest.coerce import as_list, as_mapping
from klingflow.manifest.fields import ADDRESS_LISTS, ADDRESSES, Path
from klingflow.manifest.held_files import Record, put
from klingflow.manifest.identity import cell
from klingflow.model import Json, composed
from klingflow.words import _

# The attribute of a Reference to a video that stands in a body as such a record.
VIDEO: Final = "video"
# What people call the frames that have names.
_AT_AN_END: Final = {"first": _("the first frame"), "last": _("the last frame")}

_BODIES: Final = ("request", "extra")
_WITH_PLACES: Final = frozenset((*ADDRESSES, *ADDRESS_LISTS, "files", *_BODIES))


def chained(body: Mapping[str, Json]) -> Iterator[tuple[Path, Record]]:
    """Yield each record of another shot's video in a body, with its path in the body."""
    for path, value in addresses(body):
        if _is_record(value):
            yield path, value


def frames(body: Mapping[str, Json]) -> Iterator[Path]:
    """Yield the paths at which a body has a frame of another shot's video."""
    return (path for path, record in chained(body) if "frame" in record)


def is_open(body: Mapping[str, Json]) -> bool:
    """Return True if a body has a record whose purchase is not known yet."""
    return any("purchase" not in record for _, record in chained(body))


def bound(body: Mapping[str, Json], purchase_of: Callable[[str], str]) -> Mapping[str, Json]:
    """Return a body whose records have their purchases. `purchase_of` returns the uid of the
    purchase that meets the need of a shot.
    """
    return exchanged(body, lambda record: {**record, "purchase": purchase_of(record["from"])})


def exchanged(body: Mapping[str, Json], change: Callable[[Record], Json]) -> Mapping[str, Json]:
    """Return a body with each record replaced; the same object if it has no record."""
    for path, record in list(chained(body)):
        body = put(body, path, change(record))
    return body


def counted(record: Record) -> Json:
    """Return the part of a record that a fingerprint counts."""
    return {name: record[name] for name in ("purchase", "frame") if name in record}


def named(record: Record, take: str = "") -> str:
    """Return what people call a record: `the last frame of opening`, `the video of opening`. `take`
    is the name of the take, if it is known.
    """
    frame = record.get("frame")
    at = _("the frame at {frame}", frame=frame) if frame else _("the video")
    what = _AT_AN_END.get(str(frame), at)
    return _("{what} of {take}", what=what, take=take or record["from"])


# --- in a shot's fields --------------------------------------------------------------------------


def in_fields(fields: Mapping[str, Json]) -> Iterator[tuple[Path, Record]]:
    """Yield each record of another shot's video in rendered fields, with its path."""
    for path, value in _places(fields):
        if _is_record(value):
            yield path, value


def settled(record: Record) -> Record:
    """Return a record that names its shot in the form that ids have: `opening@9x16` where an
    expression made `opening@9:16`.
    """
    return {**record, "from": _id(record["from"])}


def _is_record(value: Json) -> bool:
    return type(value) is dict and type(value.get("from")) is str


def _id(text: str) -> str:
    shot, mark, take = composed(text).rpartition("#")
    if not (mark and take.isdecimal()):
        shot, mark, take = composed(text), "", ""
    key, at, rest = shot.partition("@")
    return f"{key}{at}{cell(rest) if rest else ''}{mark}{take}"


def _places(fields: Mapping[str, Json]) -> Iterator[tuple[Path, Json]]:
    if _WITH_PLACES.isdisjoint(fields):  # most shots
        return
    for name in ADDRESSES:
        if name in fields:
            yield (name,), fields[name]
    for name in ADDRESS_LISTS:
        for index, value in enumerate(as_list(fields.get(name))):
            yield (name, index), value
    for index, file in enumerate(as_list(fields.get("files"))):
        for name in ("video", "image"):
            yield ("files", index, name), as_mapping(file).get(name)
    for name in _BODIES:
        for path, value in addresses(as_mapping(fields.get(name))):
            yield (name, *path), value

"""PURE. How a local file stands in a body, where an address of an image or a video may stand: as
`{"file": PATH, "sha256": HEX}`, its path relative to the manifest's folder.

`sha256` is missing while nobody knows the content. A fingerprint counts the content alone; what is
sent has an address in place of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from klingflow.manifest.addresses import addresses
from klingflow.manifest.fields import Path
from klingflow.manifest.shapes import PATH
from klingflow.model import Json

Record = dict[str, Json]

_IS_PATH: Final = re.compile(PATH)


def is_path(text: str) -> bool:
    """Return True for a text that is the path of a file where an address may stand."""
    return _IS_PATH.fullmatch(text) is not None


def records(body: Mapping[str, Json]) -> Iterator[tuple[Path, Record]]:
    """Yield the local files of a body, each with its path in the body."""
    for path, value in addresses(body):
        if type(value) is dict and type(value.get("file")) is str:
            yield path, value


def replaced(body: Mapping[str, Json], change: Callable[[Record], Json]) -> Mapping[str, Json]:
    """Return a body with each local file replaced; the same object if it has no local file."""
    for path, record in list(records(body)):
        body = put(body, path, change(record))
    return body


def put(value: Json, path: Path, new: Json) -> Json:
    """Return a copy of a map or a list with something new at a path that it has."""
    if not path:
        return new
    made = here = _copy(value)
    for step in path[:-1]:
        inner = here[step] = _copy(here[step])
        here = inner
    here[path[-1]] = new
    return made


def _copy(value: Json) -> Json:
    if type(value) is dict or type(value) is list:
        return value.copy()
    return {**value} if isinstance(value, Mapping) else [*value]  # as a ledger has them


def counted(record: Record) -> Json:
    """Return the part of a record that a fingerprint counts: the content alone, or the path while
    the content is not known.
    """
    return {"sha256": record["sha256"]} if "sha256" in record else record

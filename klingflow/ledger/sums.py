"""PURE. Documents of JSON as lines of a ledger's files, each with its checksum.

A line of the lock is sealed: its last key is the CRC32 of everything before it. A line of the
journal begins with the CRC32 of its document. What the documents say is for records.py and
lines.py.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

from klingflow.model import Json
from klingflow.words import _

SEAL_LENGTH = len(b',"crc":"01234567"}')
_SUM_LENGTH = len(b"01234567 ")


def encoded(value: Mapping[str, Json]) -> bytes:
    """Return a document as JSON on one line."""
    try:
        return _ENCODE(value).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 cannot
        return _ENCODE_ASCII(value).encode()


def document_in(raw: bytes) -> dict[str, Json]:
    """Return the one JSON object that `raw` is. Raises ValueError."""
    text = raw.decode()
    try:
        document, end = _DECODE(text)
    except RecursionError as error:
        raise ValueError(_("nested too deeply")) from error
    if not isinstance(document, dict) or end != len(text):
        raise ValueError(_("not an object"))
    return document


def sealed(document: bytes) -> bytes:
    """Return the line of a lock that holds a document."""
    head = document[:-1]
    return head + _seal(head) + b"\n"


def is_sealed(raw: bytes) -> bool:
    """True for a lock's line, without its end, whose sum is right."""
    return raw[-SEAL_LENGTH:] == _seal(memoryview(raw)[:-SEAL_LENGTH])


def _seal(head: bytes | memoryview) -> bytes:
    return b',"crc":"%08x"}' % zlib.crc32(head)


def summed(document: bytes) -> bytes:
    """Return the line of a journal that holds a document."""
    return b"%08x %b\n" % (zlib.crc32(document), document)


def unsummed(raw: bytes) -> dict[str, Json]:
    """Return the document in a journal's line, without its end. Raises ValueError, also for a wrong
    sum.
    """
    document = raw[_SUM_LENGTH:]
    if raw[:_SUM_LENGTH] != b"%08x " % zlib.crc32(document):
        raise ValueError(_("wrong sum"))
    return document_in(document)


def _as_plain(value: object) -> Json:
    """Convert what JSON lacks: a record must never be lost because of the type of a detail."""
    return dict(value) if isinstance(value, Mapping) else str(value)


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_as_plain).encode
_ENCODE_ASCII = json.JSONEncoder(separators=(",", ":"), default=_as_plain).encode
# NaN and its like are not JSON, although Python reads them: nothing is known there.
_DECODE = json.JSONDecoder(parse_constant=lambda _: None).raw_decode

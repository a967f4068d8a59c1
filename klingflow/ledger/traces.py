"""PURE. Traces of purchases in the bytes of a ledger's files: uids, fingerprints and outputs, found
without parsing a line, because a ledger may be large.

A trace says where to look. What a line says, and whether it may be believed, is for lines.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

_UID = re.compile(rb'"uid":"([0-9A-Za-z-]{1,64})"')
_FINGERPRINT = re.compile(rb'"fingerprint":"([0-9a-z:]{1,100})"')
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_OUTPUT = b',"output":'
_BODY = b',"body":'
_NOTHING = b'"state":"rejected"'  # bought nothing, so it holds no place


def uids_in(data: bytes) -> set[str]:
    """Return every uid in some lines."""
    return {uid.decode() for uid in _UID.findall(data)}


def uid_in(line: bytes) -> str | None:
    """Return the first uid in one line; None where there is none."""
    found = _UID.search(line)
    return found[1].decode() if found else None


def fingerprints_in(data: bytes) -> set[str]:
    """Return every fingerprint in some lines."""
    return {fingerprint.decode() for fingerprint in _FINGERPRINT.findall(data)}


def outputs_in(lock: bytes) -> Iterator[str]:
    """Yield the outputs of a lock's lines, except those of refused purchases."""
    for line in lock.split(b"\n"):
        about = line.partition(_BODY)[0]
        _, found, rest = about.partition(_OUTPUT)
        if text := text_at(rest) if found and _NOTHING not in about else None:
            yield text


def text_at(data: bytes) -> str | None:
    """Return the JSON text that `data` begins with; None where it begins with none."""
    found = _TEXT.match(data)
    try:
        return cast(str, json.loads(found[0])) if found else None
    except ValueError:
        return None

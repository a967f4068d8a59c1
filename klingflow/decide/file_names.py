"""PURE. The names that klingflow gives to files which are, or were, bought videos.

Which video gets which name is for filing.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from klingflow.ledger.records import EARLIER
from klingflow.manifest.identity import MAX_FILE_NAME_BYTES
from klingflow.model import Purchase

_UNSAFE = re.compile(r"[^\w.@-]")
_PLAIN = re.compile(r"[0-9A-Za-z]{8}")
# What has no name of its own yet: a download, a rename that was cut off.
_PASSING = re.compile(r".*\.mp4\.part|\.klingflow-[0-9a-f]{16}-[0-9a-f]{8}\.moving", re.IGNORECASE)
# A file that lay in the way, or one of those above.
_KNOWN = re.compile(rf"{_PASSING.pattern}|.*\.mp4\.bak[0-9]*", re.IGNORECASE)


def is_name_of_ours(path: str) -> bool:
    """True if klingflow gives such names to files that are, or were, bought videos: a video in
    `earlier/`, a `.bak`, a download, a rename that was cut off.
    """
    folder, _unused, name = path.rpartition("/")
    is_earlier = folder.rpartition("/")[2] == EARLIER and name[-4:].lower() == ".mp4"
    return is_earlier or _KNOWN.fullmatch(name) is not None


def is_passing(path: str) -> bool:
    """True for the name of a download, or of a rename that was cut off."""
    return _PASSING.fullmatch(path.rpartition("/")[2]) is not None


def passing_name(target: str, nonce: str) -> str:
    """Return the path, in the folder of `target`, that a file has on its way to `target`. `nonce`
    are 8 hexadecimal digits that no earlier run used: the file of one that crashed may be there.
    """
    folder, slash, _unused = target.rpartition("/")
    return f"{folder}{slash}.klingflow-{sha256(target.encode()).hexdigest()[:16]}-{nonce}.moving"


def home_of(path: str) -> str:
    """Return the folder of a path; for a path in `earlier/` the folder above."""
    folder = path.rpartition("/")[0]
    above, _unused, name = folder.rpartition("/")
    return above if name == EARLIER else folder


def earlier_paths(purchase: Purchase) -> Iterator[str]:
    """Yield the names in `earlier/` that a purchase may have: made of the take that it was bought
    for, its attempt, and 8 characters of its uid's random part.
    """
    folder, _unused, _unused = (purchase.output or "").rpartition("/")
    if folder.rpartition("/")[2] != EARLIER:
        folder = f"{folder}/{EARLIER}" if folder else EARLIER
    shot, take = purchase.bought_for
    name = f"{shot}{'' if take == 1 else f'-{take}'}"
    hashed = sha256(purchase.uid.encode()).hexdigest()
    tail = purchase.uid.rpartition("-")[2][:8]
    for sign in (tail if _PLAIN.fullmatch(tail) else hashed[:8], hashed):
        yield f"{folder}/{_safe(name)}.{purchase.attempt}-{sign}.mp4"
    number = 2
    while True:
        yield f"{folder}/{hashed}-{number}.mp4"
        number += 1


def _safe(name: str) -> str:
    """Return the name of a shot from a ledger, which may hold anything, as the beginning of a file
    name.
    """
    safe = _UNSAFE.sub("_", name).lstrip(".-~") or "video"
    short = safe.encode()[: MAX_FILE_NAME_BYTES - 100]
    return short.decode(errors="ignore")

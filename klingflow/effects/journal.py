"""The lines of the lock and the journal: purchases to bytes and back, and what to do with damaged ones.

A lock line is a JSON object whose last key is the CRC32 of everything before it; a journal line is CRC32, a
space and a JSON object. A line with a wrong sum is set aside, never believed. But it may have been a
purchase: when shot and uid can still be read in it, that purchase counts as in doubt, so that nobody buys
it again by accident. No file is touched here.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from klingflow.decide.lifecycle import STATES
from klingflow.errors import LedgerError
from klingflow.model import Failure, Json, Price, Purchase

VERSION = 1
MAX_TASK_ID = 1000

# The order of keys in a line: what a reviewer of a diff looks for first, the long body last.
_ORDER = (
    "shot", "take", "attempt", "uid", "state", "task_id", "billed_tier", "predicted_tier", "seconds", "price",
    "fingerprint", "origin", "times", "finished_after_s", "output", "sha256", "size_bytes", "video_url",
    "error", "evidence", "body",
)  # fmt: skip
_CRC = re.compile(rb',"crc":"([0-9a-f]{8})"\}\Z')
_CRC_LENGTH = len(b',"crc":"01234567"}')
_CONFLICT = re.compile(rb"(<{7}|={7}|>{7}|\|{7})( |\Z)")
# A newline that became another byte: two whole lines stand in one.
_LOCK_SEAM = re.compile(rb'(?<=,"crc":"[0-9a-f]{8}"\}).?(?=\{)', re.DOTALL)
_JOURNAL_SEAM = re.compile(rb"(?<=\}).?(?=[0-9a-f]{8} \{)", re.DOTALL)
_WHOSE = re.compile(
    rb'\{"shot":("(?:[^"\\]|\\.)*"),"take":(\d{1,9}),"attempt":(\d{1,9}),"uid":"([0-9A-Za-z-]{1,64})"'
)
_MAX_EVIDENCE = 2000


@dataclass(slots=True)
class Parsed:
    """What a file's bytes say. `accounts` may tell of one uid several times, `damaged` is to be set aside."""

    accounts: list[Purchase] = field(default_factory=list)
    doubts: list[Purchase] = field(default_factory=list)  # what damaged lines may have been about
    lines: dict[str, tuple[Purchase, bytes]] = field(
        default_factory=dict
    )  # by uid, intact lock lines as they were
    headers: list[dict[str, Json]] = field(default_factory=list)
    runner: dict[str, Json] | None = None  # the last process that wrote a journal
    damaged: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def lock_header(lineage: str, serial: int, purchases: int) -> bytes:
    """The first line of a lock. `purchases` counts the lines below it, so that lost ones are missed."""
    header = {"klingflow_lock": VERSION, "lineage": lineage, "serial": serial, "purchases": purchases}
    return _sealed(_json(header))


def lock_line(purchase: Purchase) -> bytes:
    """A purchase as a line of the lock."""
    return _sealed(_json(_plain(purchase)))


def journal_line(purchase: Purchase, *, body: bool = True) -> bytes:
    """A purchase as a line of the journal; without its body where an earlier line has it."""
    plain = _plain(purchase)
    if not body:
        plain.pop("body", None)
    return _summed(_json(plain))


def runner_line(pid: int, host: str, at: str) -> bytes:
    """Who holds the ledger, for whoever finds it held."""
    return _summed(_json({"runner": {"pid": pid, "host": host, "time": at}}))


def parse_lock(data: bytes, name: str) -> Parsed:
    """Everything in a lock that can be believed, however it was merged. `name` is for the problems.

    Raises LedgerError when a newer klingflow wrote it.
    """
    parsed = Parsed()
    conflicts = False
    for number, raw in _lines(data):
        if _CONFLICT.match(raw):
            conflicts = True
            continue
        _take_in(parsed, raw, f"{name}:{number}", _unsealed, _LOCK_SEAM)
    if conflicts:
        parsed.problems.append(f"{name}: holds git's conflict markers; the purchases of both sides are kept")
    _check_headers(parsed, name, empty=not data.strip())
    return parsed


def parse_journal(data: bytes, name: str) -> Parsed:
    """Everything in a journal that can be believed. A torn last line was never promised to anybody."""
    parsed = Parsed()
    whole, _, torn = data.rpartition(b"\n")
    for number, raw in _lines(whole):
        _take_in(parsed, raw, f"{name}:{number}", _unsummed, _JOURNAL_SEAM)
    if torn:
        last = Parsed()
        _take_in(last, torn, f"{name}: the last line", _unsummed, _JOURNAL_SEAM)
        parsed.accounts += last.accounts
        parsed.runner = last.runner or parsed.runner
        parsed.damaged += last.damaged
        parsed.problems += last.problems
    return parsed


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = raw.rstrip(b"\r")
        if line.strip():
            yield number, line


Unwrap = Callable[[bytes], dict[str, Json]]


def _take_in(parsed: Parsed, raw: bytes, place: str, unwrap: Unwrap, seam: re.Pattern[bytes]) -> None:
    try:
        return _enter(parsed, raw, unwrap(raw))
    except ValueError:
        pass
    rest = []
    for piece in seam.split(raw):
        for candidate in (piece, piece[:-1]):  # a flipped newline may be the last byte of the file
            try:
                _enter(parsed, candidate, unwrap(candidate))
                break
            except ValueError:
                continue
        else:
            rest.append(piece)
    for piece in rest:
        _set_aside(parsed, piece, place)


def _enter(parsed: Parsed, raw: bytes, document: dict[str, Json]) -> None:
    if "klingflow_lock" in document:
        parsed.headers.append(_header(document))
    elif "runner" in document and "uid" not in document:
        runner = document["runner"]
        parsed.runner = runner if isinstance(runner, dict) else None
    else:
        purchase = _purchase(document)
        parsed.accounts.append(purchase)
        parsed.lines[purchase.uid] = (purchase, raw + b"\n")


def _set_aside(parsed: Parsed, raw: bytes, place: str) -> None:
    parsed.damaged.append(raw)
    witness = _witness(raw)
    if witness is None:
        parsed.problems.append(f"{place}: a damaged line was set aside")
        return
    parsed.doubts.append(witness)
    parsed.problems.append(
        f"{place}: a damaged line of {witness.key} was set aside; if nothing else tells, it is in doubt"
    )


def _witness(raw: bytes) -> Purchase | None:
    """The purchase that a damaged line was about, as a doubt. Nothing in it is believed but its place."""
    if (found := _WHOSE.search(raw)) is None:
        return None
    try:
        shot = json.loads(found[1])
    except ValueError:
        return None
    evidence = {"damaged": raw[:_MAX_EVIDENCE].decode("utf-8", "replace")}
    return Purchase(
        uid=found[4].decode(),
        shot=shot,
        take=int(found[2]),
        attempt=int(found[3]),
        state="in_doubt",
        fingerprint="",
        body={},
        origin="",
        predicted_tier="",
        seconds=0,
        evidence=evidence,
    )


def _check_headers(parsed: Parsed, name: str, *, empty: bool) -> None:
    if not parsed.headers:
        what = "is empty" if empty else "has no readable header"
        parsed.problems.append(f"{name}: {what}; git may have an older version of it")
        return
    if len({h["lineage"] for h in parsed.headers}) > 1:
        parsed.problems.append(f"{name}: two ledgers that began apart were merged into it; both are kept")
    expected = max(h["purchases"] for h in parsed.headers)
    missing = expected - len(parsed.accounts) - len(parsed.damaged)
    if missing > 0:
        parsed.problems.append(f"{name}: {missing} purchases fewer than its header says; git may have them")


def _header(document: dict[str, Json]) -> dict[str, Json]:
    version, serial = document["klingflow_lock"], document.get("serial")
    if not isinstance(version, int) or version > VERSION:
        raise LedgerError(
            f"the lock has format {version}, written by a newer klingflow; this one reads {VERSION}"
        )
    if not isinstance(serial, int) or not isinstance(document.get("lineage"), str):
        raise ValueError("not a header")
    return {"purchases": 0, **document}


# ---------------------------------------------------------------- sums


def _json(value: Mapping[str, Json]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_as_json)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 cannot
        return json.dumps(value, separators=(",", ":"), default=_as_json).encode()


def _as_json(value: object) -> Json:
    """What JSON lacks; a record must never be lost for the type of a detail."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _sealed(document: bytes) -> bytes:
    head = document[:-1]
    return b'%b,"crc":"%08x"}\n' % (head, zlib.crc32(head))


def _unsealed(raw: bytes) -> dict[str, Json]:
    tail = _CRC.search(raw, max(0, len(raw) - _CRC_LENGTH))
    if tail is None or int(tail[1], 16) != zlib.crc32(raw[: tail.start()]):
        raise ValueError("wrong sum")
    return _document(raw)


def _summed(document: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(document), document)


def _unsummed(raw: bytes) -> dict[str, Json]:
    document = raw[9:]
    if raw[:9] != b"%08x " % zlib.crc32(document):
        raise ValueError("wrong sum")
    return _document(document)


def _document(raw: bytes) -> dict[str, Json]:
    try:
        document = json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


# ---------------------------------------------------------------- records


def _plain(purchase: Purchase) -> dict[str, Json]:
    plain = {name: value for name in _ORDER if (value := getattr(purchase, name)) is not None}
    if purchase.price is not None:
        plain["price"] = _without_none(purchase.price) | {"amount": str(purchase.price.amount)}
    if purchase.error is not None:
        plain["error"] = _without_none(purchase.error)
    return plain


def _without_none(record: Price | Failure) -> dict[str, Json]:
    return {f.name: value for f in fields(record) if (value := getattr(record, f.name)) is not None}


def _text(value: Json) -> bool:
    return isinstance(value, str)


def _count(value: Json) -> bool:
    return type(value) is int and value >= 0


def _texts(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _object(value: Json) -> bool:
    return isinstance(value, dict)


def _task_id(value: Json) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TASK_ID and value.isprintable()


def _bounds(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value)


_REQUIRED = ("uid", "shot", "take", "attempt", "state")
_CHECKS: dict[str, Callable[[Json], bool]] = {
    "shot": _text,
    "take": _count,
    "attempt": _count,
    "uid": _text,
    "state": STATES.__contains__,
    "task_id": _task_id,
    "billed_tier": _text,
    "predicted_tier": _text,
    "seconds": _count,
    "price": _texts,
    "fingerprint": _text,
    "origin": _text,
    "times": _texts,
    "finished_after_s": _bounds,
    "output": _text,
    "sha256": _text,
    "size_bytes": _count,
    "video_url": _text,
    "error": _texts,
    "evidence": _object,
    "body": _object,
}
_ABSENT: dict[str, Any] = {"fingerprint": "", "body": {}, "origin": "", "predicted_tier": "", "seconds": 0}


def _purchase(document: dict[str, Json]) -> Purchase:
    """The purchase of an intact line; ValueError when its sum is right and its content is not ours."""
    known = dict(_ABSENT)
    for name, value in document.items():
        check = _CHECKS.get(name)
        if check is None:
            continue
        if not check(value):
            raise ValueError(f"{name} cannot be {value!r}")
        known[name] = value
    if not all(name in known for name in _REQUIRED):
        raise ValueError("not a purchase")
    try:
        if "price" in known:
            known["price"] = Price(**known["price"] | {"amount": Decimal(known["price"]["amount"])})
        if "error" in known:
            known["error"] = Failure(**known["error"])
    except (KeyError, TypeError, InvalidOperation) as error:
        raise ValueError(f"not a purchase: {error}") from error
    if "finished_after_s" in known:
        known["finished_after_s"] = tuple(known["finished_after_s"])
    return Purchase(**known)

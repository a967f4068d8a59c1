"""PURE. The lines of the lock and the journal: purchases to bytes and back, and what to do with
damaged ones.

A lock line is a JSON object whose last key is the CRC32 of everything before it; a journal line is
CRC32, a space and a JSON object. A line with a wrong sum is set aside, never believed. But it may
have been a purchase: when shot and uid can still be read in it, that purchase counts as in doubt,
so that nobody buys it again by accident. No file is touched here.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from klingflow.errors import LedgerError
from klingflow.ledger.records import as_json, from_json
from klingflow.model import Json, Purchase

VERSION = 1

_HEADER = b'{"klingflow_lock":'
_CRC_LENGTH = len(b',"crc":"01234567"}')
_BODY = b',"body":{'
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
    """What a file's bytes say. `accounts` may tell of one uid several times, `damaged` is to be set
    aside.
    """

    accounts: list[Purchase] = field(default_factory=list)
    doubts: list[Purchase] = field(default_factory=list)  # what damaged lines may have been about
    # By uid, intact lock lines as they were.
    lines: dict[str, tuple[Purchase, bytes]] = field(default_factory=dict)
    headers: list[dict[str, Json]] = field(default_factory=list)
    runner: dict[str, Json] | None = None  # the last process that wrote a journal
    damaged: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, more: Parsed) -> None:
        """Also say what another file says."""
        for name in ("accounts", "doubts", "headers", "damaged", "problems"):
            getattr(self, name).extend(getattr(more, name))


def lock_header(lineage: str, serial: int, purchases: int) -> bytes:
    """The first line of a lock. `purchases` counts the lines below it, so that lost ones are
    missed.
    """
    header = {
        "klingflow_lock": VERSION,
        "lineage": lineage,
        "serial": serial,
        "purchases": purchases,
    }
    return _sealed(_json(header))


def lock_line(purchase: Purchase) -> bytes:
    """A purchase as a line of the lock."""
    return _sealed(_json(as_json(purchase)))


def journal_line(purchase: Purchase, *, body: bool = True) -> bytes:
    """A purchase as a line of the journal; without its body where an earlier line has it."""
    plain = as_json(purchase)
    if not body:
        plain.pop("body", None)
    return _summed(_json(plain))


def runner_line(pid: int, host: str, at: str, manifest: str) -> bytes:
    """Who holds the ledger, for whoever finds it held."""
    return _summed(_json({"runner": {"pid": pid, "host": host, "time": at, "manifest": manifest}}))


def parse_lock(data: bytes, name: str) -> Parsed:
    """Everything in a lock that can be believed, however it was merged. `name` is for the problems.

    Raises LedgerError when a newer klingflow wrote it.
    """
    parsed = Parsed()
    conflicts = False
    for number, raw in _lines(data):
        if not raw.startswith(b"{") and _CONFLICT.match(raw):
            conflicts = True
            continue
        _take_in(parsed, raw, f"{name}:{number}", _unsealed, _LOCK_SEAM)
    if conflicts:
        parsed.problems.append(
            f"{name}: holds git's conflict markers; the purchases of both sides are kept"
        )
    _check_headers(parsed, name, empty=not data.strip())
    return parsed


def headers_in(data: bytes) -> list[dict[str, Json]]:
    """The headers of a lock, without reading the rest of it."""
    parsed = Parsed()
    for _, raw in _lines(data):
        if raw.startswith(_HEADER):
            with suppress(ValueError, LedgerError):
                _enter(parsed, raw, _unsealed(raw))
    return parsed.headers


def parse_lines(data: bytes, name: str) -> Parsed:
    """Lines of a lock that stand without their header, as they do in what was pruned or set aside."""
    parsed = Parsed()
    for number, raw in _lines(data):
        if raw.startswith(b"{") or not _CONFLICT.match(raw):
            _take_in(parsed, raw, f"{name}:{number}", _unsealed, _LOCK_SEAM)
    return parsed


def in_conflict(data: bytes) -> bool:
    """Whether git left its conflict markers in it."""
    return any(_CONFLICT.match(raw) for _, raw in _lines(data))


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


def _take_in(
    parsed: Parsed, raw: bytes, place: str, unwrap: Unwrap, seam: re.Pattern[bytes]
) -> None:
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
        purchase = from_json(document)
        parsed.accounts.append(purchase)
        parsed.lines[purchase.uid] = (purchase, raw)


def _set_aside(parsed: Parsed, raw: bytes, place: str) -> None:
    parsed.damaged.append(raw)
    witnesses = [*_witnesses(raw)]
    if not witnesses:
        parsed.problems.append(f"{place}: a damaged line was set aside")
        return
    parsed.doubts += witnesses
    whose = ", ".join(dict.fromkeys(w.key for w in witnesses))
    parsed.problems.append(
        f"{place}: a damaged line of {whose} was set aside; if nothing else tells, it is in doubt"
    )


def _witnesses(raw: bytes) -> Iterator[Purchase]:
    """The purchases that a damaged line was about, as doubts: several where lines ran into one
    another.

    Nothing in it is believed but its place.
    """
    evidence = {"damaged": raw[:_MAX_EVIDENCE].decode("utf-8", "replace")}
    for found in _WHOSE.finditer(raw):
        with suppress(ValueError):
            yield Purchase(
                uid=found[4].decode(),
                shot=json.loads(found[1]),
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
        parsed.problems.append(
            f"{name}: two ledgers that began apart were merged into it; both are kept"
        )
    expected = max(h["purchases"] for h in parsed.headers)
    missing = expected - len(parsed.accounts) - len(parsed.damaged)
    if missing > 0:
        parsed.problems.append(
            f"{name}: {missing} purchases fewer than its header says; git may have them"
        )


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


def _as_plain(value: object) -> Json:
    """What JSON lacks; a record must never be lost for the type of a detail."""
    return dict(value) if isinstance(value, Mapping) else str(value)


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_as_plain).encode
_ENCODE_ASCII = json.JSONEncoder(separators=(",", ":"), default=_as_plain).encode
_DECODE = json.JSONDecoder().raw_decode


def _json(value: Mapping[str, Json]) -> bytes:
    try:
        return _ENCODE(value).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 cannot
        return _ENCODE_ASCII(value).encode()


def _sealed(document: bytes) -> bytes:
    head = document[:-1]
    return head + _seal(head) + b"\n"


def _seal(head: bytes | memoryview) -> bytes:
    return b',"crc":"%08x"}' % zlib.crc32(head)


def _unsealed(raw: bytes) -> dict[str, Json]:
    if raw[-_CRC_LENGTH:] != _seal(memoryview(raw)[:-_CRC_LENGTH]):
        raise ValueError("wrong sum")
    start = raw.find(_BODY)
    if start < 0 or b'"evidence":' in raw:  # which may hold a body of its own
        return _document(raw)
    document = _document(raw[:start] + b"}")
    document["body"] = StoredBody(raw, start + len(_BODY) - 1)
    return document


def _summed(document: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(document), document)


def _unsummed(raw: bytes) -> dict[str, Json]:
    document = raw[9:]
    if raw[:9] != b"%08x " % zlib.crc32(document):
        raise ValueError("wrong sum")
    return _document(document)


def _document(raw: bytes) -> dict[str, Json]:
    text = raw.decode()
    try:
        document, end = _DECODE(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or end != len(text):
        raise ValueError("not an object")
    return document


class StoredBody(Mapping[str, Json]):
    """A body as it stands in its sealed line, parsed when somebody looks: few of a ledger's bodies
    are looked at.
    """

    __slots__ = ("_line", "_parsed", "_start")

    def __init__(self, line: bytes, start: int) -> None:
        self._line = line
        self._start = start
        self._parsed: dict[str, Json] | None = None

    def _body(self) -> dict[str, Json]:
        if self._parsed is None:
            try:
                self._parsed = _document(self._line[self._start : -_CRC_LENGTH])
            except ValueError:  # a line with the right sum that we did not write
                self._parsed = {}
        return self._parsed

    def __getitem__(self, key: str) -> Json:
        return self._body()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._body())

    def __len__(self) -> int:
        return len(self._body())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredBody) and self._line == other._line:
            return True
        return Mapping.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._body())

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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from klingflow.errors import LedgerError
from klingflow.ledger.records import Odd, as_json, from_json
from klingflow.model import Json, Place, Problem, ProblemKind, Purchase

VERSION = 1

_HEADER = b'{"klingflow_lock":'
_CRC_LENGTH = len(b',"crc":"01234567"}')
_BODY = b',"body":{'
_MARKS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")
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
    """What a file's bytes say. `accounts` may report one uid several times.

    `lines` has the intact lines as they were and `numbers` the line (from 1) where a purchase, or a
    doubt, was last read, both by uid. `odd` are fields that klingflow does not write so.
    """

    file: str = field(default="", compare=False)
    accounts: list[Purchase] = field(default_factory=list)
    doubts: list[Purchase] = field(default_factory=list)  # what damaged lines may have been about
    lines: dict[str, tuple[Purchase, bytes]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict, compare=False)
    headers: list[dict[str, Json]] = field(default_factory=list)
    runner: dict[str, Json] | None = None  # the last process that wrote a journal
    damaged: list[bytes] = field(default_factory=list)  # to be set aside
    problems: list[Problem] = field(default_factory=list)
    odd: list[Problem] = field(default_factory=list)

    def add(self, more: Parsed) -> None:
        """Also say what another file says."""
        for name in ("accounts", "doubts", "headers", "damaged", "problems", "odd"):
            getattr(self, name).extend(getattr(more, name))


def lock_header(
    lineage: str, serial: int, purchases: int, plans: Mapping[str, str] | None = None
) -> bytes:
    """The first line of a lock. `purchases` counts the lines below it, so that lost lines are
    noticed. `plans` are the saved plans that were used: when, by their ids.
    """
    header: dict[str, Json] = {
        "klingflow_lock": VERSION,
        "lineage": lineage,
        "serial": serial,
        "purchases": purchases,
    }
    if plans:
        header["plans"] = dict(plans)
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
    """The line that says who holds the ledger, to be shown to a second runner."""
    return _summed(_json({"runner": {"pid": pid, "host": host, "time": at, "manifest": manifest}}))


def parse_lock(data: bytes, name: str) -> Parsed:
    """Everything in a lock that can be believed, however it was merged. `name` is for the problems.

    Raises LedgerError when a newer klingflow wrote it.
    """
    parsed = parse_lines(data, name)
    if in_conflict(data):
        parsed.problems.append(Problem("conflict_markers", Place(name)))
    parsed.problems += _about_headers(parsed, empty=not data.strip())
    return parsed


def headers_in(data: bytes) -> list[dict[str, Json]]:
    """The headers of a lock, without reading the rest of it."""
    parsed = Parsed()
    for number, raw in _lines(data):
        if raw.startswith(_HEADER):
            with suppress(ValueError, LedgerError):
                _enter(parsed, raw, _unsealed(raw), number)
    return parsed.headers


def parse_lines(data: bytes, name: str) -> Parsed:
    """The lines of a lock with or without its header: what was pruned or set aside has none."""
    parsed = Parsed(name)
    for number, raw in _lines(data):
        if raw.startswith(b"{") or not _CONFLICT.match(raw):
            _take_in(parsed, raw, number, _LOCK)
    return parsed


def in_conflict(data: bytes) -> bool:
    """True if git left its conflict markers in a lock."""
    if not any(mark in data for mark in _MARKS):
        return False
    return any(_CONFLICT.match(raw) for _, raw in _lines(data))


def parse_journal(data: bytes, name: str) -> Parsed:
    """Everything in a journal that can be believed. Nobody was promised a torn last line."""
    parsed = Parsed(name)
    whole, _, torn = data.rpartition(b"\n")
    for number, raw in _lines(whole):
        _take_in(parsed, raw, number, _JOURNAL)
    if torn:
        doubts = len(parsed.doubts)
        _take_in(parsed, torn, data.count(b"\n") + 1, _JOURNAL)
        del parsed.doubts[doubts:]
    return parsed


def unreadable_bodies(parsed: Parsed) -> Iterator[Problem]:
    """The purchases whose body is not JSON, or not the last key of its line: it reads as empty.

    Bodies are read when somebody looks, so this is not among the problems of reading.
    """
    for purchase, _ in parsed.lines.values():
        if isinstance(purchase.body, StoredBody) and not purchase.body.readable:
            number = parsed.numbers[purchase.uid]
            yield _oddity(parsed, number, purchase, Odd("wrong_field", "body", "what is there"))


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = raw.rstrip(b"\r")
        if line.strip():
            yield number, line


class _Form(NamedTuple):
    """How the lines of a file are read: a line's document, and where two lines ran together."""

    unwrap: Callable[[bytes], dict[str, Json]]
    seam: re.Pattern[bytes]


def _take_in(parsed: Parsed, raw: bytes, number: int, form: _Form) -> None:
    if _entered(parsed, raw, number, form):
        return
    rest = []
    for piece in form.seam.split(raw):
        # A flipped newline may be the last byte of the file.
        if not any(_entered(parsed, one, number, form) for one in (piece, piece[:-1])):
            rest.append(piece)
    for piece in rest:
        _set_aside(parsed, piece, number)


def _entered(parsed: Parsed, raw: bytes, number: int, form: _Form) -> bool:
    """True if `raw` is a line with the right sum, which `parsed` then has."""
    try:
        _enter(parsed, raw, form.unwrap(raw), number)
    except ValueError:
        return False
    return True


def _enter(parsed: Parsed, raw: bytes, document: dict[str, Json], number: int) -> None:
    if "klingflow_lock" in document:
        header, odd = _header(document)
        parsed.headers.append(header)
        parsed.odd += (_oddity(parsed, number, None, one) for one in odd)
    elif "runner" in document and "uid" not in document:
        runner = document["runner"]
        parsed.runner = runner if isinstance(runner, dict) else None
    else:
        purchase, oddities = from_json(document)
        parsed.accounts.append(purchase)
        parsed.lines[purchase.uid] = (purchase, raw)
        parsed.numbers[purchase.uid] = number
        if oddities:
            parsed.odd += (_oddity(parsed, number, purchase, one) for one in oddities)


def _oddity(parsed: Parsed, number: int, purchase: Purchase | None, odd: Odd) -> Problem:
    place = Place(parsed.file, number)
    keys = (purchase.key,) if purchase else ()
    return Problem(odd.kind, place, keys, count=odd.least, name=odd.name, detail=odd.value)


def _set_aside(parsed: Parsed, raw: bytes, number: int) -> None:
    parsed.damaged.append(raw)
    witnesses = [*_witnesses(raw)]
    parsed.doubts += witnesses
    for witness in witnesses:
        parsed.numbers.setdefault(witness.uid, number)
    keys = tuple(dict.fromkeys(w.key for w in witnesses))
    kind: ProblemKind = "damaged_purchases" if keys else "damaged_line"
    parsed.problems.append(Problem(kind, Place(parsed.file, number), keys))


def _witnesses(raw: bytes) -> Iterator[Purchase]:
    """Yield the purchases that a damaged line was about, as doubts: several where lines ran into
    one another.

    Nothing in the line is believed except whose it was.
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


def _about_headers(parsed: Parsed, *, empty: bool) -> Iterable[Problem]:
    place = Place(parsed.file)
    if not parsed.headers:
        return [Problem("empty_lock" if empty else "no_header", place)]
    problems = []
    if len({header["lineage"] for header in parsed.headers}) > 1:
        problems.append(Problem("two_lineages", place))
    expected = max(header["purchases"] for header in parsed.headers)
    missing = expected - len(parsed.accounts) - len(parsed.damaged)
    if missing > 0:
        problems.append(Problem("lines_missing", place, count=missing))
    return problems


def _header(document: dict[str, Json]) -> tuple[dict[str, Json], list[Odd]]:
    """Return a lock's header, and the fields of it that klingflow does not write so.

    Raises LedgerError for the header of a newer klingflow, ValueError for what is no header.
    """
    version, serial = document["klingflow_lock"], document.get("serial")
    if not isinstance(version, int) or version > VERSION:
        raise LedgerError(
            f"the lock has format {version}, written by a newer klingflow; this one reads {VERSION}"
        )
    if not isinstance(serial, int) or not isinstance(document.get("lineage"), str):
        raise ValueError("not a header")
    header: dict[str, Json] = {"purchases": 0, **document}
    odd = []
    if type(header["purchases"]) is not int:
        odd.append(Odd("wrong_field", "purchases", repr(header["purchases"])[:80]))
        header["purchases"] = 0
    for name, least in _LEAST:
        if header[name] < least:
            odd.append(Odd("small_field", name, str(header[name]), least))
    plans = header.setdefault("plans", {})
    if not _are_times(plans):
        odd.append(Odd("wrong_field", "plans", repr(plans)[:80]))
        header["plans"] = {}
    return header, odd


def _are_times(plans: Json) -> bool:
    """True if every saved plan has the time when it was used."""
    return isinstance(plans, dict) and all(isinstance(at, str) for at in plans.values())


# The least that klingflow writes into a header.
_LEAST = (("klingflow_lock", VERSION), ("serial", 0), ("purchases", 0))


# ---------------------------------------------------------------- sums


def _as_plain(value: object) -> Json:
    """Convert what JSON lacks: a record must never be lost because of the type of a detail."""
    return dict(value) if isinstance(value, Mapping) else str(value)


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_as_plain).encode
_ENCODE_ASCII = json.JSONEncoder(separators=(",", ":"), default=_as_plain).encode
# NaN and its like are not JSON, although Python reads them: nothing is known there.
_DECODE = json.JSONDecoder(parse_constant=lambda _: None).raw_decode


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
        document = _document(raw)
        document.pop("crc", None)
        return document
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


_LOCK = _Form(_unsealed, _LOCK_SEAM)
_JOURNAL = _Form(_unsummed, _JOURNAL_SEAM)


def _document(raw: bytes) -> dict[str, Json]:
    text = raw.decode()
    try:
        document, end = _DECODE(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or end != len(text):
        raise ValueError("not an object")
    return document


_UNREADABLE: dict[str, Json] = {}


class StoredBody(Mapping[str, Json]):
    """A body as it stands in its sealed line. It is parsed when it is first read, because few
    bodies of a ledger are read at all.
    """

    __slots__ = ("_line", "_parsed", "_start")

    def __init__(self, line: bytes, start: int) -> None:
        self._line = line
        self._start = start
        self._parsed: dict[str, Json] | None = None

    @property
    def readable(self) -> bool:
        """False for a body that klingflow did not write, which reads as empty."""
        return self._body() is not _UNREADABLE

    def _body(self) -> dict[str, Json]:
        if self._parsed is None:
            try:
                self._parsed = _document(self._line[self._start : -_CRC_LENGTH])
            except ValueError:  # a line with the right sum that we did not write
                self._parsed = _UNREADABLE
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

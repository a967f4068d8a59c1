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
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple

from klingflow.errors import LedgerError
from klingflow.ledger.headers import header_in
from klingflow.ledger.records import Odd, as_json, from_json
from klingflow.ledger.sums import (
    SEAL_LENGTH,
    document_in,
    encoded,
    is_sealed,
    sealed,
    summed,
    unsummed,
)
from klingflow.ledger.written import BODY, EVIDENCE, StoredBody, purchase_in
from klingflow.model import Json, Place, Problem, ProblemKind, Purchase
from klingflow.words import _

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEADER = b'{"klingflow_lock":'
_CONFLICT = re.compile(rb"(<{7}|={7}|>{7}|\|{7})( |\Z)")
# A newline that became another byte: two whole lines stand in one.
_LOCK_SEAM = re.compile(rb'(?<=,"crc":"[0-9a-f]{8}"\}).?(?=\{)', re.DOTALL)
_JOURNAL_SEAM = re.compile(rb"(?<=\}).?(?=[0-9a-f]{8} \{)", re.DOTALL)
# With the blanks and line ends that an editor or a formatter of JSON adds.
_WHOSE = re.compile(
    rb'\{\s*"shot"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"take"\s*:\s*(\d{1,9})\s*,'
    rb'\s*"attempt"\s*:\s*(\d{1,9})\s*,\s*"uid"\s*:\s*"([0-9A-Za-z-]{1,64})"'
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
        """Add what another file says."""
        for name in ("accounts", "doubts", "headers", "damaged", "problems", "odd"):
            getattr(self, name).extend(getattr(more, name))

    def take_out(self, uids: Set[str]) -> list[Purchase]:
        """Remove all accounts and doubts of these purchases, and return the accounts."""
        taken = [account for account in self.accounts if account.uid in uids]
        self.accounts = [account for account in self.accounts if account.uid not in uids]
        self.doubts = [doubt for doubt in self.doubts if doubt.uid not in uids]
        return taken


def lock_line(purchase: Purchase) -> bytes:
    """Return a purchase as a line of the lock."""
    return sealed(encoded(as_json(purchase)))


def journal_line(purchase: Purchase) -> bytes:
    """Return a purchase as a line of the journal."""
    return summed(encoded(as_json(purchase)))


def as_journal_line(line: bytes, *, body: bool = True) -> bytes:
    """Return a line of the lock, without its end, as one of the journal; without its body where an
    earlier line has it.
    """
    head = line[:-SEAL_LENGTH]
    if body:
        return summed(head + b"}")
    start = head.find(BODY)
    if start >= 0 and EVIDENCE not in head:
        return summed(head[:start] + b"}")
    document = document_in(head + b"}")
    del document["body"]
    return summed(encoded(document))


def runner_line(pid: int, host: str, at: str, manifest: str) -> bytes:
    """Return the line that says who holds the ledger, to be shown to a second runner."""
    return summed(encoded({"runner": {"pid": pid, "host": host, "time": at, "manifest": manifest}}))


def parse_lock(data: bytes, name: str) -> Parsed:
    """Everything in a lock that can be believed, however it was merged. `name` is for the problems.

    Raises LedgerError when a newer klingflow wrote it.
    """
    parsed, in_conflict = _lines_of_a_lock(data, name)
    if in_conflict:
        parsed.problems.append(Problem("conflict_markers", Place(name)))
    parsed.problems += _about_headers(parsed, empty=not data or data.isspace())
    return parsed


def headers_in(data: bytes) -> list[dict[str, Json]]:
    """Return the headers of a lock, without looking at its other lines."""
    parsed = Parsed()
    for raw in _header_lines(data.removeprefix(_BYTE_ORDER_MARK)):
        with suppress(ValueError, LedgerError):
            _enter(parsed, raw, _unsealed(raw), 0)
    return parsed.headers


def _header_lines(data: bytes) -> Iterator[bytes]:
    at = data.find(_HEADER)
    while at >= 0:
        if at == 0 or data[at - 1 : at] == b"\n":
            end = data.find(b"\n", at)
            yield data[at : end if end >= 0 else None].rstrip(b"\r")
        at = data.find(_HEADER, at + 1)


def parse_lines(data: bytes, name: str) -> Parsed:
    """Parse lines of a lock with or without its header: what was pruned or set aside has none."""
    return _lines_of_a_lock(data, name)[0]


def _lines_of_a_lock(data: bytes, name: str) -> tuple[Parsed, bool]:
    """Return what the lines say, and True if git left its conflict markers among them."""
    parsed, in_conflict = Parsed(name), False
    for number, raw in _lines(data):
        if is_sealed(raw) and (purchase := purchase_in(raw)):
            _add(parsed, purchase, raw, number)
        elif raw.startswith(b"{") or not _CONFLICT.match(raw):
            _take_in(parsed, raw, number, _LOCK)
        else:
            in_conflict = True
    if parsed.damaged:
        _doubt_what_is_spread(parsed)
    return parsed, in_conflict


def _doubt_what_is_spread(parsed: Parsed) -> None:
    """Doubt the purchases that only several damaged lines name together, as a formatter of JSON
    spreads them.
    """
    text, known = b"\n".join(parsed.damaged), {doubt.uid for doubt in parsed.doubts}
    spread = [witness for witness in _witnesses(text) if witness.uid not in known]
    parsed.doubts += spread
    for witness in spread:
        parsed.numbers.setdefault(witness.uid, 1)
    if keys := tuple(dict.fromkeys(witness.key for witness in spread)):
        parsed.problems.append(Problem("damaged_purchases", Place(parsed.file), keys))


def parse_journal(data: bytes, name: str) -> Parsed:
    """Everything in a journal that can be believed. Nobody was promised a torn last line."""
    parsed = Parsed(name)
    whole, _unused, torn = data.rpartition(b"\n")
    for number, raw in _lines(whole):
        _take_in(parsed, raw, number, _JOURNAL)
    if torn:
        doubts = len(parsed.doubts)
        _take_in(parsed, torn, data.count(b"\n") + 1, _JOURNAL)
        del parsed.doubts[doubts:]
    return parsed


def unreadable_bodies(parsed: Parsed) -> Iterator[Problem]:
    """Yield the purchases whose body is not JSON, or not the last key of its line: it reads as
    empty.

    Bodies are read when somebody looks, so this is not among the problems of reading.
    """
    for purchase, _unused in parsed.lines.values():
        if isinstance(purchase.body, StoredBody) and not purchase.body.readable:
            number = parsed.numbers[purchase.uid]
            yield _oddity(parsed, number, purchase, Odd("wrong_field", "body", _("what is there")))


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    # One line after the other: a list of all would hold the file a second time.
    for number, raw in enumerate(BytesIO(data.removeprefix(_BYTE_ORDER_MARK)), 1):
        line = raw.rstrip(b"\r\n")
        if line and not line.isspace():
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


def _unsealed(raw: bytes) -> dict[str, Json]:
    """Return the document in a sealed line, its body unparsed where that is possible. Raises
    ValueError.
    """
    if not is_sealed(raw):
        raise ValueError(_("wrong sum"))
    start = raw.find(BODY)
    if start < 0 or EVIDENCE in raw:
        document = document_in(raw)
        document.pop("crc", None)
        return document
    document = document_in(raw[:start] + b"}")
    document["body"] = StoredBody(raw, start + len(BODY) - 1)
    return document


_LOCK = _Form(_unsealed, _LOCK_SEAM)
_JOURNAL = _Form(unsummed, _JOURNAL_SEAM)


def _enter(parsed: Parsed, raw: bytes, document: dict[str, Json], number: int) -> None:
    if "klingflow_lock" in document:
        header, odd = header_in(document)
        parsed.headers.append(header)
        parsed.odd += (_oddity(parsed, number, None, one) for one in odd)
    elif "runner" in document and "uid" not in document:
        runner = document["runner"]
        parsed.runner = runner if isinstance(runner, dict) else None
    else:
        purchase, oddities = from_json(document)
        _add(parsed, purchase, raw, number)
        if oddities:
            parsed.odd += (_oddity(parsed, number, purchase, one) for one in oddities)


def _add(parsed: Parsed, purchase: Purchase, raw: bytes, number: int) -> None:
    parsed.accounts.append(purchase)
    parsed.lines[purchase.uid] = (purchase, raw)
    parsed.numbers[purchase.uid] = number


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
    for found in _WHOSE.finditer(raw):
        at = 0 if found.start() < _MAX_EVIDENCE // 2 else found.start()
        evidence = {"damaged": raw[at : at + _MAX_EVIDENCE].decode("utf-8", "replace")}
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

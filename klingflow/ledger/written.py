"""PURE. Lines of a lock as klingflow writes them, read without parsing them whole.

A ledger may have 100,000 lines, of which a command looks at a few. One regular expression holds
every rule by which records.py reads a line: what it matches has no field that is odd or left out.
So only the fields that say which purchase and which task it is are cut out; the others are parsed
when somebody asks for one. Any other line is for records.py from the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.records import complete, partly_read
from klingflow.ledger.sums import SEAL_LENGTH, document_in
from klingflow.model import Bought, Json, Purchase, State

BODY = b',"body":{'
EVIDENCE = b'"evidence":'  # may hold a body of its own
# Where a text begins that is no longer than any text of one line may be.
_MOST = 10_000

# Text that stands in JSON as it is; and such text with nothing that a terminal would obey.
_TEXT = r'"[^"\\\x00-\x1f]*+"'
_PLAIN = r'"[ !#-\[\]-~]*+"'
_COUNT = r"(?:0|[1-9][0-9]{0,8})"
_NUMBER = r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?"
_TIME = r'"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"'
# Every letter and digit of Unicode is printable. A name begins with none of "." and "~", and ends
# with neither a dot nor a space.
_NAME = r"[\w@+#-][\w@+#. -]*+(?<![. ])"
_OUTPUT = rf'"{_NAME}(?:/{_NAME})*+(?<=\.mp4)"'


def _maybe(name: str, value: str) -> str:
    return f'(?:,"{name}":{value})?'


_FORM = re.compile(
    r'\{"shot":"(?P<shot>[^"\\\x00-\x1f]*+)"'
    r',"take":(?P<take>[1-9][0-9]{0,8}),"attempt":(?P<attempt>[1-9][0-9]{0,8})'
    r',"uid":"(?P<uid>[0-9A-Za-z-]{1,64})"'
    r'(?:,"was":\{"shot":"(?P<was_shot>[^"\\\x00-\x1f]*+)","take":(?P<was_take>[1-9][0-9]{0,8})\})?'
    r',"state":"(?P<state>[a-z_]++)"'
    + _maybe("task_id", r'"(?P<task_id>[ !#-\[\]-~]{1,1000}+)"')
    + _maybe("billed_tier", _PLAIN)
    + rf',"predicted_tier":{_PLAIN},"seconds":{_COUNT}'
    + _maybe(
        "price",
        rf'\{{"amount":"[0-9]{{1,12}}(?:\.[0-9]{{1,12}})?","currency":{_TEXT},"basis":{_TEXT}'
        rf"{_maybe('as_of', _TEXT)}\}}",
    )
    + rf',"fingerprint":{_PLAIN},"origin":{_PLAIN}'
    + rf',"times":\{{(?:"[a-z_]++":{_TIME}(?:,"[a-z_]++":{_TIME})*+)?\}}'
    + _maybe("finished_after_s", rf"\[(?P<low>{_NUMBER}),(?P<high>{_NUMBER})\]")
    + _maybe("output", _OUTPUT)
    + _maybe("sha256", _PLAIN)
    + _maybe("size_bytes", r"(?:0|[1-9][0-9]{0,11})")
    + _maybe("video_url", _PLAIN)
    + _maybe("error", rf'\{{"kind":{_TEXT},"code":{_TEXT},"message":{_TEXT}\}}')
).fullmatch
_STATES: Mapping[str, State] = {state: state for state in RANK}


def purchase_in(raw: bytes) -> Purchase | None:
    """Return the purchase in a lock's line whose sum is right; None where it has to be parsed,
    because something in it is not as klingflow writes it, or rare.
    """
    start = raw.find(BODY)
    if not 0 < start <= _MOST or EVIDENCE in raw:
        return None
    try:
        found = _FORM(raw[:start].decode())
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    shot, take, attempt, uid, was_shot, was_take, name, task_id, low, high = found.groups()
    state = _STATES.get(name)
    if state is None or (low and float(low) > float(high)):
        return None
    was = Bought(was_shot, int(was_take)) if was_take else None
    body = StoredBody(raw, start + len(BODY) - 1)
    known = (uid, shot, int(take), int(attempt), state, task_id, was, body)
    return partly_read(known, unread=body)


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

    def complete(self, purchase: Purchase) -> None:
        """Fill in the fields of its purchase that were left unread."""
        complete(purchase, document_in(self._line[: self._start - len(BODY) + 1] + b"}"))

    def _body(self) -> dict[str, Json]:
        if self._parsed is None:
            try:
                self._parsed = document_in(self._line[self._start : -SEAL_LENGTH])
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

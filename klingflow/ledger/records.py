"""PURE. A purchase as JSON and back.

What is read is checked field by field, for a ledger may come from anywhere; what was not believed
is reported. Bytes and sums are lines.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from json import JSONEncoder
from reprlib import Repr
from typing import Any, NamedTuple, cast

from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.moments import has_form, have_form
from klingflow.model import (
    Bought,
    Failure,
    Json,
    Price,
    ProblemKind,
    Purchase,
    State,
    Unread,
)
from klingflow.words import _

MAX_TASK_ID = 1000

# The order of keys: what a reviewer of a diff looks for first, the long body last.
FIELDS = (
    "shot", "take", "attempt", "uid", "was", "state", "task_id", "billed_tier", "predicted_tier",
    "seconds", "further", "price", "fingerprint", "origin", "times", "finished_after_s", "output",
    "sha256", "size_bytes", "video_url", "error", "evidence", "body",
)  # fmt: skip
_TYPES: dict[str, type] = {
    **dict.fromkeys(FIELDS, str),
    **dict.fromkeys(("take", "attempt", "seconds", "size_bytes"), int),
    **dict.fromkeys(("was", "price", "times", "error", "evidence"), dict),
    "finished_after_s": list,
    "further": bool,
}
# What a field is where a line lacks it: a line of the journal leaves the body to an earlier line.
_WITHOUT: dict[str, Json] = {
    "fingerprint": "",
    "body": {},
    "origin": "",
    "predicted_tier": "",
    "seconds": 0,
    "times": {},
}
_ONE_LINE = (
    "origin", "fingerprint", "predicted_tier", "billed_tier", "sha256", "video_url",
)  # fmt: skip
_ESSENTIAL = frozenset({"uid", "shot", "take", "attempt", "state"})
_BELIEVED = _ESSENTIAL | {"task_id"}  # where one of these is wrong, the whole line is damaged
# Null says of these that nothing is known. A null in place of a task id may be an id that was lost.
_NULLABLE = frozenset(FIELDS) - _WITHOUT.keys() - _BELIEVED
# The least that klingflow writes. Less is believed where it says which purchase this is.
_LEAST = {"take": 1, "attempt": 1}


class Odd(NamedTuple):
    """A field that klingflow does not write so: left out, or believed and worth a look."""

    kind: ProblemKind
    name: str
    value: str = ""
    least: int = 0


def as_json(purchase: Purchase) -> dict[str, Json]:
    """Return the purchase without what is not known of it, in the order of FIELDS."""
    plain = {name: value for name in FIELDS if (value := getattr(purchase, name)) is not None}
    if purchase.was is not None:
        plain["was"] = purchase.was._asdict()
    if purchase.price is not None:
        price = purchase.price
        plain["price"] = {
            "amount": str(price.amount),
            "currency": price.currency,
            "basis": price.basis,
        }
        if price.as_of is not None:
            plain["price"]["as_of"] = price.as_of
    if purchase.error is not None:
        plain["error"] = _error(purchase.error)
    return plain


def _error(error: Failure) -> dict[str, Json]:
    plain: dict[str, Json] = {"kind": error.kind, "code": error.code, "message": error.message}
    return plain if error.words is None else {**plain, "words": error.words}


def from_json(document: Mapping[str, Json]) -> tuple[Purchase, Sequence[Odd]]:
    """Return the purchase that `as_json` made the document of, and the fields that were not so.

    Raises ValueError for what cannot be a purchase. Only a field that says which purchase this is,
    or which task, can make it so: any other that is not what it should be is left out, because a
    line must not lose its task id over its price.
    """
    known: dict[str, Any] = {**_WITHOUT, **document}
    body = known.pop("body")
    odd: list[Odd] = []
    names = tuple(known)
    if tuple(map(type, known.values())) != _types_of(names):
        known = _rightly_typed(known, odd)
    if not known.keys() >= _ESSENTIAL:
        raise ValueError(_("not a purchase"))
    _convert(known, odd)
    known["times"] = _in_form(known["times"], odd)
    if not _one_line("".join(filter(None, map(known.get, _ONE_LINE)))):
        _leave_out(known, odd)
    if "fingerprint" not in document:
        odd.append(Odd("missing_field", "fingerprint"))
    if isinstance(body, Mapping):
        known["body"] = body
    else:
        known["body"] = {}
        odd.append(_wrong("body", body))
    return _purchase(known), odd


def _convert(known: dict[str, Any], odd: list[Odd]) -> None:
    """Make the values of `known` a purchase's, in place."""
    for name, convert in _CONVERSIONS:
        if name not in known:
            continue
        value = known[name]
        try:
            known[name] = convert(value)
        except (ValueError, KeyError, TypeError, RecursionError, InvalidOperation) as error:
            if name in _BELIEVED:
                raise ValueError(_("{name}: {error}", name=name, error=error)) from error
            known[name] = _WITHOUT.get(name)
            odd.append(_wrong(name, value))
    for name, least in _LEAST.items():
        if known[name] < least:
            odd.append(Odd("small_field", name, str(known[name]), least))


def _leave_out(known: dict[str, Any], odd: list[Odd]) -> None:
    """Take out what is no plain text of one line, in place."""
    for name in _ONE_LINE:
        value = known.get(name)
        if value is not None and not _one_line(value):
            odd.append(_wrong(name, value))
            known[name] = _WITHOUT.get(name)


def _in_form(times: dict[str, str], odd: list[Odd]) -> dict[str, str]:
    """Return the times without those that are none: nothing is computed with a word, nor ordered by
    it.
    """
    if have_form(times.values()):
        return times
    odd += (_wrong(f"times.{name}", at) for name, at in times.items() if not has_form(at))
    return {name: at for name, at in times.items() if has_form(at)}


def _purchase(known: Mapping[str, Any]) -> Purchase:
    """Return `Purchase(**known)`, written slot by slot: 3 µs instead of the 13 µs that a frozen
    record's own constructor takes.
    """
    purchase = object.__new__(Purchase)
    for name, put in _SLOTS:
        put(purchase, known.get(name))
    return purchase


# What writes each field. The default of all that a line may lack is None; `_WITHOUT` has the
# others.
_SLOTS = tuple((field.name, getattr(Purchase, field.name).__set__) for field in fields(Purchase))
# What is known from the start of a purchase that is not read whole, in the order of `Known`.
_KNOWN = ("uid", "shot", "take", "attempt", "state", "task_id", "was", "body")
_SLOTS_KNOWN = tuple(put for name in _KNOWN for slot, put in _SLOTS if slot == name)
_SLOTS_LATER = tuple((name, put) for name, put in _SLOTS if name not in _KNOWN)
_put_unread = Purchase._unread.__set__  # type: ignore[attr-defined]

Known = tuple[str, str, int, int, State, str | None, Bought | None, Mapping[str, Json]]


def partly_read(known: Known, unread: Unread) -> Purchase:
    """Return a purchase of which no more is read than `known`: uid, shot, take, attempt, state,
    task id, `was` and body. `unread` completes it when another field is asked for.
    """
    purchase = object.__new__(Purchase)
    for put, value in zip(_SLOTS_KNOWN, known, strict=True):
        put(purchase, value)
    _put_unread(purchase, unread)
    return purchase


def complete(purchase: Purchase, document: Mapping[str, Json]) -> None:
    """Fill in what `partly_read` left out, from the document that the purchase stands in."""
    whole, _unused = from_json(document)
    for name, put in _SLOTS_LATER:
        put(purchase, getattr(whole, name))


@lru_cache(maxsize=64)
def _types_of(names: tuple[str, ...]) -> tuple[type | None, ...]:
    """Return the types that go with these names. A ledger has few sets of names, so each is looked
    up once.
    """
    return tuple(_TYPES.get(name) for name in names)


def _rightly_typed(known: Mapping[str, Any], odd: list[Odd]) -> dict[str, Any]:
    """Return the fields whose values have their type. Raises ValueError for a believed one."""
    right: dict[str, Any] = {}
    for name, value in known.items():
        if type(value) is _TYPES.get(name):
            right[name] = value
        elif name not in _TYPES:
            odd.append(Odd("unknown_field", name))
        elif value is None and name in _NULLABLE:
            continue
        elif name in _BELIEVED:
            raise ValueError(_("{name} cannot be {value!r}", name=name, value=value))
        else:
            odd.append(_wrong(name, value))
    return {name: value for name, value in _WITHOUT.items() if name != "body"} | right


_BRIEF = Repr()
_BRIEF.maxlevel, _BRIEF.maxdict, _BRIEF.maxlist = 3, 4, 4
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80


def _wrong(name: str, value: Json) -> Odd:
    return Odd("wrong_field", name, _BRIEF.repr(value))


# The folder, beside the place of a video, to which the video goes once another takes its place.
EARLIER = "earlier"

_LEADS_ELSEWHERE = ("/.", "/~", "./", " /", "//", "\\", ":")


def is_output(value: str) -> bool:
    """True for the path of a video under the manifest's folder. A ledger from elsewhere must not
    name other files, neither here nor on Windows, where spaces and dots at a name's end do not
    count.
    """
    leads_elsewhere = any(sign in value for sign in _LEADS_ELSEWHERE)
    is_video = value[-4:].lower() == ".mp4" and value.isprintable()
    return is_video and not leads_elsewhere and value[:1] not in ("/", "~", ".")


def _output(value: str) -> str:
    if not is_output(value):
        raise ValueError(_("{value!r} is no video of the manifest's", value=value))
    return value


def _state(value: str) -> str:
    if value not in RANK:
        raise ValueError(_("there is no state {value!r}", value=value))
    return value


def _count(value: int) -> int:
    if not 0 <= value <= _MOST:
        raise ValueError(_("{value} is no number of anything", value=value))
    return value


def _task_id(value: str) -> str:
    if not 0 < len(value) <= MAX_TASK_ID or not value.isprintable():
        raise ValueError(_("{value!r} is no task id", value=value))
    return value


def _bought(value: dict[str, Json]) -> Bought:
    bought = Bought(**value)
    is_take = type(bought.take) is int and 0 < bought.take <= _MOST
    if type(bought.shot) is not str or not is_take:
        raise ValueError(_("{value!r} is no take", value=value))
    return bought


def _texts(value: dict[str, Json]) -> dict[str, str]:
    for item in value.values():
        if type(item) is not str:
            raise ValueError(_("{value!r} holds more than text", value=value))
    return value


def _price(value: dict[str, Json]) -> Price:
    return _shared_price(**_texts(value))


@lru_cache(maxsize=1024)
def _shared_price(amount: str, currency: str, basis: str, as_of: str | None = None) -> Price:
    exact = Decimal(amount)
    # A price below 0 would make room under a cap; one without an end could not be added up.
    if not exact.is_finite() or exact.is_signed() or exact.adjusted() > _DIGITS:
        raise ValueError(_("{amount!r} is no price", amount=amount))
    if len(amount) > 2 * _DIGITS:
        raise ValueError(_("too many digits for a price"))
    return Price(exact, currency, basis, as_of)


def _failure(value: dict[str, Json]) -> Failure:
    # A newer klingflow may have written a kind that is not known here.
    words = value.get("words", {})
    if not isinstance(words, Mapping):
        raise ValueError(_("{value!r} holds more than text", value=value))
    texts = _texts({name: text for name, text in value.items() if name != "words"})
    return Failure(**cast("dict[str, Any]", texts), words=words or None)


_NUMBERS = (int, float)
# More than any take, second or byte that there is; sums of such numbers are exact floats.
_MOST = 10**12
_DIGITS = 15
_LONGEST = 10_000
_STRICT = JSONEncoder(allow_nan=False)


def _bounds(value: list[Json]) -> tuple[float, float]:
    low, high = value
    if type(low) not in _NUMBERS or type(high) not in _NUMBERS:
        raise ValueError(_("{value!r} holds more than numbers", value=value))
    if not 0 <= low <= high <= _MOST:  # NaN, too, is in no order
        raise ValueError(_("{value!r} is no time that a task can take", value=value))
    return low, high


def _one_line(text: str) -> bool:
    """True if a text has nothing in it that a terminal would obey, as addresses and tiers have
    nothing.
    """
    return text.isprintable() and len(text) <= _LONGEST


def _evidence(value: dict[str, Json]) -> dict[str, Json]:
    """Return what a person is shown of a doubt. JSON has no NaN, though Python's reads and writes
    it.
    """
    _STRICT.encode(value)
    return value


_CONVERSIONS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("state", _state),
    ("take", _count),
    ("attempt", _count),
    ("seconds", _count),
    ("size_bytes", _count),
    ("task_id", _task_id),
    ("times", _texts),
    ("price", _price),
    ("error", _failure),
    ("finished_after_s", _bounds),
    ("output", _output),
    ("was", _bought),
    ("evidence", _evidence),
)

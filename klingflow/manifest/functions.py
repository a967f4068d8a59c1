"""PURE. What an expression may call: filters, functions and tests, over plain JSON data. Pure, and
bounded in size.

Jinja's own are not used: they reach attributes, turn everything into text and know no limits.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn

from jinja2 import StrictUndefined

from klingflow.model import Pending

MAX_TEXT = 100_000  # characters of one text, forty times the longest prompt
MAX_ITEMS = 10_000  # of one list
MAX_SIZE = 1_000_000  # characters and items of one value, shared parts counted each time
MAX_INTEGER = 2**63
# What may be made in parts, which are items, and every sixteen characters of a text. An
# expression's first ones are free, so that large manifests are; the rest counts together, so that a
# small one cannot take hours or all memory.
FREE_PARTS = 2_000  # ten of the longest prompts
MAX_WORK = 5_000_000  # of one manifest, about two seconds


class ExpressionError(Exception):
    """Why an expression has no value. `code` is the diagnostic's."""

    def __init__(self, message: str, code: str = "expression") -> None:
        super().__init__(message)
        self.code = code


class Missing(StrictUndefined):
    """A name that is not there; only `default` and `is defined` may touch it."""

    @property
    def message(self) -> str:
        return self._undefined_message


class Meter:
    """How many more parts the expressions of one manifest may make."""

    __slots__ = ("left",)

    def __init__(self, left: float = math.inf) -> None:
        self.left = left


METER: ContextVar[Meter] = ContextVar("meter", default=Meter())  # noqa: B039  # endless, so never changed by its use


def spend(parts: int) -> None:
    """Count what an expression makes. Raises ExpressionError once its manifest has made too much,
    for ever after.
    """
    meter = METER.get()
    meter.left -= parts
    if meter.left < 0:
        meter.left = -math.inf
        raise ExpressionError(
            f"the expressions of this manifest make over {MAX_WORK:,} parts together; make less, or split it",
            "budget",
        )


def _refuse(self: Opaque, *_: object) -> NoReturn:
    raise ExpressionError(self.advice)


class Opaque:
    """Something that can be passed on but not looked into: every operator on it is an error that
    says why.
    """

    __slots__ = ("advice",)

    def __init__(self, advice: str) -> None:
        self.advice = advice

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __hash__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __contains__ = __getitem__ = _refuse


def _whole(text: str) -> None:
    """Raises ExpressionError for half a pair of surrogates, which JSON rows can hold and no file or
    request can.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"U+{ord(text[error.start]):04X}"
            raise ExpressionError(
                f"the text holds {half}, half of a character; correct it"
            ) from None


def checked(value: Any) -> Any:
    """`value`, if it is data of a sensible size; else raises ExpressionError."""
    if type(value) is str and len(value) <= MAX_TEXT:
        spend(1 + len(value) // 16)
        _whole(value)
        return value
    spend(0)  # ends here where nothing more may be made
    size, parts, todo = 0, 0, [value]
    while todo:
        part = todo.pop()
        if isinstance(part, Missing):
            raise ExpressionError(part.message, "undefined")
        if isinstance(part, Opaque):
            raise ExpressionError(part.advice)
        if isinstance(part, Pending):
            raise ExpressionError(
                "what another shot makes is known at run time only; use it unchanged"
            )
        size += 1
        if isinstance(part, str):
            _whole(part)
            size += len(part)
            if len(part) > MAX_TEXT:
                raise ExpressionError(f"a text of over {MAX_TEXT:,} characters")
        elif isinstance(part, (list, tuple)):
            todo.extend(part)
        elif isinstance(part, dict):
            todo.extend(part.values())
        if size + len(todo) > MAX_SIZE:
            raise ExpressionError(f"a value of over {MAX_SIZE:,} characters")
        parts += 1 + (len(part) // 16 if isinstance(part, str) else 0)
    spend(parts)
    return value


def number(value: Any) -> Any:
    """`value`, if JSON can hold this number."""
    if (
        isinstance(value, complex)
        or not math.isfinite(value)
        or (type(value) is int and abs(value) >= MAX_INTEGER)
    ):
        raise ExpressionError("the result is too large a number")
    return value


def as_text(value: Any) -> str:
    """A scalar as it stands inside text; null, lists and maps have no place there."""
    checked(value)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (list, tuple, dict)):
        raise ExpressionError(f"{kind_of(value)} cannot stand inside text")
    return json.dumps(number(value))


def join_text(values: tuple[Any, ...]) -> str:
    """The operator `~`."""
    parts = [as_text(v) for v in values]
    check_room(sum(map(len, parts)))
    return "".join(parts)


def kind_of(value: Any) -> str:
    """The name of a value's kind, for messages."""
    names: dict[type, str] = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "a map",
    }
    return "null" if value is None else names.get(type(value), "a list")


def check_room(characters: int) -> None:
    """Raises ExpressionError for a text that would be too long."""
    if characters > MAX_TEXT:
        raise ExpressionError(f"a text of over {MAX_TEXT:,} characters")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"wants text, not {kind_of(value)}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ExpressionError(f"wants a list, not {kind_of(value)}")
    return list(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_ITEMS:
        raise ExpressionError(f"wants a whole number from 0 to {MAX_ITEMS}")
    return value


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    check_room(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _join(value: Any, between: Any = "") -> str:
    parts = [as_text(v) for v in _list(value)]
    check_room(sum(map(len, parts)) + len(parts) * len(_text(between)))
    return str(between).join(parts)


def _split(value: Any, at: Any = None) -> list[str]:
    if at == "":
        raise ExpressionError("wants a text to split at")
    return _text(value).split(None if at is None else _text(at))


def _slug(value: Any) -> str:
    text = unicodedata.normalize("NFKC", as_text(value)).lower()
    return re.sub(r"[\W_]+", "-", text).strip("-")


_NOTHING = object()


def _int(value: Any, otherwise: Any = _NOTHING) -> Any:
    try:
        made = float(_number(value))
        if made != int(made):
            raise ValueError
        exact = isinstance(value, int) or (isinstance(value, str) and "." not in value)
        return number(int(value) if exact else int(made))
    except (ValueError, OverflowError):
        return _otherwise(value, otherwise, "a whole number")


def _float(value: Any, otherwise: Any = _NOTHING) -> Any:
    try:
        return number(float(_number(value)))
    except (ValueError, OverflowError):
        return _otherwise(value, otherwise, "a number")


def _number(value: Any) -> Any:
    """Numbers, and text that may be one: Python's `1_000` and `inf` are no numbers here."""
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[-+]?[0-9]{1,30}(\.[0-9]{0,30})?\s*", value):
            raise ValueError
        return value
    if type(value) not in (int, float):
        raise ExpressionError(f"wants text or a number, not {kind_of(value)}")
    return value


def _otherwise(value: Any, otherwise: Any, wanted: str) -> Any:
    if otherwise is _NOTHING:
        raise ExpressionError(f"cannot read '{str(value)[:40]}' as {wanted}")
    return otherwise


_ROUNDINGS: dict[str, Callable[[float], float]] = {
    "common": round,
    "ceil": math.ceil,
    "floor": math.floor,
}


def _round(value: Any, digits: Any = 0, method: Any = "common") -> Any:
    if type(value) not in (int, float):
        raise ExpressionError(f"wants a number, not {kind_of(value)}")
    if method not in _ROUNDINGS or type(digits) is not int or not 0 <= digits <= 15:
        raise ExpressionError("takes digits (0 to 15) and 'common', 'ceil' or 'floor'")
    # Whole numbers stay whole: a duration of 5.0 is dropped by the gateway without a word
    # (gateway.md 4).
    return (
        int(_ROUNDINGS[method](value))
        if digits == 0
        else _ROUNDINGS[method](value * 10**digits) / 10**digits
    )


def _length(value: Any) -> int:
    if not isinstance(value, (str, list, tuple, dict)):
        raise ExpressionError(f"wants text, a list or a map, not {kind_of(value)}")
    return len(value)


def _first(value: Any) -> Any:
    return next(iter(_list(value)), Missing(hint="the list is empty"))


def _last(value: Any) -> Any:
    return next(reversed(_list(value)), Missing(hint="the list is empty"))


def _unique(value: Any) -> list[Any]:
    seen: dict[str, Any] = {}
    for item in _list(value):
        seen.setdefault(json.dumps(item, sort_keys=True), item)
    return list(seen.values())


def _sort(value: Any, reverse: Any = False) -> list[Any]:
    return sorted(_list(value), reverse=bool(reverse))


def _pad(value: Any, width: Any, fill: Any = "0") -> str:
    if len(_text(fill)) != 1:
        raise ExpressionError("wants one character to fill with")
    return as_text(value).rjust(_count(width), fill)


def _range(*limits: Any) -> list[int]:
    if not 1 <= len(limits) <= 3 or any(type(n) is not int for n in limits):
        raise ExpressionError("takes one to three whole numbers")
    numbers = range(*limits)
    if numbers[MAX_ITEMS:]:
        raise ExpressionError(f"makes over {MAX_ITEMS:,} numbers")
    return list(numbers)


def _zip(*lists: Any) -> list[list[Any]]:
    rows = [_list(part) for part in lists]
    if len({len(row) for row in rows}) > 1:
        raise ExpressionError(
            f"the lists have {', '.join(str(len(row)) for row in rows)} items; make them as long"
        )
    return [list(items) for items in zip(*rows, strict=True)]


def _extreme(choose: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        items = _list(values[0]) if len(values) == 1 else list(values)
        if not items:
            raise ExpressionError("the list is empty")
        return choose(items)

    return call


def _default(value: Any, otherwise: Any = "", also_empty: Any = False) -> Any:
    """Of all callables the only one that takes what is missing."""
    return otherwise if isinstance(value, Missing) or (also_empty and not value) else value


def _bounded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call` on checked arguments, with its complaints in our words."""

    def guarded(*values: Any, **options: Any) -> Any:
        for value in (*values, *options.values()):
            checked(value)
        try:
            result = call(*values, **options)
        except ExpressionError as error:
            raise ExpressionError(f"{name}: {error}", error.code) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise ExpressionError(
                f"{name}: {str(error).removeprefix(call.__name__).strip('_() ')}"
            ) from None
        return result if isinstance(result, Missing) else checked(result)

    return guarded


def _all_bounded(calls: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    return {name: _bounded(name, call) for name, call in calls.items()}


FILTERS = _all_bounded(
    {
        "lower": lambda value: _text(value).lower(),
        "upper": lambda value: _text(value).upper(),
        "trim": lambda value: _text(value).strip(),
        "replace": _replace,
        "join": _join,
        "split": _split,
        "slug": _slug,
        "int": _int,
        "float": _float,
        "round": _round,
        "tojson": lambda value: json.dumps(value, ensure_ascii=False),
        "first": _first,
        "last": _last,
        "length": _length,
        "unique": _unique,
        "sort": _sort,
        "pad": _pad,
    }
) | {"default": _default}

FUNCTIONS = _all_bounded({"range": _range, "zip": _zip, "min": _extreme(min), "max": _extreme(max)})

TESTS: dict[str, Callable[..., bool]] = {
    **_all_bounded(
        {
            "none": lambda value: value is None,
            "string": lambda value: isinstance(value, str),
            "number": lambda value: type(value) in (int, float),
            "boolean": lambda value: type(value) is bool,
            "mapping": lambda value: isinstance(value, dict),
            "sequence": lambda value: isinstance(value, (list, tuple)),
            "in": lambda value, items: value in items,
            "eq": lambda value, other: value == other,
        }
    ),
    "defined": lambda value: not isinstance(value, Missing),
    "undefined": lambda value: isinstance(value, Missing),
}

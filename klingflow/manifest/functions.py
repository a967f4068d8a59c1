"""PURE. What an expression may call: filters, functions and tests, over plain JSON data.

Jinja's own are not used: they reach attributes, turn everything into text and know no limits.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from klingflow.manifest.budget import (
    MAX_ITEMS,
    Budget,
    ExpressionError,
    Missing,
    as_text,
    check_room,
    checked,
    kind_of,
    number,
)

Call = Callable[..., Any]


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
    """Return a number, or a text that may be one: Python's `1_000` and `inf` are not
    numbers here.
    """
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
    rounded = _ROUNDINGS[method](value * 10**digits)
    # Whole numbers stay whole: the gateway drops a duration of 5.0 without a word (gateway.md 4).
    return int(rounded) if digits == 0 else rounded / 10**digits


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
    if not 1 <= len(limits) <= 3 or set(map(type, limits)) != {int}:
        raise ExpressionError("takes one to three whole numbers")
    numbers = range(*limits)
    if numbers[MAX_ITEMS:]:
        raise ExpressionError(f"makes over {MAX_ITEMS:,} numbers")
    return list(numbers)


def _zip(*lists: Any) -> list[list[Any]]:
    rows = [_list(part) for part in lists]
    lengths = [len(row) for row in rows]
    if len(set(lengths)) > 1:
        shown = ", ".join(map(str, lengths))
        raise ExpressionError(f"the lists have {shown} items; make them as long")
    return [list(items) for items in zip(*rows, strict=True)]


def _extreme(choose: Callable[[list[Any]], Any]) -> Call:
    def call(*values: Any) -> Any:
        items = _list(values[0]) if len(values) == 1 else list(values)
        if not items:
            raise ExpressionError("the list is empty")
        return choose(items)

    return call


def _default(value: Any, otherwise: Any = "", also_empty: Any = False) -> Any:
    """Return `otherwise` in place of what is missing, or also of what is empty."""
    return otherwise if isinstance(value, Missing) or (also_empty and not value) else value


def bounded(calls: Mapping[str, Call], budget: Budget) -> dict[str, Call]:
    """Return the calls as an expression sees them: what they take and make is checked and counted.

    Only `default`, `defined` and `undefined` may look at what is missing.
    """
    return {
        name: call if name in _TAKE_MISSING else _guarded(name, call, budget)
        for name, call in calls.items()
    }


def _guarded(name: str, call: Call, budget: Budget) -> Call:
    """Return `call` on checked arguments, with its complaints in our words."""

    def guarded(*values: Any, **options: Any) -> Any:
        for value in (*values, *options.values()):
            checked(value, budget)
        try:
            result = call(*values, **options)
        except ExpressionError as error:
            raise ExpressionError(f"{name}: {error}", error.code) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise ExpressionError(f"{name}: {_in_our_words(error, call)}") from None
        return result if isinstance(result, Missing) else checked(result, budget)

    return guarded


def _in_our_words(error: Exception, call: Call) -> str:
    """Return what Python says of a call, without the name that the call has in this file."""
    return str(error).removeprefix(call.__name__).strip("_() ")


_TAKE_MISSING: Final = frozenset(("default", "defined", "undefined"))

FILTERS: Final[dict[str, Call]] = {
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
    "default": _default,
}

FUNCTIONS: Final[dict[str, Call]] = {
    "range": _range,
    "zip": _zip,
    "min": _extreme(min),
    "max": _extreme(max),
}

TESTS: Final[dict[str, Call]] = {
    "none": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: type(value) is bool,
    "mapping": lambda value: isinstance(value, dict),
    "sequence": lambda value: isinstance(value, (list, tuple)),
    "in": lambda value, items: value in items,
    "eq": lambda value, other: value == other,
    "defined": lambda value: not isinstance(value, Missing),
    "undefined": lambda value: isinstance(value, Missing),
}

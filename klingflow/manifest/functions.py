"""PURE. What an expression may call: filters, functions and tests, over plain JSON data.

Jinja's own are not used: they reach attributes, turn everything into text and know no limits. The
arguments have Jinja's names and order; where a result differs, docs/manifest.md says so.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from klingflow.manifest.budget import (
    MAX_ITEMS,
    ExpressionError,
    Missing,
    as_text,
    check_room,
    kind_of,
    number,
)
from klingflow.manifest.names import lookup
from klingflow.words import _, joined

Call = Callable[..., Any]
_STEPS_MOST = 8


def _list(value: Any) -> list[Any]:
    """Return the items of a list. Unlike Jinja, do not take a text for its characters: a text in
    place of a list is one that nobody has split.
    """
    if not isinstance(value, (list, tuple)):
        raise ExpressionError(
            _("wants a list, not {kind}{split_it}", kind=kind_of(value), split_it=_split_it(value))
        )
    return list(value)


def _split_it(value: Any) -> str:
    return _("; split(',') makes one of it") if isinstance(value, str) else ""


def _sequence(value: Any) -> str | list[Any]:
    return value if isinstance(value, str) else _list(value)


def _count(value: Any, least: int = 0, most: int = MAX_ITEMS) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ExpressionError(
            _("wants a whole number from {least} to {most}", least=least, most=most)
        )
    return value


_Getter = Callable[[Any], Any]


def _member_at(path: Any) -> _Getter:
    """Return a function that takes a member from an item: `'a.b.0'` is a path to it, an int its
    index. None stands for the item itself.
    """
    steps = path.split(".") if isinstance(path, str) else [] if path is None else [path]
    # Each item takes all steps, and the budget counts none of them.
    if len(steps) > _STEPS_MOST:
        raise ExpressionError(
            _("takes an attribute of at most {steps_most} steps", steps_most=_STEPS_MOST)
        )

    def member(item: Any) -> Any:
        for step in steps:
            by_index = isinstance(step, str) and step.isdecimal() and not isinstance(item, dict)
            item = lookup(item, int(step) if by_index else step)
            if isinstance(item, Missing):
                raise ExpressionError(item.message, "undefined")
        return item

    return member


def _comparable(path: Any, case_sensitive: Any) -> _Getter:
    """Return a function that makes of an item what it is compared by: upper and lower case are the
    same unless a call says `case_sensitive`.
    """
    member = _member_at(path)

    def key(item: Any) -> Any:
        found = member(item)
        return found.lower() if isinstance(found, str) and not case_sensitive else found

    return key


def _trim(value: Any, chars: Any = None) -> str:
    return as_text(value).strip(None if chars is None else as_text(chars))


def _replace(value: Any, old: Any, new: Any, count: Any = None) -> str:
    text, old, new = as_text(value), as_text(old), as_text(new)
    found = text.count(old)
    times = found if count is None or count < 0 else min(count, found)
    check_room(len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, times)


def _join(value: Any, d: Any = "", attribute: Any = None) -> str:
    between, member = as_text(d), _member_at(attribute)
    parts = [as_text(member(item)) for item in _list(value)]
    check_room(sum(map(len, parts)) + len(parts) * len(between))
    return between.join(parts)


def _split(value: Any, sep: Any = None) -> list[str]:
    if sep == "":
        raise ExpressionError(_("wants a text to split at"))
    return as_text(value).split(None if sep is None else as_text(sep))


def _slug(value: Any) -> str:
    text = unicodedata.normalize("NFKC", as_text(value)).lower()
    return re.sub(r"[\W_]+", "-", text).strip("-")


NO_DEFAULT = object()
# Python's `1_000`, `inf` and `nan` are not numbers here.
_NUMBER = re.compile(r"\s*[-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?\s*")
_DIGITS_MOST = 100


def _int(value: Any, default: Any = NO_DEFAULT, base: Any = 10) -> Any:
    """Return a whole number; a fraction is cut off, as Jinja and Python do."""
    if type(base) is not int or not (base == 0 or 2 <= base <= 36):
        raise ExpressionError(_("takes a base from 2 to 36, or 0 for what 0x, 0o and 0b say"))
    found = _whole(value, base)
    return _otherwise(value, default, _("a whole number")) if found is None else number(found)


def _whole(value: Any, base: int) -> int | None:
    if isinstance(value, str) and len(value) <= _DIGITS_MOST and "_" not in value:
        with suppress(ValueError):
            return int(value, base)
    found = _real(value)
    return None if found is None or not math.isfinite(found) else int(found)


def _float(value: Any, default: Any = NO_DEFAULT) -> Any:
    found = _real(value)
    return _otherwise(value, default, _("a number")) if found is None else number(float(found))


def _real(value: Any) -> int | float | None:
    """Return a number as it is, and a text that is one as a float; None for anything else."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return value if isinstance(value, (int, float)) else None


def _otherwise(value: Any, default: Any, wanted: str) -> Any:
    if default is NO_DEFAULT:
        shown = f"'{value[:40]}'" if isinstance(value, str) else kind_of(value)
        with_a_unit = _WITH_A_UNIT.fullmatch(str(value))
        hint = _("; write {with_a_unit} alone", with_a_unit=with_a_unit[1]) if with_a_unit else ""
        raise ExpressionError(
            _("cannot read {shown} as {wanted}{hint}", shown=shown, wanted=wanted, hint=hint)
        )
    return default


_WITH_A_UNIT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*[^\W\d_]+")  # 5秒, 5 s


_UP_OR_DOWN: Final[dict[str, Callable[[float], int]]] = {"ceil": math.ceil, "floor": math.floor}
_DIGITS: Final = range(-15, 16)


def _round(value: Any, precision: Any = 0, method: Any = "common") -> Any:
    if type(value) not in (int, float):
        raise ExpressionError(_("wants a number, not {kind}", kind=kind_of(value)))
    if type(precision) is not int or precision not in _DIGITS:
        raise ExpressionError(_("takes a precision from -15 to 15"))
    if method == "common":
        rounded = round(value, precision)
    elif method in _UP_OR_DOWN:
        rounded = _UP_OR_DOWN[method](value * 10**precision) / 10**precision
    else:
        raise ExpressionError(_("takes the method 'common', 'ceil' or 'floor'"))
    # Whole numbers stay whole: the gateway drops a duration of 5.0 without a word (gateway.md 4).
    return int(rounded) if precision <= 0 else rounded


def _tojson(value: Any, indent: Any = None) -> str:
    """Return JSON with sorted keys. Nothing is escaped for HTML."""
    spaces = None if indent is None else _count(indent, most=16)
    encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, indent=spaces)
    parts: list[str] = []
    characters = 0
    for part in encoder.iterencode(value):
        characters += len(part)
        check_room(characters)
        parts.append(part)
    return "".join(parts)


def _length(value: Any) -> int:
    if not isinstance(value, (str, list, tuple, dict)):
        raise ExpressionError(_("wants text, a list or a map, not {kind}", kind=kind_of(value)))
    return len(value)


def _first(value: Any) -> Any:
    return next(iter(_sequence(value)), Missing(hint=_("{label} is empty", label=_label(value))))


def _last(value: Any) -> Any:
    return next(
        reversed(_sequence(value)), Missing(hint=_("{label} is empty", label=_label(value)))
    )


def _label(value: Any) -> str:
    return _("the text") if isinstance(value, str) else _("the list")


def _unique(value: Any, case_sensitive: Any = False, attribute: Any = None) -> list[Any]:
    key = _comparable(attribute, case_sensitive)
    seen: dict[str, Any] = {}
    for item in _list(value):
        seen.setdefault(json.dumps(key(item), sort_keys=True), item)
    return list(seen.values())


def _sort(
    value: Any, reverse: Any = False, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    paths = attribute.split(",") if isinstance(attribute, str) else [attribute]
    if len(paths) > _STEPS_MOST:
        raise ExpressionError(_("takes at most {steps_most} attributes", steps_most=_STEPS_MOST))
    keys = [_comparable(path, case_sensitive) for path in paths]
    items = _list(value)
    return sorted(items, key=lambda item: [key(item) for key in keys], reverse=bool(reverse))


def _pad(value: Any, width: Any, fill: Any = "0") -> str:
    if not isinstance(fill, str) or len(fill) != 1:
        raise ExpressionError(_("wants one character to fill with"))
    return as_text(value).rjust(_count(width), fill)


def _range(*limits: Any) -> list[int]:
    if not 1 <= len(limits) <= 3 or set(map(type, limits)) != {int}:
        raise ExpressionError(_("takes one to three whole numbers"))
    numbers = range(*limits)
    if numbers[MAX_ITEMS:]:
        raise ExpressionError(_("makes over {max_items:,} numbers", max_items=MAX_ITEMS))
    return list(numbers)


def _zip(*lists: Any) -> list[list[Any]]:
    rows = [_list(part) for part in lists]
    lengths = [len(row) for row in rows]
    if len(set(lengths)) > 1:
        shown = joined(", ", map(str, lengths))
        raise ExpressionError(_("the lists have {shown} items; make them as long", shown=shown))
    return [list(items) for items in zip(*rows, strict=True)]


def _extreme(choose: Callable[[list[Any]], Any]) -> Call:
    def call(*values: Any) -> Any:
        items = _list(values[0]) if len(values) == 1 else list(values)
        if not items:
            raise ExpressionError(_("the list is empty"))
        return choose(items)

    return call


def _default(value: Any, default_value: Any = "", boolean: Any = False) -> Any:
    """Return `default_value` in place of what is missing, or with `boolean` also of what is empty,
    0 or false.
    """
    return default_value if isinstance(value, Missing) or (boolean and not value) else value


def _in(value: Any, seq: Any) -> bool:
    if isinstance(seq, str) and not isinstance(value, str):
        raise ExpressionError(_("a text holds text, not {kind}", kind=kind_of(value)))
    if not isinstance(seq, (str, list, tuple, dict)):
        raise ExpressionError(_("wants text, a list or a map, not {kind}", kind=kind_of(seq)))
    return value in seq


FILTERS: Final[dict[str, Call]] = {
    "lower": lambda value: as_text(value).lower(),
    "upper": lambda value: as_text(value).upper(),
    "trim": _trim,
    "replace": _replace,
    "join": _join,
    "split": _split,
    "slug": _slug,
    "int": _int,
    "float": _float,
    "round": _round,
    "tojson": _tojson,
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
    "number": lambda value: isinstance(value, (int, float)),
    "boolean": lambda value: type(value) is bool,
    "mapping": lambda value: isinstance(value, dict),
    "sequence": lambda value: isinstance(value, (str, list, tuple, dict)),
    "in": _in,
    "eq": lambda value, other: value == other,
    "defined": lambda value: not isinstance(value, Missing),
    "undefined": lambda value: isinstance(value, Missing),
}

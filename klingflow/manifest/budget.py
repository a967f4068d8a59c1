"""PURE. What an expression may hold and how much it may make: JSON data of bounded size, counted by
the budget of its manifest.

Every operator, function and result of an expression passes through `checked`. The caller hands the
budget in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from jinja2 import StrictUndefined

from klingflow.manifest.scalars import MAX_INTEGER
from klingflow.model import Pending
from klingflow.words import _

MAX_TEXT = 100_000  # characters of one text, forty times the longest prompt
MAX_ITEMS = 10_000  # of one list
MAX_SIZE = 1_000_000  # characters and items of one value, shared parts counted each time
# An expression makes parts: each item is one, and every sixteen characters of a text. The first
# parts of each expression are free, so that a large manifest is possible. All others count
# together, so that a small manifest can take neither hours nor all memory.
CHARACTERS_PER_PART = 16
FREE_PARTS = 2_000  # ten of the longest prompts
MAX_WORK = 5_000_000  # of one manifest, about two seconds


class ExpressionError(Exception):
    """Why an expression has no value. `code` is the diagnostic's."""

    def __init__(self, message: str, code: str = "expression") -> None:
        super().__init__(message)
        self.code = code


class Missing(StrictUndefined):
    """A name that does not exist; only `default` and `is defined` may touch it."""

    @property
    def message(self) -> str:
        return self._undefined_message


def _refuse(self: Opaque, *_: object) -> NoReturn:
    raise ExpressionError(self.advice)


class Opaque:
    """A value that can be passed on but not looked into: every operator on it raises
    ExpressionError with its `advice`.
    """

    __slots__ = ("advice",)

    def __init__(self, advice: str) -> None:
        self.advice: str = advice


for _operator in (
    *("__str__", "__repr__", "__bool__", "__len__", "__iter__", "__hash__"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"),
    *("__contains__", "__getitem__"),
):
    setattr(Opaque, _operator, _refuse)


class Budget:
    """How many more parts the expressions of one manifest may make."""

    __slots__ = ("left",)

    def __init__(self, left: float) -> None:
        self.left: float = left

    def spend(self, parts: int) -> None:
        """Count what an expression makes.

        Raises ExpressionError once the expressions have made too much, and at every later call.
        """
        self.left -= parts
        if self.left < 0:
            self.left = -math.inf
            raise ExpressionError(
                _(
                    "the expressions of this manifest make over {max_work:,} parts together;"
                    " make less, or split it",
                    max_work=MAX_WORK,
                ),
                "budget",
            )


# For values that no expression makes, and for those that a function's guard has counted. Counting
# never changes it.
UNLIMITED: Final = Budget(math.inf)


def checked(value: Any, budget: Budget) -> Any:
    """Return `value` if it is data of a sensible size. Raises ExpressionError."""
    if type(value) is str and len(value) <= MAX_TEXT:
        budget.spend(1 + len(value) // CHARACTERS_PER_PART)
        _check_whole(value)
        return value
    budget.spend(0)  # raises at once where the budget is used up
    size, parts, todo = 0, 0, [value]
    while todo:
        part = todo.pop()
        if isinstance(part, (Missing, Opaque, Pending)):
            raise _unusable(part)
        size += 1
        parts += 1
        if isinstance(part, str):
            _check_whole(part)
            check_room(len(part))
            size += len(part)
            parts += len(part) // CHARACTERS_PER_PART
        else:
            todo.extend(_members(part))
        if size + len(todo) > MAX_SIZE:
            raise ExpressionError(_("a value of over {max_size:,} characters", max_size=MAX_SIZE))
    budget.spend(parts)
    return value


def _unusable(value: Missing | Opaque | Pending) -> ExpressionError:
    if isinstance(value, Missing):
        return ExpressionError(value.message, "undefined")
    if isinstance(value, Opaque):
        return ExpressionError(value.advice)
    return ExpressionError(_("what another shot makes is known at run time only; use it unchanged"))


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        return value
    return value.values() if isinstance(value, dict) else ()


def _check_whole(text: str) -> None:
    """Raise ExpressionError for half a pair of surrogates: JSON rows can hold one, files and
    requests cannot.
    """
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ExpressionError(
            _("the text holds {half}, half of a character; correct it", half=half)
        ) from None


def check_room(characters: int) -> None:
    """Raise ExpressionError for a text that would be too long."""
    if characters > MAX_TEXT:
        raise ExpressionError(_("a text of over {max_text:,} characters", max_text=MAX_TEXT))


def number(value: Any) -> Any:
    """Return `value` if JSON can hold this number. Raises ExpressionError."""
    too_large = (
        isinstance(value, complex)
        or not math.isfinite(value)
        or (type(value) is int and abs(value) >= MAX_INTEGER)
    )
    if too_large:
        raise ExpressionError(_("the result is too large a number"))
    return value


def as_text(value: Any, budget: Budget = UNLIMITED) -> str:
    """Return a scalar as it stands inside text.

    Raises ExpressionError for null, lists and maps, which cannot stand there.
    """
    checked(value, budget)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (list, tuple, dict)):
        raise ExpressionError(_("{kind} cannot stand inside text", kind=kind_of(value)))
    return json.dumps(number(value))


_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    str: _("text"),
    bool: _("true or false"),
    int: _("a number"),
    float: _("a number"),
    dict: _("a map"),
}


def kind_of(value: Any) -> str:
    """Return the name of a value's kind, for messages."""
    return _KINDS.get(type(value), "a list")

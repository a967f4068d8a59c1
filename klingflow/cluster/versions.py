"""PURE. Records out of JSON that another process wrote: a host, a desk or a command, perhaps of
another version of klingflow.

What the writer did not know yet has its default here. What only the writer knows is left out of
what merely tells something: it lets nobody buy. It is refused in an `exact` record, which says what
may be bought: there it may be a limit, or a reason to buy nothing, which this version would not
keep.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from klingflow.errors import UsageError
from klingflow.model import Json
from klingflow.words import _

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def read(
    kind: type[R], document: Mapping[str, Json], what: str, *, exact: bool = False, **made: Any
) -> R:
    """Return the record that a document holds; `made` are fields that the caller has made of it.
    Raises UsageError where a field without a default is missing, where one is of another type, and
    where an `exact` record has one more; `what` names the document.
    """
    with reading(what):
        known, all_fields = {**document, **made}, {field.name: field for field in fields(kind)}
        needed = {name for name, field in all_fields.items() if _is_needed(field)}
        _refuse_if(needed - known.keys(), what)
        if exact:
            _refuse_if(known.keys() - all_fields.keys(), what)
        given = {name: value for name, value in known.items() if name in all_fields}
        hints = _hints(kind)
        _refuse_if({name for name, value in given.items() if not _fits(value, hints[name])}, what)
        return kind(**given)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise UsageError for a document that is not made as this version makes it."""
    try:
        yield
    except KeyError as error:
        raise _refusal({str(error.args[0])}, what) from error
    except (AttributeError, ArithmeticError, IndexError, TypeError, ValueError) as error:
        raise _refusal({type(error).__name__}, what) from error


def listed(value: Json) -> list[Json]:
    """Return a list of a document. Raises TypeError for anything else, such as a text."""
    if not isinstance(value, list | tuple):
        raise TypeError
    return [*value]


def text(value: Json) -> str:
    """Return a text of a document. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError
    return value


def check_names(document: Mapping[str, Json], names: frozenset[str], what: str) -> None:
    """Raise UsageError where an exact document has other names than these."""
    with reading(what):
        _refuse_if({*document.keys()} - names, what)


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """True if a value is of the type that a field has."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in args)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in args)
    if origin is tuple:
        return isinstance(value, tuple) and _fit_each(value, args)
    return hint is Any or _is_a(value, origin or hint)


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return isinstance(value, kind) and _fit_each(value, _hints(kind).values())
    return isinstance(value, (int, float) if kind is float else kind)


def _fit_each(values: tuple[Any, ...], hints: Any) -> bool:
    hints = tuple(hints)
    if hints[1:] == (...,):
        hints = hints[:1] * len(values)
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _refuse_if(names: set[str], what: str) -> None:
    if names:
        raise _refusal(names, what)


def _refusal(names: set[str], what: str) -> UsageError:
    return UsageError(
        _(
            "{what} is of another version of klingflow ({names}): use one version on every host and"
            " for every command",
            what=what,
            names=", ".join(sorted(names)),
        )
    )

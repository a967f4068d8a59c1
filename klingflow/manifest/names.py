"""PURE. The names that an expression may begin with, and how its members are looked up.

`vars`, `shots` and a shot's handle are namespaces: they answer for one member at a time.
What only the run knows comes out of them as a Later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from klingflow.manifest.budget import (
    UNLIMITED,
    ExpressionError,
    Missing,
    Opaque,
    checked,
    kind_of,
)
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Pending, Reference, composed
from klingflow.words import _, joined

ROOTS = ("vars", "matrix", "row", "shot", "shots")
ATTRIBUTES = ("video_url", "task_id")


class Names(Opaque):
    """A namespace such as `vars`: its members can be looked up, but it is not a value."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        super().__init__(
            _(
                "'{label}' is not a value; name what you want of it, such as {label}.name",
                label=label,
            )
        )
        self.label: str = label

    def get(self, key: str) -> Any:
        raise NotImplementedError


class Later(Opaque):
    """A Pending inside an expression: it may become the result, and nothing may be made of it."""

    __slots__ = ("pending",)

    def __init__(self, pending: Pending) -> None:
        super().__init__(
            _(
                "what another shot makes is known at run time only;"
                " use it unchanged, as the whole expression"
            )
        )
        self.pending: Pending = pending


class Vars(Names):
    """`vars`: rendered when asked for, by `variable`, in the scope that asks."""

    __slots__ = ("variable",)

    def __init__(self, variable: Callable[[str], Any]) -> None:
        super().__init__("vars")
        self.variable: Callable[[str], Any] = variable

    def get(self, key: str) -> Any:
        return self.variable(key)


class Shots(Names):
    """`shots`: every id leads to a handle; links.py finds the ids that do not exist."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("shots")

    def get(self, key: str) -> Any:
        return _Handle(composed(key))


class _Handle(Names):
    """`shots.<id>`."""

    __slots__ = ()

    def __init__(self, shot: str) -> None:
        super().__init__(shot)
        self.advice = _(
            "shots['{shot}'] is not a value; write shots['{shot}'].video_url", shot=shot
        )

    def get(self, key: str) -> Any:
        if key not in ATTRIBUTES:
            hint = did_you_mean(key, ATTRIBUTES) or _(
                "; there are {attributes}", attributes=joined(_(" and "), ATTRIBUTES)
            )
            raise ExpressionError(_("a shot has no '{key}'{hint}", key=key, hint=hint), "undefined")
        return Later(Pending((Reference(self.label, key),)))


def lookup(holder: Any, key: Any) -> Any:
    """Return `holder.key` or `holder[key]`; if it does not exist, a Missing that says what was
    probably meant. Raises ExpressionError.
    """
    if isinstance(holder, Names) and isinstance(key, str):
        return holder.get(key)
    if isinstance(holder, dict) and isinstance(key, (str, int, float)):
        return _member(holder, key)
    if isinstance(holder, (str, list, tuple)) and type(key) is int:
        return _item(holder, key)
    if isinstance(holder, Missing):
        return holder
    if isinstance(holder, Opaque):
        raise ExpressionError(holder.advice)
    raise ExpressionError(
        _("{kind} has no '{key}'", kind=kind_of(holder), key=checked(key, UNLIMITED)),
        "undefined",
    )


def _member(holder: dict[Any, Any], key: str | float) -> Any:
    if key in holder:
        return opened(holder[key])
    if not isinstance(key, str):
        return Missing(hint=_("'{key}' is undefined", key=key))
    names = [name for name in holder if isinstance(name, str)]
    for name in names:
        if composed(name) == composed(key):
            return opened(holder[name])
    hint = did_you_mean(key, names)
    return Missing(hint=_("'{key}' is undefined{did_you_mean}", key=key, did_you_mean=hint))


def _item(holder: Sequence[Any], at: int) -> Any:
    if -len(holder) <= at < len(holder):
        return opened(holder[at])
    if isinstance(holder, str):
        size = _("text has {length} characters", length=len(holder))
    else:
        size = _("list has {length} items", length=len(holder))
    return Missing(hint=_("[{at}] is undefined: the {size}", at=at, size=size))


def opened(value: Any) -> Any:
    """Return a value as an expression holds it: a Pending as a Later."""
    return Later(value) if isinstance(value, Pending) else value

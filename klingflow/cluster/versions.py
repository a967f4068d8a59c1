"""PURE. Records out of JSON that another process wrote: a host, a desk or a command, perhaps of
another version of klingflow.

What the writer did not know yet has its default here, and what only the writer knows is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from klingflow.errors import UsageError
from klingflow.model import Json
from klingflow.words import _

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def read(kind: type[R], document: Mapping[str, Json], what: str, **made: Any) -> R:
    """Return the record that a document holds; `made` are fields that the caller has made of it.
    Raises UsageError where one without a default is missing; `what` names the document.
    """
    known = {**document, **made}
    needed = {field.name for field in fields(kind) if _is_needed(field)}
    _refuse_if(needed - known.keys(), what)
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in known.items() if name in names})


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _refuse_if(names: set[str], what: str) -> None:
    if names:
        raise UsageError(
            _(
                "{what} is of another version of klingflow ({names}): use one version on every host"
                " and for every command",
                what=what,
                names=", ".join(sorted(names)),
            )
        )

"""PURE. Records as an engine is told them: without what is as always, because an engine keeps each
word that it is told, several times over.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from klingflow.model import Json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def brief(record: DataclassInstance) -> dict[str, Json]:
    """Return the fields of a record that are not as by default, as JSON."""
    usual = {field.name: field.default for field in fields(record)}
    return {name: value for name, value in asdict(record).items() if value != usual[name]}

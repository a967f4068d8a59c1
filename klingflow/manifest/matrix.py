"""PURE. A matrix's axes, include and exclude → its cells, by the rules of GitHub Actions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from klingflow.manifest.identity import cell
from klingflow.model import Json

MAX_CELLS = 100_000


class Cell(NamedTuple):
    """One combination: its values by name, and what it adds to the shot's id."""

    values: dict[str, Json]
    label: str


def cells(
    axes: Mapping[str, Sequence[Json]],
    include: Sequence[Mapping[str, Json]],
    exclude: Sequence[Mapping[str, Json]],
) -> list[Cell]:
    """Return every combination; the last axis turns fastest.

    An `exclude` removes the combinations that have all its values. An `include` is added to every
    combination whose axis values it does not change; one that fits no combination is a combination
    of its own. Raises ValueError.
    """
    kept = [values for values in _combinations(axes) if not _is_excluded(values, exclude)]
    extended = [dict(values) for values in kept]
    alone: list[dict[str, Json]] = []
    for extra in include:
        fitting = [new for new, old in zip(extended, kept, strict=True) if _fits(old, extra)]
        for values in fitting:
            values.update(extra)
        if not fitting:
            alone.append(dict(extra))
    return [Cell(values, _label(values, axes)) for values in (*extended, *alone)]


def _combinations(axes: Mapping[str, Sequence[Json]]) -> list[dict[str, Json]]:
    """Return the product of the axes. Raises ValueError where it is too large."""
    if not axes:
        return []
    size = math.prod(len(values) for values in axes.values())
    if size > MAX_CELLS:
        raise ValueError(
            f"the matrix has {size:,} combinations, over {MAX_CELLS:,}; shorten an axis"
        )
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def unmatched(axes: Mapping[str, Sequence[Json]], pattern: Mapping[str, Json]) -> str | None:
    """Return the name in an exclude whose axis or value no combination has."""
    for name, value in pattern.items():
        if not any(_same(value, known) for known in axes.get(name, ())):
            return name
    return None


def _is_excluded(combination: Mapping[str, Json], exclude: Sequence[Mapping[str, Json]]) -> bool:
    return any(_has(combination, pattern) for pattern in exclude)


def _has(combination: Mapping[str, Json], pattern: Mapping[str, Json]) -> bool:
    return pattern.keys() <= combination.keys() and _fits(combination, pattern)


def _fits(combination: Mapping[str, Json], extra: Mapping[str, Json]) -> bool:
    """Return True if no value of the combination is another in `extra`."""
    shared = combination.keys() & extra.keys()
    return all(_same(combination[name], extra[name]) for name in shared)


def _same(a: Json, b: Json) -> bool:
    """Return True for values that are equal as JSON: in Python, True equals 1."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _label(values: Mapping[str, Json], axes: Mapping[str, Sequence[Json]]) -> str:
    """Return the values by sorted axis name, so that the id does not depend on their order.

    What an include adds is not in it.
    """
    names = sorted(values.keys() & axes.keys()) or sorted(values)
    return "-".join(cell(values[name]) for name in names)

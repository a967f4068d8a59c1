"""PURE. A matrix's axes, include and exclude → its cells, by the rules that GitHub Actions has for
them.
"""

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
    """Every combination, the last axis turning fastest.

    An `exclude` removes the combinations that have all its values. An `include` is added to every
    combination whose axis values it does not change, and is one of its own if there is none. Raises
    ValueError.
    """
    size = math.prod(len(values) for values in axes.values())
    if size > MAX_CELLS:
        raise ValueError(
            f"the matrix has {size:,} combinations, over {MAX_CELLS:,}; shorten an axis"
        )
    combinations = (
        [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
        if axes
        else []
    )
    kept = [c for c in combinations if not any(_has(c, pattern) for pattern in exclude)]
    extended = [dict(c) for c in kept]
    alone: list[dict[str, Json]] = []
    for extra in include:
        fixed = {name: value for name, value in extra.items() if name in axes}
        fitting = [i for i, c in enumerate(kept) if _has(c, fixed)]
        for i in fitting:
            extended[i].update(extra)
        if not fitting:
            alone.append(dict(extra))
    return [Cell(values, _label(values, axes)) for values in (*extended, *alone)]


def unmatched(axes: Mapping[str, Sequence[Json]], pattern: Mapping[str, Json]) -> str | None:
    """The name of an axis or value in an exclude that no combination has."""
    for name, value in pattern.items():
        if name not in axes or not any(_same(value, known) for known in axes[name]):
            return name
    return None


def _has(combination: Mapping[str, Json], pattern: Mapping[str, Json]) -> bool:
    return all(
        name in combination and _same(combination[name], value) for name, value in pattern.items()
    )


def _same(a: Json, b: Json) -> bool:
    """Equal as JSON: to Python, True is 1."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _label(values: Mapping[str, Json], axes: Mapping[str, Sequence[Json]]) -> str:
    """Values by sorted axis name, so that the id depends on no order; what include adds is not in
    it.
    """
    names = sorted(name for name in values if name in axes) or sorted(values)
    return "-".join(cell(values[name]) for name in names)

"""PURE. A matrix's axes, include and exclude → its cells, by the rules of GitHub Actions."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from klingflow.manifest.budget import ExpressionError
from klingflow.manifest.identity import cell
from klingflow.model import Json
from klingflow.words import _

MAX_CELLS = 100_000
# The positions of the values in the axes, and the values by name.
_Combination = tuple[tuple[int, ...], dict[str, Json]]


class Cell(NamedTuple):
    """One combination: its values by name, and what it adds to the shot's id.

    `picks` are the positions of its values in the axes, in their order; `included` is the position
    of the include that it consists of, None if the axes make it.
    """

    values: dict[str, Json]
    label: str
    picks: tuple[int, ...] = ()
    included: int | None = None


def cells(
    axes: Mapping[str, Sequence[Json]],
    include: Sequence[Mapping[str, Json]],
    exclude: Sequence[Mapping[str, Json]],
) -> list[Cell]:
    """Return every combination; the last axis turns fastest.

    An `exclude` removes the combinations that have all its values. Then each `include` in its turn
    is added to every combination of the axes whose own values it does not change; what another
    include has added it may change. One that fits no combination is a combination of its own, to
    which no later include is added. (GitHub's documentation, "Expanding or adding matrix
    configurations".) Raises ValueError.
    """
    kept = [made for made in _combinations(axes) if not _is_excluded(made[1], exclude)]
    extended = [dict(values) for _, values in kept]
    alone: dict[int, Mapping[str, Json]] = {}
    for at, extra in enumerate(include):
        if not _extend(extended, kept, extra):
            alone[at] = extra
    made = [
        Cell(values, _label(values, _named(values, axes)), picks)
        for values, (picks, _) in zip(extended, kept, strict=True)
    ]
    by_include = zip(alone.items(), _telling([*alone.values()], axes), strict=True)
    for (at, values), names in by_include:
        made.append(Cell(dict(values), _label(values, names), (), at))
    return made


def _extend(
    extended: Sequence[dict[str, Json]], kept: Sequence[_Combination], extra: Mapping[str, Json]
) -> bool:
    """Add an include to the combinations whose own values it does not change. Return True if there
    is one.
    """
    fits = False
    for values, (_picks, own) in zip(extended, kept, strict=True):
        if _fits(own, extra):
            values.update(extra)
            fits = True
    return fits


def _combinations(
    axes: Mapping[str, Sequence[Json]],
) -> list[_Combination]:
    """Return the product of the axes, each with the positions of its values.

    Raises ValueError where it is too large.
    """
    if not axes:
        return []
    size = math.prod(len(values) for values in axes.values())
    if size > MAX_CELLS:
        raise ValueError(
            _(
                "the matrix has {size:,} combinations, over {max_cells:,}; shorten an axis",
                size=size,
                max_cells=MAX_CELLS,
            )
        )
    places = itertools.product(*(range(len(values)) for values in axes.values()))
    products = itertools.product(*axes.values())
    return [
        (picks, dict(zip(axes, values, strict=True)))
        for picks, values in zip(places, products, strict=True)
    ]


def unmatched(axes: Mapping[str, Sequence[Json]], pattern: Mapping[str, Json]) -> str | None:
    """Return the name in an exclude whose axis or value occurs in no combination."""
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


def _named(values: Mapping[str, Json], axes: Mapping[str, Sequence[Json]]) -> list[str]:
    """Return the names whose values make an id: those of axes, or all where there is no axis.

    They are sorted, so that the id does not depend on the order of the axes.
    """
    return sorted(values.keys() & axes.keys()) or sorted(values)


def _telling(
    alone: Sequence[Mapping[str, Json]], axes: Mapping[str, Sequence[Json]]
) -> Iterable[list[str]]:
    """Return the names for the id of each lone include: as `_named`, and after them those by which
    it differs from the lone includes of the same axis values.
    """
    by_label: defaultdict[str, list[Mapping[str, Json]]] = defaultdict(list)
    for values in alone:
        by_label[_label(values, _named(values, axes))].append(values)
    for values in alone:
        named = _named(values, axes)
        alike = by_label[_label(values, named)]
        added = sorted(values.keys() - set(named))
        yield named + [name for name in added if _differs(name, values[name], alike)]


def _differs(name: str, value: Json, alike: Iterable[Mapping[str, Json]]) -> bool:
    """Return True for a value that an id can have, and that not all of them have."""
    if not label_of(value):
        return False
    return not all(name in other and _same(value, other[name]) for other in alike)


def _label(values: Mapping[str, Json], names: Iterable[str]) -> str:
    """Return the values as one part of an id. Raises ValueError for one that an id cannot have."""
    return "-".join(_part(name, values[name]) for name in names)


def _part(name: str, value: Json) -> str:
    label = label_of(value)
    if not label:
        raise ValueError(_("matrix include: {no_label}", no_label=no_label(name, value)))
    return label


def label_of(value: Json) -> str:
    """Return a value's part of an id; empty for a value that cannot have one."""
    try:
        return cell(value)
    except ExpressionError:
        return ""


def no_label(name: str, value: Json) -> str:
    """Return why a value of the axis `name` cannot have a part of an id."""
    if type(value) is str:  # a Pending is no text yet
        return _(
            "'{value}' leaves nothing for an id; write a letter, a digit or a sign in it",
            value=value,
        )
    return _("a value of matrix axis '{name}' is text or a number", name=name)

"""PURE. What multiplies an entry of `shots:`: the rows of its `foreach` and the cells of its
`matrix`. Each variant has an id and the names that differ from the others'.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from klingflow.errors import Mark
from klingflow.manifest.claims import Part
from klingflow.manifest.entry import Entry, Skip
from klingflow.manifest.matrix import Cell, cells, label_of, no_label, unmatched
from klingflow.manifest.rows import Rows
from klingflow.model import Json, Node

_NO_CELL = [Cell({}, "")]


class Variant(NamedTuple):
    """One shot that an entry makes: its place, its id, and what `row` and `matrix` mean for it.

    The id comes from the `key` of its row, None without rows, and from its `cell` of the matrix.
    """

    place: Mark
    id: str
    names: dict[str, Any]
    key: Json
    cell: Cell


def variants(entry: Entry) -> Iterator[Variant]:
    """Yield the shots of an entry in their order. Raises Skip when the ids cannot be told."""
    if "foreach" not in entry.items:
        for one in _cells(entry):
            yield Variant(entry.place, _id(entry, one.label), _names(entry, one), None, one)
        return
    rows = _rows(entry, entry.items["foreach"])
    if not rows:
        mark = entry.items["foreach"].mark
        entry.note(mark, "no-rows", "foreach has no rows, so it makes no shots", "warning")
    for mark, row in rows:
        key = _key(entry, row)
        label = label_of(key)
        if not label:
            message = f"the key is empty for the row at {mark}; give every row one"
            entry.note(entry.items["key"].mark, "empty-key", message)
            entry.unsure = True
            continue
        for one in _cells(entry, row=row):
            names = {"row": row, **_names(entry, one)}
            yield Variant(mark, _id(entry, label, one.label), names, key, one)


def parts_of(entry: Entry, variant: Variant) -> list[Part]:
    """Return the values that the id of a variant is made of."""
    found = []
    if variant.key is not None:
        found.append(Part("key", variant.key, variant.place))
    node = entry.items.get("matrix")
    if node is None:
        return found
    for at, (name, value) in enumerate(variant.cell.values.items()):
        if variant.cell.included is not None:
            mark = node.at("include", variant.cell.included, name).mark
        elif at < len(variant.cell.picks):  # the values of the axes come first
            mark = node.at(name, variant.cell.picks[at]).mark
        else:
            continue
        found.append(Part(name, value, mark))
    return found


def _id(entry: Entry, *labels: str) -> str:
    label = "-".join(filter(None, labels))
    return f"{entry.key}@{label}" if label else entry.key


def _names(entry: Entry, one: Cell) -> dict[str, Any]:
    return {"matrix": one.values} if "matrix" in entry.items else {}


def _rows(entry: Entry, node: Node) -> Rows:
    if type(node.value) is list:
        scope = entry.scope()
        found: Rows = [(item.mark, entry.render(item, scope)) for item in node.value]
    else:
        value = entry.render(node, entry.scope())
        if type(value) is str:  # a Pending is no file's name yet
            return _rows_of_file(entry, value, node.mark)
        if not isinstance(value, list):
            entry.fail(node.mark, "bad-foreach", "foreach takes a file of rows or a list of maps")
        found = [(node.mark, row) for row in value]
    for mark, row in found:
        if not isinstance(row, dict):
            entry.fail(mark, "bad-foreach", "a row of foreach is a map, such as { sku: A1 }")
    return found


def _rows_of_file(entry: Entry, path: str, mark: Mark) -> Rows:
    read = entry.document.rows(path, mark)
    if read is None:
        raise Skip
    return read


def _key(entry: Entry, row: dict[str, Json]) -> Json:
    node = entry.items.get("key")
    if node is None:
        name = next(iter(row), "id")
        entry.fail(
            entry.items["foreach"].mark,
            "missing-key",
            f"foreach needs a key that names each row; write key: ${{{{ row.{name} }}}}",
        )
    return entry.render(node, entry.scope(row=row))


def _cells(entry: Entry, **names: Any) -> list[Cell]:
    node = entry.items.get("matrix")
    if node is None:
        return _NO_CELL
    matrix = entry.render(node, entry.scope(**names))
    if not isinstance(matrix, dict):
        entry.fail(
            node.mark, "bad-matrix", "matrix takes a map of axes, such as { city: [上海, 重庆] }"
        )
    include = _patterns(entry, node, "include", matrix.get("include", []))
    exclude = _patterns(entry, node, "exclude", matrix.get("exclude", []))
    axes = {
        name: _axis(entry, node, name, values)
        for name, values in matrix.items()
        if name not in ("include", "exclude")
    }
    for at, pattern in enumerate(exclude):
        if name := unmatched(axes, pattern):
            message = f"this exclude matches nothing: no axis '{name}' has this value"
            entry.note(node.at("exclude", at, name).mark, "no-match", message, "warning")
    try:
        found = cells(axes, include, exclude)
    except ValueError as error:
        entry.fail(node.mark, "bad-matrix", str(error))
    if not found:
        message = "the matrix has no combination; give it an axis, or drop an exclude"
        entry.fail(node.mark, "bad-matrix", message)
    return found


def _axis(entry: Entry, node: Node, name: str, values: Json) -> list[Json]:
    if not isinstance(values, list) or not values:
        message = f"matrix axis '{name}' takes a list of values, [a, b]"
        entry.fail(node.at(name).mark, "bad-matrix", message)
    for at, value in enumerate(values):
        if not label_of(value):
            entry.fail(node.at(name, at).mark, "bad-matrix", no_label(name, value))
    return values


def _patterns(entry: Entry, node: Node, name: str, values: Json) -> list[dict[str, Json]]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        message = f"matrix {name} takes a list of maps, [{{ city: 上海 }}]"
        entry.fail(node.at(name).mark, "bad-matrix", message)
    return values

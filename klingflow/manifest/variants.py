"""PURE. What multiplies an entry of `shots:`: the rows of its `foreach` and the cells of its
`matrix`. Each variant has an id, and names that mean something else in it than in the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from klingflow.errors import Mark
from klingflow.manifest.cells import columns_in, member
from klingflow.manifest.claims import Part
from klingflow.manifest.entry import Entry, Skip
from klingflow.manifest.matrix import Cell, cells, label_of, no_label, unmatched
from klingflow.manifest.rows import CellPlaces, RowPlace, Rows, node_places, row_itself
from klingflow.model import Json, Node
from klingflow.words import _

_NO_CELL = [Cell({}, "")]


class Variant(NamedTuple):
    """One shot that an entry makes: its place, its id, and what `row` and `matrix` mean for it.

    The id comes from the `key` of its row, which is None without rows, and from its `cell` of the
    matrix. `row` is the place of its row.
    """

    place: Mark
    id: str
    names: dict[str, Any]
    key: Json
    cell: Cell
    row: RowPlace | None = None

    @property
    def has_parts(self) -> bool:
        """Return True if values made its id."""
        return self.key is not None or bool(self.cell.values)


def variants(entry: Entry) -> Iterator[Variant]:
    """Yield the shots of an entry in their order. Raises Skip when the ids cannot be told."""
    if "foreach" not in entry.items:
        for one in _cells(entry):
            yield Variant(entry.place, _id(entry, one.label), _names(entry, one), None, one)
        return
    node = entry.items["foreach"]
    rows, places = _rows(entry, node)
    if not rows:
        entry.note(node.mark, "no-rows", _("foreach has no rows, so it makes no shots"), "warning")
    for mark, row in rows:
        yield from _of_row(entry, row, RowPlace(mark, places))


def _of_row(entry: Entry, row: dict[str, Json], place: RowPlace) -> Iterator[Variant]:
    """Yield the shots of one row; none where its key cannot be told."""
    try:
        key = _key(entry, row, place)
    except _NoKey:
        entry.unsure = True
        return
    label = label_of(key)
    for one in _cells(entry, place, row=row):
        names = {"row": row, **_names(entry, one)}
        yield Variant(place.mark, _id(entry, label, one.label), names, key, one, place)


def parts_of(entry: Entry, variant: Variant) -> list[Part]:
    """Return the values that the id of a variant is made of."""
    found = []
    if variant.key is not None:
        found.append(Part("key", variant.key, _key_place(entry, variant)))
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


def _key_place(entry: Entry, variant: Variant) -> Mark:
    """Return the place of the cell that a row's key comes from; the row's place if it does not come
    from one cell.
    """
    columns = columns_in(entry.items["key"].value)
    if variant.row and len(columns) == 1:
        return variant.row.cell(columns[0])
    return variant.place


def _id(entry: Entry, *labels: str) -> str:
    label = "-".join(filter(None, labels))
    return f"{entry.key}@{label}" if label else entry.key


def _names(entry: Entry, one: Cell) -> dict[str, Any]:
    return {"matrix": one.values} if "matrix" in entry.items else {}


def _rows(entry: Entry, node: Node) -> tuple[Rows, CellPlaces]:
    """Return the rows of a foreach, and what finds their cells. Raises Skip."""
    if type(node.value) is list:
        scope = entry.scope()
        found: Rows = [(item.mark, entry.render(item, scope)) for item in node.value]
        places = node_places(node.value)
    else:
        value = entry.render(node, entry.scope())
        if type(value) is str:  # a Pending is no file's name yet
            return _rows_of_file(entry, value, node.mark), entry.document.cell
        if not isinstance(value, list):
            entry.fail(
                node.mark, "bad-foreach", _("foreach takes a file of rows or a list of maps")
            )
        found, places = [(node.mark, row) for row in value], row_itself
    for mark, row in found:
        if not isinstance(row, dict):
            entry.fail(mark, "bad-foreach", _("a row of foreach is a map, such as { sku: A1 }"))
    return found, places


def _rows_of_file(entry: Entry, path: str, mark: Mark) -> Rows:
    read = entry.document.rows(path, mark)
    if read is None:
        raise Skip
    return read


class _NoKey(Exception):
    """A row has no key; why has been noted."""


def _key(entry: Entry, row: dict[str, Json], place: RowPlace) -> Json:
    """Return the key of a row. Raises _NoKey if the row has none, and Skip if no row can have
    one.
    """
    node = entry.items.get("key")
    if node is None:
        name = next(iter(row), "id")
        entry.fail(
            entry.items["foreach"].mark,
            "missing-key",
            _(
                "foreach needs a key that names each row; write key: ${{{{ {member} }}}}",
                member=member(name),
            ),
        )
    scope = entry.scope("", place, row=row)
    try:
        key = entry.render(node, scope)
    except Skip:
        raise _NoKey from None
    if not label_of(key):
        entry.note_value(node, scope, "empty-key", _("the key is empty; give every row one"))
        raise _NoKey
    return key


def _cells(entry: Entry, place: RowPlace | None = None, **names: Any) -> list[Cell]:
    node = entry.items.get("matrix")
    if node is None:
        return _NO_CELL
    matrix = entry.render(node, entry.scope("", place, **names))
    if not isinstance(matrix, dict):
        entry.fail(
            node.mark, "bad-matrix", _("matrix takes a map of axes, such as { city: [上海, 重庆] }")
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
            message = _("this exclude matches nothing: no axis '{name}' has this value", name=name)
            entry.note(node.at("exclude", at, name).mark, "no-match", message, "warning")
    try:
        found = cells(axes, include, exclude)
    except ValueError as error:
        entry.fail(node.mark, "bad-matrix", str(error))
    if not found:
        message = _("the matrix has no combination; give it an axis, or drop an exclude")
        entry.fail(node.mark, "bad-matrix", message)
    return found


def _axis(entry: Entry, node: Node, name: str, values: Json) -> list[Json]:
    if not isinstance(values, list) or not values:
        message = _("matrix axis '{name}' takes a list of values, [a, b]", name=name)
        entry.fail(node.at(name).mark, "bad-matrix", message)
    for at, value in enumerate(values):
        if not label_of(value):
            entry.fail(node.at(name, at).mark, "bad-matrix", no_label(name, value))
    return values


def _patterns(entry: Entry, node: Node, name: str, values: Json) -> list[dict[str, Json]]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        message = _("matrix {name} takes a list of maps, [{{ city: 上海 }}]", name=name)
        entry.fail(node.at(name).mark, "bad-matrix", message)
    return values

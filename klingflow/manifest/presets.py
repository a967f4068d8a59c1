"""PURE. Which presets a shot is built on: what its `use` names, written out or by expressions, and
the layers that this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from klingflow.manifest.coerce import as_mapping
from klingflow.manifest.entry import Document, Entry
from klingflow.manifest.layers import merge
from klingflow.manifest.pieces import has_expression
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.template import Scope
from klingflow.model import Json, Node
from klingflow.words import _

# What decides how many shots there are, before an expression can choose presets for each.
_TOO_LATE = ("foreach", "key", "matrix")

# An expression can name one preset ten thousand times, for each of thousands of rows.
MAX_CHOSEN = 50


class Base(NamedTuple):
    """What lies below a shot: defaults and presets as one layer, and the tags of each layer, which
    add up.
    """

    layers: list[Node]
    tags: list[Node]


class Presets:
    """The presets of a document, and the bases made of them so far."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._bases: dict[tuple[str, ...], Base] = {}

    def base(self, names: tuple[str, ...]) -> Base:
        """Return the layers of defaults and of these presets, which exist."""
        known = self._bases.get(names)
        if known is None:
            known = self._bases[names] = self._made(names)
        return known

    def _made(self, names: tuple[str, ...]) -> Base:
        presets = (self._document.presets[name] for name in names)
        maps: list[Node] = []
        tags: list[Node] = []
        for layer in (self._document.defaults, *presets):
            if layer and type(layer.value) is dict:
                maps.append(layer)
                tags += tags_of(layer)
        return Base([merge(maps)] if maps else [], tags)

    def unknown(self, name: str) -> str | None:
        """Return what is wrong with the name of a preset, if anything."""
        if name in self._document.presets:
            return None
        return _(
            "there is no preset '{name}'{did_you_mean}",
            name=name,
            did_you_mean=did_you_mean(name, self._document.presets),
        )

    def chosen(self, entry: Entry, use: list[Node], scope: Scope) -> tuple[str, ...]:
        """Return the names that a `use` with expressions gives for one shot; those that are wrong
        are noted at the expression or at the cell of the row. Raises Skip.
        """
        found: list[str] = []
        for item in use:
            names = list(_names(entry.render(item, scope)))
            if len(found) + len(names) > MAX_CHOSEN:
                message = _(
                    "use names over {max_chosen} presets; name fewer", max_chosen=MAX_CHOSEN
                )
                entry.fail(item.mark, "bad-use", message)
            found += [name for name in names if self._is_good(name, entry, item, scope)]
        return tuple(found)

    def _is_good(self, name: Json, entry: Entry, item: Node, scope: Scope) -> bool:
        """Return True for the name of a preset that can be chosen; otherwise note what is wrong
        with it.
        """
        code, fault = "bad-use", self._fault(name, item)
        if type(name) is str and (missing := self.unknown(name)):
            code, fault = "unknown-preset", missing
        if fault:
            entry.note_value(item, scope, code, fault)
        return fault is None

    def _fault(self, name: Json, item: Node) -> str | None:
        """Return what is wrong with a name, other than that no preset has it."""
        if type(name) is not str:  # also what only the run knows
            return _("use takes the names of presets: text, or a list of texts")
        preset = self._document.presets.get(name)
        if preset is None or not is_chosen(item):
            return None
        for late in _TOO_LATE:
            if late in as_mapping(preset.value):
                return _(
                    "preset '{name}' has '{late}', which makes the shots before an expression can"
                    " choose for each; name this preset without an expression",
                    name=name,
                    late=late,
                )
        return None


def written(use: Node | None) -> list[Node]:
    """Return the entries of `use` as they were written."""
    if use is None or use.value is None:
        return []
    return use.value if type(use.value) is list else [use]


def is_chosen(entry: Node) -> bool:
    """Return True for an entry of `use` that an expression makes."""
    return has_expression(entry.value)


def tags_of(layer: Node) -> list[Node]:
    """Return the tags of one layer, if it has any."""
    return [layer.value["tags"]] if "tags" in layer.value else []


def _names(value: Json) -> Iterator[Json]:
    """Yield the names in what an entry of `use` gives: null and an empty cell give none."""
    for part in value if type(value) is list else [value]:
        is_empty_cell = type(part) is str and not part.strip()
        if part is not None and not is_empty_cell:
            yield part

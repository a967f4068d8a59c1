"""PURE. defaults < presets < shot: how layers of a shot become one. Works on Nodes, before anything
is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable

from klingflow.model import Node

# A pasted body is sent as it stands: a null in it is the author's own.
_KEEPS_NULL = ("request",)


def merge(layers: Iterable[Node]) -> Node:
    """Return later layers over earlier ones: maps merge deeply, lists and scalars replace.

    What is not merged is shared.
    """
    merged: Node | None = None
    for layer in layers:
        merged = layer if merged is None else _over(merged, layer)
    assert merged is not None
    return merged


def without_nulls(node: Node) -> Node:
    """Return the merged shot without the keys whose last value is null; `node` itself if
    none is.
    """
    kept = {}
    for key, value in node.value.items():
        if value.value is None:
            continue
        if type(value.value) is dict and key not in _KEEPS_NULL:
            value = without_nulls(value)
        kept[key] = value
    return node if kept == node.value else node.holding(kept)


def _over(below: Node, above: Node) -> Node:
    if type(below.value) is not dict or type(above.value) is not dict:
        return above
    items = dict(below.value)
    for key, node in above.value.items():
        covered = items.get(key)
        items[key] = node if covered is None else _over(covered, node)
    return above.holding(items)

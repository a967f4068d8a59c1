"""PURE. A value whose shape nobody has checked, read as a mapping or as a list: empty where it is
something else. The checks name what is wrong with it.
"""

from __future__ import annotations

from typing import Any

from klingflow.model import Json, Node


def as_mapping(value: Any) -> dict[str, Json]:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Json]:
    """Return the value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def entries(map: Node, name: str) -> dict[str, Node]:
    """Return the entries of the map that stands under a name in a map; none where there is no map
    of that name.
    """
    node = map.value.get(name)
    return as_mapping(node.value) if node else {}

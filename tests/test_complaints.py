"""What Python says of an operation, in the words of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from klingflow.manifest.complaints import in_words

_LIST: Any = [1]
_MAP: Any = {"a": 1}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: 1 < "a", "'<' cannot compare a number with text"),  # type: ignore[operator]
        (lambda: None > 1.0, "'>' cannot compare null with a number"),  # type: ignore[operator]
        (lambda: 1 in 5, "'in' looks into text, a list or a map, not into a number"),  # type: ignore[operator]
        (lambda: 1 in "a", "a text holds text, not a number"),  # type: ignore[operator]
        (lambda: {(): 1, _MAP: 2}, "a map cannot be the key of a map"),
        (lambda: _LIST["a":], "a slice takes whole numbers"),
        (lambda: abs(*[]), "abs() takes exactly one argument (0 given)"),
    ],
)
def test_pythons_types_become_kinds(act: Callable[[], Any], said: str) -> None:
    """Python's own sentence stays where no other fits."""
    with pytest.raises(TypeError) as refused:
        act()
    assert in_words(refused.value) == said

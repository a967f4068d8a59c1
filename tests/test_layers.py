"""Layers of a shot: which of them wins, and what null does."""

from __future__ import annotations

import pytest

from klingflow.manifest.layers import merge, without_nulls
from klingflow.manifest.source import parse
from klingflow.manifest.values import content_of
from klingflow.model import Json


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        (["a: 1", "b: 2"], {"a": 1, "b": 2}),
        (["a: { x: 1, y: 2 }", "a: { y: 3 }"], {"a": {"x": 1, "y": 3}}),
        (["a: [1, 2]", "a: [3]"], {"a": [3]}),
        (["a: { x: 1 }", "a: 2", "a: { y: 3 }"], {"a": {"y": 3}}),
        (["a: 1", "a: null"], {}),
        (["a: 1", "a: null", "a: 2"], {"a": 2}),
        (["a: { x: 1, y: 2 }", "a: { x: null }"], {"a": {"y": 2}}),
        (["a: { x: 1 }", "a: null", "a: { y: 2 }"], {"a": {"y": 2}}),
        (["a: [{ x: null }]", "b: 1"], {"a": [{"x": None}], "b": 1}),
        (["request: { seed: null }", "b: 1"], {"request": {"seed": None}, "b": 1}),
    ],
)
def test_later_layers_win_maps_merge_and_null_deletes_once(layers: list[str], merged: Json) -> None:
    assert content_of(without_nulls(merge([parse(layer, "f") for layer in layers]))) == merged

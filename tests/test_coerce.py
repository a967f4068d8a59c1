from __future__ import annotations

import pytest

from klingflow.manifest.coerce import as_list, as_mapping
from klingflow.model import Json

OTHERS: list[Json] = [None, True, 0, 1.5, "", "text"]


@pytest.mark.parametrize("value", [{}, {"a": 1}])
def test_a_mapping_is_itself_and_no_list(value: Json) -> None:
    """A mapping is read as it is; as a list it is empty."""
    assert as_mapping(value) is value
    assert as_list(value) == []


@pytest.mark.parametrize("value", [[], [1, "a"]])
def test_a_list_is_itself_and_no_mapping(value: Json) -> None:
    """A list is read as it is; as a mapping it is empty."""
    assert as_list(value) is value
    assert as_mapping(value) == {}


@pytest.mark.parametrize("value", OTHERS)
def test_any_other_value_is_empty(value: Json) -> None:
    """A scalar is an empty mapping and an empty list."""
    assert (as_mapping(value), as_list(value)) == ({}, [])

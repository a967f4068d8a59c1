"""A matrix's cells, by the rules of GitHub Actions."""

from __future__ import annotations

import pytest

from klingflow.manifest.matrix import MAX_CELLS, cells, unmatched
from klingflow.model import Json


@pytest.mark.parametrize(
    ("axes", "include", "exclude", "labels"),
    [
        ({"b": [1, 2], "a": ["x", "y"]}, [], [], ["x-1", "y-1", "x-2", "y-2"]),
        ({"a": [1, 2, 3]}, [], [{"a": 2}], ["1", "3"]),
        ({"a": [1, 2], "b": [3, 4]}, [], [{"a": 1}], ["2-3", "2-4"]),
        ({"a": [1]}, [{"a": 2}], [], ["1", "2"]),
        ({"a": [1]}, [{"note": "x"}], [], ["1"]),
        ({"a": [1], "b": [2]}, [{"a": 1, "b": 3}], [], ["1-2", "1-3"]),
        ({}, [{"name": "x", "z": 1}, {"name": "y", "z": 2}], [], ["x-1", "y-2"]),
        ({"a": [True, 1]}, [], [{"a": 1}], ["true"]),
    ],
)
def test_a_matrix_has_the_cells_that_github_actions_would_have(
    axes: dict[str, list[Json]],
    include: list[dict[str, Json]],
    exclude: list[dict[str, Json]],
    labels: list[str],
) -> None:
    assert [made.label for made in cells(axes, include, exclude)] == labels


def test_include_adds_to_fitting_cells_and_may_change_what_include_added() -> None:
    """The example of GitHub's own documentation."""
    axes = {"fruit": ["apple", "pear"], "animal": ["cat", "dog"]}
    include: list[dict[str, Json]] = [
        {"color": "green"},
        {"color": "pink", "animal": "cat"},
        {"fruit": "apple", "shape": "circle"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert [made.values for made in cells(axes, include, [])] == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


@pytest.mark.parametrize(
    ("include", "labels"),
    [
        ([{"city": "b"}], ["a", "b"]),
        ([{"city": "b", "light": "day"}], ["a", "b"]),
        ([{"city": "b", "light": "day"}, {"city": "b", "light": "night"}], "a b-day b-night"),
        ([{"city": "b", "light": "day"}, {"city": "b"}], "a b-day b"),
        ([{"city": "b", "x": 1, "y": 2}, {"city": "b", "x": 1, "y": 3}], "a b-2 b-3"),
        ([{"city": "b", "x": 1}, {"city": "b", "x": True}], "a b-1 b-true"),
        ([{"city": "b", "x": [1]}, {"city": "b", "x": [2]}], "a b b"),
        ([{"city": "b", "x": 1}, {"city": "c", "x": 2}], "a b c"),
    ],
)
def test_includes_with_one_new_value_are_told_apart_by_what_they_add(
    include: list[dict[str, Json]], labels: str | list[str]
) -> None:
    """The same new city twice, with another light, is two shots; an id has no more than that."""
    wanted = labels.split() if isinstance(labels, str) else labels
    assert [made.label for made in cells({"city": ["a"]}, include, [])] == wanted


def test_the_order_of_includes_changes_no_id() -> None:
    """What an include adds to the id depends on the others, not on which of them comes first."""
    include: list[dict[str, Json]] = [{"a": 2, "x": 1}, {"a": 2, "x": 2}, {"a": 3, "x": 1}]
    one, other = (cells({"a": [1]}, order, []) for order in (include, include[::-1]))
    assert {made.label for made in one} == {made.label for made in other}


def test_a_cell_knows_which_values_it_is_made_of() -> None:
    """Their positions in the axes, or the position of the include that it is."""
    made = cells({"a": ["x", "x"], "b": [1]}, [{"b": 1, "c": 2}, {"a": "y"}], [])
    assert [(cell.picks, cell.included) for cell in made] == [
        ((0, 0), None),
        ((1, 0), None),
        ((), 1),
    ]


@pytest.mark.parametrize("value", ["。", [], {}, None])
def test_an_include_whose_value_no_id_can_have_is_refused(value: Json) -> None:
    """The message names the axis, or the text that leaves nothing."""
    with pytest.raises(ValueError, match=r"leaves nothing|text or a number"):
        cells({"a": [1]}, [{"a": value}], [])


def test_an_id_has_the_values_by_the_names_of_their_axes() -> None:
    """The order of the axes, and what an include adds, do not change an id."""
    axes: dict[str, list[Json]] = {"b": [1], "a": [2]}
    (made,) = cells(axes, [{"note": "x"}], [])
    assert (made.values, made.label) == ({"b": 1, "a": 2, "note": "x"}, "2-1")


def test_a_matrix_too_large_is_refused_before_it_is_made() -> None:
    """The size is known from the axes."""
    axes = {name: list(range(100)) for name in "abcdef"}
    with pytest.raises(ValueError, match=f"over {MAX_CELLS:,}"):
        cells(axes, [], [])


@pytest.mark.parametrize(
    ("pattern", "name"),
    [({"a": 1}, None), ({"a": 3}, "a"), ({"c": 1}, "c"), ({"a": True}, "a"), ({}, None)],
)
def test_an_exclude_that_matches_nothing_is_named(
    pattern: dict[str, Json], name: str | None
) -> None:
    """The first name whose axis or value no combination has; true is not 1."""
    assert unmatched({"a": [1, 2], "b": [1]}, pattern) == name

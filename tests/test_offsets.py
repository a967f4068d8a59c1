"""A character of a scalar's value, and its place in the file."""

from __future__ import annotations

import pytest

from klingflow.errors import Mark
from klingflow.manifest.offsets import place_in
from klingflow.manifest.source import parse
from klingflow.manifest.syntax import line_starts, mark_at


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: x ${{ b }}", (1, 6)),
        ("a: '${{ b }}'", (1, 5)),
        ("a: |\n  one\n  two ${{ b }}\n", (3, 7)),
        ("\ufeffa: >-\r\n  one\r\n  ${{ b }}\r\n", (3, 3)),
        ("a: one\n  two ${{ b }}", (2, 7)),
        ('a: "\\t\\u0041 ${{ b }}"', (1, 14)),
        ('a: "one\n\n  two ${{ b }}"', (3, 7)),
        ("a: &x one ${{ b }}\nc: *x", (1, 11)),
    ],
)
def test_the_place_of_an_expression_is_its_first_character(
    text: str, place: tuple[int, int]
) -> None:
    """In block texts, folded texts, behind escapes and behind an anchor."""
    node = parse(text, "f").at("a")
    found = place_in(node, node.value.index("${{"), "${{", {"f": text})
    assert found == Mark("f", *place)


def test_the_second_of_two_is_found_by_its_number() -> None:
    text = "a: |\n  ${{ b }}\n  ${{ b }}\n"
    node = parse(text, "f").at("a")
    assert place_in(node, node.value.rindex("${{"), "${{", {"f": text}) == Mark("f", 3, 3)


def test_a_text_that_stands_elsewhere_has_the_place_of_its_alias() -> None:
    text = "a: &x |\n  ${{ b }}\nc: *x\nd: ${{ e }}\n"
    node = parse(text, "f").at("c")
    assert place_in(node, 0, "${{", {"f": text}) == node.mark


def test_the_lines_of_a_text_are_counted_once() -> None:
    """Ten thousand places of one text may be asked for, each far from its beginning."""
    text, before = "ab\r\nc\rd\ne" * 7, line_starts.cache_info().misses
    places = [mark_at(text, text.find("e", at), "f") for at in (0, 11)]
    assert places == [Mark("f", 4, 1), Mark("f", 7, 1)]
    assert line_starts.cache_info().misses == before + 1

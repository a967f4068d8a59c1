"""Texts as YAML: whatever an author wrote comes back, in the form that is easiest to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.manifest.pieces import pieces_of
from klingflow.manifest.quoting import in_block, in_flow, literally
from klingflow.manifest.source import parse
from klingflow.manifest.values import content_of

TEXTS = st.text() | st.text(
    alphabet="a雨 :#-'\"\\\n\t{}[]|>&*!%@`,?\u3000\u2028\u200b\x00\x850", max_size=8
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("林夏走进窄巷，回头一瞥", "林夏走进窄巷，回头一瞥"),
        ("a: b", '"a: b"'),
        ("雨夜 #霓虹", '"雨夜 #霓虹"'),
        ("第一场　夜　外", "第一场　夜　外"),
        ("https://a.example/x.png", "https://a.example/x.png"),
        ("他说{轻声}“走”", "他说{轻声}“走”"),
        ("5", '"5"'),
        ("yes", "yes"),
        ("", '""'),
        ("a\n- b: c", "|-\n    a\n    - b: c"),
        ("a\n\nb\n", "|\n    a\n\n    b"),
        (" a\nb", '" a\\nb"'),
        ("a \nb", '"a \\nb"'),
    ],
)
def test_a_text_is_written_in_the_form_that_reads_best(text: str, written: str) -> None:
    """Quotes only where YAML needs them."""
    assert in_block(text, 4) == written


@given(TEXTS)
def test_every_text_comes_back_from_a_block(text: str) -> None:
    """Character by character, between two other keys."""
    node = parse(f"a:\n  b: {in_block(text, 6)}\n  c: 1\n", "x")
    assert content_of(node) == {"a": {"b": text, "c": 1}}


@given(TEXTS)
def test_every_text_comes_back_from_braces(text: str) -> None:
    """As a key and as a value."""
    node = parse(f"[{{ {in_flow(text)}: {in_flow(text)} }}]\n", "x")
    assert content_of(node) == [{text: text}]


@given(st.text(alphabet="${}a ", max_size=12))
def test_an_expression_in_a_text_stays_text(text: str) -> None:
    """Whatever stands around it."""
    assert "".join(map(str, pieces_of(literally(text)))) == text

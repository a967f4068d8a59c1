"""Scalars of YAML: the bounds of numbers, and what tags make of a text."""

from __future__ import annotations

import pytest

from klingflow.manifest.scalars import MAX_INTEGER, ScalarError, plain, tagged
from klingflow.model import Json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"{2**63 - 1}", 2**63 - 1),
        (f"-{2**63 - 1}", -(2**63 - 1)),
        (f"{2**63 - 1:#x}", 2**63 - 1),
        ("1e308", 1e308),
    ],
)
def test_a_number_of_64_bits_is_exact(text: str, value: Json) -> None:
    """The largest that there is."""
    assert plain(text) == value and MAX_INTEGER == 2**63


@pytest.mark.parametrize(
    "text",
    [
        f"{2**63}",
        f"-{2**63}",
        f"{2**63:#x}",
        f"0o{2**63:o}",
        "1" * 25,
        "1" * 1_000_000,
        "1e309",
        ".inf",
        "-.Inf",
        ".nan",
    ],
)
def test_a_number_that_json_readers_lose_is_refused(text: str) -> None:
    """2**63 is the first that does not fit into 64 bits with a sign."""
    with pytest.raises(ScalarError) as refused:
        plain(text)
    assert refused.value.code == "number-range" and len(str(refused.value)) < 120


@pytest.mark.parametrize(
    ("text", "tag", "value"), [("5", "int", 5), ("5", "float", 5.0), ("012", "str", "012")]
)
def test_a_core_tag_says_what_a_text_is(text: str, tag: str, value: Json) -> None:
    """A whole number may be tagged as a float."""
    made = tagged(text, f"tag:yaml.org,2002:{tag}")
    assert made == value and type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "tag"), [("x", "int"), ("1.5", "int"), ("5", "bool"), ("5", "binary"), ("5", "set")]
)
def test_a_tag_that_does_not_fit_or_is_unknown_is_refused(text: str, tag: str) -> None:
    """It is shown as people write it."""
    with pytest.raises(ScalarError, match=f"!!{tag}.*; delete") as refused:
        tagged(text, f"tag:yaml.org,2002:{tag}")
    assert refused.value.code == "unknown-tag"

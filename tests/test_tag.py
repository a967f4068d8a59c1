"""A tag marks a body for whoever looks for the task, and changes nothing that is bought."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.manifest.request import fingerprint
from klingflow.manifest.tag import is_tag, tag_in, tag_of, tagged


@pytest.mark.parametrize(
    "body", [{"model": "m"}, {"metadata": {"a": 1, "output_config": {"duration": 5}}}]
)
def test_a_tag_is_short_and_means_nothing(body: dict[str, Any]) -> None:
    """The fingerprint, and so the purchase, is the same with and without."""
    marked = tagged(body, "20260608065249123-3f9a0c12b7de")
    assert tag_in(marked) == "klingflow-3f9a0c12b7de"
    assert fingerprint(marked) == fingerprint(body)
    assert all(
        len(tag_of(uid)) <= 64 and is_tag(tag_of(uid))
        for uid in ("x" * 99, "a-b-c", "20260608-new")
    )


def test_an_authors_name_stays() -> None:
    """A media_name of the author is not replaced."""
    body = {"metadata": {"output_config": {"media_name": "opening"}}}
    assert tagged(body, "20260608-1") == body
    assert fingerprint(body) != fingerprint({})

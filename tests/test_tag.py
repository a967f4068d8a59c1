"""The tag by which a person finds an attempt at the gateway."""

from __future__ import annotations

import pytest

from klingflow.ledger.uids import uid_of
from klingflow.manifest.meaning import meaning
from klingflow.manifest.tag import is_tag, tag_in, tag_of, tagged
from klingflow.model import Json

UID = "2026-01-31T12:00:00.000Z-0123abcd"


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m"},
        {"model": "m", "metadata": None},
        {"model": "m", "metadata": {"seed": 1, "output_config": {"duration": 5}}},
    ],
)
def test_a_tagged_body_buys_the_same_video(body: dict[str, Json]) -> None:
    """Only the video's name at the gateway is another."""
    with_tag = tagged(body, UID)
    assert tag_in(with_tag) == tag_of(UID) == "klingflow-0123abcd"
    assert tag_in(body) is None
    assert meaning(with_tag) == meaning(body)


def test_each_try_of_each_shot_has_a_tag_of_its_own() -> None:
    """Also under the ids that several hosts make, in two films with the same shots."""
    uids = [
        uid_of(lineage, shot, 1, 1, number)
        for lineage in ("0123456789abcdef", "f" * 32)
        for shot in ("alley", "street")
        for number in (1, 2)
    ]
    tags = {tag_of(uid) for uid in uids}
    assert len(tags) == len(uids) and all(map(is_tag, tags))


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"output_config": {"media_name": "mine"}}},
        {"metadata": "x"},
        {"metadata": {"output_config": [1]}},
    ],
)
def test_a_name_of_the_authors_and_a_malformed_body_are_left_alone(body: dict[str, Json]) -> None:
    """The gateway judges the body, and the name is the author's."""
    assert tagged(body, UID) == body
    assert tag_in(body) is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("klingflow-a1", True), ("klingflow-", False), ("klingflow-a_1", False), (5, False)],
)
def test_a_tag_has_letters_and_digits_behind_our_name(name: Json, is_one: bool) -> None:
    """At most 40, so that the name has at most 64 characters."""
    assert is_tag(name) is is_one
    assert len(tag_of("x-" + "a" * 99)) <= 64

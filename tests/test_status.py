"""What a desk says of itself is understood by commands of other versions, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from klingflow.cluster.desk import Desk
from klingflow.cluster.status import Status
from klingflow.errors import UsageError

NEEDED = {"batches", "over"}


def told() -> dict[str, Any]:
    """What a new desk says, through JSON."""
    document: dict[str, Any] = json.loads(json.dumps(Desk().status(0.0)))
    return document


@pytest.mark.parametrize("lost", sorted(told().keys() - NEEDED))
def test_what_a_desk_does_not_say_has_its_default(lost: str) -> None:
    """An older one is followed all the same; what only a newer one knows is left out."""
    document = {**told(), "of_a_newer_version": 1}
    del document[lost]
    assert Status.from_json(document).batches == ()
    assert Status.from_json(document).halted == ""


@pytest.mark.parametrize("lost", sorted(NEEDED))
def test_a_desk_that_cannot_be_understood_is_refused(lost: str) -> None:
    """By what it does not say, and with what to do."""
    document = told()
    del document[lost]
    with pytest.raises(UsageError, match=f"another version of klingflow .{lost}.: use one version"):
        Status.from_json(document)

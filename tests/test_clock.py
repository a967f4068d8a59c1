"""Times for people."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from klingflow.terminal.clock import local

SHANGHAI = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-27T00:46:05.123Z", "2026-11-27 08:46:05+08:00"),
        ("2026-11-27T23:00:00+00:00", "2026-11-28 07:00:00+08:00"),
        ("no time", "no time"),
        (None, ""),
    ],
)
def test_a_time_is_local_with_its_zone(text: str | None, shown: str) -> None:
    """A text that is no time stands as it is."""
    assert local(text, SHANGHAI) == shown

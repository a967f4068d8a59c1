"""PURE. The times of a ledger as text, and what may be believed of one.

klingflow writes UTC with milliseconds. A ledger may come from anywhere: a text that is no time, or
a time without a zone, is no time here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime

# A year of four digits from 1000 to 2999: nothing that is added to such a time can overflow.
_TEXT = (
    "[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,6})?"
    "(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_FORM, _LINES = re.compile(_TEXT), re.compile(f"(?:{_TEXT}\n)*")


def has_form(text: str) -> bool:
    """True if a text is written as a time with its zone; the day itself may not exist."""
    return _FORM.fullmatch(text) is not None


def have_form(texts: Collection[str]) -> bool:
    """True if each text has the form of a time. One look at all is much faster than one at each."""
    lines = "\n".join([*texts, ""])
    return _LINES.fullmatch(lines) is not None and lines.count("\n") == len(texts)


def moment(text: object) -> datetime | None:
    """Return the time that a text says, with its zone; None where it says none."""
    if not isinstance(text, str) or not has_form(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # the 30th of February
        return None


def in_utc(text: str) -> str:
    """Return `2026-06-08 12:00:05 UTC` for a time, where the reader's zone is not known; a text
    that is no time as it stands.
    """
    at = moment(text)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else text

"""The campaigns' own verdicts, in their long forms: what each one found wrong, and what it tried.

A campaign holds what the sandbox charged against the ledger, after kills and under faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.figures import Figure, python, spend

_CAMPAIGNS = ("-m", "pytest", "-q", "tests/campaigns", "--long")
_WRONG = 6  # columns of the campaigns' table that count what must not be


def figures() -> list[Figure]:
    """Return a line for each campaign in its long form."""
    return list(verdicts(spend(python(*_CAMPAIGNS)).out))


def verdicts(out: str) -> Iterator[Figure]:
    """Yield a line for each row of the table that the campaigns' run ends with."""
    for line in out.splitlines():
        campaign, *cells = re.split(r"\s{2,}", line)
        counts = [int(cell.replace(",", "")) for cell in cells[:_WRONG] if _is_count(cell)]
        if counts and len(cells) > _WRONG:
            yield Figure(f"wrong in {campaign}", "0", str(sum(counts)), cells[_WRONG])


def _is_count(cell: str) -> bool:
    return re.fullmatch(r"\d[\d,]*", cell) is not None


def command() -> list[Figure]:
    """Return where the figures can be had, for a run that has no time for them."""
    return [Figure("double charges, lost task ids", "0", f"run: python {' '.join(_CAMPAIGNS)}")]

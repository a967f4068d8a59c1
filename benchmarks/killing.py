"""The campaigns' own verdicts: what the sandbox charged, held against the ledger, after kills and
under faults.
"""

from __future__ import annotations

from benchmarks.figures import Figure, python, spend

_CAMPAIGNS = ("-m", "pytest", "-q", "-s", "tests/campaigns", "--long")


def figures() -> list[Figure]:
    """A line of each campaign in its long form."""
    lines = spend(python(*_CAMPAIGNS)).out.splitlines()
    said = [line.lstrip(".").split(": ", 1) for line in lines if " charges, " in line]
    return [
        Figure(f"double charges, lost task ids ({kind})", "0", verdict) for kind, verdict in said
    ]


def command() -> list[Figure]:
    """Where the figure is to be had, for a run that has no time for it."""
    return [Figure("double charges, lost task ids", "0", f"run: python {' '.join(_CAMPAIGNS)}")]

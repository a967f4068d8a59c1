"""PURE. The ways out for a paid video that cannot be downloaded.

The gateway deletes results after some days, commonly seven (gateway.md 4). Then only a copy helps,
which is known by its hash, or another purchase.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from klingflow.ledger.lifecycle import last_event
from klingflow.model import Purchase
from klingflow.words import _

_SHOWN = 5
_DELIVERABLE = frozenset({"succeeded", "done"})


def undelivered(purchases: Iterable[Purchase]) -> list[Purchase]:
    """Return the purchases whose last download was given up."""
    return [p for p in purchases if p.state in _DELIVERABLE and last_event(p) == "undelivered"]


def ways_out(dead: Iterable[Purchase], file: str) -> list[str]:
    """Return what a person can do about the undelivered videos, one line each; nothing if there are
    none. `file` is the manifest as a command names it.
    """
    dead = list(dead)
    if not dead:
        return []
    known = [p for p in dead if p.sha256 and p.output]
    lines = [_("Gateways delete videos after some days, commonly 7. What else there is:")]
    for purchase in known[:_SHOWN]:
        lines.append(
            _(
                "a copy of {key}, from a colleague or a backup, put at {output},"
                " with the sha256 {sha256}: the next run takes it as it is",
                key=purchase.key,
                output=purchase.output,
                sha256=purchase.sha256,
            )
        )
    if len(known) > _SHOWN:
        lines.append(
            _(
                "so for {known} more (klingflow status --format json has all)",
                known=len(known) - _SHOWN,
            )
        )
    if len(known) < len(dead):
        lines.append(
            _(
                "a colleague who downloaded it: once the colleague's lock is merged here, by"
                " git or by"
                " klingflow lock merge, a copy put at its path is taken as it is"
            )
        )
    keys = shlex.quote(" ".join(dict.fromkeys(purchase.key for purchase in dead)))
    again = f"klingflow run {file} -s {keys} --rerun failed"
    lines.append(_("another purchase, which costs money: `{again}`", again=again))
    return lines

"""Times for people: local, with their zone. Ledgers, logs and JSON keep UTC."""

from __future__ import annotations

from datetime import tzinfo

from klingflow.ledger.moments import moment


def local(text: str | None, zone: tzinfo | None = None) -> str:
    """Return `2026-11-27 08:46:05+08:00` for a time of the ledger, in the machine's zone unless
    another one is given; a text that is no time as it stands, "" for None.
    """
    at = moment(text)
    if at is None:
        return text or ""
    return at.astimezone(zone).isoformat(" ", "seconds")

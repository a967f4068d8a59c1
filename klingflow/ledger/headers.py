"""PURE. The first line of a lock as a document: whose ledger it is, and how much there is of it.

Where headers stand among the lines of a lock, and what they say of lost lines, is for lines.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from klingflow.errors import LedgerError
from klingflow.ledger.records import Odd
from klingflow.ledger.sums import encoded, sealed
from klingflow.model import Json
from klingflow.words import _

VERSION = 1

# The least that klingflow writes into a header.
_LEAST = (("klingflow_lock", VERSION), ("serial", 0), ("purchases", 0))


def lock_header(
    lineage: str,
    serial: int,
    purchases: int,
    plans: Mapping[str, str] | None = None,
    profile: str = "",
) -> bytes:
    """Return the first line of a lock. `purchases` counts the lines below it, so that lost lines
    are noticed. `plans` are the saved plans that were used: when, by their ids. `profile` is that
    of a lock of drafts.
    """
    header: dict[str, Json] = {
        "klingflow_lock": VERSION,
        "lineage": lineage,
        "serial": serial,
        "purchases": purchases,
    }
    if plans:
        header["plans"] = dict(plans)
    if profile:
        header["profile"] = profile
    return sealed(encoded(header))


def header_in(document: dict[str, Json]) -> tuple[dict[str, Json], list[Odd]]:
    """Return a lock's header, and the fields of it that klingflow does not write so.

    Raises LedgerError for the header of a newer klingflow, ValueError for what is no header.
    """
    version, serial = document["klingflow_lock"], document.get("serial")
    if not isinstance(version, int) or version > VERSION:
        raise LedgerError(
            _(
                "the lock has format {version}, written by a newer klingflow; this one reads {own}",
                version=version,
                own=VERSION,
            )
        )
    if not isinstance(serial, int) or not isinstance(document.get("lineage"), str):
        raise ValueError(_("not a header"))
    return _believable(document)


def _believable(document: dict[str, Json]) -> tuple[dict[str, Json], list[Odd]]:
    """Return a header with a usual value for each field that is missing or has another type, and
    the odd fields.
    """
    usual: dict[str, Json] = {"purchases": 0, "plans": {}, "profile": ""}
    header: dict[str, Json] = {**usual, **document}
    wrong = [name for name, is_right in _RIGHT.items() if not is_right(header[name])]
    odd = [Odd("wrong_field", name, repr(header[name])[:80]) for name in wrong]
    header |= {name: usual[name] for name in wrong}
    odd += (
        Odd("small_field", name, str(header[name]), least)
        for name, least in _LEAST
        if header[name] < least
    )
    return header, odd


def _are_times(plans: Json) -> bool:
    """True if every saved plan has the time when it was used."""
    return isinstance(plans, dict) and all(isinstance(at, str) for at in plans.values())


_RIGHT: Final[Mapping[str, Callable[[Json], bool]]] = {
    "purchases": lambda value: type(value) is int,
    "plans": _are_times,
    "profile": lambda value: isinstance(value, str),
}

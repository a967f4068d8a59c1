"""Where the limits of an account are kept: in the store, under the next number each time that a
person says some. So they outlive the engine's memory. The highest number counts.

All calls block, and raise StoreAway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from klingflow.cluster.account import Settings
from klingflow.cluster.store import ACCOUNTS, PutOnce
from klingflow.errors import UsageError
from klingflow.ledger.sums import encoded, summed, unsummed
from klingflow.model import Json
from klingflow.words import _

_FIRST: Final = Settings()


class Said(NamedTuple):
    """What was said last of an account, and how often something was said."""

    number: int
    settings: Settings


def last_said(store: PutOnce, account: str) -> Said | None:
    """Return what was said last of an account; None where nobody has said anything. Raises
    UsageError where it cannot be read: nothing may be bought then.
    """
    names = store.names(f"{ACCOUNTS}/{account}")
    if not names:
        return None
    name = names[-1]
    try:
        told = unsummed((store.get(name) or b"").rstrip(b"\n"))
        return Said(_number_in(name), Settings.from_json(told))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UsageError(
            _(
                "the limits of the account {account} cannot be read ({name}): say all of them again"
                " (klingflow desk --submit RATE -j N --max-spend AMOUNT)",
                account=account,
                name=name,
            )
        ) from error


def say(store: PutOnce, account: str, given: Mapping[str, Json]) -> Said:
    """Write down what a person says of an account, as fields of `Settings.as_json`; what is not
    given stays. Raises UsageError as `last_said`, unless all is given.
    """
    while True:
        if _FIRST.as_json().keys() <= given.keys():
            names = store.names(f"{ACCOUNTS}/{account}")
            number, known = (_number_in(names[-1]) if names else 0), _FIRST
        else:
            number, known = last_said(store, account) or Said(0, _FIRST)
        said = Said(number + 1, Settings.from_json({**known.as_json(), **given}))
        name = f"{ACCOUNTS}/{account}/{said.number:06}.json"
        if store.put(name, summed(encoded(said.settings.as_json()))):
            return said


def _number_in(name: str) -> int:
    return int(name.rpartition("/")[2].partition(".")[0])

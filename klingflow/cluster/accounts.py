"""Where the limits of an account are kept: in the store, under the next number each time that a
person says some. So they outlive the engine's memory. The highest number counts.

All calls block, and raise StoreAway.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from klingflow.cluster.account import Said, Settings
from klingflow.cluster.store import ACCOUNTS, PutOnce
from klingflow.errors import UsageError
from klingflow.ledger.sums import encoded, summed, unsummed
from klingflow.model import Json
from klingflow.words import _

_FIRST: Final = Settings()


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
        return Said.from_json(_number_in(name), told)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UsageError(
            _(
                "the limits of the account {account} cannot be read ({name}): say all of them again"
                " (klingflow desk --submit RATE -j N --max-spend AMOUNT --resume)",
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
            known = Said(_number_in(names[-1]) if names else 0, _FIRST)
        else:
            known = last_said(store, account) or Said(0, _FIRST)
        settings = Settings.from_json({**known.settings.as_json(), **given})
        said = Said(known.number + 1, settings, secrets.token_hex(8), known.word)
        name = f"{ACCOUNTS}/{account}/{said.number:06}.json"
        if store.put(name, summed(encoded(said.as_json()))):
            return said


def _number_in(name: str) -> int:
    return int(name.rpartition("/")[2].partition(".")[0])

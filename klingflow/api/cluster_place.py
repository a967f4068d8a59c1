"""Which cluster is meant: its server, its store and the account there, as the environment names
them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from klingflow.api.state import chosen_state
from klingflow.cluster.address import CLAIMS, CLUSTER, Address, account_named, address_in
from klingflow.cluster.store import PutOnce, open_store
from klingflow.errors import UsageError
from klingflow.gateway.env_file import BASE_URL
from klingflow.gateway.origin import normal_base
from klingflow.words import _

# The account of the demo.
ACCOUNT: Final = "sandbox"


def engine_missing() -> UsageError:
    """Return what to say where the extra is not installed."""
    return UsageError(_("a cluster needs the cluster extra: pip install 'klingflow[cluster]'"))


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster: its server, its store, and the account there; None where that is named after
    the gateway.
    """

    address: Address
    store: PutOnce
    account: str | None = None


def place_in(environ: Mapping[str, str], account: str | None) -> Place:
    """Return the cluster that the environment names. Raises UsageError where it names none."""
    return Place(address_in(environ), store_in(environ), account)


def demo_place(folder: Path, address: str) -> Place:
    """Return the cluster of a demo in a folder, whose server is at `address`. Raises UsageError."""
    store = open_store(str((folder / "store").absolute()), {}, None)
    return Place(address_in({CLUSTER: address}), store, ACCOUNT)


def store_in(environ: Mapping[str, str]) -> PutOnce:
    """Return the store that the environment names. Raises UsageError where it names none."""
    address = environ.get(CLAIMS, "").strip()
    if not address:
        raise UsageError(
            _("no store: set {claims} to a folder or bucket that all hosts see", claims=CLAIMS)
        )
    return open_store(address, environ, chosen_state())


def account_here(account: str | None) -> str:
    """Return the account that is meant: by its name, or after the gateway in the environment.
    Raises UsageError where neither is there.
    """
    base_url = os.environ.get(BASE_URL, "").strip()
    if account is None and not base_url:
        raise UsageError(
            _(
                "no account, which is named after the gateway: set {base_url} to its address, or"
                " pass --account NAME",
                base_url=BASE_URL,
            )
        )
    return account_named(account, normal_base(base_url) if base_url else "")

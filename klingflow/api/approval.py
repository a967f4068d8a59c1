"""The addresses to which the user lets the key go, and those to which local files may: the question
about a new one, in words, and the answers that are remembered in the state folder.

Where key and address come from one source there is no question: whoever gave the key gave the
address. Asking is for the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from klingflow.api.site import now
from klingflow.api.state import chosen_state
from klingflow.assets.stores import UPLOAD
from klingflow.errors import UnapprovedAddress, UsageError
from klingflow.gateway.access import Access
from klingflow.gateway.env_file import BASE_URL
from klingflow.gateway.origin import normal_base
from klingflow.ledger import approvals
from klingflow.ledger.approvals import Approval, ApprovalKind
from klingflow.model import Manifest
from klingflow.words import _

_OF_ADDRESSES: Final[tuple[ApprovalKind, ...]] = ("address", "endpoint")


def is_open(access: Access) -> bool:
    """True if the user has to be asked before the key goes to the address. Both must be there.

    Raises UsageError for an address that is none.
    """
    return access.origin not in approved() if not access.is_of_one_source else False


def question(access: Access) -> str:
    """Return what to tell a user before asking for a yes."""
    return _(
        "The key from {key_from} would go to {origin}, an address that {base_url_from} gives.",
        key_from=access.key_from,
        origin=access.origin,
        base_url_from=access.base_url_from,
    )


def refusal(access: Access) -> UnapprovedAddress:
    """Return the error for an address that the user has not said yes to."""
    together = (
        _(
            "put {base_url}={origin} into {key_from} beside it",
            base_url=BASE_URL,
            origin=access.origin,
            key_from=access.key_from,
        )
        if access.key_from and access.key_from.kind == "env_file"
        else _(
            "export {base_url}={origin} or pass --gateway {origin}",
            base_url=BASE_URL,
            origin=access.origin,
        )
    )
    return UnapprovedAddress(
        _(
            "the key from {key_from} was not sent to {origin}, an address that"
            " {base_url_from} gives and nobody has said yes to. If it is your gateway, set"
            " both in one place: {together}; or run the same once on a terminal and say yes",
            key_from=access.key_from,
            origin=access.origin,
            base_url_from=access.base_url_from,
            together=together,
        )
    )


def approved(kind: ApprovalKind = "address") -> dict[str, Approval]:
    """Return the addresses that the user said yes to, each with when."""
    try:
        return approvals.approvals(chosen_state(), kind)
    except UsageError:  # no home: nothing can have been remembered
        return {}


def remember(access: Access) -> None:
    """Keep a yes for the next time. Raises OSError, UsageError."""
    approvals.approve(chosen_state(), "address", access.origin, str(access.base_url_from), now())


def open_endpoint(manifest: Manifest, environ: Mapping[str, str]) -> str | None:
    """Return the service to which local files of a manifest would go, if the user has to be asked
    about it before: one that the manifest alone names, and that nobody has said yes to.
    """
    endpoint, store = manifest.assets.endpoint, manifest.assets.store or ""
    goes_there = store.startswith("s3://") and any(f.sha256 for f in manifest.files.values())
    if endpoint is None or not goes_there or environ.get(UPLOAD):
        return None
    from klingflow.assets.objects import endpoint_in  # for start-up: it imports anyio

    base = normal_base(endpoint)
    is_known = _is_called(endpoint_in(environ), base) or base in approved("endpoint")
    return None if is_known else base


def _is_called(named: str | None, base: str) -> bool:
    """True if a name is this address; one that is no address names none."""
    with suppress(UsageError):
        return named is not None and normal_base(named) == base
    return False


def remember_endpoint(endpoint: str, manifest: str) -> None:
    """Keep a yes for the next time. Raises OSError, UsageError."""
    approvals.approve(chosen_state(), "endpoint", endpoint, manifest, now())


def forget(address: str) -> str:
    """Take a yes back and return the address; the next command asks again. Raises UsageError."""
    base = normal_base(address)
    try:
        found = [approvals.forget(chosen_state(), kind, base) for kind in _OF_ADDRESSES]
        if not any(found):
            raise UsageError(
                _("{base} was not approved; klingflow doctor lists what was", base=base)
            )
    except OSError as error:
        raise UsageError(
            _("{base} cannot be forgotten: {error}", base=base, error=error)
        ) from error
    return base

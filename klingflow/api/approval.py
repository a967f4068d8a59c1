"""The addresses to which the user lets the key go: the question about a new one, in words, and the
answers that are remembered in the state folder.

Where key and address come from one source there is no question: whoever gave the key gave the
address. Asking is for the terminal.
"""

from __future__ import annotations

from klingflow.api.site import now
from klingflow.api.state import chosen_state
from klingflow.errors import UnapprovedAddress, UsageError
from klingflow.gateway.access import Access
from klingflow.gateway.env_file import BASE_URL
from klingflow.gateway.origin import normal_base
from klingflow.ledger import approvals
from klingflow.ledger.approvals import Approval


def is_open(access: Access) -> bool:
    """True if the user has to be asked before the key goes to the address. Both must be there.

    Raises UsageError for an address that is none.
    """
    return access.origin not in approved() if not access.is_of_one_source else False


def question(access: Access) -> str:
    """Return what to tell a user before asking for a yes."""
    return (
        f"The key from {access.key_from} would go to {access.origin}, an address that"
        f" {access.base_url_from} gives."
    )


def refusal(access: Access) -> UnapprovedAddress:
    """Return the error for an address that the user has not said yes to."""
    together = (
        f"put {BASE_URL}={access.origin} into {access.key_from} beside it"
        if access.key_from and access.key_from.kind == "env_file"
        else f"export {BASE_URL}={access.origin} or pass --gateway {access.origin}"
    )
    return UnapprovedAddress(
        f"the key from {access.key_from} was not sent to {access.origin}, an address that"
        f" {access.base_url_from} gives and nobody has said yes to. If it is your gateway, set"
        f" both in one place: {together}; or run the same once on a terminal and say yes"
    )


def approved() -> dict[str, Approval]:
    """Return the addresses that the user said yes to, each with when."""
    try:
        return approvals.approvals(chosen_state(), "address")
    except UsageError:  # no home: nothing can have been remembered
        return {}


def remember(access: Access) -> None:
    """Keep a yes for the next time. Raises OSError, UsageError."""
    approvals.approve(chosen_state(), "address", access.origin, str(access.base_url_from), now())


def forget(address: str) -> str:
    """Take a yes back and return the address; the next command asks again. Raises UsageError."""
    base = normal_base(address)
    try:
        if not approvals.forget(chosen_state(), "address", base):
            raise UsageError(f"{base} was not approved; klingflow doctor lists what was")
    except OSError as error:
        raise UsageError(f"{base} cannot be forgotten: {error}") from error
    return base

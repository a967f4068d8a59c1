"""Where a cluster's server is, and what an account is called."""

from __future__ import annotations

import pytest

from klingflow.cluster.address import CLUSTER, Address, account_named, address_in
from klingflow.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("temporal://films.local:7300/night", Address("films.local:7300", "night")),
        ("temporal://films.local", Address("films.local:7233", "default")),
        (" temporal://127.0.0.1:7233/ ", Address("127.0.0.1:7233", "default")),
        ("temporal://[::1]:7233/default", Address("[::1]:7233", "default")),
    ],
)
def test_an_address_has_server_and_namespace(text: str, address: Address) -> None:
    """Port and namespace have Temporal's own defaults."""
    assert address_in({CLUSTER: text}) == address


@pytest.mark.parametrize(
    "text",
    [
        "films.local:7233",
        "http://films.local:7233/default",
        "temporal:///default",
        "temporal://films.local:port/default",
        "temporal://films.local/a/b",
        "temporal://me@films.local/default",
        "temporal://films.local/default?x=1",
        "temporal://:word@films.local/default",
        "temporal://[::1/default",
    ],
)
def test_what_is_no_address_is_refused_with_the_form(text: str) -> None:
    """Whoever has mistyped it sees how it is written."""
    with pytest.raises(UsageError, match=r"temporal://HOST:7233/NAMESPACE"):
        address_in({CLUSTER: text})


def test_without_an_address_the_variable_is_named() -> None:
    """Only the environment has it."""
    with pytest.raises(UsageError, match="set KLINGFLOW_CLUSTER="):
        address_in({})


def test_an_account_is_named_after_its_gateway() -> None:
    """Unless a person names it, which has to be one plain word."""
    assert account_named(None, "https://gateway.example.com:8443/v2") == "gateway.example.com-8443"
    assert account_named("team-a", "https://gateway.example.com") == "team-a"
    for wrong in ("", "a b", "-x"):
        with pytest.raises(UsageError, match="--account"):
            account_named(wrong, "https://gateway.example.com")

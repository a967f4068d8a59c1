"""The gateway's address has one form, however it was typed."""

from __future__ import annotations

import pytest

from klingflow.decide.origin import is_loopback, normal_base, origin_of
from klingflow.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("https://gw.example.com", "https://gw.example.com"),
        (" https://gw.example.com/ ", "https://gw.example.com"),
        ("https://gw.example.com/v1", "https://gw.example.com"),
        ("https://gw.example.com/v1/", "https://gw.example.com"),
        ("HTTPS://GW.Example.com:443/v1", "https://gw.example.com"),
        ("https://gw.example.com:8443/Relay/v1", "https://gw.example.com:8443/Relay"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
    ],
)
def test_one_gateway_has_one_address(typed: str, base: str) -> None:
    """A slash, a default port, capitals or `/v1` make no other gateway: purchases there stay ours."""
    assert normal_base(typed) == base


@pytest.mark.parametrize(
    "typed",
    ["", "gw.example.com", "ftp://gw", "https://", "https://user:secret@gw", "https://gw?x=1", "https://gw/#a",
     "https://gw:port", "https://gw:99999", "https://[::1", "https://gw/a b", "https://网关.example", "https://a..b",
     "https://" + "a" * 64 + ".example"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_refused(typed: str) -> None:
    """It is the user's to mend, and a password in it is not repeated."""
    with pytest.raises(UsageError) as refused:
        normal_base(typed)
    assert "secret" not in str(refused.value)


def test_two_urls_of_one_server_share_their_origin() -> None:
    """Scheme, host and port count; the path does not."""
    assert origin_of("https://GW.example.com/a") == origin_of("https://gw.example.com:443/b?c")
    assert origin_of("http://gw.example.com") != origin_of("https://gw.example.com")
    assert origin_of("https://gw.example.com") != origin_of("https://gw.example.com.evil.example")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1/x", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:9", True),
        ("http://127.example", False),
    ],
)
def test_loopback_is_told_by_name(url: str, loopback: bool) -> None:
    """The sandbox's addresses, and no look-alike."""
    assert is_loopback(url) is loopback

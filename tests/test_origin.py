"""The gateway's address has one form, however it was typed."""

from __future__ import annotations

import pytest

from klingflow.errors import UsageError
from klingflow.gateway.origin import (
    in_clear_warning,
    is_loopback,
    names_this_machine,
    normal_base,
    taken_for,
)


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
        ("https://gw.example.com/relay//v1//", "https://gw.example.com/relay"),
        ("https://gw.example.com/v1/v1", "https://gw.example.com/v1"),
        ("https://gw.example.com/X/v1/X", "https://gw.example.com/X/v1/X"),
        ("https://gw.example.com/X//v1", "https://gw.example.com/X"),
        ("https://gw.example.com/V1", "https://gw.example.com"),
        ("https://gw.example.com/v1/videos", "https://gw.example.com"),
        ("https://gw.example.com/relay/V1/Videos/", "https://gw.example.com/relay"),
        ("https://gw.example.com/v1/chat/completions", "https://gw.example.com"),
        ("https://gw.example.com/v1/images/generations", "https://gw.example.com"),
        ("https://gw.example.com/v1/video/generations", "https://gw.example.com"),
        ("https://gw.example.com/v1/audio/speech", "https://gw.example.com"),
        ("https://gw.example.com/v1/messages", "https://gw.example.com"),
        ("https://gw.example.com/v1/account/name", "https://gw.example.com/v1/account/name"),
        ("https://gw.example.com/v1/videos/task_1", "https://gw.example.com"),
        ("https://gw.example.com/v1/videos/task_1/content", "https://gw.example.com"),
        ("https://gw.example.com/v1/videos/a/b", "https://gw.example.com/v1/videos/a/b"),
        ("https://gw.example.com/v10", "https://gw.example.com/v10"),
        ("https://gw.example.com/v1beta", "https://gw.example.com/v1beta"),
        (f"https://{'a' * 63}.example", f"https://{'a' * 63}.example"),
    ],
)
def test_one_gateway_has_one_address(typed: str, base: str) -> None:
    """A slash, a default port, capitals or `/v1` make no other gateway: purchases stay ours."""
    assert normal_base(typed) == base


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("https://gw.example.com/v1", None),
        ("https://gw.example.com/relay", None),
        (
            "https://gw.example.com/v1/videos/",
            "https://gw.example.com/v1/videos is taken for https://gw.example.com:"
            " the address goes without /v1/videos",
        ),
        (
            "https://gw.example.com/x/V1/chat/completions",
            "https://gw.example.com/x/V1/chat/completions is taken for https://gw.example.com/x:"
            " the address goes without /V1/chat/completions",
        ),
    ],
)
def test_an_address_that_ends_in_a_route_is_said_to(typed: str, said: str | None) -> None:
    """`/v1` alone is what people write."""
    assert taken_for(typed) == said


NO_HOST = "must begin with https:// or http:// and name a host"
NO_USER = "must hold no user name or password (the key has a place of its own)"
PLAIN = "must hold no space and no non-ASCII character; delete "
QUERY = (
    "must hold no query and no fragment; delete ? or # and all behind it"
    " (the key has a place of its own)"
)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", NO_HOST),
        ("gw.example.com", f"{NO_HOST}; write https://gw.example.com"),
        ("gw.example.com:8443/v1?key=secret", f"{NO_HOST}; write https://gw.example.com:8443"),
        ("sk-secret", NO_HOST),
        ('"https://gw.example.com"', 'must stand without quotation marks; delete " and all others'),
        ("“https://gw.example.com”", "must stand without quotation marks; delete “ and all others"),
        ("https//gw.example.com", NO_HOST),
        ("ftp://gw", NO_HOST),
        ("https://", NO_HOST),
        ("https://a..b", NO_HOST),
        (f"https://{'a' * 64}.example", NO_HOST),
        ("https://user:secret@gw", NO_USER),
        ("https://secret@gw", NO_USER),
        ("https://:secret@gw", NO_USER),
        ("https://gw?x=1", QUERY),
        ("https://gw/v1?key=secret", QUERY),
        ("https://gw/#a", QUERY),
        ("https://gw/a b", f"{PLAIN}U+0020"),
        ("https://gw/a\x7f", f"{PLAIN}U+007F"),
        ("https：//gw.example.com", f"{PLAIN}'：', U+FF1A"),
        ("https://网关.example", f"{PLAIN}'网', U+7F51"),
        ("https://gw:port", "is not a URL: Port could not be cast to integer value as 'port'"),
        ("https://gw:99999", "is not a URL: Port out of range 0-65535"),
        ("https://[::1", "is not a URL: Invalid IPv6 URL"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(typed: str, said: str) -> None:
    """It is the user's to mend, and a password in it is not repeated."""
    with pytest.raises(UsageError) as refused:
        normal_base(typed)
    assert str(refused.value) == f"the gateway's address {said}"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("127.1", True),
        ("2130706433", True),
        ("0x7f.0.0.1", True),
        ("0", True),
        ("0.0.0.0", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("::", True),
        ("fe80::1%eth0", True),
        ("127.0.0.1%lo", True),
        ("127.0.0.1.", True),
        ("0x7F000001", True),
        ("xlocalhost", False),
        ("Xlocalhost", False),
        ("localhostX", False),
        ("X", False),
        ("8.8.8.8%127", False),
        ("face.0xZZ", False),
        ("169.254.169.254", True),
        ("10.0.0.1", False),
        ("192.168.1.5", False),
        ("[2001:db8::1]", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("gw.example.com", False),
    ],
)
def test_this_machine_is_known_however_it_is_written(host: str, ours: bool) -> None:
    """Its numbers, their other spellings, and the link where clouds keep secrets; not the local
    network.
    """
    assert names_this_machine(host) is ours


@pytest.mark.parametrize(
    ("base", "warned"),
    [
        ("http://gw.example.com", True),
        ("http://192.168.1.5:3000/v1", True),
        ("HTTP://gw", True),
        ("https://gw.example.com", False),
        ("http://127.0.0.1:8765", False),
        ("http://[::1]:3000", False),
        ("http://localhost", False),
    ],
)
def test_a_key_in_clear_is_warned_of(base: str, warned: bool) -> None:
    """Wherever somebody else could read it."""
    warning = in_clear_warning(base)
    assert (warning is not None) is warned
    shown = base.lower().removesuffix("/v1")
    assert warning is None or warning == (
        f"the key goes to {shown} in clear, for all on the way to read;"
        " use https:// if the gateway has it"
    )


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

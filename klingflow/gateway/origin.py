"""PURE. The gateway's address as text: the one form that the ledger keeps and requests are joined
to. No I/O.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from klingflow.errors import UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def normal_base(base_url: str) -> str:
    """`base_url` as `scheme://host[:port][/path]`, without a slash or `/v1` at its end; raises
    UsageError.
    """
    try:
        parts = urlsplit(base_url.strip())
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise UsageError(f"the gateway's address is not a URL: {error}") from error
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not host
        or not all(0 < len(n) < 64 for n in host.split("."))
    ):
        raise UsageError(
            "the gateway's address must begin with https:// or http:// and name a host"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the gateway's address must hold no user name or password (the key has a place of its own)"
        )
    if parts.query or parts.fragment or not _is_plain(base_url.strip()):
        raise UsageError(
            "the gateway's address must hold no query, fragment, space or non-ASCII character"
        )
    named = f"[{host}]" if ":" in host else host
    shown = named if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{named}:{port}"
    return f"{parts.scheme}://{shown}{parts.path.rstrip('/').removesuffix('/v1').rstrip('/')}"


def in_clear_warning(base_url: str) -> str | None:
    """What to say of an address that is sent the key in clear; None of others. Raises UsageError."""
    base = normal_base(base_url)
    parts = urlsplit(base)
    if parts.scheme != "http" or names_this_machine(parts.hostname or ""):
        return None
    return f"the key goes to {base} in clear, for all on the way to read; use https:// if the gateway has it"


def names_this_machine(host: str) -> bool:
    """Whether a host is this machine or its link (where clouds keep their machines' secrets),
    however it is written.

    A name that only the DNS leads here is not known by looking at it.
    """
    plain = host.strip("[]").rstrip(".").lower()
    if plain == "localhost" or plain.endswith(".localhost"):
        return True
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        # 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to most systems; nobody honest writes so.
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", plain.rpartition(".")[2]) is not None
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this very machine by name."""
    return urlsplit(url).hostname in _LOOPBACK


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text

"""PURE. The gateway's address as text: the one form that the ledger keeps and that requests are
joined to.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from klingflow.errors import UsageError
from klingflow.words import _

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_LABEL = 64  # of a host name, exclusive (RFC 1035, 2.3.4)
# What people paste behind an address: the routes of this gateway and those of the OpenAI protocol,
# which relays serve beside it.
_ROUTE = re.compile(
    r"/v1(/(videos(/[^/]+(/content)?)?|video/generations(/[^/]+)?|models|responses|messages"
    r"|(chat/)?completions|embeddings|moderations|rerank|files|batches"
    r"|images/(generations|edits|variations)|audio/(speech|transcriptions|translations)))?",
    re.I,
)
_NO_QUERY = _(
    "hold no query and no fragment; delete ? or # and all behind it"
    " (the key has a place of its own)"
)
_HOST_ALONE = re.compile(r"(localhost|(?:[a-z0-9-]+\.)+[a-z0-9]+)(:[0-9]+)?(?=/|$)", re.I)
_QUOTES = frozenset("\"'`“”‘’「")  # a terminal such as cmd.exe keeps them in a variable
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def normal_base(base_url: str) -> str:
    """Return `base_url` as `scheme://host[:port][/path]`, without a slash, `/v1` or a route such as
    `/v1/videos` at its end; raises UsageError.
    """
    try:
        parts = urlsplit(base_url.strip())
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise UsageError(_("the gateway's address is not a URL: {error}", error=error)) from error
    if wrong := _wrong(parts, host, base_url.strip()):
        raise UsageError(_("the gateway's address must {wrong}", wrong=wrong))
    named = f"[{host}]" if ":" in host else host
    is_default = port in (None, _DEFAULT_PORTS[parts.scheme])
    shown = named if is_default else f"{named}:{port}"
    return f"{parts.scheme}://{shown}{_without_route(parts.path)}"


def _without_route(path: str) -> str:
    """Return a path without the last route in it, if that is its end, and without a slash there."""
    path = path.rstrip("/")
    start = path.lower().rfind("/v1")
    if start >= 0 and _ROUTE.fullmatch(path, start):
        path = path[:start]
    return path.rstrip("/")


def taken_for(base_url: str) -> str | None:
    """Return what to say of an address that ends in a route of the gateway, or None.

    `/v1` alone is no more than a habit. Raises UsageError.
    """
    base = normal_base(base_url)
    typed = base_url.strip().rstrip("/")
    rest = typed[typed.lower().rfind("/v1") :] if "/v1/" in typed.lower() else ""
    if not rest or not _ROUTE.fullmatch(rest):
        return None
    return _(
        "{typed} is taken for {base}: the address goes without {rest}",
        typed=typed,
        base=base,
        rest=rest,
    )


def _wrong(parts: SplitResult, host: str, typed: str) -> str | None:
    """Return the rule that an address breaks; None for a good one.

    Of what was typed only a host or one character is repeated: it may hold a key.
    """
    if typed[:1] in _QUOTES:
        return _("stand without quotation marks; delete {typed} and all others", typed=typed[0])
    if odd := next((c for c in typed if not is_plain(c)), ""):
        return _without(odd)
    if parts.scheme not in _DEFAULT_PORTS or not _names_a_host(host):
        return _with_a_host(typed)
    if "@" in parts.netloc:
        return _("hold no user name or password (the key has a place of its own)")
    if parts.query or parts.fragment:
        return _NO_QUERY
    return None


def _names_a_host(host: str) -> bool:
    return all(0 < len(label) < _LONGEST_LABEL for label in host.split("."))


def _with_a_host(typed: str) -> str:
    """Return the rule about an address that names no host or no protocol."""
    alone = _HOST_ALONE.match(typed)
    hint = _("; write https://{alone}", alone=alone[0]) if alone else ""
    return _("begin with https:// or http:// and name a host{hint}", hint=hint)


def _without(odd: str) -> str:
    """Return the rule about a character that has no place in an address."""
    is_seen = odd.isprintable() and odd != " "
    return _(
        "hold no space and no non-ASCII character; delete {shown}U+{ord:04X}",
        shown=_("'{odd}', ", odd=odd) if is_seen else "",
        ord=ord(odd),
    )


def in_clear_warning(base_url: str) -> str | None:
    """Return a warning if the key goes to this address in clear, or None. Raises UsageError."""
    base = normal_base(base_url)
    parts = urlsplit(base)
    if parts.scheme != "http" or names_this_machine(parts.hostname or ""):
        return None
    return _(
        "the key goes to {base} in clear, for all on the way to read;"
        " use https:// if the gateway has it",
        base=base,
    )


def names_this_machine(host: str) -> bool:
    """True if a host is this machine or its link (where clouds keep their machines' secrets),
    however it is written.

    A name that only the DNS leads here cannot be seen to be one.
    """
    plain = host.strip("[]").rstrip(".").lower()
    last = plain.rpartition(".")[2]
    if last == "localhost":
        return True
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        # 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to most systems; nobody honest writes so.
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last) is not None
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def is_loopback(url: str) -> bool:
    """True if the URL's host is this very machine by name."""
    return urlsplit(url).hostname in _LOOPBACK


def is_plain(text: str) -> bool:
    """True if a text is printable ASCII without spaces; so is an empty one."""
    return text.isascii() and text.isprintable() and " " not in text

"""The gateway as this program opens it: the one place that says who is asking."""

from __future__ import annotations

from urllib.parse import urlsplit

from klingflow import __version__
from klingflow.gateway.http import Gateway
from klingflow.gateway.origin import names_this_machine

USER_AGENT = f"klingflow/{__version__}"
# Addresses at which nobody is asked anything: elsewhere (RFC 2606), and on this machine.
NOBODY, HERE = "https://nobody.invalid", "http://localhost"


def connect(base_url: str, key: str) -> Gateway:
    """Return the gateway at `base_url`, to be closed by the caller. Raises UsageError."""
    return Gateway(base_url, key, user_agent=USER_AGENT)


def reader(address: str = NOBODY) -> Gateway:
    """Return what reads addresses such as `address`, to be closed by the caller: a gateway that
    nobody asks, without a key that anybody has.

    Only the reader of an address on this machine reads others on this machine: no redirect of
    another server's leads here.
    """
    host = urlsplit(address).hostname or ""
    base = HERE if names_this_machine(host) else NOBODY
    return Gateway(base, "none", user_agent=USER_AGENT)

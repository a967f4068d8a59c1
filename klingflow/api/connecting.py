"""The gateway as this program opens it: the one place that says who is asking."""

from __future__ import annotations

from klingflow import __version__
from klingflow.gateway.http import Gateway

USER_AGENT = f"klingflow/{__version__}"


def connect(base_url: str, key: str) -> Gateway:
    """The gateway at `base_url`, to be closed by the caller. Raises UsageError."""
    return Gateway(base_url, key, user_agent=USER_AGENT)


def reader() -> Gateway:
    """Return what reads public addresses, to be closed by the caller: a gateway that nobody asks,
    without a key that anybody has.
    """
    return Gateway("http://localhost", "none", user_agent=USER_AGENT)

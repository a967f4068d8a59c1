"""PURE. Where a cluster is: its server, as KLINGFLOW_CLUSTER says it, and by which variable its
store is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from klingflow.errors import UsageError
from klingflow.words import _

CLUSTER: Final = "KLINGFLOW_CLUSTER"
CLAIMS: Final = "KLINGFLOW_CLAIMS"
_FORM: Final = "temporal://HOST:7233/NAMESPACE"
_PORT: Final = 7233
_NO_PART: Final = frozenset("@?#")  # what begins a user, a query and a fragment
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Address(NamedTuple):
    """A server as `host:port`, and the namespace there."""

    target: str
    namespace: str

    def __str__(self) -> str:
        return f"temporal://{self.target}/{self.namespace}"


def address_in(environ: Mapping[str, str]) -> Address:
    """Return the address that the environment names. Raises UsageError where it names none."""
    text = environ.get(CLUSTER, "").strip()
    if not text:
        raise UsageError(
            _("no cluster: set {cluster}={form} in the environment", cluster=CLUSTER, form=_FORM)
        )
    address = _read(text)
    if address is None:
        raise UsageError(
            _("{cluster} is no address of a cluster: write {form}", cluster=CLUSTER, form=_FORM)
        )
    return address


def _read(text: str) -> Address | None:
    """Return the address that a text is; None for any other text."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError:  # a bracket without its other one, a port that is no number
        return None
    namespace = parts.path.strip("/") or "default"
    is_plain = parts.scheme == "temporal" and _NO_PART.isdisjoint(text)
    if not (host and is_plain and _PLAIN.fullmatch(namespace)):
        return None
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", namespace)


def account_named(given: str | None, origin: str) -> str:
    """Return the name of an account: as given, otherwise the gateway's host. Raises UsageError."""
    name = given if given is not None else urlsplit(origin).netloc.replace(":", "-")
    if not _PLAIN.fullmatch(name):
        raise UsageError(
            _(
                "{name!r} is no name of an account: use letters, digits, dots and dashes"
                " (--account NAME)",
                name=name,
            )
        )
    return name

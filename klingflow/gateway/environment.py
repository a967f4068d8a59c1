"""What the environment says of the way to a gateway: its proxies, and the certificates that prove a
server's name.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from klingflow.errors import UsageError
from klingflow.gateway.origin import is_loopback
from klingflow.words import _, cause


def proxy_variable(proxy: str) -> str:
    """Return the variable that names the proxy; a system may have it in its settings instead."""
    named = (n for n, v in os.environ.items() if n.lower().endswith("_proxy") and v in proxy and v)
    return next(named, _("the system's settings"))


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for this address, or None; none on loopback."""
    parts = urlsplit(url)
    host_and_port = parts.netloc.rpartition("@")[2]
    if is_loopback(url) or not parts.hostname or proxy_bypass(host_and_port):
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if found is None or "://" in found:
        return found
    return f"http://{found}"


def tls(base: str, make: Callable[..., ssl.SSLContext]) -> ssl.SSLContext:
    """Return what proves a server's name, by the certificates that the environment names.
    `make` is httpx's own function for that.

    Raises UsageError where those cannot be read; on this machine, the usual ones are taken then.
    """
    name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
    try:
        if name == "SSL_CERT_DIR":
            _look_into(os.environ.get(name) or "")
        return make()
    except OSError as error:
        if is_loopback(base):
            return make(trust_env=False)
        why = cause(error)
        raise UsageError(
            _(
                "the certificates that {name} names, {environ}, cannot be read: {why};"
                " correct {name} or unset it",
                name=name,
                environ=os.environ.get(name),
                why=why,
            )
        ) from error


def _look_into(folders: str) -> None:
    """Raise OSError where none of the `folders`, in the system's way of listing them, holds a file:
    OpenSSL would say nothing, and then believe no server.
    """
    paths = [Path(path) for path in folders.split(os.pathsep) if path]
    if paths and not any(path.is_dir() and any(path.iterdir()) for path in paths):
        raise OSError(errno.ENOENT, _("no such folder, or nothing in it"))

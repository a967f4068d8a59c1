"""PURE. Where a video is, by the words of a reply: an address that can be asked, or None.

Addresses are read as a browser reads them (WHATWG URL): joined to the address of the reply, with
blanks and Chinese characters percent-encoded. Words that only might be a name, such as `pending`,
are no address: the video then comes from the content route, and no other shot is given them.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from klingflow.gateway.secret import MARK

MAX_URL = 8192
_WEB = frozenset({"http", "https"})
_AROUND = "".join(map(chr, range(0x21)))  # what a browser strips at both ends
_WITHIN = str.maketrans("", "", "\t\n\r")  # what it leaves out
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
# A relative address that can be told from a word: a path, or the name of a video.
_PATH = re.compile(r"\.{0,2}/|[^?#]*\.(?:mp4|mov|m4v|webm)(?:[?#]|\Z)", re.IGNORECASE)
_PRINTABLE = frozenset(map(chr, range(0x21, 0x7F)))
_PATH_KEEPS = "".join(_PRINTABLE - set('"#<>?^`{}'))
_QUERY_KEEPS = "".join(_PRINTABLE - set("\"#<>'"))


def video_address(value: object, base: str = "") -> str | None:
    """Return the address that `value` means in a reply to the request for `base`, or None."""
    if not isinstance(value, str) or len(value) > MAX_URL:
        return None
    text = value.strip(_AROUND).translate(_WITHIN)
    is_whole = _SCHEME.match(text) is not None
    if not text.isprintable() or not (is_whole or (base and _PATH.match(text))):
        return None
    # MARK stands for the key, which is not sent as part of an address.
    return None if MARK.decode() in text else _encoded(text if is_whole else urljoin(base, text))


def _encoded(url: str) -> str | None:
    """Return the address as it is sent, without its fragment; None for one that names no web
    server.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    names_a_server = bool(host) and port != 0 and " " not in parts.netloc
    if parts.scheme not in _WEB or not names_a_server:
        return None
    path, query = quote(parts.path, safe=_PATH_KEEPS), quote(parts.query, safe=_QUERY_KEEPS)
    found = urlunsplit((parts.scheme, parts.netloc, path, query, ""))
    return found if len(found) <= MAX_URL else None

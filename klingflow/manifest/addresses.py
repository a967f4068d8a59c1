"""PURE. Addresses of images and videos as authors write them. Says what is wrong with a text that
is not an address, and whether the gateway, which runs on another machine, can reach an address's
host.

The gateway fetches everything itself, over http(s) and without a login (document 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from klingflow.manifest.coerce import as_list, as_mapping
from klingflow.manifest.fields import METADATA, Path
from klingflow.manifest.invisible import hidden, named
from klingflow.manifest.shapes import URL
from klingflow.model import Json
from klingflow.words import _

_PUBLIC: Final = _(
    "upload the file to object storage or an image host, open to everybody, and write its https://"
    " address"
)
_A_PATH: Final = _(
    "write the path of a file from the folder of the file that says it, with /, such as refs/a.png"
)
_AN_ADDRESS: Final = _("write an address such as https://cdn.example.com/a.png")
_SHOWN = 60
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_ADDRESS = re.compile(URL["pattern"].strip("^$"))
_HTTP = re.compile(r"https?:", re.IGNORECASE)
_LOCAL = re.compile(r"[./~\\]|[A-Za-z]:[\\/]|file:", re.IGNORECASE)
_MEDIA = re.compile(r"\.(png|jpe?g|webp|gif|bmp|heic|tiff?|mp4|mov|webm|avi|mkv)$", re.IGNORECASE)
_HOST_AND_PATH = re.compile(r"(?://)?((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?::[0-9]+)?(?:/\S*)?)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Top-level names that no public name ends in: RFC 6761, RFC 6762, RFC 8375 and what offices use.
_NOT_PUBLIC: Final = frozenset(
    {"localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "arpa"}
    | {"test", "invalid", "private", "onion"}
)


def is_address(text: str) -> bool:
    """Return True for an http(s) address."""
    return _ADDRESS.fullmatch(text) is not None


def why_none(text: str) -> str:
    """Return what completes "must be a public http(s) URL or the path of a file, not …", for a text
    that is neither.
    """
    if text[:5].lower() == "data:":
        return _("a data: URI; {public}", public=_PUBLIC)
    return _("'{text}'; {remedy}", text=" ".join(text.split())[:_SHOWN], remedy=_remedy(text))


def _remedy(text: str) -> str:
    said = text.strip()
    if _HTTP.match(said):
        return _malformed(text)
    bare = _HOST_AND_PATH.fullmatch(said)
    is_file = _LOCAL.match(said) or _MEDIA.search(said)
    if bare and ("/" in said or not is_file):
        return _("write https://{bare}", bare=bare[1])
    scheme = _SCHEME.match(said)
    if scheme and not _LOCAL.match(said):
        return _(
            "the gateway cannot read {scheme} addresses: give a public https:// one",
            scheme=scheme[0],
        )
    return _A_PATH if is_file else _AN_ADDRESS


def elsewhere_meant(path: str) -> str:
    """Return what to say about a path that names no file but reads like an address; otherwise
    "".
    """
    is_file = _MEDIA.search(path)
    bare = _HOST_AND_PATH.fullmatch(path)
    if bare and ("/" in path or not is_file):
        return _("an address begins with https://: write https://{bare}", bare=bare[1])
    if (at := hidden(path)) is not None:
        return _("it holds {character}, which is invisible: delete it", character=named(path[at]))
    return "" if is_file else _AN_ADDRESS


def _malformed(text: str) -> str:
    """Return what to do about a text that begins with http: or https: but is not an address."""
    if (at := hidden(text)) is not None:
        return _("it holds {character}, which is invisible: delete it", character=named(text[at]))
    if text != text.strip():
        return _("delete the blanks around it")
    if any(map(str.isspace, text)):
        return _("an address holds no blanks: write %20 for each")
    if not re.match(r"https?://", text, re.IGNORECASE):
        return _("write :// behind http or https")
    return _("a host is missing behind ://")


def unreachable(body: Mapping[str, Json]) -> Iterator[tuple[Path, str]]:
    """Yield each address in a body that the gateway cannot reach: its path, and what to say."""
    for path, value in addresses(body):
        if type(value) is str and (host := private_host(value)):
            text = _(
                "the gateway cannot reach '{host}', which only your own network knows; {public}",
                host=host,
                public=_PUBLIC,
            )
            yield path, text


def addresses(body: Mapping[str, Json]) -> Iterator[tuple[Path, Json]]:
    """Yield each value of a body at a place that takes the address of an image or a video, with its
    path.
    """
    metadata = body.get("metadata")
    if "input_reference" in body:
        yield ("input_reference",), body["input_reference"]
    if "image" in body:
        yield ("image",), body["image"]
    if "images" in body:
        for index, image in enumerate(as_list(body["images"])):
            yield ("images", index), image
    if "content" in body:
        yield from _in_content(as_list(body["content"]))
    if type(metadata) is not dict:
        return
    for name in ("last_frame_url", "video_url"):
        if name in metadata:
            yield (*METADATA, name), metadata[name]
    for index, file in enumerate(as_list(metadata.get("file_infos"))):
        yield (*METADATA, "file_infos", index, "url"), as_mapping(file).get("url")


def _in_content(parts: list[Json]) -> Iterator[tuple[Path, Json]]:
    """Yield the addresses in `content`, the other form of a prompt (document 3.3)."""
    for index, part in enumerate(parts):
        for name in ("image_url", "video_url"):
            yield ("content", index, name, "url"), as_mapping(as_mapping(part).get(name)).get("url")


@lru_cache(maxsize=8192)
def private_host(address: str) -> str | None:
    """Return the host of an address if only machines near the author can reach it, otherwise
    None.
    """
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return None
    return host if host and _is_private(host) else None


def _is_private(host: str) -> bool:
    plain = host.rstrip(".").lower()
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        last = plain.rpartition(".")[2]
        return "." not in plain or last in _NOT_PUBLIC or bool(_NUMERIC.fullmatch(last))
    address = getattr(address, "ipv4_mapped", None) or address
    return not address.is_global

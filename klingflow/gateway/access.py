"""Where the gateway is and with which key it is asked, and where each of the two was found: in the
environment, in `.env` files, or in a manifest.

The key is in no representation, and nothing here shows or keeps it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from klingflow.errors import UsageError
from klingflow.gateway.origin import normal_base

KEY = "KLINGFLOW_API_KEY"
BASE_URL = "KLINGFLOW_BASE_URL"
ENVIRONMENT = "the environment"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Access:
    """The gateway's address and key, None where there is none, and where each was found.

    `others` are the addresses that further manifests name instead of `base_url`.
    """

    base_url: str | None = None
    base_url_from: str | None = None
    key: str | None = field(default=None, repr=False)
    key_from: str | None = None
    others: frozenset[str] = frozenset()

    @property
    def origin(self) -> str:
        """The address as the ledger keeps it, or "" where there is none. Raises UsageError."""
        return normal_base(self.base_url) if self.base_url else ""

    def naming(self, named: Mapping[str, str | None]) -> Access:
        """Take the address from manifests, given by file name, where the user has set none. The
        first that names one counts.
        """
        files = {file: url for file, url in named.items() if url}
        if self.base_url is not None or not files:
            return self
        file, url = next(iter(files.items()))
        others = frozenset(files.values()) - {url}
        return replace(self, base_url=url, base_url_from=file, others=others)

    def both(self) -> tuple[str, str]:
        """Return address and key. Raises UsageError where one is missing or manifests disagree."""
        if self.base_url is None:
            raise UsageError(
                f"no gateway: set {BASE_URL} or the manifest's gateway.base_url,"
                " or try it with --sandbox"
            )
        if self.others:
            raise UsageError(
                f"these manifests name different gateways; run them apart, or set {BASE_URL}"
            )
        if self.key is None:
            raise UsageError(
                f"no key: set {KEY} in the environment or in .env, or try it with --sandbox"
            )
        return self.base_url, self.key


def find(folder: Path, environ: Mapping[str, str] | None = None) -> Access:
    """Return what the user has set: in the environment, or else in `.env` here, or else in `.env`
    in the manifest's `folder`.
    """
    sources: list[tuple[str, Mapping[str, str]]]
    sources = [(ENVIRONMENT, os.environ if environ is None else environ)]
    sources += [(str(path), _read(path)) for path in _env_files(folder)]
    base_url, base_url_from = _first(sources, BASE_URL)
    key, key_from = _first(sources, KEY)
    return Access(base_url, base_url_from, key, key_from)


def exposed(folder: Path) -> list[Path]:
    """The `.env` files that `find` reads and other users can read or change. POSIX tells, Windows
    does not.
    """
    if os.name != "posix":
        return []
    return [path for path in _env_files(folder) if path.stat().st_mode & _OTHERS]


def said_of_exposed(path: Path) -> str:
    """Return what to do about an exposed file."""
    return f"{path} is open to other users: chmod 600 {path}"


def _env_files(folder: Path) -> list[Path]:
    """The `.env` files that there are, the one that counts first."""
    return [path for path in dict.fromkeys((Path(".env"), folder / ".env")) if path.is_file()]


def _read(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values  # for start-up

    # No interpolation: `$` is a common character in keys.
    return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}


def _first(
    sources: list[tuple[str, Mapping[str, str]]], name: str
) -> tuple[str, str] | tuple[None, None]:
    """The value of a variable and where it was found. The first source that sets it counts, even to
    blanks, which mean that there is none.
    """
    for source, values in sources:
        if value := values.get(name):
            found = value.strip()
            return (found, source) if found else (None, None)
    return None, None

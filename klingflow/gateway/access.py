"""Where the gateway is and with which key it is asked, and where each of the two was found: on the
command line, in the environment, in `.env` files, or in a manifest.

The key is in no representation, and nothing here shows or keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from klingflow.errors import UsageError
from klingflow.gateway import env_file
from klingflow.gateway.env_file import BASE_URL, KEY
from klingflow.gateway.origin import normal_base
from klingflow.words import _

SourceKind = Literal["option", "environment", "env_file", "manifest"]
# What the user says in this very session; a file may come from somebody else.
_SPOKEN: Final = frozenset({"option", "environment"})


class Source(NamedTuple):
    """Where a key or an address was found. `name` is how people call it: a file by its path."""

    kind: SourceKind
    name: str

    def __str__(self) -> str:
        return self.name


OPTION: Final = Source("option", "--gateway")
ENVIRONMENT: Final = Source("environment", _("the environment"))


@dataclass(frozen=True, slots=True)
class Access:
    """The gateway's address and key, None where there is none, and where each was found.

    `others` are the addresses that further manifests name instead of `base_url`.
    """

    base_url: str | None = None
    base_url_from: Source | None = None
    key: str | None = field(default=None, repr=False)
    key_from: Source | None = None
    others: frozenset[str] = frozenset()

    @property
    def origin(self) -> str:
        """The address as the ledger keeps it, or "" where there is none. Raises UsageError."""
        return normal_base(self.base_url) if self.base_url else ""

    @property
    def is_of_one_source(self) -> bool:
        """True if whoever gave the key gave the address too: both the user in this session, or both
        one and the same `.env` file.
        """
        sources = {self.base_url_from, self.key_from}
        return len(sources) == 1 or all(s is not None and s.kind in _SPOKEN for s in sources)

    def naming(self, named: Mapping[str, str | None]) -> Access:
        """Take the address from manifests, given by file name, where the user has set none. The
        first that names one counts.
        """
        files = {file: url for file, url in named.items() if url}
        if self.base_url is not None or not files:
            return self
        file, url = next(iter(files.items()))
        others = frozenset(files.values()) - {url}
        return replace(self, base_url=url, base_url_from=Source("manifest", file), others=others)

    def both(self) -> tuple[str, str]:
        """Return address and key. Raises UsageError where one is missing or manifests disagree."""
        base_url = self.address()
        if self.key is None:
            raise UsageError(
                _(
                    "no key: set {key} in the environment or in .env, or try it with --sandbox",
                    key=KEY,
                )
            )
        return base_url, self.key

    def address(self) -> str:
        """Return the address. Raises UsageError where there is none or manifests disagree."""
        if self.base_url is None:
            raise UsageError(
                _(
                    "no gateway: set {base_url} or the manifest's gateway.base_url,"
                    " or try it with --sandbox",
                    base_url=BASE_URL,
                )
            )
        if self.others:
            raise UsageError(
                _(
                    "these manifests name different gateways; run them apart, or set"
                    " {base_url} or {option}",
                    base_url=BASE_URL,
                    option=OPTION,
                )
            )
        return self.base_url

    def described(self) -> str:
        """Return the address and the sources of address and key, for people; "" without an address.

        Raises UsageError for an address that is none.
        """
        if not self.base_url:
            return ""
        if self.base_url_from == self.key_from:
            return _(
                "{origin} (address and key from {key_from})",
                origin=self.origin,
                key_from=self.key_from,
            )
        key = _("key from {key_from}", key_from=self.key_from) if self.key else _("no key")
        return _(
            "{origin} (address from {base_url_from}, {key})",
            origin=self.origin,
            base_url_from=self.base_url_from,
            key=key,
        )


def find(
    folder: Path, environ: Mapping[str, str] | None = None, *, gateway: str | None = None
) -> Access:
    """Return what the user has set: in the environment, or else in `.env` here, or else in `.env`
    in the manifest's `folder`. The address `gateway` of the command line wins over them.

    Raises UsageError for a `.env` that is refused or cannot be read, and for an empty `gateway`,
    which a shell makes of a variable that is not set.
    """
    if gateway is not None and not gateway.strip():
        raise UsageError(
            _("{option} is empty; give it the gateway's address, or leave it out", option=OPTION)
        )
    sources: list[tuple[Source, Mapping[str, str]]]
    sources = [(ENVIRONMENT, os.environ if environ is None else environ)]
    for path in env_file.env_files(folder):
        sources.append((Source("env_file", str(path)), env_file.read(path)))
    spoken: Mapping[str, str] = {BASE_URL: gateway} if gateway else {}
    base_url, base_url_from = _first([(OPTION, spoken), *sources], BASE_URL)
    key, key_from = _first(sources, KEY)
    return Access(base_url, base_url_from, key, key_from)


def _first(
    sources: Sequence[tuple[Source, Mapping[str, str]]], name: str
) -> tuple[str, Source] | tuple[None, None]:
    """Return the value of a variable and where it was found. The first source that sets it counts,
    even to blanks, which mean that there is none.
    """
    for source, values in sources:
        if value := values.get(name):
            found = value.strip()
            return (found, source) if found else (None, None)
    return None, None

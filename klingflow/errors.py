"""PURE. What can go wrong, named once: diagnostics for a user's mistakes, exceptions for the
world's, exit codes.

Only the command line turns any of these into an exit code; nobody else prints or exits.

    KlingflowError
    ├── ManifestError        the manifest is wrong; carries every Diagnostic            exit 2
    ├── UsageError           the command cannot be done as asked                        exit 2
    │   ├── UnapprovedAddress    nobody said yes to this gateway's address              exit 2
    │   └── LinksRefused         nobody said yes to writing through these links         exit 2
    ├── ClusterAway          the cluster's server does not answer                       exit 1
    ├── NotStored            a local file is not where the gateway can read it           exit 3
    ├── StoreAway            the store of claims cannot be reached: nothing is known      exit 3
    ├── NothingSelected      the selection is empty                                     exit 5
    ├── LedgerHeld           another runner holds the ledger                            exit 11
    ├── LedgerError          the ledger cannot be read or opened                        exit 1
    └── LedgerBroken         the ledger cannot be written: buying must stop             exit 1
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from klingflow.words import Text, _, joined, word

# What ends a line of a file, where a Mark counts lines.
LINE_END = re.compile(r"\r\n|\r|\n")


class ExitCode(IntEnum):
    """The process's exit codes (docs/commands.md, "Exit codes"). Where several apply, the first of
    `PRECEDENCE` counts.
    """

    OK = 0
    INTERNAL = 1
    USAGE = 2
    FAILED = 3
    UNSETTLED = 4
    NOTHING_SELECTED = 5
    WOULD_BUY = 6
    REFUSED = 7
    CAPPED = 8
    HELD = 11
    INTERRUPTED = 130


PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.HELD,
    ExitCode.INTERNAL,
    ExitCode.REFUSED,
    ExitCode.UNSETTLED,
    ExitCode.FAILED,
    ExitCode.CAPPED,
)


def visible(text: str) -> str:
    """Return `text` in one line, with what is invisible in it as an escape."""
    if text.isprintable():
        return text
    if isinstance(text, Text):
        return text.mapped(visible)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def in_one_line(text: str) -> str:
    """Return `text` with blanks for the ends of its lines."""
    lines = text.splitlines()
    return " ".join(lines) if len(lines) > 1 else text


def shortened(text: str, most: int = 60) -> str:
    """Return the beginning of a long text, for a message."""
    return text if len(text) <= most else f"{text[:most]}…"


class Mark(NamedTuple):
    """A place in a file as the user names it; line and column count characters from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{visible(self.file)}:{self.line}:{self.column}"


class Cell(Mark):
    """A place in a sheet: the row as `line` and the column as `column`, both from 1."""

    __slots__ = ()

    @property
    def address(self) -> str:
        """Return the place as spreadsheets name it, such as `C17`."""
        return f"{letters_of(self.column)}{self.line}"

    def __str__(self) -> str:
        return f"{visible(self.file)}:{self.address}"


def letters_of(column: int) -> str:
    """Return the name of a column, counted from 1: A, …, Z, AA."""
    found = ""
    while column:
        column, letter = divmod(column - 1, 26)
        found = chr(ord("A") + letter) + found
    return found


class Diagnostic(NamedTuple):
    """One mistake (or doubt) of the user's, with its place and a stable code such as
    `unknown-field`.

    `message` says in one line what was found and what to do. `related` is a second place (the first
    of two duplicate keys, the preset that set a value). `subject` is whose mistake it is, such as
    `shot 'opening'`; it is empty for the document's own.
    """

    mark: Mark
    code: str
    message: str
    severity: str = "error"  # or "warning"
    related: Mark | None = None
    subject: str = ""

    @property
    def text(self) -> str:
        """Return the subject and the message, as people read them: in one line, with what is
        invisible in it as an escape.
        """
        if not self.subject:
            return visible(self.message)
        return visible(_("{subject}: {message}", subject=self.subject, message=self.message))

    @property
    def kind(self) -> str:
        """Return what it is, with its code, as people read them: `error[unknown-field]`."""
        return _("{severity}[{code}]", severity=word(self.severity), code=self.code)

    def __str__(self) -> str:
        return _("{mark}: {kind}: {text}", mark=str(self.mark), kind=self.kind, text=self.text)


class KlingflowError(Exception):
    """The root of everything klingflow raises on purpose. Each argument is one line."""

    exit_code = ExitCode.INTERNAL

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, line by line: what it quotes may hold line ends of its own."""
        return tuple(map(str, self.args)) or ("",)

    def __str__(self) -> str:
        return joined("\n", self.lines)


class ManifestError(KlingflowError):
    """The manifest cannot be used. `diagnostics` holds every mistake, in file order; `sources` the
    texts read.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, diagnostics: Sequence[Diagnostic], sources: dict[str, str] | None = None
    ) -> None:
        super().__init__(*map(str, diagnostics))
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self.sources: dict[str, str] = sources or {}


class OutsideError(OSError):
    """A file that a manifest names is in none of the folders from which manifests may be read."""


class UsageError(KlingflowError):
    """What was asked cannot be done; the message says what to do instead."""

    exit_code = ExitCode.USAGE


class LinksRefused(UsageError):
    """Links in the manifest's folder lead where klingflow writes only after the user has allowed
    it.
    """


class UnapprovedAddress(UsageError):
    """The key was not sent: it and the gateway's address come from different places, and the user
    has not said yes to the address.
    """


class ClusterAway(KlingflowError):
    """The server of a cluster does not answer, or not as it should."""


class NotStored(KlingflowError):
    """A local file could not be put where the gateway can read it; the message says why. `of_all`:
    the same holds for every other file of the store.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, reason: str, *, of_all: bool = False) -> None:
        super().__init__(reason)
        self.of_all: bool = of_all


class StoreAway(KlingflowError):
    """The store of claims cannot be reached at this moment, so nobody knows what it holds, nor
    whether a put was carried out: ask again.
    """

    exit_code = ExitCode.FAILED


class NothingSelected(KlingflowError):
    """No shot matches the selection."""

    exit_code = ExitCode.NOTHING_SELECTED


class LedgerError(KlingflowError):
    """The ledger cannot be opened or read."""


class LedgerBroken(KlingflowError):
    """The ledger cannot be written any more: nothing may be bought until a person has looked."""


class LedgerHeld(KlingflowError):
    """Another runner holds this ledger or a `copy` of it: the manifest whose ledger is the copy.

    Or the file `locked`, which a writer of the ledger needs, is held by a program that does not say
    who it is.
    """

    exit_code = ExitCode.HELD

    def __init__(
        self,
        path: str,
        pid: int | None,
        host: str | None,
        copy: str | None = None,
        locked: str | None = None,
    ) -> None:
        who = _("process {pid} on {host}", pid=pid, host=host) if pid else _("another process")
        if locked:
            said = _(
                "{path}: {who} has locked {locked} and does not say who it is: perhaps klingflow,"
                " by another name of the same file, perhaps another program (`lsof {locked}` names"
                " it); wait for it or stop it",
                path=path,
                who=who,
                locked=locked,
            )
        elif copy:
            said = _(
                "{path}: {who} is running {copy}, whose ledger this one is a copy of; wait for it"
                " or stop it",
                path=path,
                who=who,
                copy=copy,
            )
        else:
            said = _(
                "{path}: {who} is running this manifest; wait for it or stop it", path=path, who=who
            )
        super().__init__(said)
        self.pid: int | None = pid
        self.host: str | None = host

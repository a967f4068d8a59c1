"""Manifests as a command names them: loaded with its --var, the mistakes of all shown together."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from klingflow.api import loading
from klingflow.errors import Diagnostic, ManifestError, UsageError
from klingflow.model import Json, Manifest
from klingflow.terminal import console
from klingflow.terminal.options import Options
from klingflow.words import _


def load(file: str, options: Options, *, strict: bool = False) -> Manifest:
    """Return the manifest at `file`, as `loading.load`. Raises ManifestError, UsageError."""
    with for_good():
        given = variables(options.variables)
        return loading.load(
            file,
            variables=given,
            strict=strict,
            sandbox=options.sandbox,
            profile=options.profile,
        )


def load_all(files: Sequence[str], options: Options) -> list[Manifest]:
    """Return every manifest. Raises one ManifestError with the mistakes of all, UsageError."""
    if len({Path(file).resolve() for file in files}) < len(files):
        raise UsageError(_("the same manifest is named twice"))
    manifests: list[Manifest] = []
    diagnostics: list[Diagnostic] = []
    sources: dict[str, str] = {}
    for file in files:
        try:
            manifests.append(load(file, options))
        except ManifestError as error:
            diagnostics += error.diagnostics
            sources |= error.sources
    if diagnostics:
        raise ManifestError(diagnostics, sources)
    return manifests


def variables(assignments: Sequence[str]) -> dict[str, Json]:
    """Read `--var k=v`: a value is what was typed, and the manifest says what kind it has to be.

    Raises UsageError.
    """
    found: dict[str, Json] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(
                _("--var {assignment!r}: write it as name=value", assignment=assignment)
            )
        found[name] = text
    return found


def show_warnings(*manifests: Manifest, without: str = "") -> None:
    """Show what is odd about the manifests of one command, on stderr: each warning once, with how
    many more there are of it. The code `without` is left out: the command says itself where that
    matters.
    """
    sources = {file: text for manifest in manifests for file, text in manifest.sources.items()}
    told = Counter((w.code, w.message) for manifest in manifests for w in manifest.warnings)
    for manifest in manifests:
        for warning in manifest.warnings:
            more = told.pop((warning.code, warning.message), 0) - 1
            if more < 0 or warning.code == without:
                continue
            said = (
                _("and {more} more such; klingflow validate shows each", more=more) if more else ""
            )
            console.show_diagnostic(warning, sources, console.warn, said)


def titles(manifests: Sequence[Manifest]) -> dict[str, str]:
    """Return what each manifest is called in a line, by its path: its name, or its path where
    another manifest has the same name.
    """
    names = Counter(manifest.name for manifest in manifests)
    return {m.path: m.name if names[m.name] == 1 else m.path for m in manifests}


@contextmanager
def for_good() -> Iterator[None]:
    """Keep what is made meanwhile until the process ends: no later collection looks at it again.

    Only a process of our own may do so; a program that calls klingflow.api keeps its collector.
    """
    with loading.without_collector():
        yield
        gc.freeze()

"""PURE. The diagnostics of a manifest as people read them: in file order, each mistake once, and
nothing that only follows from another mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from klingflow.errors import LINE_END, Diagnostic, Mark
from klingflow.manifest.encodings import without_mark
from klingflow.manifest.punctuation import explained
from klingflow.manifest.sheets import SUFFIXES, suffix_of

# Files of rows: Chinese punctuation in them is data.
_DATA = (".csv", ".tsv", ".json", ".jsonl", *SUFFIXES)


def ordered(
    diagnostics: Sequence[Diagnostic],
    paths: Sequence[str],
    sources: Mapping[str, str],
    misread: Collection[Mark],
) -> list[Diagnostic]:
    """Return the diagnostics in the order of `paths` and of their places.

    A preset's mistake is one mistake, however many shots use it: subjects are not compared.
    `misread` are the places of a text that is not YAML.
    """
    marked = {found.mark.file for found in diagnostics} & sources.keys()
    of_yaml = {file for file in marked if suffix_of(file) not in _DATA}
    lines = {file: LINE_END.split(without_mark(sources[file])) for file in of_yaml}
    first: dict[tuple[Mark, str, str], Diagnostic] = {}
    for diagnostic in _causes(diagnostics, misread):
        for found in explained(diagnostic, lines.get(diagnostic.mark.file, ())):
            first.setdefault((found.mark, found.code, found.message), found)
    order = {file: at for at, file in enumerate(paths)}
    return sorted(first.values(), key=lambda d: (order.get(d.mark.file, len(order)), d.mark))


def _causes(diagnostics: Sequence[Diagnostic], misread: Collection[Mark]) -> Iterator[Diagnostic]:
    """Yield the diagnostics, except those that follow from a text that is not YAML."""
    seen: set[Mark] = set()
    for diagnostic in diagnostics:
        if misread and diagnostic.code.startswith("missing-"):
            continue
        if diagnostic.mark in misread and diagnostic.mark in seen:
            continue
        seen.add(diagnostic.mark)
        yield diagnostic

"""How many cases of the YAML test suite klingflow reads as they say: `python -m tests.yaml_suite
DIR`, with DIR a checkout of github.com/yaml/yaml-test-suite. Nothing is downloaded.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from klingflow.manifest.source import parse_in_spite
from klingflow.manifest.values import content_of

# The suite shows blanks, tabs, line ends, ends of files and BOMs by signs.
_SIGNS = {"␣": " ", "↵": "", "∎\n": "", "←": "\r", "⇔": "\ufeff", "—": "", "»": "\t"}


def _cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((folder / "src").glob("*.yaml")):
        merged: dict[str, Any] = {}
        for at, case in enumerate(yaml.safe_load(path.read_text("utf-8"))):
            merged = {**{k: v for k, v in merged.items() if k != "fail"}, **case}
            yield f"{path.stem}/{at}", merged


def _text(shown: str) -> str:
    for sign, meant in _SIGNS.items():
        shown = shown.replace(sign, meant)
    return shown


def _result(case: dict[str, Any]) -> str:
    """Return what became of a case; for a refused one with the codes of its mistakes."""
    root, mistakes = parse_in_spite(_text(case["yaml"]), "case.yaml")
    if case.get("fail"):
        return "invalid, refused" if mistakes else "invalid, read"
    if mistakes or root is None:
        return f"valid, refused: {', '.join(sorted({found.code for found in mistakes}))}"
    if not isinstance(case.get("json"), str):
        return "valid, read, without JSON to compare"
    try:
        same = content_of(root) == (json.loads(case["json"]) if case["json"].strip() else None)
    except ValueError:
        return "valid, of several documents, read"
    return "valid, equal" if same else "valid, read otherwise"


def main() -> None:
    """Print each result with its number of cases and their names."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, case in _cases(Path(sys.argv[1])):
        found[_result(case)].append(name)
    for result, names in sorted(found.items()):
        print(f"{len(names):4} {result}: {' '.join(names)}")


if __name__ == "__main__":
    main()

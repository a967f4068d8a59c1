"""The example files: each manifest in `cases/reject/` is refused in exactly the words beside it,
each in `cases/accept/` gives exactly the shots beside it.

A new case is a new file. `NAME.expected` holds the diagnostics, one a line, warnings included;
files that a case needs are in `parts/`. `NAME.json` lists id, take, kind and body of the shots.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from klingflow.api.stills import looker
from klingflow.api.texts import reader
from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile
from klingflow.model import Manifest

CASES = Path(__file__).parent / "cases"
REJECTED = sorted((CASES / "reject").glob("*.yaml"))
ACCEPTED = sorted((CASES / "accept").glob("*.yaml"))


def compiled(path: Path) -> Manifest:
    """The manifest, with a variable of the environment that is for it, and one that is not."""
    read = reader(str(path))
    return compile(
        path.name,
        lambda name: read(str(path.parent / name)),
        variables={},
        environ={"KLINGFLOW_VAR_CDN": "https://cdn.example.com/a", "HOME": "/root"},
        look=looker(str(path), ()),
        strict=True,
        stored=True,
    )


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_a_bad_manifest_is_refused_with_every_mistake_at_its_place(path: Path) -> None:
    with pytest.raises(ManifestError) as refused:
        compiled(path)
    assert str(refused.value) + "\n" == path.with_suffix(".expected").read_text("utf-8")


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_a_diagnostic_is_one_line_about_a_place_in_a_file(path: Path) -> None:
    with pytest.raises(ManifestError) as refused:
        compiled(path)
    for diagnostic in refused.value.diagnostics:
        assert diagnostic.mark.line >= 1 and diagnostic.mark.column >= 1
        assert "\n" not in diagnostic.text and not diagnostic.message.endswith(".")


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_a_good_manifest_gives_exactly_these_shots(path: Path) -> None:
    shots = [
        {"id": shot.id, "take": shot.take, "kind": shot.kind, "body": request.body}
        for shot, request in compiled(path)
    ]
    assert shots == json.loads(path.with_suffix(".json").read_text("utf-8"))

"""The schema of a manifest against the command: what both accept, what both find, and what only the
command finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from klingflow.errors import Diagnostic, ManifestError
from klingflow.manifest.catalogue import MODELS
from klingflow.manifest.check import ALLOWED
from klingflow.manifest.fields import KINDS, SHOT
from klingflow.manifest.limits import RUN
from klingflow.manifest.schema import generate
from klingflow.manifest.sections import TOP
from klingflow.manifest.settings import GATEWAY
from klingflow.manifest.source import parse
from klingflow.manifest.values import content_of
from klingflow.manifest.written import check_document
from klingflow.model import Json
from tests import pages
from tests.test_cases import ACCEPTED, REJECTED, compiled
from tests.test_jinja import CASES, ERROR, ours

_ROOT = Path(__file__).parent.parent


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(generate("manifest"))


def complaints(content: Json) -> list[str]:
    """What an editor underlines: the places."""
    return sorted({error.json_path for error in _validator().iter_errors(content)})


def read(text: str) -> Json:
    return content_of(parse(text, "film.yaml"))


# --- what both accept ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_a_good_manifest_is_good_in_an_editor(path: Path) -> None:
    """Nulls in layers, expressions and allowed values included."""
    assert complaints(read(path.read_text("utf-8"))) == []


def _shown() -> Iterator[Any]:
    for path in sorted((_ROOT / "pipelines").rglob("*.yaml")):
        yield pytest.param(path.read_text("utf-8"), id=path.name)
    for language in pages.LANGUAGES:
        for block in pages.blocks(language):
            if block.label.startswith("file: ") and block.label != "file: bad.yaml":
                yield pytest.param(block.text, id=f"{language} {block.label}")


@pytest.mark.parametrize("text", [*_shown()])
def test_what_the_manual_shows_is_good_in_an_editor(text: str) -> None:
    """Included files too."""
    content = read(text) if ":" in text.partition("\n")[0] else {}
    assert complaints(content if content.keys() <= TOP.keys() else {}) == []


# A manifest without version or shots is one that another file may include.
_FREE = {"version", "shots"}


def written(name: str, value: str) -> str:
    """A document with one value: at its top, in a section, or in a preset."""
    section, _, field = name.rpartition(".")
    head = "version: 1\nshots: { a: { model: m } }\n"
    if name in _FREE:
        return f"version: 1\nshots: {value}\n"
    if section == "preset":
        return f"{head}presets: {{ p: {{ {field}: {value} }} }}\n"
    return f"{head}{section}: {{ {field}: {value} }}\n" if section else f"{head}{field}: {value}\n"


NAMES = [
    *TOP,
    *(f"run.{name}" for name in RUN),
    *(f"gateway.{name}" for name in GATEWAY),
    *(f"preset.{name}" for name in SHOT),
]


_VALUES = ("null", '"${{ vars.x }}"', '"5${{ vars.x }}"', "[[]]")


@pytest.mark.parametrize(
    ("name", "value"),
    [(n, v) for n in NAMES for v in _VALUES if n not in _FREE or v == "[[]]"],
)
def test_null_and_expressions_stand_where_the_command_takes_them(name: str, value: str) -> None:
    """In each typed place: `seconds`, `audio`, `takes`, `tags`, `use` and all others."""
    text = written(name, value)
    found = check_document(parse(text, "film.yaml"))
    assert bool(complaints(read(text))) == bool(found), found


GOOD = [
    "shots: { a: { model: m, prompt: x } }",
    "vars: { a: 1 }\npresets: { p: null }",
    "version: 1\nshots: { a: null }\ndefaults: { model: m }",
    "version: 1\ninclude: more.yaml\nname: film",
    "version: 1\npresets: { p: { model: m } }\nshots: { a: { use: p, prompt: x } }",
    "version: 1\nshots: { a: { request: { model: m }, title: x } }",
    "version: 1\nshots: { a: { use: p, foreach: rows.csv } }",
    "version: 1\ndefaults: { key: x }\nshots: { a: { model: m, foreach: rows.csv } }",
    "version: 1\nshots: { a: { model: m, foreach: null } }",
    "version: 1\nshots: { a: { model: m, kind: text, image: null } }",
    "version: 1\nshots: { a: { model: kling-2.5, kind: avatar, seconds: 7 } }",
    "version: 1\nshots: { a: { model: kling-2.5, seconds: '5' } }",
    "version: 1\nshots: { a: { model: kling-2.5, seconds: 7, use: motion } }",
    "version: 1\ndefaults: { kind: avatar }\nshots: { a: { model: kling-2.5, seconds: 7 } }",
    "version: 1\ndefaults: { allow: [unknown-value] }\nshots: { a: { model: m, size: 4K } }",
    "version: 1\npresets: { p: { allow: [too-many] } }\nshots: { a: { use: p, size: 4K } }",
    "version: 1\ndefaults: { extra: { model: m } }\nshots: { a: { prompt: x } }",
    "version: 1\npresets: { p: { files: [{}] } }\nshots: { a: { model: m, prompt: x } }",
    "version: 1\npresets: { p: { motion_video: 'http://e.com/a' } }\nshots: { a: { model: m } }",
    "version: 1\npresets: { p: { request: { images: [a, b, c, d] } } }\nshots: { a: { model: m } }",
    "version: 1\nshots: { 镜头-1_a.b: { model: m, prompt: x } }",
    "version: 1\noutput: '${{ vars.folder }}/{shot}{take}.mp4'\nshots: { a: { model: m } }",
    "version: 1\nshots: { a: { model: m, prompt: 'pay $${{ x }} or ${{ ''a|b'' }}' } }",
    "version: 1\nshots: { a: { model: m, prompt: '${{ row[''a b''] | join(attribute=1) }}' } }",
    "version: 1\nshots: { a: { model: m, matrix: { b: [1], c: null, include: [{ b: 1 }] } } }",
    "version: 1\nshots: { a: { model: m, extra: { seconds: null, x: { y: null } } } }",
]


@pytest.mark.parametrize("text", GOOD)
def test_an_editor_waits_where_another_layer_may_say_it(text: str) -> None:
    """Presets, defaults and included files may hold what a shot lacks, or allow what it has."""
    assert complaints(read(text)) == []


def test_an_expression_that_has_a_value_is_good_in_an_editor() -> None:
    """Whatever it calls and holds: quotation marks, bars, dots and brackets."""
    valued = [text for text in CASES if ours(text) != ERROR]
    shots = {
        str(n): {"model": "m", "prompt": f"${{{{ {text} }}}}"} for n, text in enumerate(valued)
    }
    assert complaints({"version": 1, "shots": shots}) == []


# --- what both find, and what only the command finds ---------------------------------------------

# Why a schema cannot find a mistake, with the codes of such mistakes. The manual lists the reasons.
_OF_VALUES = {
    *("bad-takes", "bad-after", "bad-tag", "bad-output", "bad-matrix", "empty-key"),
    *("not-a-url", "unknown-value", "wrong-value", "wrong-type", "unknown-preset"),
}
REASONS: dict[str, set[str]] = {
    "another file": {"rows-syntax", "unreadable", "path-outside"},
    "an expression": {
        *("undefined", "expression", "expression-syntax", "vars-cycle", "reference-place"),
        *_OF_VALUES,
    },
    "two shots, or a name that stands elsewhere": {
        *("unknown-shot", "unknown-preset", "duplicate-id", "duplicate-output", "cycle"),
        "no-match",
    },
    "what a whole body means": {
        *("seconds-range", "cuts-sum", "cut-prompt", "ext-info", "file-address"),
        *("misspelt-model", "durations-differ"),
    },
    "how much it becomes": {"bad-matrix", "bad-output"},
    "a shot with an allow": {"unknown-value", "not-a-url", "too-many", "too-long"},
}
# What a manifest must hold for a reason to count.
_SIGNS = {"an expression": "${{", "a shot with an allow": "allow:"}


def codes(text: str) -> set[str]:
    """The codes that have a reason in this manifest."""
    counting = [codes for reason, codes in REASONS.items() if _SIGNS.get(reason, "") in text]
    return set().union(*counting)


@cache
def found() -> dict[str, list[str]]:
    """What the editor says of each bad manifest that is YAML."""
    found = {}
    for path in REJECTED:
        try:
            found[path.stem] = complaints(read(path.read_text("utf-8")))
        except (ManifestError, UnicodeDecodeError):
            continue  # no YAML: the editor has its own words for that
    return found


def mistakes_of(path: Path) -> list[Diagnostic]:
    with pytest.raises(ManifestError) as refused:
        compiled(path)
    return list(refused.value.diagnostics)


def test_an_editor_finds_more_than_half_of_the_mistakes() -> None:
    """Of `tests/cases/reject`, as far as they are YAML."""
    share = sum(map(bool, found().values())) / len(found())
    assert share > 0.5, f"{share:.0%}"


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_what_only_the_command_finds_has_a_reason(path: Path) -> None:
    """Whatever else an editor misses, its schema could say: see authoring.py."""
    if found().get(path.stem, ["not YAML"]):
        return
    missed = {one.code for one in mistakes_of(path) if one.mark.file == path.name}
    known = codes(path.read_text("utf-8"))
    assert missed <= known, "teach authoring.py to find it, or add its code to a reason"


@pytest.mark.parametrize("language", pages.LANGUAGES)
def test_the_manual_says_what_only_the_command_finds(language: str) -> None:
    """One line for each reason."""
    listed = pages.all_text(language).split("<!-- list: only-the-command -->\n")[1]
    assert len(listed.split("\n\n")[0].splitlines()) == len(REASONS)


# --- what an editor proposes ---------------------------------------------------------------------


def _constants(schema: Json) -> dict[Any, str]:
    found = {}
    if isinstance(schema, dict):
        if "const" in schema:
            found[schema["const"]] = schema.get("description", "")
        for part in schema.values():
            found |= _constants(part)
    elif isinstance(schema, list):
        for part in schema:
            found |= _constants(part)
    return found


def test_models_codes_and_choices_are_complete() -> None:
    """Every name of the tables is proposed, with words."""
    fields = generate("manifest")["$defs"]["fields"]["properties"]
    assert _constants(fields["allow"]) == ALLOWED
    assert _constants(fields["model"]).keys() == MODELS.keys()
    assert _constants(fields["kind"]).keys() == KINDS.keys() - {"request"}
    assert [json.dumps(c) for c, words in _constants(fields).items() if not words] == []


@pytest.mark.parametrize("definition", ["fields", "allowing-shot"])
def test_every_field_helps_the_author(definition: str) -> None:
    """Editors show the words of the table for each field of the manifest."""
    schema = generate("manifest")
    shown = {name: field["description"] for name, field in schema["properties"].items()}
    assert shown == {name: field.doc for name, field in TOP.items()}
    fields = schema["$defs"][definition]["properties"]
    assert {n: f["description"] for n, f in fields.items()} == {n: f.doc for n, f in SHOT.items()}

"""Red Hat's yaml-language-server, which stands behind VS Code, Neovim and others, and ajv, with
which most tools in JavaScript check.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from klingflow.manifest.catalogue import MODELS, words_of
from klingflow.manifest.check import ALLOWED
from klingflow.manifest.fields import SHOT
from klingflow.manifest.limits import RUN
from klingflow.manifest.sections import TOP
from klingflow.manifest.settings import GATEWAY
from klingflow.manifest.shapes import IMAGE
from tests.peers.editor import Editor, editor
from tests.test_authoring import found
from tests.test_cases import ACCEPTED, REJECTED

pytestmark = pytest.mark.peers
SCHEMAS = Path(__file__).parent.parent.parent / "schemas"


@pytest.fixture(scope="module")
def session(
    yaml_language_server: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Editor]:
    command: list[str | Path] = ["node", yaml_language_server, "--stdio"]
    folder = tmp_path_factory.mktemp("editor")
    with editor(command, folder, SCHEMAS / "manifest.schema.json") as running:
        yield running


def _in_shot(field: str, value: str) -> str:
    return f"version: 1\nshots:\n  a:\n    {field}: {value}\n"


def _plain(markdown: str) -> str:
    """Without the signs that keep Markdown from being Markdown."""
    return markdown.replace("\\", "")


def test_every_field_of_a_shot_says_what_it_is(session: Editor) -> None:
    """At its key, with an expression as its value."""
    said = {}
    for name in SHOT:
        value = "{ x: 1 }" if name == "vars" else "${{ row.x }}"
        said[name] = _plain(session.hover(_in_shot(name, value), 3, 5))
    assert {name: words for name, words in said.items() if SHOT[name].doc not in words} == {}


@pytest.mark.parametrize(("section", "table"), [("run", RUN), ("gateway", GATEWAY)])
def test_every_setting_says_what_it_is(
    session: Editor, section: str, table: Mapping[str, Any]
) -> None:
    """At its key."""
    said = {
        name: session.hover(f"version: 1\n{section}:\n  {name}: ${{{{ vars.x }}}}\n", 2, 3)
        for name in table
    }
    assert {n: words for n, words in said.items() if table[n].doc not in _plain(words)} == {}


def test_every_section_says_what_it_is(session: Editor) -> None:
    """At the top of the file."""
    maps = {"vars": "{ x: 1 }", "gateway": "{}", "run": "{}", "defaults": "{}"}
    maps |= {"version": "1", "presets": "{}", "shots": "{ a: { model: m } }"}
    said = {
        name: session.hover(f"\n{name}: {maps.get(name, '${{ vars.x }}')}\n", 1, 1) for name in TOP
    }
    assert {name: w for name, w in said.items() if TOP[name].doc not in _plain(w)} == {}


@pytest.mark.parametrize("shot", ["a", "defaults"])
def test_what_is_taken_of_another_video_says_what_it_is(session: Editor, shot: str) -> None:
    """At each key of the map that stands in the place of an address."""
    head = "version: 1\ndefaults:\n" if shot == "defaults" else "version: 1\nshots:\n  a:\n"
    indent, lines = "  " if shot == "defaults" else "    ", head.count("\n")
    text = f"{head}{indent}image: {{ from: opening, frame: last }}\n"
    for key, schema in IMAGE["properties"].items():
        at = text.splitlines()[lines].index(f"{key}:") + 1
        assert schema["description"] in _plain(session.hover(text, lines, at))
    assert SHOT["image"].doc in _plain(session.hover(text, lines, len(indent) + 1))


def _choices() -> Iterator[tuple[str, str, str]]:
    for name, field in SHOT.items():
        values, words = (field.schema.get(key, ()) for key in ("enum", "enumDescriptions"))
        yield from ((name, value, text) for value, text in zip(values, words, strict=True))
    yield from (("model", name, words_of(model)) for name, model in MODELS.items())


def test_every_value_says_what_it_is(session: Editor) -> None:
    """Choices, models and codes."""
    wrong = {}
    for field, value, words in _choices():
        said = _plain(session.hover(_in_shot(field, value), 3, len(field) + 7))
        if words not in said or SHOT[field].doc not in said:
            wrong[field, value] = said
    for code, words in ALLOWED.items():
        said = _plain(session.hover(_in_shot("allow", f"[{code}]"), 3, 13))
        if words not in said:
            wrong["allow", code] = said
    assert wrong == {}


def test_fields_and_values_are_proposed(session: Editor) -> None:
    """Everything that may stand there, with its words."""
    fields = session.completions("version: 1\nshots:\n  a:\n    \n", 3, 4)
    assert {name: fields.get(name) for name in SHOT} == {n: f.doc for n, f in SHOT.items()}
    top = session.completions("version: 1\n\n", 1, 0)
    assert top.keys() == TOP.keys() - {"version"}
    models = session.completions(_in_shot("model", ""), 3, 11)
    assert models.keys() >= MODELS.keys()
    codes = session.completions("version: 1\nshots:\n  a:\n    allow:\n      - \n", 4, 8)
    assert {code: codes.get(code) for code in ALLOWED} == ALLOWED
    kinds = session.completions(_in_shot("kind", ""), 3, 10)
    assert kinds.keys() >= {"avatar", "lip-sync"}


def test_a_good_manifest_is_not_underlined(session: Editor) -> None:
    """None of `tests/cases/accept`."""
    texts = [path.read_text("utf-8") for path in ACCEPTED]
    assert session.diagnostics(*texts) == [[] for _ in texts]


def test_a_bad_manifest_is_underlined(session: Editor) -> None:
    """Whatever the schema finds, and what is not YAML."""
    readable = {path.stem: path for path in REJECTED if path.stem in found()}
    shown = session.diagnostics(*(path.read_text("utf-8") for path in readable.values()))
    underlined = dict(zip(readable, shown, strict=True))
    assert [name for name in readable if found()[name] and not underlined[name]] == []


BAD = """version: 1
defaults: { model: kling-2.5 }
shots:
  alley: { promt: x, resolution: 4K }
  door: { prompt: x, seconds: five, kind: text, image: https://example.com/a.png }
  hall: { prompt: "${{ city }}", allow: [second-range] }
"""


def test_what_is_underlined_is_the_word_itself(session: Editor) -> None:
    """With what may stand there."""
    (shown,) = session.diagnostics(BAD)
    places = sorted(line.split(": ")[0] for line in shown)
    assert places == ["4:12", "4:34", "5:31", "5:56", "6:19", "6:42"]
    assert '4:34: Value must be "720P" | "1080P".' in shown
    assert "4:12: Property promt is not allowed." in shown


def test_ajv_loads_every_schema_in_its_strict_mode(ajv: Path) -> None:
    """One type in each place, no keyword of anybody's own, no required key without a property."""
    script = ajv / "ajv_strict.mjs"  # beside its node_modules, where node looks
    shutil.copy(Path(__file__).with_name(script.name), script)
    done = subprocess.run(
        ["node", script, *sorted(SCHEMAS.glob("*.json"))],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == {}

"""Presets: which of them a shot is built on, written out or chosen by expressions."""

from __future__ import annotations

import pytest

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.manifest.compilation import compile
from klingflow.model import Manifest

_FILM = """version: 1
defaults: { model: kling-3.0, resolution: 720P, seconds: 5 }
vars: { looks: [long, hero], one: long }
presets:
  hero: { tags: hero, audio: true }
  long: { tags: long, seconds: 10 }
  many: { matrix: { x: [1, 2] } }
shots:
  ad:
    foreach: rows.csv
    key: ${{ row.id }}
    use: %s
    prompt: x
"""


def compiled(use: str, *cells: str) -> Manifest:
    """A film whose shots `ad@0`, `ad@1` … have these cells in the column `preset`."""
    rows = "".join(f'{number},"{cell}"\n' for number, cell in enumerate(cells))
    files = {"film.yaml": _FILM % use, "rows.csv": f"id,preset\n{rows}"}
    return compile("film.yaml", files.__getitem__, variables={}, environ={})


def refused(use: str, *cells: str) -> list[Diagnostic]:
    with pytest.raises(ManifestError) as error:
        compiled(use, *cells)
    return list(error.value.diagnostics)


@pytest.mark.parametrize(
    ("use", "cell", "tags"),
    [
        ("${{ row.preset }}", "hero", ("hero",)),
        ("${{ row.preset }}", "", ()),
        ("${{ row.preset }}", "  ", ()),
        ("${{ none }}", "hero", ()),
        ("[long, '${{ row.preset }}']", "hero", ("long", "hero")),
        ("['${{ row.preset }}', long]", "hero", ("hero", "long")),
        ("['${{ row.preset }}', long]", "", ("long",)),
        ("${{ row.preset | split('+') }}", "long+hero", ("long", "hero")),
        ("[hero, \"${{ row.preset | split('+') }}\"]", "long", ("hero", "long")),
        ("${{ vars.looks }}", "", ("long", "hero")),
        ("[hero, '${{ vars.one }}']", "", ("hero", "long")),
        ("null", "hero", ()),
    ],
)
def test_a_use_with_expressions_names_presets_from_left_to_right(
    use: str, cell: str, tags: tuple[str, ...]
) -> None:
    """Null and an empty cell name none."""
    (shot,) = compiled(use, cell).shots
    assert shot.tags == tags


def test_each_row_is_built_on_the_presets_of_its_own() -> None:
    """A chosen preset is a layer below the shot, as a written one is."""
    shots = compiled("${{ row.preset }}", "hero", "long", "", "long").shots
    assert [(shot.fields["seconds"], "audio" in shot.fields) for shot in shots] == [
        (5, True),
        (10, False),
        (5, False),
        (10, False),
    ]


def test_a_value_of_a_chosen_preset_has_the_presets_place() -> None:
    """So that origins lead to the line that has to be changed."""
    (shot,) = compiled("${{ row.preset }}", "long").shots
    assert shot.node.at("seconds").mark == Mark("film.yaml", 6, 32)


@pytest.mark.parametrize(
    ("cell", "code", "message"),
    [
        (
            "hreo",
            "unknown-preset",
            "column 'preset': there is no preset 'hreo'; did you mean 'hero'?",
        ),
        (
            "many",
            "bad-use",
            "column 'preset': preset 'many' has 'matrix', which makes the shots before an"
            " expression can choose for each; name this preset without an expression",
        ),
    ],
)
def test_a_wrong_preset_is_told_at_its_cell(cell: str, code: str, message: str) -> None:
    """With the `use` as the other place."""
    (found,) = refused("${{ row.preset }}", "", cell)
    assert (found.mark, found.code, found.message) == (Mark("rows.csv", 3, 3), code, message)
    assert found.related == Mark("film.yaml", 12, 10)


@pytest.mark.parametrize("use", ["${{ 5 }}", "${{ [['hero']] }}", "[hero, '${{ {} }}']"])
def test_a_use_that_is_no_name_is_refused(use: str) -> None:
    (found,) = refused(use, "")
    assert (found.code, found.mark.line) == ("bad-use", 12)


def test_a_use_of_a_thousand_presets_is_refused() -> None:
    """A manifest may come from a stranger: each name is a layer of each shot."""
    (found,) = refused("\"${{ row.preset | split(',') }}\"", ",".join(["hero"] * 60))
    assert found.message == "use names over 50 presets; name fewer"


def test_every_shot_with_an_unknown_preset_is_told() -> None:
    """All mistakes at once: one shot's does not hide another's."""
    film = (
        "version: 1\ndefaults: { model: kling-3.0, prompt: x }\n"
        "shots:\n  a: { use: nope }\n  b: { use: nope }\n"
    )
    with pytest.raises(ManifestError) as error:
        compile("film.yaml", {"film.yaml": film}.__getitem__, variables={}, environ={})
    assert [d.mark.line for d in error.value.diagnostics] == [4, 5]


def test_a_use_outside_a_shot_is_no_silent_nothing() -> None:
    film = (
        "version: 1\ndefaults: { model: kling-3.0, use: a }\npresets:\n  a: { use: b }\n  b: {}\n"
        "shots:\n  s: { prompt: x }\n"
    )
    with pytest.raises(ManifestError) as error:
        compile("film.yaml", {"film.yaml": film}.__getitem__, variables={}, environ={})
    assert [(d.mark.line, d.code) for d in error.value.diagnostics] == [
        (2, "no-effect"),
        (4, "no-effect"),
    ]

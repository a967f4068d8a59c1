"""Keys that stand where they are none: each is told what it was meant for."""

from __future__ import annotations

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile

HEAD = "version: 1\n"


def said(text: str) -> list[str]:
    """The place in line and column, and the message of each mistake."""
    with pytest.raises(ManifestError) as refused:
        compile("m.yaml", lambda _: HEAD + text, variables={}, environ={})
    return [f"{d.mark.line}:{d.mark.column} {d.text}" for d in refused.value.diagnostics]


def test_a_model_at_the_top_is_not_missing_in_each_shot() -> None:
    """Row "model: at the top" of the reported inputs: one mistake, one diagnostic."""
    shots = "".join(f"  s{n}: {{ prompt: x }}\n" for n in range(3))
    advice = "write it in one shot, or under 'defaults:' for all shots"
    assert said(f"model: kling-3.0\nshots:\n{shots}") == [f"2:1 unknown field 'model'; {advice}"]
    advice = "write 'model' in one shot, or under 'defaults:' for all shots"
    assert said(f"模型: kling-3.0\nshots:\n{shots}") == [f"2:1 unknown field '模型'; {advice}"]


def test_what_stands_under_default_is_not_missing_in_each_shot() -> None:
    """The section is told, and its fields count."""
    assert said("default: { 模型: kling-3.0 }\nshots:\n  a: { prompt: x }\n") == [
        "2:1 unknown field 'default'; write 'defaults:'"
    ]


@pytest.mark.parametrize("name", ["scenes", "tasks", "prompts", "jobs", "镜头"])
def test_shots_by_another_name_are_not_missing_as_well(name: str) -> None:
    """One mistake, one diagnostic."""
    assert said(f"{name}:\n  a: {{ prompt: x }}\n") == [
        f"2:1 unknown field '{name}'; write 'shots:'"
    ]


@pytest.mark.parametrize(
    ("shots", "expected"),
    [
        (
            "  - { id: opening, prompt: x }\n",
            "3:3 'shots' must be a map of ids, not a list;"
            " write 'opening: { prompt: … }' instead of '- { id: opening, prompt: … }'",
        ),
        (
            "  - x\n",
            "3:3 'shots' must be a map of ids, not a list;"
            " write 's01: { prompt: … }' instead of '- { id: s01, prompt: … }'",
        ),
        (
            "  a: 雨夜窄巷\n",
            "3:6 shot 'a': must be a map of fields such as { prompt: 雨夜窄巷 }",
        ),
        (
            '  a: "雨夜: 窄巷"\n',
            "3:6 shot 'a': must be a map of fields such as { prompt: … }",
        ),
        (
            "  a:\n    - prompt: x\n",
            "4:5 shot 'a': must be a map of fields, not a list;"
            " delete the '- ', or write { prompt: … }",
        ),
        (
            "  a { prompt: x }\n",
            "3:3 shot 'a { prompt': a ':' is missing behind 'a'; write 'a: { … }'",
        ),
        (
            "  a: { model: kling-3.0, prompt: x }\n  seconds: 5\n",
            "4:3 shot 'seconds': 'seconds' is a field;"
            " indent it more, so that it stands in its shot",
        ),
        (
            "  a: { model: kling-3.0, prompt: x }\n镜头一: { prompt: x }\n",
            "4:1 unknown field '镜头一'; if it is a shot, indent it under 'shots:'",
        ),
    ],
)
def test_what_is_no_shot_is_told_what_to_write(shots: str, expected: str) -> None:
    """A list, a bare text, a lost colon, a lost indentation."""
    assert said(f"shots:\n{shots}") == [expected]


def test_a_shot_may_have_the_name_of_a_field() -> None:
    """An id is any word: only what is no map cannot be a shot."""
    text = f"{HEAD}shots:\n  video: {{ model: kling-3.0, prompt: x }}\n"
    assert len(compile("m.yaml", lambda _: text, variables={}, environ={}).shots) == 1

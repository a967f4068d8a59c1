"""Foreign field names: each is answered with our own name, or with what to do instead."""

from __future__ import annotations

import pytest

from klingflow.manifest import foreign_names
from klingflow.manifest.fields import CUT, OUTPUT_OPTIONS, SHOT
from klingflow.manifest.folds import letters
from klingflow.manifest.foreign import hint, meant
from klingflow.manifest.limits import RUN
from klingflow.manifest.sections import INCLUDED, TOP
from klingflow.manifest.settings import GATEWAY
from tests.one_shot import complaints

_ROWS = [(name, row) for row in foreign_names._NAMES for name in row.names.split()]


def test_each_row_leads_to_a_field_of_the_language() -> None:
    """A renamed field would otherwise leave advice that no one can follow."""
    ours = {*SHOT, *TOP, *RUN, *GATEWAY, *OUTPUT_OPTIONS, None}
    assert {row.field for _, row in _ROWS} <= ours


def test_no_name_is_there_twice_for_one_field() -> None:
    """A name has one row for each section that it can stand in."""
    pairs = [(letters(name), row.field) for name, row in _ROWS]
    assert sorted({str(p) for p in pairs if pairs.count(p) > 1}) == []


def test_a_name_that_the_language_has_is_not_foreign_in_its_own_section() -> None:
    """Otherwise a row could never be reached."""
    for table in (SHOT, TOP, RUN, GATEWAY):
        own = {letters(name) for name in table}
        assert [name for name, row in _ROWS if row.field in table and letters(name) in own] == []


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("提示词", "prompt"),
        ("画面", "prompt"),
        ("时长", "seconds"),
        ("模型", "model"),
        ("比例", "aspect_ratio"),
        ("分辨率", "resolution"),
        ("声音", "audio"),
        ("首帧", "first_frame"),
        ("尾帧", "last_frame"),
        ("参考图", "images"),
        ("条数", "takes"),
        ("台词", "dialogue"),
        ("场景", "scene"),
        ("duration", "seconds"),
        ("ratio", "aspect_ratio"),
        ("aspectRatio", "aspect_ratio"),
        ("sound", "audio"),
        ("text", "prompt"),
        ("n", "takes"),
        ("quality", "resolution"),
        ("imageUrl", "image"),
        ("image_tail", "last_frame"),
        ("Prompt", "prompt"),
        ("sceonds", "seconds"),
    ],
)
def test_a_field_of_another_tool_is_called_by_its_name_here(key: str, field: str) -> None:
    """Row "提示词: 月, 时长: 5, 模型: x; duration, ratio, sound, text" of the reported inputs."""
    assert meant(key, SHOT) == field and f"'{field}" in hint(key, SHOT)


@pytest.mark.parametrize(
    "key",
    ["seed", "negative_prompt", "反向提示词", "cfg_scale", "fps", "watermark", "callback_url"],
)
def test_what_the_gateway_does_not_have_is_said_with_what_to_do(key: str) -> None:
    """Row "seed, negative_prompt" of the reported inputs: no name is near by chance."""
    said = hint(key, SHOT)
    assert meant(key, SHOT) is None and "did you mean" not in said
    assert "delete it" in said or "say in 'prompt'" in said


@pytest.mark.parametrize(
    ("key", "known", "said"),
    [
        ("model", TOP, "; write it in one shot, or under 'defaults:' for all shots"),
        ("模型", TOP, "; write 'model' in one shot, or under 'defaults:' for all shots"),
        ("max_spend", TOP, "; write it under 'run:'"),
        ("base_url", SHOT, "; write it under 'gateway:'"),
        ("storage_mode", SHOT, "; write it under 'output_config:'"),
        ("storageMode", SHOT, "; write 'storage_mode' under 'output_config:'"),
        ("budget", SHOT, "; write it at the top of the file, without indentation"),
        ("scenes", TOP, "; write 'shots:'"),
        ("tasks", TOP, "; write 'shots:'"),
        ("default", TOP, "; write 'defaults:'"),
        (
            "prices",
            INCLUDED,
            "; write it in the manifest: an included file has vars, presets and shots",
        ),
        ("duration", CUT["properties"], "; write 'seconds', such as 'seconds: 5'"),
        ("zzz", TOP, ""),
    ],
)
def test_a_field_in_the_wrong_section_is_sent_to_its_own(
    key: str, known: object, said: str
) -> None:
    """Row "model: at the top" of the reported inputs."""
    assert hint(key, known) == said  # type: ignore[arg-type]  # tables of several kinds


def test_what_a_foreign_name_means_is_not_missing_as_well() -> None:
    """One mistake, one diagnostic: 提示词 is the prompt, 模型 the model."""
    found = complaints(**{"提示词": "月", "时长": 5, "模型": "kling-3.0"})
    assert [d.code for d in found] == ["unknown-field"] * 3

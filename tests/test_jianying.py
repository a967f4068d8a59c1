"""A draft of 剪映: two JSON files that it opens when they lie among its drafts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from klingflow.edit import jianying
from klingflow.results.timeline import Clip, Cut, Footage, cut_of

SEEN = Footage(64, 36, 25 / 24, 24.0)


def draft(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any], Path]:
    """What the two files of a draft hold, and where its video would lie: nobody reads it, for a
    server sent it. The second shot is missing.
    """
    video = folder / "霓虹 雨" / "开 场.mp4"
    made = folder / "made"
    made.mkdir()
    shots = [
        Clip("a", "a", 1.0, file="a.mp4", dialogue=("你好",)),
        Clip("b", "b", 2.0, missing="never bought"),
    ]
    cut: Cut = cut_of("雨夜", shots, {"a.mp4": SEEN})
    card = folder / "雨夜-jianying" / "card-001.png"
    jianying.write(cut, made, "雨夜-jianying", {"a.mp4": str(video), "b": str(card)})
    content = json.loads((made / "draft_content.json").read_text(encoding="utf-8"))
    meta = json.loads((made / "draft_meta_info.json").read_text(encoding="utf-8"))
    return content, meta, video


def test_a_draft_has_each_shot_at_its_time(tmp_path: Path) -> None:
    """Times are microseconds; a missing shot is a card of its length."""
    content, _, _ = draft(tmp_path)
    video, text = content["tracks"]
    assert [segment["target_timerange"] for segment in video["segments"]] == [
        {"start": 0, "duration": 1_041_667},
        {"start": 1_041_667, "duration": 2_000_000},
    ]
    assert [segment["target_timerange"] for segment in text["segments"]] == [
        {"start": 0, "duration": 1_041_667}
    ]
    assert content["duration"] == 3_041_667
    assert content["canvas_config"] == {"width": 64, "height": 36, "ratio": "original"}


def test_a_draft_names_its_files_where_they_will_lie(tmp_path: Path) -> None:
    """剪映 knows absolute paths only; the card lies in the draft."""
    content, meta, video = draft(tmp_path)
    files = [(one["path"], one["type"]) for one in content["materials"]["videos"]]
    sides = [(one["width"], one["height"]) for one in content["materials"]["videos"]]
    card = tmp_path / "雨夜-jianying" / "card-001.png"
    assert files == [(str(video), "video"), (str(card), "photo")]
    assert sides == [(64, 36), (64, 36)]
    assert meta["draft_name"] == "雨夜-jianying"


def test_a_draft_has_the_dialogue_as_text(tmp_path: Path) -> None:
    """It can be changed in 剪映."""
    content, _, _ = draft(tmp_path)
    (text,) = content["materials"]["texts"]
    assert json.loads(text["content"])["text"] == "你好"


def test_two_drafts_are_two_to_jianying(tmp_path: Path) -> None:
    """It tells drafts apart by their ids."""
    ids = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ids.append(draft(tmp_path / name)[1]["draft_id"])
    assert ids[0] != ids[1]

"""For each rule a shot that breaks it."""

from __future__ import annotations

import json

from klingflow.model import Json
from tests.one_shot import CLIP, PICTURE

TEXT: dict[str, Json] = {"model": "kling-3.0", "prompt": "x"}


OMNI: dict[str, Json] = {"model": "kling-3.0-omni", "prompt": "x"}


MOTION: dict[str, Json] = {
    "model": "kling-2.5",
    "prompt": "x",
    "motion_video": CLIP,
    "image": PICTURE,
}


FACE: dict[str, Json] = {"model": "kling-2.5", "prompt": "x", "image": PICTURE}


def _pasted(**metadata: Json) -> dict[str, Json]:
    return {"request": {"model": "kling-3.0", "prompt": "x", "metadata": metadata}}


def _ext_info(*durations: str, prompt: str = "p") -> str:
    cuts = [{"prompt": prompt, "duration": duration} for duration in durations]
    return json.dumps({"AdditionalParameters": json.dumps({"multi_prompt": cuts})})


BREAKS: dict[str, Json] = {
    "unknown-model": {**TEXT, "model": "kling-9"},
    "misspelt-model": {**TEXT, "model": "kling3.0"},
    "undocumented-model": {**TEXT, "model": "kling-2.6"},
    "seconds-range": {**TEXT, "seconds": 2},
    "durations-differ": {**TEXT, "seconds": 5, "extra": {"seconds": "8"}},
    "resolution-model": {**TEXT, "model": "kling-1.0", "resolution": "1080P"},
    "size-overruled": {**TEXT, "size": "720x1280", "resolution": "1080P"},
    "audio-model": {**TEXT, "model": "kling-2.1", "audio": True},
    "audio-beside-video": {**OMNI, "video": CLIP, "audio": True},
    "last-frame-model": {
        **TEXT,
        "model": "kling-2.5",
        "first_frame": PICTURE,
        "last_frame": PICTURE,
    },
    "first-frame-missing": {**TEXT, "last_frame": PICTURE},
    "references-model": {**TEXT, "images": [PICTURE]},
    "omni-noref": {**OMNI, "image": PICTURE},
    "motion-video": {**MOTION, "motion_video": "http://example.com/a.mp4"},
    "motion-image": {key: value for key, value in MOTION.items() if key != "image"},
    "motion-model": {**MOTION, "model": "kling-3.0"},
    "avatar-model": {**FACE, "kind": "avatar", "model": "kling-3.0"},
    "face-missing": {**TEXT, "kind": "lip-sync"},
    "audio-input": {**FACE, "kind": "avatar"},
    "lip-sync-least": {**FACE, "kind": "lip-sync", "seconds": 3},
    "prompt-missing": {"model": "kling-2.5", "image": PICTURE},
    "prompt-long": {**TEXT, "prompt": "x" * 2501},
    "file-address": _pasted(file_infos=[{"type": "File", "category": "Video"}]),
    "file-usage": {**OMNI, "files": [{"image": PICTURE}]},
    "multi-shot-model": {"model": "kling-2.5", "cuts": [{"seconds": 5, "prompt": "x"}]},
    "ext-info": _pasted(ext_info='{"AdditionalParameters": {}}'),
    "cuts-count": _pasted(ext_info=_ext_info("1", "1", "1", "1", "1", "1", "1"), seconds="7"),
    "cut-prompt": _pasted(ext_info=_ext_info("5", prompt="x" * 513)),
    "cuts-sum": _pasted(ext_info=_ext_info("2", "2")),
}

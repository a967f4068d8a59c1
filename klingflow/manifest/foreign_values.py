"""PURE. Values from other tools and in Chinese → the values that are written here.

foreign.py has the names of fields. A value is taken for another only if it plainly means it: a
version of a model that the catalogue lacks is never taken for its neighbour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from math import gcd
from typing import Final

from klingflow.manifest.catalogue import MODELS
from klingflow.manifest.folds import half_width, letters
from klingflow.manifest.spelling import nearest
from klingflow.model import Json

_LONGEST = 40  # characters; a longer value is no slip of one word
_YES: Final = "on yes y true enabled enable 1 有 是 开 开启 要 有声"
_NO: Final = "off no n false disabled disable 0 none mute 无 否 关 关闭 不要 无声 静音"
# Words for a value, by field: what to write → the words, separated by blanks.
_VALUES: Final[dict[str, dict[str, str]]] = {
    "aspect_ratio": {
        "16:9": "landscape horizontal wide widescreen 横屏 横版 横 宽屏",
        "9:16": "portrait vertical tall 竖屏 竖版 竖",
        "1:1": "square 方形 正方形 方",
    },
    "resolution": {
        "720P": "720 hd 720px standard std 标清 高清 普通",
        "1080P": "1080 fullhd fhd 1080px pro high 全高清 超清",
    },
    "audio": {"true": _YES, "false": _NO},
    "motion_level": {
        "std": "standard normal basic 标准",
        "pro": "professional high hq 专业 高品质",
    },
    "kind": {
        "text": "text2video texttovideo t2v txt2vid 文生视频",
        "image": "image2video imagetovideo i2v img2vid 图生视频",
        "frames": "startend firstlast flf2v 首尾帧",
        "motion": "motioncontrol 动作控制",
        "avatar": "digitalhuman talkinghead 数字人",
        "lip-sync": "lipsyncing 对口型",
        "multi-shot": "multishots 多镜头",
    },
}
_BY_VALUE: Final = {
    field: {letters(word): ours for ours, words in rows.items() for word in words.split()}
    for field, rows in _VALUES.items()
}
_SECONDS = re.compile(r"([0-9]{1,3})(?:\.0+)?\s*(?:s|sec|secs|seconds?|秒|秒钟)?", re.IGNORECASE)
_TWO_NUMBERS = re.compile(r"([0-9]{1,5})\s*[:xX*×/∶比-]\s*([0-9]{1,5})(?:\s*px)?")


def value_meant(field: str, value: Json, choices: Collection[Json]) -> str | None:
    """Return how a wrong value of a field is written here, if it plainly means one."""
    if isinstance(value, str) and len(value) > _LONGEST:
        return None
    text = half_width(str(value))
    if field == "seconds":
        whole = _SECONDS.fullmatch(text)
        return str(int(whole[1])) if whole and int(whole[1]) else None
    if field == "aspect_ratio" and (shape := _shape(text)) in choices:
        return shape
    return _BY_VALUE.get(field, {}).get(letters(text))


def _shape(text: str) -> str:
    """Return `1920x1080` as `16:9`."""
    numbers = _TWO_NUMBERS.fullmatch(text)
    if not numbers:
        return ""
    width, height = int(numbers[1]), int(numbers[2])
    most = gcd(width, height) or 1
    return f"{width // most}:{height // most}"


# --- models --------------------------------------------------------------------------------------

# Kling's own names, and what people say in Chinese → the gateway's name.
_MODELS: Final = {
    "kling-video-o1": "kling-o1",
    "kling-o1-pro": "kling-o1",
    "kling-omni": "kling-3.0-omni",
    "kling-o3": "kling-3.0-omni",
    "kling-v3-omni": "kling-3.0-omni",
    "kling-v2-master": "kling-2.0",
    "kling-v2-1-master": "kling-2.1",
    "kling-v2-5-turbo": "kling-2.5",
}
_NAME = re.compile(r"[\w.\- ]+")
_VERSION = re.compile(r"o?[0-9]+")
_LETTER_BEFORE_A_VERSION = re.compile(r"v(?=[0-9])")


def model_meant(name: str) -> str | None:
    """Return the model of the catalogue that a name is a spelling of; None if it names another."""
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        return None
    key = _model_key(name)
    if key in _MODELS_BY_KEY:
        return _MODELS_BY_KEY[key]
    same_version = [other for other in _MODELS_BY_KEY if _version(other) == _version(key)]
    found = nearest(key, same_version)
    return _MODELS_BY_KEY[found] if found else None


def _model_key(name: str) -> str:
    """Return a name without what people write differently: `Kling V3.0 Omni` as `kling3omni`."""
    said = unicodedata.normalize("NFKC", name).casefold().replace("可灵", "kling")
    bare = _LETTER_BEFORE_A_VERSION.sub("", re.sub(r"(?<=[0-9])[.-]0(?![0-9])", "", said))
    return letters(bare)


def _version(key: str) -> list[str]:
    return _VERSION.findall(key)


_MODELS_BY_KEY: Final = {
    **{_model_key(name): ours for name, ours in _MODELS.items()},
    **{_model_key(name): name for name in MODELS},
}

"""The tier that a body will probably be billed as. A prediction: what was billed is the reply's `model`.

The document shows two names, `kling-2.5-motion-std-720p` and `kling-3.0-omni-720p-noref-mute`; the others
follow them. A name says what its model's line in the document's table distinguishes: sound where it lists
无声/有声, references where it lists 有/无参考, nothing where it says 普通.
Motion control has one name: the document's 6.8 and 6.9 call their kling-2.6 by it. Avatars and lip-sync
map to the special models (2.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from klingflow.manifest.catalogue import MODELS
from klingflow.manifest.meaning import Meaning, meaning, scene_of
from klingflow.model import Json


def _parts(what: Meaning) -> dict[str, str]:
    return {
        "model": what.model,
        "level": str(what.level),
        "resolution": str(what.resolution).lower(),
        "references": "ref" if what.has_references else "noref",
        "sound": "audio" if what.audio else "mute",
    }


_SCENES: dict[str, str] = {
    "motion_control": "kling-2.5-motion-{level}-{resolution}",
    "avatar_i2v": "kling-avatar-{resolution}",
    "lip_sync": "kling-identify-face",
}
_SPECIAL = frozenset({"kling-identify-face", "kling-avatar-720p", "kling-avatar-1080p"})


def predict(body: Mapping[str, Json]) -> str:
    """The predicted tier of a body."""
    return tier_of(meaning(body))


def tier_of(what: Meaning) -> str:
    """The predicted tier of a body's meaning."""
    return _pattern(what).format_map(_parts(what))


def _pattern(what: Meaning) -> str:
    if what.model in _SPECIAL:
        return "{model}"
    scene = scene_of(what)
    if scene in _SCENES:
        return _SCENES[scene]
    known = MODELS.get(what.model)
    return known.tier if known else "{model}-{resolution}-{sound}"

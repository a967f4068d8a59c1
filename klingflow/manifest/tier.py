"""PURE. The tier that a body will probably be billed as: a prediction. The reply's `model` says
what was billed.

The document shows two names, `kling-2.5-motion-std-720p` and `kling-3.0-omni-720p-noref-mute`; the
others follow them. A name says what its model's line in the document's table distinguishes: sound
where the line says 无声/有声, references where it says 有/无参考, nothing where it says 普通.
Motion control has one name: the document's 6.8 and 6.9 call their kling-2.6 by it. Avatars and
lip-sync map to the special models (2.2).
"""

from __future__ import annotations

from klingflow.manifest.catalogue import model_of
from klingflow.manifest.meaning import Meaning


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


def predict(what: Meaning) -> str:
    """Return the predicted tier of a body's meaning."""
    return _pattern(what).format_map(_parts(what))


def _pattern(what: Meaning) -> str:
    tier = model_of(what.model).tier
    made_for_its_scene = tier == "{model}"
    if what.scene in _SCENES and not made_for_its_scene:
        return _SCENES[what.scene]
    return tier

"""PURE. The catalogue of models, as data: what each is known, said or doubted to do. Rules about it
are in model_rules.py.

Sources: the gateway's document, section 2, and for what it leaves open the upstream service's own
tables. YES and NO are known; UNSURE is what sources disagree about, which only warns; FULL_HD means
"with 1080P only".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from klingflow.words import _, joined

YES, NO, UNSURE, FULL_HD = "yes", "no", "unsure", "1080P only"

_PLAIN = "{model}-{resolution}"
_SOUND = "{model}-{resolution}-{sound}"
_REFERENCES = "{model}-{resolution}-{references}-{sound}"
_FIVE_OR_TEN = (5, 10)
_THREE_TO_FIFTEEN = tuple(range(3, 16))
_THREE_TO_TEN = tuple(range(3, 11))
_ANY_LENGTH: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `tier` is the pattern of its billed names. `seconds` are the lengths it makes
    (empty: the scene decides), `video_seconds` the lengths it makes beside a reference video.
    """

    name: str
    seconds: tuple[int, ...] = _FIVE_OR_TEN
    full_hd: str = YES
    audio: str = NO
    last_frame: str = YES
    references: str = NO
    multi_shot: str = NO
    motion: str = NO
    avatar: str = YES
    tier: str = _PLAIN
    video_seconds: tuple[int, ...] = ()
    documented: bool = True


_ROWS = (
    Model("kling-1.0", full_hd=UNSURE, last_frame=UNSURE),
    Model("kling-1.5", last_frame=FULL_HD),
    Model("kling-2.0", full_hd=UNSURE, last_frame=UNSURE),
    Model("kling-2.1", last_frame=FULL_HD),
    Model("kling-2.5", audio=YES, last_frame=FULL_HD, motion=YES, tier=_SOUND),
    # Missing from the document's table; its motion examples use it under headings that say 2.5
    # (6.8, 6.9).
    Model(
        "kling-2.6",
        audio=FULL_HD,
        last_frame=FULL_HD,
        motion=YES,
        avatar=NO,
        tier=_SOUND,
        documented=False,
    ),
    Model("kling-3.0", _THREE_TO_FIFTEEN, audio=YES, multi_shot=YES, avatar=NO, tier=_SOUND),
    Model(
        "kling-3.0-omni",
        _THREE_TO_FIFTEEN,
        audio=YES,
        references=YES,
        multi_shot=YES,
        avatar=NO,
        tier=_REFERENCES,
        video_seconds=_THREE_TO_TEN,
    ),
    Model(
        "kling-o1",
        _THREE_TO_TEN,
        audio=UNSURE,
        references=YES,
        avatar=NO,
        video_seconds=_THREE_TO_TEN,
    ),
    Model("kling-identify-face", _ANY_LENGTH, audio=UNSURE, avatar=NO, tier="{model}"),
    Model("kling-avatar-720p", _ANY_LENGTH, audio=UNSURE, tier="{model}"),
    Model("kling-avatar-1080p", _ANY_LENGTH, audio=UNSURE, tier="{model}"),
)
MODELS: Final[dict[str, Model]] = {model.name: model for model in _ROWS}


def model_of(name: str) -> Model:
    """Return the model of this name. A model that the catalogue lacks can do everything, so that no
    rule speaks about it.
    """
    known = MODELS.get(name)
    if known:
        return known
    return Model(
        name, _ANY_LENGTH, audio=YES, references=UNSURE, multi_shot=YES, motion=YES, tier=_SOUND
    )


def words_of(model: Model) -> str:
    """Return one sentence for an editor on what a model is known to do."""
    if not model.seconds:
        return _("A model for one kind of shot.")
    first, *_unused, last = model.seconds
    in_a_row = len(model.seconds) > 2
    known = [
        _("{first} to {last} s", first=first, last=last)
        if in_a_row
        else _("{first} or {last} s", first=first, last=last),
        {YES: "sound", FULL_HD: "sound with 1080P"}.get(model.audio, ""),
        {YES: "a last frame", FULL_HD: "a last frame with 1080P"}.get(model.last_frame, ""),
        "references" if model.references == YES else "",
        _("several cuts") if model.multi_shot == YES else "",
        _("motion control") if model.motion == YES else "",
        "avatars" if model.avatar == YES else "",
    ]
    return _("Known for {uses}.", uses=joined(", ", filter(None, known)))

"""PURE. The enumerations, sizes and numbers that the gateway's document states, each once.

The field table, the schema of bodies, the meaning of a body and the rules all take them from here.
Source: the gateway's document, by section.
"""

from __future__ import annotations

from typing import Final

from klingflow.manifest.shapes import choices
from klingflow.model import Json
from klingflow.words import _

SWITCH: Final = choices({"Enabled": "On.", "Disabled": "Off."})
RESOLUTION: Final = choices(
    {
        "720P": _("1280x720, 720x1280 or 720x720. The gateway's default."),
        "1080P": "1920x1080, 1080x1920 or 1080x1080.",
    }
)
ASPECT_RATIO: Final = choices(
    {
        "16:9": _("Wide, as a film."),
        "9:16": _("Upright, as a telephone."),
        "1:1": "Square.",
    }
)
REFERENCE_TYPE: Final = choices(
    {
        "feature": "The new video takes over features of this one.",
        "base": "This video is changed.",
    }
)
MOTION_LEVEL: Final = choices({"std": "Standard.", "pro": "Professional."})

DEFAULT_RESOLUTION: Final = "720P"  # document 13
DEFAULT_SECONDS: Final = 5  # document 13
LIP_SYNC_LEAST_S: Final = 5  # document 12: 对口型不足 5 秒仍按 5 秒计费
IMAGES_MOST: Final = 3  # document 3.1, images
FILES_MOST: Final = 3  # document 3.4
MEDIA_NAME_MOST: Final = 64  # characters; document 3.1, output_config
# The document shows cuts (6.13) and bounds none: these are the service's behind it, gateway.md 3.
CUTS_MOST: Final = 6
CUT_PROMPT_MOST: Final = 512  # characters

# Size shorthand → resolution and aspect ratio (document 3.2: 720x1280 → 720P + 9:16).
SIZES: Final[dict[str, tuple[str, str | None]]] = {
    "720P": ("720P", None),
    "1080P": ("1080P", None),
    "1280x720": ("720P", "16:9"),
    "720x1280": ("720P", "9:16"),
    "720x720": ("720P", "1:1"),
    "1920x1080": ("1080P", "16:9"),
    "1080x1920": ("1080P", "9:16"),
    "1080x1080": ("1080P", "1:1"),
}
SIZE: Final = choices(
    {
        size: _("{resolution} at {ratio}.", resolution=resolution, ratio=ratio)
        if ratio
        else f"{resolution}."
        for size, (resolution, ratio) in SIZES.items()
    }
)
_BY_LOWER_CASE: Final = {size.lower(): parts for size, parts in SIZES.items()}


def parts_of_size(size: Json) -> tuple[str, str | None] | None:
    """Return the resolution and the aspect ratio of a size in any case; None if it is unknown."""
    return _BY_LOWER_CASE.get(str(size).lower())

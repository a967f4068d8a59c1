"""PURE. The body of POST /v1/videos as the gateway's document has it (sections 3.1 to 3.6), as a
JSON Schema.

It judges what an author wrote in the gateway's own words: `request` and `extra`. Everything in it
is open, since the gateway may know more tomorrow. What the language's own fields take is in
fields.py, which shares its values.
"""

from __future__ import annotations

from typing import Final

from klingflow.manifest.documented import (
    ASPECT_RATIO,
    FILES_MOST,
    IMAGES_MOST,
    MOTION_LEVEL,
    REFERENCE_TYPE,
    RESOLUTION,
    SWITCH,
)
from klingflow.manifest.fields import CATEGORY, OUTPUT_OPTIONS, SCENES
from klingflow.manifest.shapes import BOOLEAN, IMAGE, IMAGE_OR_VIDEO, TEXT, VIDEO, choices
from klingflow.model import Json
from klingflow.words import _

_FILE_INFO: Final = {
    "type": "object",
    "title": _("a map such as { type: Url, url: https://… }"),
    "properties": {
        "type": choices({"File": "It has a `file_id`.", "Url": "It has a `url`."}),
        "category": CATEGORY,
        "url": IMAGE_OR_VIDEO,
        "file_id": TEXT,
        "usage": TEXT,
        "reference_type": REFERENCE_TYPE,
    },
    "required": ["type"],
}
_LINK: Final = {
    "type": "object",
    "title": _("a map such as { url: https://… }"),
    "required": ["url"],
}
_PART: Final = {
    "type": "object",
    "title": _("a map such as { type: text, text: … }"),
    "properties": {
        "type": TEXT,
        "text": {"type": "string", "title": _("text")},
        "image_url": {**_LINK, "properties": {"url": IMAGE}},
        "video_url": {**_LINK, "properties": {"url": VIDEO}},
    },
    "required": ["type"],
}
# 5.0 is a number too, but gateways drop it without a word.
_LENGTH: Final = {"type": ["integer", "string"], "title": _("a whole number of seconds")}
_OUTPUT_CONFIG: Final = {
    "type": "object",
    "title": _("a map such as { resolution: 1080P }"),
    "properties": {
        "duration": {"type": "integer", "minimum": 1, "title": _("a whole number of seconds")},
        "resolution": RESOLUTION,
        "aspect_ratio": ASPECT_RATIO,
        "audio_generation": SWITCH,
        **OUTPUT_OPTIONS,
    },
}
_METADATA: Final = {
    "type": "object",
    "title": _("a map such as { output_config: { … } }"),
    "properties": {
        "scene_type": choices(SCENES),
        "motion_level": MOTION_LEVEL,
        "mode": {"type": "string", "title": _("text")},
        "video_url": VIDEO,
        "last_frame_url": IMAGE,
        "last_frame_file_id": TEXT,
        "file_infos": {
            "type": "array",
            "items": _FILE_INFO,
            "maxItems": FILES_MOST,
            "title": _("a list of at most {files_most} files", files_most=FILES_MOST),
        },
        "ext_info": {"type": "string", "title": _("a string of JSON")},
        "output_config": _OUTPUT_CONFIG,
        "resolution": RESOLUTION,
        "audio_generation": SWITCH,
        "audio": BOOLEAN,
        "seconds": _LENGTH,
        "duration": _LENGTH,
        "video_duration": _LENGTH,
    },
}
# The body of POST /v1/videos (document 3.1). Open: the gateway may know more tomorrow.
BODY: Final[Json] = {
    "type": "object",
    "title": _("a map such as { model: kling-3.0, prompt: … }"),
    "properties": {
        "model": TEXT,
        "prompt": {"type": "string", "title": _("text")},
        "seconds": {
            "type": "string",
            "pattern": "^[1-9][0-9]{0,3}$",
            "title": _("a number of seconds in quotes"),
        },
        "duration": _LENGTH,
        "size": {"type": "string", "title": _("text")},
        "image": IMAGE,
        "images": {
            "type": "array",
            "items": IMAGE,
            "maxItems": IMAGES_MOST,
            "title": _("a list of at most {images_most} addresses", images_most=IMAGES_MOST),
        },
        "input_reference": IMAGE,
        "mode": {"type": "string", "title": _("text")},
        "content": {"type": "array", "items": _PART, "title": _("a list")},
        "metadata": _METADATA,
    },
    "required": ["model"],
}

"""PURE. The one field table: what a shot may say, what each value looks like, and where it goes in
the gateway's body.

From it come the strict schema of each kind, the authoring schema and the request schema
(schema.py), the checks (check.py) and the body itself (request.py). Sources: the gateway's
document, sections 3 and 4, and docs/manifest.md. A leaf's `title` completes the sentence "'field'
must be …"; its `description` is the help an editor shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from klingflow.manifest.documented import (
    ASPECT_RATIO,
    CUT_PROMPT_MOST,
    CUTS_MOST,
    FILES_MOST,
    IMAGES_MOST,
    MEDIA_NAME_MOST,
    MOTION_LEVEL,
    REFERENCE_TYPE,
    RESOLUTION,
    SIZE,
    SWITCH,
)
from klingflow.manifest.shapes import (
    BOOLEAN,
    COUNT,
    IMAGE,
    MAPPING,
    SECONDS,
    TEXT,
    VIDEO,
    choices,
    list_of,
    record,
)
from klingflow.model import Json
from klingflow.words import _

Path = tuple[str | int, ...]

METADATA: Final[Path] = ("metadata",)
OUTPUT_CONFIG: Final[Path] = ("metadata", "output_config")
SCENE_TYPE: Final[Path] = ("metadata", "scene_type")


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to generate: its scene in the body and the fields it cannot do without."""

    name: str
    doc: str
    scene_type: str | None = None
    required: tuple[str, ...] = ("model",)


_KINDS = (
    Kind("text", _("from a prompt alone"), required=("model", "prompt")),
    Kind("image", _("from one image"), required=("model", "image")),
    Kind(
        "images",
        _("from one to {images_most} reference images", images_most=IMAGES_MOST),
        required=("model", "images"),
    ),
    Kind("frames", _("between a first and a last frame")),
    Kind(
        "motion",
        _("a character takes over the motion of a video"),
        "motion_control",
        ("model", "motion_video"),
    ),
    Kind("avatar", _("a talking avatar"), "avatar_i2v"),
    Kind("lip-sync", _("lips that follow the sound"), "lip_sync"),
    Kind("reference", _("with a reference video, or files with roles")),
    Kind("multi-shot", _("several cuts in one video"), required=("model", "cuts")),
    Kind("request", _("a pasted body, sent as it stands"), required=("request",)),
)
KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _KINDS}

# The first field that a shot has decides its kind, unless it names one.
KIND_OF_FIELD: Final[dict[str, str]] = {
    "request": "request",
    "cuts": "multi-shot",
    "motion_video": "motion",
    "first_frame": "frames",
    "last_frame": "frames",
    "files": "reference",
    "video": "reference",
    "images": "images",
    "image": "image",
}

SCENES: Final = {kind.scene_type: _sentence(kind.doc) for kind in _KINDS if kind.scene_type}

_ANY = frozenset(KINDS) - {"request"}
_EVERY = frozenset(KINDS)
_WITH_IMAGE = _ANY - {"text", "frames"}
_WITH_IMAGES = frozenset(
    {"images", "frames", "motion", "lip-sync", "avatar", "reference", "multi-shot"}
)
_WITH_FILES = _WITH_IMAGES - {"images"}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One name of the language. `places` are where its value goes in the body, if it does."""

    name: str
    schema: Json
    doc: str
    places: tuple[Path, ...] = ()
    kinds: frozenset[str] = _ANY


CATEGORY: Final = choices({"Image": "An image.", "Video": "A video."})
CUT: Final = record(
    {
        "seconds": {**SECONDS, "description": "Length of this cut in seconds, 1 or more."},
        "prompt": {
            **TEXT,
            "maxLength": CUT_PROMPT_MOST,
            "description": f"What this cut shows; at most {CUT_PROMPT_MOST} characters.",
        },
    },
    required=("seconds", "prompt"),
    title=_("a map such as { seconds: 3, prompt: … }"),
)
FILE: Final = record(
    {
        "video": {**VIDEO, "description": "Address of a video."},
        "image": {**IMAGE, "description": "Address of an image."},
        "file_id": {**TEXT, "description": "Id of a file that the gateway already has."},
        "category": {**CATEGORY, "description": "What the file_id is."},
        "usage": {**TEXT, "description": "Its role, such as FirstFrame or Reference."},
        "reference_type": {**REFERENCE_TYPE, "description": "How a reference video is used."},
    },
    title=_("a map such as { video: https://… }"),
)

# Options of metadata.output_config that the language keeps under their own names.
OUTPUT_OPTIONS: Final[dict[str, Json]] = {
    "storage_mode": {
        **choices({"Permanent": "For good.", "Temporary": "For some time."}),
        "description": "How long the gateway keeps the video.",
    },
    "media_name": {
        **TEXT,
        "maxLength": MEDIA_NAME_MOST,
        "description": f"Name of the video at the gateway, ≤ {MEDIA_NAME_MOST} characters.",
    },
    "class_id": {
        "type": "integer",
        "title": _("a whole number"),
        "description": "Class of the video at the gateway.",
    },
    "expire_time": {
        "type": "string",
        "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$",
        "title": _("an ISO 8601 time such as 2026-01-31T12:00:00Z"),
        "description": "When the gateway deletes the video.",
    },
    "person_generation": {
        **choices({"AllowAdult": "Adults may be shown.", "Disallowed": "Nobody may be shown."}),
        "description": "Whether people may be shown.",
    },
    "input_compliance_check": {**SWITCH, "description": "The gateway's check of what goes in."},
    "output_compliance_check": {**SWITCH, "description": "The gateway's check of what comes out."},
    "enhance_switch": {**SWITCH, "description": "The gateway's own enhancement of the prompt."},
}
# Options that have a field of their own, so that each is said in one way.
OUTPUT_FIELDS: Final[dict[str, str]] = {
    "duration": "seconds",
    "resolution": "resolution",
    "aspect_ratio": "aspect_ratio",
    "audio_generation": "audio",
}

WANTED: Final = (
    Field(
        "kind",
        choices({name: _sentence(kind.doc) for name, kind in KINDS.items() if name != "request"}),
        _(
            "The way to generate; only avatar and lip-sync must be named,"
            " the others follow from the fields."
        ),
    ),
    Field("model", TEXT, _("The gateway's model, such as kling-3.0-omni."), (("model",),)),
    Field("prompt", TEXT, _("What the video shows."), (("prompt",), ("content",))),
    Field("style", TEXT, _("Appended to every prompt of the shot.")),
    Field(
        "prompt_as",
        choices(
            {
                "prompt": "Sent as the body's `prompt`.",
                "content": "Sent as one text in the body's `content`.",
            }
        ),
        _("Whether the prompt is sent as `prompt` or in a `content` array."),
    ),
    Field("image", IMAGE, _("One image to start from."), (("image",),), _WITH_IMAGE),
    Field(
        "first_frame",
        IMAGE,
        _("The image the video begins with."),
        (("image",),),
        frozenset({"frames"}),
    ),
    Field(
        "images",
        list_of(
            IMAGE,
            most=IMAGES_MOST,
            title=_(
                "a list of 1 to {images_most} addresses such as [https://…]",
                images_most=IMAGES_MOST,
            ),
        ),
        _("Reference images, at most {images_most}.", images_most=IMAGES_MOST),
        (("images",),),
        _WITH_IMAGES,
    ),
    Field(
        "seconds",
        SECONDS,
        _("Length in whole seconds."),
        (("seconds",), (*OUTPUT_CONFIG, "duration")),
    ),
    Field("size", SIZE, _("Shorthand for resolution and aspect ratio."), (("size",),)),
    Field(
        "motion_level",
        MOTION_LEVEL,
        _("Standard or professional motion control."),
        ((*METADATA, "motion_level"),),
        frozenset({"motion"}),
    ),
    Field(
        "motion_video",
        VIDEO,
        _("The video whose motion is taken over; public and https."),
        ((*METADATA, "video_url"), SCENE_TYPE),
        frozenset({"motion"}),
    ),
    Field(
        "video",
        VIDEO,
        _("A reference video."),
        ((*METADATA, "video_url"),),
        frozenset({"reference", "frames", "lip-sync", "multi-shot"}),
    ),
    Field(
        "last_frame",
        IMAGE,
        _("The image the video ends with."),
        ((*METADATA, "last_frame_url"),),
        frozenset({"frames", "multi-shot"}),
    ),
    Field(
        "files",
        list_of(
            FILE,
            most=FILES_MOST,
            title=_(
                "a list of 1 to {files_most} files such as [{{ video: https://… }}]",
                files_most=FILES_MOST,
            ),
        ),
        _(
            "Videos, images or file ids with their roles, at most {files_most}.",
            files_most=FILES_MOST,
        ),
        ((*METADATA, "file_infos"),),
        _WITH_FILES,
    ),
    Field("resolution", RESOLUTION, "720P or 1080P.", ((*OUTPUT_CONFIG, "resolution"),)),
    Field("aspect_ratio", ASPECT_RATIO, _("Width to height."), ((*OUTPUT_CONFIG, "aspect_ratio"),)),
    Field(
        "audio", BOOLEAN, _("Whether the video has sound."), ((*OUTPUT_CONFIG, "audio_generation"),)
    ),
    Field(
        "output_config",
        record(OUTPUT_OPTIONS, title=_("a map such as { storage_mode: Permanent }")),
        _("The gateway's rarer output options, by their own names."),
        (OUTPUT_CONFIG,),
    ),
    Field(
        "cuts",
        list_of(
            CUT,
            most=CUTS_MOST,
            title=_(
                "a list of 1 to {cuts_most} cuts such as [{{ seconds: 3, prompt: … }}]",
                cuts_most=CUTS_MOST,
            ),
        ),
        _("One to {cuts_most} cuts of one video.", cuts_most=CUTS_MOST),
        ((*METADATA, "ext_info"),),
        frozenset({"multi-shot"}),
    ),
    Field(
        "request",
        MAPPING,
        _("A whole body of the gateway's document, sent as it stands."),
        ((),),
        frozenset({"request"}),
    ),
    Field(
        "extra",
        MAPPING,
        _("Merged into the body last: for what this language does not know."),
        ((),),
    ),
    Field(
        "allow",
        list_of(TEXT, title=_("a list of rule codes such as [seconds-range]")),
        _("Codes of errors that only warn for this shot, and of warnings that are silent."),
        (),
        _EVERY,
    ),
)

TEXT_OR_TEXTS: Final[dict[str, Json]] = {
    "type": ["string", "array"],
    "items": TEXT,
    "pattern": "\\S",
    "title": _("text, or a list of texts such as [a, b]"),
}
ABOUT: Final = tuple(
    Field(name, schema, doc, (), _EVERY)
    for name, schema, doc in (
        ("use", TEXT_OR_TEXTS, "Presets to build on, left to right."),
        ("matrix", MAPPING, "Axes and their values: one shot for each combination."),
        (
            "foreach",
            {"type": ["string", "array"], "title": _("a file of rows, or a list of rows")},
            "Rows (CSV, TSV, XLSX, JSON, JSONL or YAML beside the manifest, or written here): one"
            " shot each.",
        ),
        (
            "key",
            {"type": ["string", "integer"], "title": _("text")},
            "What tells the rows apart: becomes `@key`.",
        ),
        ("takes", COUNT, "How many videos to buy of this one body."),
        ("tags", TEXT_OR_TEXTS, "Words to select by; they add up over the layers."),
        ("scene", TEXT, "The scene it belongs to, for people and for the cut."),
        ("title", TEXT, "A title for people."),
        ("note", TEXT, "A note for people."),
        (
            "dialogue",
            {"type": ["string", "array"], "title": _("text, or a list")},
            "What is said, for captions.",
        ),
        ("output", TEXT, "Where the video goes, beside the manifest."),
        ("vars", MAPPING, "Variables of this shot, over the manifest's."),
        ("after", TEXT_OR_TEXTS, "Ids of shots that must be finished first."),
    )
)
SHOT: Final[dict[str, Field]] = {field.name: field for field in (*WANTED, *ABOUT)}
# Fields with the address of an image or a video, and fields with a list of them.
ADDRESSES: Final = tuple(field.name for field in WANTED if field.schema in (IMAGE, VIDEO))
ADDRESS_LISTS: Final = tuple(
    field.name for field in WANTED if field.schema.get("items") in (IMAGE, VIDEO)
)

"""PURE. The one field table: what a shot may say, what each value looks like, and where it goes in
the gateway's body.

From it come the strict schema of each kind, the authoring schema and the request schema
(schema.py), the checks (check.py) and the body itself (request.py). Sources: the gateway's
document, sections 3 and 4, and README "Fields". A leaf's `title` completes the sentence "'field'
must be …"; its `description` is the help an editor shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from klingflow.model import Json

Path = tuple[str | int, ...]

METADATA: Final[Path] = ("metadata",)
OUTPUT_CONFIG: Final[Path] = ("metadata", "output_config")
SCENE_TYPE: Final[Path] = ("metadata", "scene_type")

TEXT: Final = {"type": "string", "pattern": "\\S", "title": "text"}
URL: Final = {
    "type": "string",
    "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^\\s/]\\S*$",
    "title": "a public http(s) URL",
}
COUNT: Final = {"type": "integer", "minimum": 1, "title": "a whole number, 1 or more"}
SECONDS: Final = {
    "type": ["integer", "string"],
    "minimum": 1,
    "pattern": "^[1-9][0-9]{0,3}$",
    "title": "a whole number of seconds such as 5",
}
DURATION: Final = {
    "type": "string",
    "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$",
    "title": "a duration such as 250ms, 5s, 90m or 2h",
}
RATE: Final = {
    "type": "string",
    "pattern": "^[1-9][0-9]*/[0-9]+(\\.[0-9]+)?(ms|s|m|h)$",
    "title": "a rate such as 30/1m",
}
BOOLEAN: Final = {"type": "boolean", "title": "true or false"}
MAPPING: Final = {"type": "object", "title": "a mapping"}


def one_of(*values: str) -> Json:
    """The schema of an enumeration."""
    return {"enum": list(values)}


def list_of(items: Json, *, most: int | None = None, title: str) -> Json:
    """The schema of a list that holds something; `most` is the gateway's own limit."""
    limit = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": items, "minItems": 1, **limit, "title": title}


def record(properties: dict[str, Json], *, required: tuple[str, ...] = (), title: str) -> Json:
    """The schema of a mapping with these keys and no others."""
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "properties": properties,
        **needed,
        "additionalProperties": False,
        "title": title,
    }


SWITCH: Final = one_of("Enabled", "Disabled")
RESOLUTION: Final = one_of("720P", "1080P")
ASPECT_RATIO: Final = one_of("16:9", "9:16", "1:1")
REFERENCE_TYPE: Final = one_of("feature", "base")
MOTION_LEVEL: Final = one_of("std", "pro")

# Size shorthand → what it stands for (document 3.2: 720x1280 → 720P + 9:16).
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


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to generate: its scene in the body and the fields it cannot do without."""

    name: str
    doc: str
    scene_type: str | None = None
    required: tuple[str, ...] = ("model",)


_KINDS = (
    Kind("text", "from a prompt alone", required=("model", "prompt")),
    Kind("image", "from one image", required=("model", "image")),
    Kind("images", "from one to three reference images", required=("model", "images")),
    Kind("frames", "between a first and a last frame"),
    Kind(
        "motion",
        "a character takes over the motion of a video",
        "motion_control",
        ("model", "motion_video"),
    ),
    Kind("avatar", "a talking avatar", "avatar_i2v"),
    Kind("lip-sync", "lips that follow the sound", "lip_sync"),
    Kind("reference", "with a reference video, or files with roles"),
    Kind("multi-shot", "several cuts in one video", required=("model", "cuts")),
    Kind("request", "a pasted body, sent as it stands", required=("request",)),
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

SCENES: Final = tuple(kind.scene_type for kind in _KINDS if kind.scene_type)

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


CUT: Final = record(
    {
        "seconds": {**SECONDS, "description": "Length of this cut in seconds, 1 or more."},
        "prompt": {
            **TEXT,
            "maxLength": 512,
            "description": "What this cut shows; at most 512 characters.",
        },
    },
    required=("seconds", "prompt"),
    title="a mapping with 'seconds' and 'prompt'",
)
FILE: Final = record(
    {
        "video": {**URL, "description": "Address of a video."},
        "image": {**URL, "description": "Address of an image."},
        "file_id": {**TEXT, "description": "Id of a file that the gateway already has."},
        "category": {**one_of("Image", "Video"), "description": "What the file_id is."},
        "usage": {**TEXT, "description": "Its role, such as FirstFrame or Reference."},
        "reference_type": {**REFERENCE_TYPE, "description": "How a reference video is used."},
    },
    title="a mapping with one of 'video', 'image' or 'file_id'",
)

# Options of metadata.output_config that the language keeps under their own names.
OUTPUT_OPTIONS: Final[dict[str, Json]] = {
    "storage_mode": {
        **one_of("Permanent", "Temporary"),
        "description": "How long the gateway keeps the video.",
    },
    "media_name": {
        **TEXT,
        "maxLength": 64,
        "description": "Name of the video at the gateway, ≤ 64 characters.",
    },
    "class_id": {
        "type": "integer",
        "title": "a whole number",
        "description": "Class of the video at the gateway.",
    },
    "expire_time": {
        "type": "string",
        "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$",
        "title": "an ISO 8601 time such as 2026-01-31T12:00:00Z",
        "description": "When the gateway deletes the video.",
    },
    "person_generation": {
        **one_of("AllowAdult", "Disallowed"),
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
        one_of(*(k for k in KINDS if k != "request")),
        "The way to generate; only avatar and lip-sync must be named, the others follow from the fields.",
    ),
    Field("model", TEXT, "The gateway's model, such as kling-3.0-omni.", (("model",),)),
    Field("prompt", TEXT, "What the video shows.", (("prompt",), ("content",))),
    Field("style", TEXT, "Appended to every prompt of the shot."),
    Field(
        "prompt_as",
        one_of("prompt", "content"),
        "Whether the prompt is sent as `prompt` or in a `content` array.",
    ),
    Field("image", URL, "One image to start from.", (("image",),), _WITH_IMAGE),
    Field(
        "first_frame", URL, "The image the video begins with.", (("image",),), frozenset({"frames"})
    ),
    Field(
        "images",
        list_of(URL, most=3, title="a list of 1 to 3 URLs"),
        "Reference images, at most three.",
        (("images",),),
        _WITH_IMAGES,
    ),
    Field(
        "seconds", SECONDS, "Length in whole seconds.", (("seconds",), (*OUTPUT_CONFIG, "duration"))
    ),
    Field("size", one_of(*SIZES), "Shorthand for resolution and aspect ratio.", (("size",),)),
    Field(
        "motion_level",
        MOTION_LEVEL,
        "Standard or professional motion control.",
        ((*METADATA, "motion_level"),),
        frozenset({"motion"}),
    ),
    Field(
        "motion_video",
        URL,
        "The video whose motion is taken over; public and https.",
        ((*METADATA, "video_url"), SCENE_TYPE),
        frozenset({"motion"}),
    ),
    Field(
        "video",
        URL,
        "A reference video.",
        ((*METADATA, "video_url"),),
        frozenset({"reference", "frames", "lip-sync", "multi-shot"}),
    ),
    Field(
        "last_frame",
        URL,
        "The image the video ends with.",
        ((*METADATA, "last_frame_url"),),
        frozenset({"frames", "multi-shot"}),
    ),
    Field(
        "files",
        list_of(FILE, most=3, title="a list of 1 to 3 files"),
        "Videos, images or file ids with their roles, at most three.",
        ((*METADATA, "file_infos"),),
        _WITH_FILES,
    ),
    Field("resolution", RESOLUTION, "720P or 1080P.", ((*OUTPUT_CONFIG, "resolution"),)),
    Field("aspect_ratio", ASPECT_RATIO, "Width to height.", ((*OUTPUT_CONFIG, "aspect_ratio"),)),
    Field(
        "audio", BOOLEAN, "Whether the video has sound.", ((*OUTPUT_CONFIG, "audio_generation"),)
    ),
    Field(
        "output_config",
        record(OUTPUT_OPTIONS, title="a mapping of output options"),
        "The gateway's rarer output options, by their own names.",
        (OUTPUT_CONFIG,),
    ),
    Field(
        "cuts",
        {**list_of(CUT, most=6, title="a list of 1 to 6 cuts")},
        "One to six cuts of one video.",
        ((*METADATA, "ext_info"),),
        frozenset({"multi-shot"}),
    ),
    Field(
        "request",
        MAPPING,
        "A whole body of the gateway's document, sent as it stands.",
        ((),),
        frozenset({"request"}),
    ),
    Field(
        "extra", MAPPING, "Merged into the body last: for what this language does not know.", ((),)
    ),
    Field(
        "allow",
        list_of(TEXT, title="a list of rule codes"),
        "Rules that only warn for this shot.",
        (),
        _EVERY,
    ),
)

TEXT_OR_TEXTS: Final = {
    "type": ["string", "array"],
    "items": TEXT,
    "pattern": "\\S",
    "title": "text, or a list of texts",
}
ABOUT: Final = tuple(
    Field(name, schema, doc, (), _EVERY)
    for name, schema, doc in (
        ("use", TEXT_OR_TEXTS, "Presets to build on, left to right."),
        ("matrix", MAPPING, "Axes and their values: one shot for each combination."),
        (
            "foreach",
            {"type": ["string", "array"], "title": "a file of rows, or a list of rows"},
            "Rows (CSV, JSON, JSONL or YAML beside the manifest, or written here): one shot each.",
        ),
        (
            "key",
            {"type": ["string", "integer"], "title": "text"},
            "What tells the rows apart: becomes `@key`.",
        ),
        ("takes", COUNT, "How many videos to buy of this one body."),
        ("tags", TEXT_OR_TEXTS, "Words to select by; they add up over the layers."),
        ("title", TEXT, "A title for people."),
        ("note", TEXT, "A note for people."),
        (
            "dialogue",
            {"type": ["string", "array"], "title": "text, or a list"},
            "What is said, for captions.",
        ),
        ("output", TEXT, "Where the video goes, beside the manifest."),
        ("vars", MAPPING, "Variables of this shot, over the manifest's."),
        ("after", TEXT_OR_TEXTS, "Ids of shots that must be finished first."),
    )
)
SHOT: Final[dict[str, Field]] = {field.name: field for field in (*WANTED, *ABOUT)}

RUN: Final[dict[str, Field]] = {
    name: Field(name, schema, doc)
    for name, schema, doc in (
        ("max_running", COUNT, "Unfinished tasks at the gateway at any time."),
        ("submit", RATE, "Creates per period."),
        ("poll", RATE, "Polls per period."),
        ("poll_floor", DURATION, "The shortest time between two polls of one task."),
        ("downloads", COUNT, "Downloads at once."),
        ("connections", COUNT, "HTTP requests at once."),
        (
            "retries",
            {"type": "integer", "minimum": 0, "title": "a whole number, 0 or more"},
            "Re-purchases of a task that failed for want of capacity.",
        ),
        (
            "max_spend",
            {
                "type": ["number", "string"],
                "minimum": 0,
                "pattern": "^[0-9]+(\\.[0-9]+)?$",
                "title": "an amount, 0 or more",
            },
            "Never spend more than this in one run.",
        ),
        ("max_tasks", COUNT, "Never create more tasks than this in one run."),
        ("max_seconds", COUNT, "Never buy more seconds of video than this in one run."),
        ("deadline", DURATION, "How long one task may take before it is parked."),
        (
            "tag_media",
            BOOLEAN,
            "Name each video at the gateway after its purchase, so that it can be found there.",
        ),
    )
}
GATEWAY: Final[dict[str, Field]] = {
    "base_url": Field("base_url", URL, "The gateway's address, without /v1."),
    "refund_5xx": Field(
        "refund_5xx", BOOLEAN, "Whether a 5xx with the gateway's own JSON error means: not charged."
    ),
}
NAMED: Final = {"type": "object", "minProperties": 1, "title": "a mapping of names"}
TOP: Final[dict[str, Field]] = {
    name: Field(name, schema, doc)
    for name, schema, doc in (
        ("version", {"enum": [1]}, "The version of this language."),
        ("name", TEXT, "The manifest's name; by default its file's."),
        (
            "env",
            list_of(TEXT, title="a list of names"),
            "The environment variables that expressions may read.",
        ),
        ("vars", MAPPING, "Values for expressions."),
        ("gateway", MAPPING, "Where the gateway is."),
        ("run", MAPPING, "Limits of a run."),
        ("output", TEXT, "Where videos go; {name}, {shot} and {take} are filled in."),
        ("prices", TEXT, "A file of prices beside the manifest."),
        ("defaults", MAPPING, "Fields of every shot."),
        ("presets", MAPPING, "Named sets of fields that shots build on with `use`."),
        ("shots", NAMED, "The videos wanted, by id."),
        ("include", TEXT_OR_TEXTS, "More files with vars, presets and shots."),
    )
}
INCLUDED: Final[dict[str, Field]] = {
    name: TOP[name] for name in ("version", "vars", "presets", "shots")
}

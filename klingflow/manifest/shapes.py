"""PURE. What a value may look like, as JSON Schema: the pieces from which every table is made.

A leaf's `title` completes the sentence "'field' must be …". What the gateway alone decides is in
documented.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from klingflow.manifest.invisible import NOTHING
from klingflow.model import Json
from klingflow.words import _

TEXT: Final = {"type": "string", "pattern": "\\S", "title": _("text")}
URL: Final = {
    "type": "string",
    "pattern": f"^[Hh][Tt][Tt][Pp][Ss]?://[^\\s/{NOTHING}][^\\s{NOTHING}]*$",
    "title": _("a public http(s) URL"),
}
# A path of a file: no scheme, no drive, no backslash, and not from the root or from a home.
PATH: Final = r"[^:\uff1a\\/~\s][^:\uff1a\\/\r\n]*(?:/[^\\\r\n]*)?"
ADDRESS: Final = {
    "type": "string",
    "pattern": f"{URL['pattern']}|^{PATH}$",
    "title": _("a public http(s) URL or the path of a file"),
}
# A frame of a video: the seconds and the share count from its beginning.
FRAME: Final[dict[str, Json]] = {
    "type": "string",
    "pattern": r"^(first|last|[0-9]{1,4}(\.[0-9]{1,3})?s|(100|[0-9]{1,2}(\.[0-9]{1,3})?)%)$",
    "title": _("first, last, a time such as 2.5s or a share such as 50%"),
    "description": "Which frame of the video: first, last, 2.5s or 50%.",
}
FROM: Final[dict[str, Json]] = {
    "type": "string",
    "pattern": r"^[^\s$]+$",
    "title": _("the id of a shot, such as opening or opening#2"),
    "description": "The shot whose video it is; opening#2 is its second take.",
}
# What may stand in place of an address: something of another shot's video.
_OF_A_VIDEO: Final[dict[str, Json]] = {
    **ADDRESS,
    "type": ["string", "object"],
    "additionalProperties": False,
}
IMAGE: Final[dict[str, Json]] = {
    **_OF_A_VIDEO,
    "properties": {"from": FROM, "frame": FRAME},
    "required": ["from", "frame"],
}
VIDEO: Final[dict[str, Json]] = {
    **_OF_A_VIDEO,
    "properties": {"from": FROM},
    "required": ["from"],
}
IMAGE_OR_VIDEO: Final[dict[str, Json]] = {**IMAGE, "required": ["from"]}
COUNT: Final[dict[str, Json]] = {
    "type": "integer",
    "minimum": 1,
    "title": _("a whole number, 1 or more"),
}
COUNT_OR_NONE: Final[dict[str, Json]] = {
    "type": "integer",
    "minimum": 0,
    "title": _("a whole number, 0 or more"),
}
AMOUNT: Final[dict[str, Json]] = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": "^[0-9]+(\\.[0-9]+)?$",
    "title": _("an amount, 0 or more"),
}
SECONDS: Final[dict[str, Json]] = {
    "type": ["integer", "string"],
    "minimum": 1,
    "pattern": "^[1-9][0-9]{0,3}$",
    "title": _("a whole number of seconds such as 5"),
}
DURATION: Final = {
    "type": "string",
    "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$",
    "title": _("a duration such as 250ms, 5s, 90m or 2h"),
}
RATE: Final = {
    "type": "string",
    "pattern": "^[1-9][0-9]*/[0-9]+(\\.[0-9]+)?(ms|s|m|h)$",
    "title": _("a rate such as 30/1m"),
}
BOOLEAN: Final = {"type": "boolean", "title": _("true or false")}
MAPPING: Final = {"type": "object", "title": _("a map such as { name: value }")}


def one_of(*values: str) -> Json:
    """Return the schema of an enumeration."""
    return {"enum": list(values)}


def choices(words: Mapping[Json, str]) -> Json:
    """Return the schema of an enumeration whose values have words, which editors show."""
    return {"enum": list(words), "enumDescriptions": list(words.values())}


def list_of(items: Json, *, most: int | None = None, title: str) -> Json:
    """Return the schema of a list that is not empty; `most` is the gateway's own limit."""
    limit = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": items, "minItems": 1, **limit, "title": title}


def record(properties: dict[str, Json], *, required: tuple[str, ...] = (), title: str) -> Json:
    """Return the schema of a mapping with these keys and no others."""
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "properties": properties,
        **needed,
        "additionalProperties": False,
        "title": title,
    }

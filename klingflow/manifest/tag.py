"""PURE. The tag by which a person finds an attempt at the gateway (`run: { tag_media: true }`).

It is the video's name there (`output_config.media_name`, at most 64 characters) where the author
gave none, and it means nothing: a body with a tag buys the same video as one without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from klingflow.model import Json

_TAG = re.compile(r"klingflow-[0-9A-Za-z]{1,40}")
_NAME = "media_name"


def tag_of(uid: str) -> str:
    """The tag of the attempt `uid`, by the part of it that no other has."""
    plain = re.sub(r"[^0-9A-Za-z]", "", uid.rpartition("-")[2])
    return f"klingflow-{plain[-40:]}"


def is_tag(value: Json) -> bool:
    """Whether a media_name is a tag, and not the author's."""
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def tagged(body: Mapping[str, Json], uid: str) -> dict[str, Json]:
    """The body with its tag; one whose author named the video is left as it is."""
    metadata = body.get("metadata") or {}
    config = metadata.get("output_config") or {} if isinstance(metadata, Mapping) else None
    if not isinstance(config, Mapping) or config.get(_NAME):
        return dict(body)
    return {**body, "metadata": {**metadata, "output_config": {**config, _NAME: tag_of(uid)}}}


def tag_in(body: Mapping[str, Json]) -> str | None:
    """The tag that a body carries."""
    metadata = body.get("metadata")
    config = metadata.get("output_config") if isinstance(metadata, Mapping) else None
    name = config.get(_NAME) if isinstance(config, Mapping) else None
    return name if is_tag(name) else None

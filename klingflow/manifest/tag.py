"""PURE. The tag by which a person finds an attempt at the gateway (`run: { tag_media: true }`).

The tag is the video's name there (`output_config.media_name`) if the author gave none. It means
nothing: a body with a tag buys the same video as one without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from klingflow.model import Json

_TAG = re.compile(r"klingflow-[0-9A-Za-z]{1,40}")
_NAME = "media_name"


def tag_of(uid: str) -> str:
    """Return the tag of the attempt `uid`, by the part that no other attempt has."""
    plain = re.sub(r"[^0-9A-Za-z]", "", uid.rpartition("-")[2])
    return f"klingflow-{plain[-40:]}"


def is_tag(value: Json) -> bool:
    """Return True for a media_name that is a tag, not the author's."""
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def tagged(body: Mapping[str, Json], uid: str) -> dict[str, Json]:
    """Return the body with its tag; unchanged if the author named the video."""
    metadata = body.get("metadata") or {}
    config = metadata.get("output_config") or {} if isinstance(metadata, Mapping) else None
    if not isinstance(config, Mapping) or config.get(_NAME):
        return dict(body)
    return {**body, "metadata": {**metadata, "output_config": {**config, _NAME: tag_of(uid)}}}


def tag_in(body: Mapping[str, Json]) -> str | None:
    """Return the tag that a body carries."""
    metadata = body.get("metadata")
    config = metadata.get("output_config") if isinstance(metadata, Mapping) else None
    name = config.get(_NAME) if isinstance(config, Mapping) else None
    return name if is_tag(name) else None

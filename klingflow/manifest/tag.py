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
_SHARED = re.compile(r".+-[0-9]{3}")  # as klingflow.ledger.uids makes them


def tag_of(uid: str) -> str:
    """Return the tag of the attempt `uid`, made of the part that no other attempt has. For most ids
    that is the last part, which is random; an id that several hosts make ends in the number of the
    try, and counts as a whole.
    """
    told = uid if _SHARED.fullmatch(uid) else uid.rpartition("-")[2]
    plain = re.sub(r"[^0-9A-Za-z]", "", told)
    return f"klingflow-{plain[-40:]}"


def is_tag(value: Json) -> bool:
    """Return True for a media_name that is a tag, not the author's."""
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def tagged(body: Mapping[str, Json], uid: str) -> dict[str, Json]:
    """Return the body with its tag; unchanged if the author named the video."""
    config = _config_of(body)
    if config is None or config.get(_NAME):
        return dict(body)
    metadata = body.get("metadata") or {}
    return {**body, "metadata": {**metadata, "output_config": {**config, _NAME: tag_of(uid)}}}


def tag_in(body: Mapping[str, Json]) -> str | None:
    """Return the tag that a body carries."""
    name = (_config_of(body) or {}).get(_NAME)
    return name if is_tag(name) else None


def _config_of(body: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Return metadata.output_config, empty if absent; None if another type is in its place."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        return None
    config = metadata.get("output_config") or {}
    return config if isinstance(config, Mapping) else None

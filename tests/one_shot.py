"""A manifest of one shot, compiled from its fields."""

from __future__ import annotations

import json

from klingflow.errors import Diagnostic, ManifestError
from klingflow.manifest.compilation import compile
from klingflow.model import Json, Manifest, Request

PICTURE = "https://example.com/a.png"
CLIP = "https://example.com/a.mp4"


def manifest_of(**fields: Json) -> Manifest:
    """A manifest whose only shot `s` has these fields. JSON is YAML."""
    text = json.dumps({"version": 1, "shots": {"s": fields}}, ensure_ascii=False)
    return compile("m.yaml", lambda _: text, variables={}, environ={})


def request_of(**fields: Json) -> Request:
    """What would be sent for a shot with these fields."""
    return manifest_of(**fields).requests[0]


def complaints(**fields: Json) -> list[Diagnostic]:
    """What is said about a shot with these fields: errors, or else warnings."""
    try:
        return list(manifest_of(**fields).warnings)
    except ManifestError as error:
        return list(error.diagnostics)

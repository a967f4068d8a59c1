"""Predicted tiers, after the two names of the document."""

from __future__ import annotations

import pytest

from klingflow.manifest.meaning import meaning
from klingflow.manifest.tier import predict
from klingflow.model import Json
from tests.gateway_doc import example_bodies
from tests.one_shot import CLIP, PICTURE

_OF_THE_DOCUMENT = {
    "6.1": "kling-2.5-720p-mute",
    "6.2": "kling-3.0-1080p-mute",
    "6.3": "kling-2.5-1080p-audio",
    "6.4": "kling-2.5-720p-mute",
    "6.5": "kling-3.0-omni-1080p-ref-audio",
    "6.6": "kling-3.0-omni-720p-noref-audio",
    "6.7": "kling-3.0-1080p-audio",
    "6.8": "kling-2.5-motion-std-720p",
    "6.9": "kling-2.5-motion-pro-1080p",
    "6.10": "kling-avatar-720p",
    "6.11": "kling-identify-face",
    "6.12": "kling-3.0-omni-720p-ref-mute",
    "6.13": "kling-3.0-720p-mute",
    "6.14": "kling-3.0-omni-720p-ref-audio",
}


@pytest.mark.parametrize("name", example_bodies())
def test_the_documents_bodies_have_a_tier(name: str) -> None:
    """Each follows the two names that the document shows."""
    assert predict(meaning(example_bodies()[name])) == _OF_THE_DOCUMENT[name]


@pytest.mark.parametrize(
    ("body", "tier"),
    [
        ({"model": "kling-3.0-omni"}, "kling-3.0-omni-720p-noref-mute"),
        ({"model": "kling-3.0-omni", "image": PICTURE}, "kling-3.0-omni-720p-noref-mute"),
        ({"model": "Kling-3.0-Omni", "images": [PICTURE]}, "kling-3.0-omni-720p-ref-mute"),
        (
            {"model": "kling-3.0-omni", "metadata": {"video_url": CLIP}},
            "kling-3.0-omni-720p-ref-mute",
        ),
        ({"model": "kling-2.5", "size": "1080x1920"}, "kling-2.5-1080p-mute"),
        ({"model": "kling-1.5"}, "kling-1.5-720p"),
        ({"model": "kling-avatar-1080p"}, "kling-avatar-1080p"),
        ({"model": "kling-9", "metadata": {"audio": True}}, "kling-9-720p-audio"),
        (
            {"model": "kling-2.5", "mode": "pro", "metadata": {"scene_type": "motion_control"}},
            "kling-2.5-motion-pro-720p",
        ),
    ],
)
def test_defaults_and_equivalents_count(body: Json, tier: str) -> None:
    """A tier is of what the body means, not of how it is written; also for an unknown model."""
    assert predict(meaning(body)) == tier

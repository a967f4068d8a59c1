"""What is remarkable about a video beside what was bought."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from klingflow.manifest.meaning import meaning
from klingflow.model import UNREADABLE, Json, Media, Purchase, RemarkName
from klingflow.results.arrived import REMARKS, in_words, remarks, shown
from tests.one_shot import CLIP, PICTURE
from tests.purchases import done

MEDIA = Media(width=1280, height=720, seconds=5.04, fps=24.0)


def bought(seconds: int = 5, **body: Json) -> Purchase:
    """A delivered video from text, of 5 s at 720P unless `body` says otherwise."""
    purchase = done("a")
    body = {**purchase.body, "seconds": str(seconds), **body}
    return replace(purchase, body=body, seconds=seconds)


def shaped(ratio: str, **body: Json) -> Purchase:
    """One that was bought in a ratio."""
    return bought(metadata={"output_config": {"aspect_ratio": ratio}}, **body)


LOUD = bought(metadata={"audio_generation": "Enabled"})


@pytest.mark.parametrize(
    ("media", "purchase", "words"),
    [
        (MEDIA, bought(), []),
        (UNREADABLE, LOUD, ["cannot be played"]),
        (Media(), LOUD, ["has no picture"]),
        (replace(MEDIA, damaged=True), bought(), ["damaged in parts"]),
        (replace(MEDIA, black=True, frozen=True), bought(), ["black throughout"]),
        (replace(MEDIA, frozen=True), bought(), ["frozen throughout"]),
        (MEDIA, LOUD, ["has no sound, and sound was bought"]),
        (replace(MEDIA, sound="silent"), LOUD, ["silent throughout, and sound was bought"]),
        (replace(MEDIA, sound="heard"), LOUD, []),
        (replace(MEDIA, sound="silent"), bought(), []),
        (MEDIA, bought(10), ["5.04 s long, and 10 s were bought"]),
        (replace(MEDIA, seconds=4.6), bought(), []),
        (MEDIA, bought(size="1080P"), ["1280x720, and 1080P was bought"]),
        (MEDIA, shaped("9:16"), ["1280x720, and 9:16 was bought"]),
        (replace(MEDIA, width=720, height=1280), shaped("9:16"), []),
        (replace(MEDIA, width=960, height=960), shaped("1:1"), []),
        (replace(MEDIA, width=720, height=720), shaped("1:1"), []),
        (replace(MEDIA, width=1472, height=624), bought(image=PICTURE), []),
        (replace(MEDIA, width=640, height=640), shaped("1:1"), ["640x640, and 720P was bought"]),
        (replace(MEDIA, width=1176, height=784), shaped("16:9", image=PICTURE), []),
    ],
)
def test_a_remark_says_what_an_editor_would_see_too_late(
    media: Media, purchase: Purchase, words: list[str]
) -> None:
    """What was not bought is not missing; a picture's ratio is the source's."""
    assert [*map(in_words, remarks(media, purchase, meaning(purchase.body)))] == words


@pytest.mark.parametrize(
    "metadata",
    [
        {"scene_type": "motion_control", "video_url": CLIP},
        {"scene_type": "lip_sync"},
        {"video_url": CLIP},
    ],
)
def test_a_source_sets_length_and_size(metadata: dict[str, Json]) -> None:
    """Nobody promised them."""
    small, purchase = replace(MEDIA, width=300, height=300, seconds=1.0), bought(metadata=metadata)
    assert remarks(small, purchase, meaning(purchase.body)) == []


def test_what_nobody_can_read_is_not_compared() -> None:
    """A body of a user's own may say anything."""
    odd = bought(size="8K", metadata={"output_config": {"resolution": "Ⅷ", "aspect_ratio": "a:0"}})
    assert remarks(MEDIA, odd, meaning(odd.body)) == []


def test_the_record_has_facts_and_remarks_as_data() -> None:
    """Words are made where they are shown."""
    media, longer = replace(MEDIA, labels=("AIGC",)), bought(10)
    assert shown(media, longer, meaning(longer.body)) == {
        "width": 1280,
        "height": 720,
        "seconds": 5.04,
        "fps": 24.0,
        "sound": "none",
        "labels": ["AIGC"],
        "remarks": [{"kind": "shorter", "got": 5.04, "bought": 10}],
    }
    assert shown(UNREADABLE, longer, meaning(longer.body)) == {"remarks": [{"kind": "unreadable"}]}


def test_every_remark_has_a_row() -> None:
    """A name without words could not be shown."""
    assert set(REMARKS) == set(get_args(RemarkName))

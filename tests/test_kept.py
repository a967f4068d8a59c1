"""What was found in videos, kept so that none is looked at twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from klingflow.media.kept import Kept, media_in
from klingflow.model import UNREADABLE, Json, Media

SHA = "ab" * 32
MEDIA = Media(width=720, height=1280, seconds=5.04, fps=24.0, sound="heard", labels=("AIGC",))


def test_what_is_kept_is_there_for_the_next_run(tmp_path: Path) -> None:
    """Of two looks at one video the later one counts."""
    kept = Kept(tmp_path / "media.jsonl")
    kept.keep(SHA, UNREADABLE)
    kept.keep(SHA, MEDIA)
    again = Kept(tmp_path / "media.jsonl")
    assert [kept.get(SHA), again.get(SHA)] == [MEDIA, MEDIA]
    assert [again.get("cd" * 32), again.get(None), again.get("")] == [None, None, None]


def test_lines_that_cannot_be_read_are_no_lines(tmp_path: Path) -> None:
    """A torn line costs another look; those beside it count."""
    file = tmp_path / "media.jsonl"
    Kept(file).keep(SHA, MEDIA)
    file.write_bytes(
        b'{"sha256":"' + b"cd" * 32 + b'","wid\n[' + b"[" * 9000 + b"\n" + file.read_bytes()
    )
    kept = Kept(file)
    assert [kept.get(SHA), kept.get("cd" * 32)] == [MEDIA, None]


def test_a_place_that_cannot_be_written_costs_another_look(tmp_path: Path) -> None:
    """In this run it is known all the same. Nothing is written through a link."""
    (tmp_path / "media.jsonl").symlink_to(tmp_path / "elsewhere")
    kept = Kept(tmp_path / "media.jsonl")
    kept.keep(SHA, MEDIA)
    assert kept.get(SHA) == MEDIA
    assert not (tmp_path / "elsewhere").exists()


GOOD = json.loads(json.dumps(asdict(MEDIA)))


@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        [],
        {},
        GOOD | {"more": 1},
        GOOD | {"width": "720"},
        GOOD | {"width": True},
        GOOD | {"width": -1},
        GOOD | {"width": 7.5},
        GOOD | {"seconds": float("nan")},
        GOOD | {"seconds": 1e300},
        GOOD | {"sound": "loud"},
        GOOD | {"labels": ["\x1b[31m"]},
        GOOD | {"labels": "AIGC"},
        GOOD | {"labels": [[]]},
        GOOD | {"black": 1},
    ],
)
def test_what_somebody_else_wrote_is_no_media(document: Json) -> None:
    """The file may have come with a folder: no text of it is ever shown."""
    assert media_in(document) is None


def test_a_whole_number_is_a_length_too() -> None:
    """JSON has one kind of number."""
    assert media_in(GOOD | {"seconds": 5}) == Media(
        width=720, height=1280, seconds=5, fps=24.0, sound="heard", labels=("AIGC",)
    )

"""Timelines for editing programs, each read back by something other than its writer."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import pytest

from klingflow.edit.interchange import as_edl, as_fcp7, as_otio
from klingflow.errors import UsageError
from tests.cuts import ALLEY, FILE, cut


def test_otio_has_every_shot_in_order_with_a_gap_for_a_missing_one() -> None:
    """Each is as long as it is; its facts are metadata."""
    made = json.loads(as_otio(cut(), quote))
    video, audio = made["tracks"]["children"]
    shown = [
        (c["OTIO_SCHEMA"], c["name"], c["source_range"]["duration"]["value"])
        for c in video["children"]
    ]
    assert shown == [
        ("Clip.2", "opening#2 开场", 121),
        ("Gap.1", "alley", 120),
        ("Clip.2", "door", 72),
    ]
    assert [c["OTIO_SCHEMA"] for c in audio["children"]] == ["Clip.2", "Gap.1", "Gap.1"]
    first = video["children"][0]
    assert first["metadata"]["klingflow"]["task_id"] == "task_1"
    assert first["markers"][0]["name"] == "task_1 · 雨夜 <b>&"
    assert made["tracks"]["markers"][0]["name"] == f"alley: {ALLEY.missing}"


def test_otio_names_its_videos_by_an_address_that_can_be_read() -> None:
    """Chinese and spaces are escaped, as in any address."""
    made = json.loads(as_otio(cut(), quote))
    clip = made["tracks"]["children"][0]["children"][0]
    (video,) = clip["media_references"].values()
    assert unquote(video["target_url"]) == FILE
    assert " " not in video["target_url"] and video["target_url"].isascii()


def test_fcp7_has_the_picture_of_the_film_and_true_lengths() -> None:
    """An upright film opens upright; what has no sound says so."""
    root = ElementTree.fromstring(as_fcp7(cut(), quote))
    picture = root.find(".//sequence/media/video/format/samplecharacteristics")
    assert picture is not None
    assert (picture.findtext("width"), picture.findtext("height")) == ("720", "1280")
    items = root.findall(".//video/track/clipitem")
    assert [(i.findtext("start"), i.findtext("end")) for i in items] == [
        ("0", "121"),
        ("241", "313"),
    ]
    assert [i.find("file/media/audio") is not None for i in items] == [True, False]
    assert unquote(items[0].findtext("file/pathurl", "")) == FILE
    assert len(root.findall(".//audio/track/clipitem")) == 1
    assert root.findtext(".//sequence/marker/name") == "alley: never bought"


@pytest.mark.parametrize(
    ("fps", "timebase", "ntsc"), [(30.0, "30", "FALSE"), (29.97, "30", "TRUE")]
)
def test_fcp7_says_which_rates_are_those_of_television(
    fps: float, timebase: str, ntsc: str
) -> None:
    """29.97 is 30 with a word."""
    rate = ElementTree.fromstring(as_fcp7(cut(fps), quote)).find(".//sequence/rate")
    assert rate is not None
    assert (rate.findtext("timebase"), rate.findtext("ntsc")) == (timebase, ntsc)


def test_an_edl_leaves_the_time_of_a_missing_shot_free() -> None:
    """Each line says where a video begins and ends, and in the film."""
    lines = as_edl(cut(), str).splitlines()
    events = [line.split() for line in lines if re.match(r"\d{3} ", line)]
    assert events == [
        ["001", "S00001", "V", "C", "00:00:00:00", "00:00:05:01", "00:00:00:00", "00:00:05:01"],
        ["002", "S00002", "V", "C", "00:00:00:00", "00:00:03:00", "00:00:10:01", "00:00:13:01"],
    ]
    assert "* FROM CLIP NAME:  opening#2 开场" in lines
    assert f"* FROM CLIP: {FILE}" in lines
    assert "* task_1 · 雨夜 <b>&" in lines


@pytest.mark.parametrize("write", [as_edl, as_fcp7])
def test_a_rate_without_a_timecode_is_refused(write: object) -> None:
    """Both count in timecode; the message names another form."""
    assert callable(write)
    with pytest.raises(UsageError, match="17 frames a second; use otio"):
        write(cut(17.0), str)


def test_otio_takes_any_rate() -> None:
    """It counts frames."""
    assert '"rate": 17.0' in as_otio(cut(17.0), quote)

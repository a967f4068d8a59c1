"""What `export` and `preview` write, opened by something else than what wrote it: the short film
of pipelines/, and one of a shot list.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from tests.harness import Pipeline, pipeline_at
from tests.pages import ROOT

pytestmark = pytest.mark.peers
RATE = 24
FORMS = ("otio", "fcp7", "edl", "jianying", "srt", "csv", "m3u", "mp4", "folder")
SHEET = """镜号,场景,画面,时长,台词,比例
1 开 场,雨 夜,霓虹灯在积水里碎成一片,5,,9:16
2,雨 夜,林夏推门而入,4,我来找一个人。,9:16
3,酒 馆,空无一人的吧台,6,这里只有雨。,9:16
4,酒 馆,雨停了,5,,9:16
"""


class Shot(NamedTuple):
    """A shot of a cut, as the record of the run has it; `file` is "" for one without a video."""

    name: str
    seconds: int
    file: str
    lines: list[str]


class Film(NamedTuple):
    """A film and its cuts. `read` is what other libraries read in them."""

    name: str
    folder: Path
    size: list[int]
    shots: list[Shot]
    read: dict[str, Any]

    @property
    def starts(self) -> list[int]:
        """The second at which each shot begins, and the end of the last one."""
        return list(accumulate((shot.seconds for shot in self.shots), initial=0))

    def text(self, ending: str) -> str:
        return (self.folder / f"{self.name}{ending}").read_text(encoding="utf-8-sig")


def short_film(folder: Path) -> tuple[Pipeline, str]:
    """The film of pipelines/, of which one take is picked and one shot has no take left."""
    shutil.copytree(ROOT / "pipelines", folder, ignore=shutil.ignore_patterns("outputs"))
    film = pipeline_at(folder)
    film.do("run", "last-ferry.yaml", "--sandbox", "-q", "-j", "30", "--submit", "900/1m")
    film.do("pick", "last-ferry.yaml", "river#2", "--sandbox")
    film.do("reject", "last-ferry.yaml", "ashore", "--sandbox")
    return film, "last-ferry"


def of_a_sheet(folder: Path) -> tuple[Pipeline, str]:
    """An upright film of a shot list, of which the third shot has no take left."""
    film = pipeline_at(folder)
    (folder / "分镜 表.csv").write_text(SHEET, encoding="utf-8")
    film.do("init", "--from", "分镜 表.csv", ".")
    film.do("run", "分镜 表.yaml", "--sandbox", "-q", "-j", "9")
    film.do("reject", "分镜 表.yaml", "3", "--sandbox")
    return film, "分镜 表"


FILMS = {short_film: [1280, 720], of_a_sheet: [720, 1280]}


@pytest.fixture(scope="module", params=FILMS, ids=lambda make: make.__name__)
def film(
    request: pytest.FixtureRequest, readers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Film]:
    """A film in the sandbox, with each of its cuts, in a folder with Chinese and a space."""
    made, name = request.param(tmp_path_factory.mktemp("cuts") / "末班 渡轮")
    for form in FORMS:
        made.do("export", f"{name}.yaml", "--to", form, "--sandbox", "-q")
    made.do("preview", f"{name}.yaml", "--sandbox", "-q")
    folder = made.folder / "outputs" / "sandbox"
    command = [readers, Path(__file__).with_name("read_cuts.py"), folder, name]
    read = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    record = made.data("status", f"{name}.yaml", "--sandbox")
    yield Film(name, folder, FILMS[request.param], shots_in(record, folder), read)


def shots_in(record: dict[str, Any], folder: Path) -> list[Shot]:
    """The shots of a record, each with the take that counts: the picked one, or the first."""
    found: dict[str, Shot] = {}
    for take in record["shots"]:
        if take["take"] > 1 and take.get("pick") != "picked":
            continue
        key = take["id"] if take["take"] == 1 else f"{take['id']}#{take['take']}"
        file = "" if take.get("pick") == "rejected" else take["file"]
        said = take.get("dialogue", [])
        found[take["id"]] = Shot(
            f"{key} {take['title']}" if "title" in take else key,
            take["seconds"],
            file.removeprefix("outputs/sandbox/"),
            said if isinstance(said, list) else [said],
        )
    return list(found.values())


def test_otio_has_each_shot_or_a_gap(film: Film) -> None:
    """In order, with its length; videos by paths from the place of the timeline."""
    made: Any = otio.adapters.read_from_string(film.text(".otio"), "otio_json")
    seen = []
    for item in made.tracks[0]:
        is_clip = isinstance(item, otio.schema.Clip)
        file = unquote(item.media_reference.target_url) if is_clip else ""
        seen.append((item.name, item.duration().to_seconds(), file))
    assert seen == [shot[:3] for shot in film.shots]


def test_final_cut_xml_has_each_video_at_its_frames(film: Film) -> None:
    """In a picture of the film's size."""
    (track,) = ElementTree.fromstring(film.text(".xml")).iterfind(".//media/video/track")
    sides = ElementTree.fromstring(film.text(".xml")).find(".//video/format/samplecharacteristics")
    assert sides is not None
    assert [int(sides.findtext(side, "")) for side in ("width", "height")] == film.size
    seen = [
        (item.findtext("name"), item.findtext("start"), item.findtext("end"))
        for item in track.iterfind("clipitem")
    ]
    assert seen == [
        (shot.name, str(start * RATE), str((start + shot.seconds) * RATE))
        for shot, start in zip(film.shots, film.starts, strict=False)
        if shot.file
    ]
    files = [unquote(one.text or "") for one in track.iterfind(".//pathurl")]
    assert files == [shot.file for shot in film.shots if shot.file]


def test_an_edl_has_each_video_at_its_timecode(film: Film) -> None:
    """By pycmx."""
    assert film.read["edl"] == [
        [shot.name, timecode(start), timecode(start + shot.seconds)]
        for shot, start in zip(film.shots, film.starts, strict=False)
        if shot.file
    ]


def timecode(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:00"


def test_a_draft_of_jianying_has_each_shot_at_its_time(film: Film) -> None:
    """In microseconds; a missing shot is a card, and each file is there."""
    draft = film.folder / f"{film.name}-jianying"
    content = json.loads((draft / "draft_content.json").read_text(encoding="utf-8"))
    videos, texts = content["tracks"]
    times = [segment["target_timerange"] for segment in videos["segments"]]
    assert [time["start"] for time in times] == [start * 1_000_000 for start in film.starts[:-1]]
    assert [time["duration"] for time in times] == [s.seconds * 1_000_000 for s in film.shots]
    materials = content["materials"]["videos"]
    assert all(Path(one["path"]).is_file() for one in materials)
    kinds = [one["type"] for one in materials]
    assert kinds == ["video" if shot.file else "photo" for shot in film.shots]
    assert len(texts["segments"]) == sum(len(shot.lines) for shot in film.shots)


def test_subtitles_stand_at_their_shots(film: Film) -> None:
    """By webvtt: the lines of a shot share its time."""
    cues = film.read["srt"]
    assert [cue[2] for cue in cues] == [line for shot in film.shots for line in shot.lines]
    told = iter(cues)
    for shot, start in zip(film.shots, film.starts, strict=False):
        own = [next(told) for _ in shot.lines]
        if own:
            assert (own[0][0], own[-1][1]) == (start, start + shot.seconds)


def test_players_and_tables_have_the_videos_in_order(film: Film) -> None:
    """By m3u8; the table has missing shots as well, the folder a copy of each video."""
    present = [shot for shot in film.shots if shot.file]
    assert film.read["m3u"] == [[shot.name, float(shot.seconds), shot.file] for shot in present]
    rows = list(csv.DictReader(io.StringIO(film.text(".csv"))))
    assert [(row["file"], float(row["seconds"])) for row in rows] == [
        (shot.file, float(shot.seconds)) for shot in film.shots
    ]
    copies = sorted(path.name for path in (film.folder / f"{film.name}-cut").glob("*.mp4"))
    assert [name[4:] for name in copies] == [Path(shot.file).name for shot in present]


@pytest.mark.parametrize("form", ["mp4", "preview"])
def test_one_video_is_as_long_as_the_film(film: Film, form: str) -> None:
    """By MediaInfo: its size and its frames, and the mark of AI-made video."""
    seen = film.read[form]
    whole_s = film.starts[-1]
    assert (seen["size"], seen["frames"], seen["seconds"]) == (film.size, whole_s * RATE, whole_s)
    assert json.loads(seen["mark"])["Label"] == "1"

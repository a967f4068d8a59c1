"""`export` and `preview`: what is written, where, and what is never written over."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from klingflow import disk, load
from klingflow.api import cutting
from klingflow.api.cutting import Film, Form, export, preview, target_of
from klingflow.api.site import Wish
from klingflow.errors import LinksRefused, UsageError
from klingflow.ledger.places import site_at
from klingflow.media.probe import probe
from klingflow.model import GatewaySettings, Limits, Manifest
from klingflow.results.timeline import Clip, Footage, cut_of
from tests.clips import boxed
from tests.films import film as video
from tests.films import opened
from tests.harness import Pipeline, on_a_terminal, pipeline_at

SEEN = Footage(64, 36, 1.0, 24.0)


def film(folder: Path) -> Film:
    """A film of two shots, the second of which is missing."""
    (folder / "film.yaml").write_text("version: 1", encoding="utf-8")
    paid = video(folder / "outputs/film/开 场.mp4")
    shots = [
        Clip("a", "a", 1.0, file="outputs/film/开 场.mp4", prompt="雨夜", dialogue=("你好",)),
        Clip("b", "b", 1.0, missing="never bought"),
    ]
    manifest = Manifest(
        str(folder / "film.yaml"), "film", (), (), Limits(), GatewaySettings(), (), {}
    )
    cut = cut_of("film", shots, {shots[0].file: SEEN})
    ours = frozenset(map(os.path.realpath, (paid, folder / "film.yaml")))
    return Film(manifest, site_at(manifest.path), cut, ours)


@pytest.mark.parametrize("form", get_args(Form))
def test_every_form_is_written_whole(tmp_path: Path, form: Form) -> None:
    """Nothing else stays beside it, and the paid video is what it was."""
    made = film(tmp_path)
    paid = tmp_path / "outputs/film/开 场.mp4"
    before = paid.read_bytes()
    target = target_of(made, cutting.FORMS[form].ending, None)
    assert export(made, form, target).path == target
    assert sorted(p.name for p in (tmp_path / "outputs").iterdir()) == ["film", target.name]
    assert target.is_dir() == cutting.FORMS[form].is_folder
    assert paid.read_bytes() == before


@pytest.mark.parametrize("form", get_args(Form))
def test_nothing_is_written_over_unless_it_is_said(tmp_path: Path, form: Form) -> None:
    """What is there stays, byte for byte."""
    target = tmp_path / "mine"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        export(film(tmp_path), form, target)
    assert target.read_text(encoding="utf-8") == "mine"
    assert not disk.temporary(target).exists()


@pytest.mark.parametrize("name", ["file/film.csv", "file/cuts/film.csv"])
def test_a_place_below_a_file_is_no_place_that_is_taken(tmp_path: Path, name: str) -> None:
    """The user has to hear which of the two it is."""
    made = film(tmp_path)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    target = tmp_path / name
    with pytest.raises(UsageError, match=re.escape(f"{target.parent} is no folder")):
        export(made, "csv", target)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_file_is_replaced_where_it_is_said(tmp_path: Path) -> None:
    """The old one is gone at once, and the new one is whole."""
    target = tmp_path / "film.csv"
    target.write_text("old", encoding="utf-8")
    export(film(tmp_path), "csv", target, over=True)
    assert target.read_text(encoding="utf-8-sig").startswith("number,")


def test_what_a_killed_export_left_is_cleared(tmp_path: Path) -> None:
    """It lies in a hidden folder beside the place."""
    target = tmp_path / "film.csv"
    left = disk.temporary(target)
    left.mkdir()
    (left / "half").write_text("x", encoding="utf-8")
    export(film(tmp_path), "csv", target)
    assert target.is_file() and not left.exists()


def test_nothing_is_made_or_cleared_through_a_link(tmp_path: Path) -> None:
    """A folder may come from a stranger, with a link where the hidden folder will lie."""
    made = film(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x", encoding="utf-8")
    target = tmp_path / "film.csv"
    disk.temporary(target).symlink_to(tmp_path / "elsewhere")
    export(made, "csv", target)
    assert target.is_file() and not disk.temporary(target).exists()
    assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["kept"]


@pytest.mark.parametrize("name", ["outputs/film/开 场.mp4", "film.yaml", "outputs", "."])
def test_what_the_film_needs_is_no_place_for_an_export(tmp_path: Path, name: str) -> None:
    """Neither a paid video nor the manifest, nor a folder that holds one, under any name."""
    made = film(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / name)
    for place in (tmp_path / name, tmp_path / "link"):
        with pytest.raises(UsageError, match="is a file of the film itself"):
            target_of(made, ".mp4", str(place))


def test_what_the_manifest_reads_is_no_place_for_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whatever folder the command is called."""
    pipeline_at(tmp_path / "film").write(1)
    monkeypatch.chdir(tmp_path)
    made = cutting.film_of(load("film/film.yaml"), Wish())
    with pytest.raises(UsageError, match="is a file of the film itself"):
        target_of(made, ".csv", "film/prices.yaml")


def test_a_link_in_the_folder_leads_no_export_elsewhere(tmp_path: Path) -> None:
    """A folder may come from a stranger."""
    (tmp_path / "film").mkdir()
    made = film(tmp_path / "film")
    outputs = tmp_path / "film" / "outputs"
    outputs.rename(tmp_path / "elsewhere")
    outputs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LinksRefused):
        target_of(made, ".csv", None)


def test_copies_are_second_names_of_the_videos(tmp_path: Path) -> None:
    """Every mark in them stays; the sheet says which shot each is."""
    made = film(tmp_path)
    target = tmp_path / "cut"
    export(made, "folder", target)
    assert (target / "001-开 场.mp4").samefile(tmp_path / "outputs/film/开 场.mp4")
    sheet = (target / cutting.SHEET).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert [(row["shot"], row["file"], row["missing"]) for row in rows] == [
        ("a", "001-开 场.mp4", ""),
        ("b", "", "never bought"),
    ]


def test_the_copy_of_a_video_behind_a_link_is_the_video(tmp_path: Path) -> None:
    """A second name of the link itself would lead nowhere from another folder."""
    (tmp_path / "film").mkdir()
    made = film(tmp_path / "film")
    paid = tmp_path / "film/outputs/film/开 场.mp4"
    paid.rename(tmp_path / "annex.mp4")
    paid.symlink_to("../../../annex.mp4")
    export(made, "folder", tmp_path / "cut")
    assert (tmp_path / "cut/001-开 场.mp4").samefile(tmp_path / "annex.mp4")


MARK = '{"Label":"1","ContentProducer":"快手"}'
C2PA = boxed(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"manifest")


@pytest.mark.parametrize(
    ("form", "written", "labels"),
    [
        ("folder", "out/001-开 场.mp4", ("AIGC", "C2PA")),  # the same bytes
        ("mp4", "out", ("AIGC",)),  # a C2PA manifest holds the hash of the one file it is for
    ],
)
def test_the_marks_of_ai_video_survive_an_export(
    tmp_path: Path, form: Form, written: str, labels: tuple[str, ...]
) -> None:
    """As whoever looks at the copy finds them."""
    made = film(tmp_path)
    paid = video(tmp_path / "outputs/film/开 场.mp4", mark=MARK)
    paid.write_bytes(paid.read_bytes() + C2PA)
    (clip, _missing) = made.cut.clips
    cut = cut_of("film", [clip], {clip.file: replace(SEEN, mark=MARK)})
    export(replace(made, cut=cut), form, tmp_path / "out")
    with (tmp_path / written).open("rb") as file:
        assert probe(file).labels == labels
    assert opened(tmp_path / written)["metadata"]["AIGC"] == MARK


@pytest.mark.parametrize("form", get_args(Form))
def test_what_is_made_durable_is_open_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """Windows syncs nothing else. A paid video is not opened so, under no name of it."""
    made = film(tmp_path)
    (tmp_path / "outputs/film/开 场.mp4").chmod(0o444)
    monkeypatch.setattr(disk, "sync", lambda fd: os.write(fd, b""))
    monkeypatch.setattr(disk, "sync_folder", lambda folder: None)
    export(made, form, tmp_path / "out")


def test_videos_are_named_from_the_place_of_the_export(tmp_path: Path) -> None:
    """A folder with both can be moved as a whole."""
    made = film(tmp_path)
    (tmp_path / "cuts").mkdir()
    export(made, "m3u", tmp_path / "cuts" / "film.m3u8")
    lines = (tmp_path / "cuts" / "film.m3u8").read_text(encoding="utf-8").splitlines()
    assert "../outputs/film/开 场.mp4" in lines


def test_a_preview_is_as_long_as_the_film(tmp_path: Path) -> None:
    """With cards for what is missing."""
    made = film(tmp_path)
    done = preview(made, tmp_path / "p.mp4")
    assert opened(done.path)["seconds"] == 2.0


def test_a_video_that_is_damaged_meanwhile_ends_the_export_in_words(tmp_path: Path) -> None:
    """Nothing is left under the final name."""
    made = film(tmp_path)
    (tmp_path / "outputs/film/开 场.mp4").write_bytes(b"no film")
    with pytest.raises(UsageError, match="cannot be made of these videos"):
        export(made, "mp4", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_subtitles_of_a_silent_film_are_refused(tmp_path: Path) -> None:
    """An empty file would pass for an export."""
    made = film(tmp_path)
    silent = cut_of("film", [Clip("a", "a", 1.0)], {})
    with pytest.raises(UsageError, match="nothing is said"):
        export(Film(made.manifest, made.site, silent), "srt", tmp_path / "a.srt")


# ---------------------------------------------------------------- from the command line


@pytest.fixture
def bought(bought_once: Path, tmp_path: Path) -> Pipeline:
    """A film of which the sandbox has made one shot, with real clips."""
    shutil.copytree(bought_once, tmp_path, dirs_exist_ok=True)
    return pipeline_at(tmp_path / "film")


@pytest.fixture(scope="module")
def bought_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that film and of its state."""
    folder = tmp_path_factory.mktemp("bought")
    made = pipeline_at(folder / "film")
    wanted = {"prompt": "雨夜", "aspect_ratio": "9:16", "seconds": 5}
    shots = {"opening": {**wanted, "dialogue": "你好", "takes": 2}, "door": wanted}
    made.write(shots)
    made.do("run", "film.yaml", "--sandbox", "-q", "-s", "opening")
    return folder


def test_a_film_is_exported_as_people_picked_it(bought: Pipeline) -> None:
    """From the sandbox's ledger to its outputs, with what is missing said."""
    bought.do("pick", "film.yaml", "opening#2", "--sandbox")
    said = bought.do("export", "film.yaml", "--to", "otio", "--sandbox")
    assert "door is missing: never bought" in said
    assert "outputs/sandbox/film.otio: 2 shots, 1 missing, 10s" in said
    made = json.loads((bought.folder / "outputs/sandbox/film.otio").read_text(encoding="utf-8"))
    shown = [one["name"] for one in made["tracks"]["children"][0]["children"]]
    assert shown == ["opening#2", "door"]
    again = bought.do("export", "film.yaml", "--to", "otio", "--sandbox", code=2)
    assert "is there already, and not a terminal: pass -y to replace it" in again


def test_a_script_says_beforehand_that_a_file_is_replaced(bought: Pipeline) -> None:
    """Never a folder, and never what was paid for or written by hand."""
    export = ("export", "film.yaml", "--sandbox", "-y", "--to")
    (bought.folder / "b.csv").write_text("of the last time", encoding="utf-8")
    bought.do(*export, "csv", "-o", "b.csv")
    assert (bought.folder / "b.csv").read_text("utf-8-sig").startswith("number,")
    (bought.folder / "cut").mkdir()
    assert "remove it, or name" in bought.do(*export, "folder", "-o", "cut", code=2)
    before = bought.manifest.read_bytes()
    bought.do(*export, "csv", "-o", "film.yaml", code=2)
    assert bought.manifest.read_bytes() == before


def test_a_terminal_is_asked_before_a_file_is_replaced(bought: Pipeline) -> None:
    """A no changes nothing."""
    export = ("export", "film.yaml", "--to", "csv", "--sandbox", "-o", "a.csv")
    bought.do(*export)
    (bought.folder / "a.csv").write_text("mine", encoding="utf-8")
    screen = on_a_terminal(bought, *export, typed="n\n")
    assert (screen.code, (bought.folder / "a.csv").read_text("utf-8")) == (2, "mine")
    assert on_a_terminal(bought, *export, typed="y\n").code == 0
    assert (bought.folder / "a.csv").read_text("utf-8-sig").startswith("number,")


def begun(film: Pipeline, target: Path) -> subprocess.Popen[str]:
    """An export of one video that has begun to write."""
    process = film.start("export", "film.yaml", "--to", "mp4", "--sandbox", "-o", target.name)
    half = disk.temporary(target) / target.name
    deadline = time.monotonic() + 60
    while not half.exists() and time.monotonic() < deadline and process.poll() is None:
        pass
    assert half.exists()
    return process


def test_a_killed_export_leaves_nothing_under_its_name(bought: Pipeline) -> None:
    """A half MP4 would pass for a film."""
    target = bought.folder / "out.mp4"
    process = begun(bought, target)
    process.kill()
    process.communicate()
    assert not target.exists()
    bought.do("export", "film.yaml", "--to", "mp4", "--sandbox", "-o", "out.mp4")
    assert opened(target)["seconds"] == 10.0
    assert not disk.temporary(target).exists()


def test_an_export_that_is_stopped_leaves_nothing_at_all(bought: Pipeline) -> None:
    """As by Ctrl-C: no half file, no hidden folder, no process that goes on."""
    target = bought.folder / "out.mp4"
    process = begun(bought, target)
    process.terminate()
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert not target.exists() and not disk.temporary(target).exists()


def test_a_preview_needs_no_purchase(bought: Pipeline) -> None:
    """Of the real ledger, which is empty, every shot is a card."""
    said = bought.do("preview", "film.yaml", "-o", "p.mp4")
    assert "p.mp4: 2 shots, 2 missing, 10s" in said
    assert opened(bought.folder / "p.mp4")["size"] == (720, 1280)


# A klingflow that finds no module of this name.
_WITHOUT = """
import importlib.util as util
find = util.find_spec
util.find_spec = lambda name, *more: None if name == {!r} else find(name, *more)
from klingflow.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "extra"), [("av", "media"), ("PIL", "media"), ("pyJianYingDraft", "edit")]
)
def test_a_missing_extra_is_a_line_that_says_what_to_install(
    tmp_path: Path, module: str, extra: str
) -> None:
    """Nothing is written, and no trace is shown."""
    film = pipeline_at(tmp_path)
    film.write(1)
    process = film.start(
        *("export", "film.yaml", "--to", "otio"), python=("-c", _WITHOUT.format(module))
    )
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", 2)
    assert f"this needs the {extra} extra: pip install 'klingflow[{extra}]'" in err
    assert not (tmp_path / "outputs").exists()


# A klingflow that says when it loads what decodes.
_TELLING = """
import sys
def hear(event, about):
    if event == "import" and about[0] == "av":
        print("decodes")
sys.addaudithook(hear)
from klingflow.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "command", [("export", "--to", "mp4"), ("export", "--to", "jianying"), ("preview",)]
)
def test_no_video_is_decoded_beside_the_key(bought: Pipeline, command: tuple[str, ...]) -> None:
    """A server sent it: only a process that knows no key reads it."""
    name, *how = command
    process = bought.start(name, "film.yaml", *how, "--sandbox", python=("-c", _TELLING))
    out, err = process.communicate(timeout=240)
    assert (process.returncode, "decodes" in out.splitlines()) == (0, False), err


def test_an_empty_selection_is_none(bought: Pipeline) -> None:
    """As for every command that selects."""
    bought.do("export", "film.yaml", "--to", "csv", "-s", "tag:none", code=5)


def test_a_wish_for_the_sandbox_reads_its_ledger(bought: Pipeline) -> None:
    """`film_of` looks at the videos that are there."""
    made = cutting.film_of(load(str(bought.manifest)), Wish(sandbox=True, select=["opening"]))
    (clip,) = made.cut.clips
    assert clip.footage is not None
    assert (clip.footage.width, clip.footage.height, clip.footage.seconds) == (720, 1280, 5.0)

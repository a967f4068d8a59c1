"""Whatever names a video, and wherever the name comes from: it lies below the manifest's folder,
and is one shot's.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow import ManifestError, load
from klingflow.ledger.records import as_json, from_json
from klingflow.ledger.sums import encoded, sealed
from klingflow.manifest.folds import same_file
from klingflow.manifest.identity import cell, key_fault, name_fault, output_path
from tests.boxes import film as film_bytes
from tests.harness import pipeline_at, sandboxed
from tests.purchases import submitted
from tests.wire import http, serve

# What leads elsewhere, or is something else, on one system or another.
BAD_PARTS = [
    "..", ".", ".. ", ". ", "...", ".. .", "a.", "a ", "con", "CON", "nul.txt", "aux .x", "com1",
    "LPT9.mp4", "COM¹.x", "lpt³", "CONIN$", "conout$.txt",
    "a:b", "C:", "a\\b", "..\\..", "a\0b", "a\nb", "a\x1b[31m", "a\x9bb",
    "a\u202e4pm", "a\u200bb", "a\u2028b", "~", "~root", ".git", ".GIT", ".git ", ".git.", "GIT~1",
    "PROGRA~1", ".klingflow", "a<b", "a|b", 'a"b', "a?b", "a*b",
]  # fmt: skip


@pytest.mark.parametrize("part", BAD_PARTS, ids=repr)
def test_no_template_holds_a_part_that_leads_elsewhere(part: str) -> None:
    """Neither among its folders nor as the video's name."""
    for template in (
        f"outputs/{part}/{{shot}}.mp4",
        f"{part}/{{shot}}.mp4",
        f"outputs/{{shot}}/{part}/x.mp4",
    ):
        with pytest.raises(ValueError):
            output_path(template, "film", "a", 1)


@pytest.mark.parametrize("part", [*BAD_PARTS, "", "a/b", "银" * 90], ids=repr)
def test_no_manifest_is_called_so(part: str) -> None:
    """Its name is a folder's below `outputs`, whatever the template says."""
    assert name_fault(part) is not None


@pytest.mark.parametrize("name", ["neon-rain", "银发 侦探", "act 1 (draft)", "v1.2", "ÄÖÜ"])
def test_ordinary_names_are_names(name: str) -> None:
    assert name_fault(name) is None


def test_a_file_that_is_called_so_gives_no_name(tmp_path: Path) -> None:
    """Nor does its stem, where no name is written."""
    path = tmp_path / "con.yaml"
    path.write_text(
        "version: 1\noutput: x/{shot}.mp4\nshots: { a: { model: kling-2.5, prompt: x } }\n"
    )
    with pytest.raises(ManifestError, match="folder"):
        load(path)


@pytest.mark.parametrize(
    "key", [p for p in BAD_PARTS if p not in ("~", "~root")] + ["a/b", "../a", "", "-a"], ids=repr
)
def test_no_id_and_no_cell_leads_elsewhere(key: str) -> None:
    """A cell of a table, or a value of a matrix, becomes one that does not, or none."""
    if key not in (".git", ".GIT", "GIT~1"):  # with a name's end they are nothing special
        assert key_fault(key) is not None
    made = cell(key)
    assert not set(made) & set('/\\:<>|"?*~ \0\n\x1b\x9b\u202e\u200b\u2028')
    assert not made.startswith(".") and not made.endswith(".")


@given(st.text(max_size=40))
def test_whatever_a_cell_holds_its_video_lies_in_the_folder(text: str) -> None:
    """By the rules of this system, and as Windows reads the same name."""
    path = output_path("outputs/{name}/{shot}{take}.mp4", "film", f"ad@{cell(text)}", 2)
    folder, name = path.rsplit("/", 1)
    assert folder == "outputs/film"
    assert not set(name) & set('/\\:<>|"?*\0') and name.isprintable()
    assert len(f"{name}.part".encode()) <= 255


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alley", "ALLEY"),
        ("stra\u00dfe", "strasse"),
        ("\u212aelvin", "kelvin"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u00c5", "a\u030a"),
        ("\u03a3", "\u03c2"),
        ("\ufb01lm", "film"),
        ("\u017fhot", "shot"),
        ("\u0130", "i\u0307"),
        ("\u1e9e", "ss"),
    ],
)
def test_two_names_of_one_file_are_two_shots_nowhere(tmp_path: Path, one: str, other: str) -> None:
    """On a disk that knows no case, or stores letters composed otherwise, the second would take the
    first's file.
    """
    assert same_file(one) == same_file(other)
    shot = {"model": "kling-2.5", "prompt": "x"}
    (tmp_path / "film.yaml").write_text(
        json.dumps({"version": 1, "shots": {one: shot, other: shot}})
    )
    with pytest.raises(ManifestError):
        load(tmp_path / "film.yaml")


@given(st.text(max_size=12))
def test_a_name_and_its_spellings_are_one(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert same_file(unicodedata.normalize(form, text)) == same_file(text)
    assert same_file(text.casefold()) == same_file(text)


@pytest.mark.parametrize("extra", ["银" * 83, "é" * 126, "a" * 251])
def test_a_name_over_255_bytes_is_said_before_anything_is_bought(extra: str) -> None:
    """Counted in bytes, with room for `.part`."""
    with pytest.raises(ValueError, match="bytes"):
        output_path(f"outputs/{extra}.mp4", "film", "a", 1)


PLANTED = [
    "../x.mp4", "a/../../x.mp4", "/tmp/x.mp4", "C:/x.mp4", "c:x.mp4", "\\\\host\\x.mp4",
    "..\\x.mp4", "a\\..\\..\\x.mp4",
    "a/.. /x.mp4", "a /x.mp4", ".git/hooks/x.mp4", "a/.ssh/x.mp4", "~/x.mp4", ".env", ".bashrc",
    "film.lock", "film.yaml",
    "a/x.mp4:stream", "x\0.mp4", "x\x1b.mp4", "a//x.mp4", "./x.mp4",
]  # fmt: skip


@pytest.mark.parametrize("output", PLANTED, ids=repr)
def test_a_ledger_from_elsewhere_names_no_other_file(output: str) -> None:
    """The detail is dropped, the task id stays: the video goes where the manifest says."""
    read, _ = from_json({**as_json(submitted("a")), "output": output})
    assert read.output is None
    assert read.task_id == "task_a"


def test_a_planted_output_is_not_written(tmp_path: Path) -> None:
    """A lock whose sums are right, from somebody who wants a file of ours overwritten."""
    with sandboxed(tmp_path / "film") as (film, _):
        film.write(1)
        (tmp_path / "precious.mp4").write_text("mine")
        film.do("run", "film.yaml", "-y")
        film.videos()[0].unlink()
        replant(film.folder / "film.lock", output="../precious.mp4")
        film.do("fetch", "film.yaml")
        assert (tmp_path / "precious.mp4").read_text() == "mine"
        assert [video.name for video in film.videos()] == ["shot001.mp4"]


@pytest.mark.anyio
async def test_nothing_that_a_server_says_names_a_file(tmp_path: Path, anyio_backend: str) -> None:
    """Neither a task's id, nor an address, nor a Content-Disposition."""
    said = {"id": "../../../evil", "model": "../evil", "status": "completed", "video_url": ""}

    def answer(request: bytes) -> bytes:
        path = request.split()[1]
        if path.endswith((b"/content", b".mp4")):
            return http(
                200, film_bytes(), 'content-disposition: attachment; filename="../../evil.mp4"'
            )
        return http(200, json.dumps(said).encode(), "content-type: application/json")

    async with serve(answer) as wire:
        said["video_url"] = f"{wire.base}/..%2f../../evil.mp4"
        film = pipeline_at(tmp_path / "a" / "b" / "c", wire.base)
        film.write(1)
        await anyio.to_thread.run_sync(film.do, "run", "film.yaml", "-y")
        assert [video.name for video in film.videos()] == ["shot001.mp4"]
        assert all_called(tmp_path, "*evil*") == []


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_no_link_below_outputs_is_followed(tmp_path: Path) -> None:
    """Neither a video nor the record is written through one; what was bought is fetched once it is
    gone.
    """
    away = tmp_path / "away"
    away.mkdir()
    with sandboxed(tmp_path / "film") as (film, _):
        film.write(1)
        (film.folder / "outputs").mkdir()
        (film.folder / "outputs" / "film").symlink_to(away)
        said = film.do("run", "film.yaml", "-y", code=3)
        assert "link" in said
        assert list(away.iterdir()) == []
        (film.folder / "outputs" / "film").unlink()
        film.do("fetch", "film.yaml")
        assert len(film.videos()) == 1


def all_called(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


def replant(lock: Path, **changes: Any) -> None:
    """Change the one purchase of a lock, with its sum made anew."""
    header, line = lock.read_bytes().splitlines(keepends=True)
    document = {**json.loads(line), **changes}
    del document["crc"]
    lock.write_bytes(header + sealed(encoded(document)))

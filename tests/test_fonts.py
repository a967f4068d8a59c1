"""The font for Chinese: what fontconfig says of one, and what is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from klingflow.media.fonts import REMEDY, Face, _face, _matched, lacks_chinese
from tests.harness import pipeline_at

NOTO = "/usr/share/fonts/NotoSansCJK-Regular.ttc"


@pytest.mark.parametrize(
    ("text", "face", "lacks"),
    [("雨夜", None, True), ("rain", None, False), ("雨夜", Face("a.ttc"), False)],
)
def test_chinese_without_a_font_is_known(text: str, face: Face | None, lacks: bool) -> None:
    """Latin words need no such font."""
    assert lacks_chinese(text, face) == lacks


@pytest.mark.parametrize(
    ("said", "face"),
    [
        (f"2\nen|ja|zh-cn|zh-tw\n{NOTO}", Face(NOTO, 2)),
        (f"131074\nzh-cn\n{NOTO}", Face(NOTO, 2)),  # an instance of a variable font
        ("0\nen|de|fr\n/usr/share/fonts/DejaVuSans.ttf", None),
        ("0\nzh-cnx\n/a.ttf", None),
        ("x\nzh-cn\n/a.ttf", None),
        ("", None),
    ],
)
def test_fontconfig_names_a_font_for_chinese_or_any_other(said: str, face: Face | None) -> None:
    """Of the fonts in one file it names the one that draws as China writes."""
    assert _face(said.encode()) == face


@pytest.mark.parametrize(("path", "runs"), [("{folder}", True), (".", False)])
def test_fontconfig_is_asked_without_a_key_and_never_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, runs: bool
) -> None:
    """A folder from elsewhere may hold a program of its name."""
    if sys.platform == "win32":
        pytest.skip("the program is a script")
    program = tmp_path / "fc-match"
    program.write_text(f"#!/bin/sh\nexport -p > '{tmp_path}/seen'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path.format(folder=tmp_path))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert _matched() is None
    seen = tmp_path / "seen"
    assert seen.exists() == runs
    assert not runs or "secret" not in seen.read_text(encoding="utf-8")


# A klingflow on a machine without such a font.
_WITHOUT = """
from klingflow.media import fonts
fonts.chinese = lambda: None
from klingflow.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("preview", "film.yaml"), True),
        (("export", "film.yaml", "--to", "mp4"), True),
        (("export", "film.yaml", "--to", "csv"), False),
    ],
)
def test_a_missing_font_is_said_before_the_work(
    tmp_path: Path, command: tuple[str, ...], said: bool
) -> None:
    """Even where the work then fails."""
    film = pipeline_at(tmp_path)
    film.write({"opening": {"prompt": "雨夜", "seconds": 5}})
    (tmp_path / "file").touch()
    process = film.start(*command, "-o", "file/out", python=("-c", _WITHOUT))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, REMEDY in err) == (2, said)

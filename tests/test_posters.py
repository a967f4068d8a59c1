"""The pictures of videos: drawn by a process of their own, and kept."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from klingflow.api.gallery import Video
from klingflow.media.painter import BYTES_MOST, Painter
from klingflow.media.posters import poster
from klingflow.pages.posters import Posters
from tests.clips import HEIGHT, WIDTH, black, clip


def video(folder: Path, data: bytes) -> Video:
    """A file as the ledger has it."""
    path = folder / "a.mp4"
    path.write_bytes(data)
    return Video(path, hashlib.sha256(data).hexdigest())


def pictures(folder: Path, *videos: Video) -> list[bytes]:
    with Posters(folder / "posters") as posters:
        return posters.all(videos, lambda: None)


def test_a_video_has_a_picture_of_its_shape(tmp_path: Path) -> None:
    """A JPEG that any browser shows."""
    (data,) = pictures(tmp_path, video(tmp_path, clip()))
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (WIDTH, HEIGHT))


def test_a_picture_is_drawn_once_for_a_content(tmp_path: Path) -> None:
    """Under any name, and when the file is gone."""
    one = video(tmp_path, clip())
    first = pictures(tmp_path, one)
    one.path.unlink()
    assert pictures(tmp_path, one) == first != [b""]


def test_a_video_that_was_replaced_meanwhile_gives_no_picture(tmp_path: Path) -> None:
    """A run bought the take anew: the picture of the new one never stands for the old one."""
    old = video(tmp_path, clip())
    new = video(tmp_path, clip(black))
    assert pictures(tmp_path, old) == [b""]
    (now,) = pictures(tmp_path, new)
    old.path.write_bytes(clip())
    (before,) = pictures(tmp_path, old)
    assert now and before and now != before


@pytest.mark.parametrize(
    "data", [b"", b"no video", clip()[:300], b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"]
)
def test_what_is_no_video_has_no_picture(tmp_path: Path, data: bytes) -> None:
    """Nor is it asked for another file that it names."""
    assert poster(video(tmp_path, data).path) == b""


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whatever it leads to."""
    there = video(tmp_path, clip()).path
    link = tmp_path / "link.mp4"
    link.symlink_to(there)
    assert poster(link) == b""


def test_a_hash_that_is_none_names_no_file(tmp_path: Path) -> None:
    """A ledger may come from anywhere."""
    one = video(tmp_path, clip())._replace(sha256="../../evil")
    assert pictures(tmp_path, one) == [b""]


def test_the_next_video_is_drawn_after_a_process_has_ended(tmp_path: Path) -> None:
    """A decoder may crash over one."""
    painter = Painter()
    painter.close()
    assert (painter.is_over, painter.draw(tmp_path)) == (True, b"")


def test_a_link_in_the_place_of_a_kept_picture_is_not_followed(tmp_path: Path) -> None:
    """A report that is given away would hold what it leads to."""
    one, jpeg = video(tmp_path, b"no video"), tmp_path / "secret.jpg"
    jpeg.write_bytes(pictures(tmp_path, video(tmp_path, clip()))[0])
    (tmp_path / "posters" / f"{one.sha256}.jpg").symlink_to(jpeg)
    one.path.write_bytes(b"no video")
    assert pictures(tmp_path, one) == [b""]


def test_what_is_larger_than_any_picture_is_none(tmp_path: Path) -> None:
    """A folder from elsewhere may hold a file of holes, which would fill the memory."""
    one = video(tmp_path, clip())
    (tmp_path / "posters").mkdir()
    with (tmp_path / "posters" / f"{one.sha256}.jpg").open("wb") as file:
        file.write(b"\xff\xd8\xff")
        file.seek(BYTES_MOST)
        file.write(b"\xff\xd9")
    (data,) = pictures(tmp_path, one)
    assert 0 < len(data) < BYTES_MOST


ANSWERS = [b"", b"\0\0", b"\xff\xff\xff\xff", b"\0\0\0\5\xff\xd8\xff", b"\0\0\0\5text!"]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_no_picture_is_not_taken_for_one(tmp_path: Path, answer: bytes) -> None:
    """A picture that was cut off would be kept for good."""
    said = f"import os; os.write(1, {answer!r}); input()"
    painter = Painter([sys.executable, "-c", said])
    assert (painter.draw(tmp_path / "a.mp4"), painter.is_over) == (b"", True)

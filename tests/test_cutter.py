"""A process of its own looks at videos for a cut and joins them: what it is told, and its end."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from klingflow.media.cutter import Cutter, Unmade
from klingflow.media.orders import Order, Part, as_json, order_in
from klingflow.results.timeline import Clip, Cue, Footage
from tests.films import film, frames, opened

CARD = Clip("b", "b", 1.0, title="雨 夜", prompt="x", dialogue=("你好",))


def order(folder: Path, *parts: Part, **more: str | bool) -> Order:
    """An order of parts of the size of a small video."""
    return Order(str(folder / "out.mp4"), 64, 36, Fraction(24), parts, **more)  # type: ignore[arg-type]  # by name


def liar(answers: str, ready: str = "ready") -> tuple[str, ...]:
    """The command of a process that a video has taken over: it says `answers` to any question."""
    program = f"import sys; print({json.dumps(ready)!r}, flush=True); sys.stdin.readline();"
    return sys.executable, "-c", f"{program} print({answers!r}, flush=True)"


def test_an_order_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Rates that are no decimals, Chinese, subtitles."""
    parts = Part(24, "/a b.mp4"), Part(12, card=CARD, still="/r.png", said=(Cue(0.0, 0.5, "你"),))
    made = Order("/o.mp4", 64, 36, Fraction(30000, 1001), parts, mark="快手", quick=True)
    assert order_in(json.loads(json.dumps(as_json(made)))) == made


def test_a_frame_belongs_to_a_part() -> None:
    """Beyond the end to the last one."""
    one, other = Part(2, "a"), Part(3, "b")
    made = Order("/o", 64, 36, Fraction(24), (one, other))
    assert [made.part_at(n) for n in (0, 1, 2, 4, 5)] == [one, one, other, other, other]


def test_it_looks_at_videos(tmp_path: Path) -> None:
    """At one after the other; what is no video has no footage."""
    (tmp_path / "no.mp4").write_bytes(b"no film")
    with Cutter() as cutter:
        assert cutter.look(tmp_path / "no.mp4") is None
        assert cutter.look(film(tmp_path / "开 场.mp4", mark="快手")) == Footage(
            64, 36, 1.0, 24.0, mark="快手"
        )


def test_it_makes_one_video_and_says_how_far_it_is(tmp_path: Path) -> None:
    """From videos and cards, with what is said in the picture."""
    video = Part(24, str(film(tmp_path / "a.mp4", grey=200)))
    told: list[int] = []
    with Cutter() as cutter:
        made = order(tmp_path, video, Part(24, card=CARD, said=(Cue(0, 1, "你好"),)), mark="快手")
        assert not cutter.join(made, told.append)
    assert told == [12, 24, 36, 48]
    assert len(frames(tmp_path / "out.mp4")) == 48
    assert opened(tmp_path / "out.mp4")["metadata"]["AIGC"] == "快手"


def test_pictures_of_one_format_are_copied(tmp_path: Path) -> None:
    """It says so."""
    video = Part(24, str(film(tmp_path / "a.mp4")))
    with Cutter() as cutter:
        assert cutter.join(order(tmp_path, video, video), lambda _: None)


def test_a_video_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Once the ones before it are done."""
    (bad := tmp_path / "坏.mp4").write_bytes(film(tmp_path / "a.mp4").read_bytes()[:700])
    card = Part(24, card=CARD)
    with Cutter() as cutter, pytest.raises(Unmade):
        cutter.join(order(tmp_path, card, Part(24, str(bad))), lambda _: None)


@pytest.mark.parametrize(
    "said",
    [
        *("", "{}", "[1]", '"x"', "{", "[" * 60_000, '{"copied": ', "null"),
        '{"why": "x", "at": Infinity}',
    ],
)
def test_whatever_the_process_says_it_is_an_end(tmp_path: Path, said: str) -> None:
    """A video may have taken it over, or it has crashed."""
    with Cutter(liar(said)) as cutter:
        assert cutter.look(tmp_path) is None
    with Cutter(liar(said)) as cutter, pytest.raises(Unmade):
        cutter.join(order(tmp_path, Part(24, "a.mp4")), lambda _: None)


@pytest.mark.parametrize("seen", [{"width": "1"}, {"seconds": -1}, {"fps": 1e99}, {"mark": 1}])
def test_footage_that_is_none_is_not_believed(tmp_path: Path, seen: dict[str, object]) -> None:
    """Its numbers become times and sizes of files."""
    said = {"width": 64, "height": 36, "seconds": 1, "fps": 24, "sound": False, "mark": "", **seen}
    with Cutter(liar(json.dumps(said))) as cutter:
        assert cutter.look(tmp_path) is None


@pytest.mark.parametrize("command", [("/no/such/program",), liar("", "no"), (sys.executable, "-V")])
def test_a_process_that_does_not_begin_is_no_film_without_videos(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Otherwise a broken installation would write gaps where paid videos are."""
    with Cutter(command) as cutter, pytest.raises(Unmade, match="process that decodes videos"):
        cutter.look(film(tmp_path / "a.mp4"))


def test_after_a_crash_the_next_video_is_looked_at(tmp_path: Path) -> None:
    """By another process."""
    begun = tmp_path / "begun"
    (script := tmp_path / "bench.py").write_text(
        "import os, pathlib\n"
        "from klingflow.media import bench\n"
        f"begun = pathlib.Path({str(begun)!r})\n"
        "if not begun.exists():\n"
        "    begun.touch()\n"
        "    bench.footage = lambda path: os.abort()\n"
        "bench.main()\n",
        encoding="utf-8",
    )
    with Cutter((sys.executable, str(script))) as cutter:
        assert cutter.look(film(tmp_path / "a.mp4")) is None
        assert cutter.look(tmp_path / "a.mp4") is not None


def test_the_process_knows_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decodes what a server sent."""
    monkeypatch.setenv("KLINGFLOW_API_KEY", "secret")
    program = (
        "import json, os; print(json.dumps('ready'), flush=True); input();"
        " print(json.dumps({'why': str('secret' in os.environ.values()), 'at': 0}))"
    )
    with Cutter((sys.executable, "-c", program)) as cutter, pytest.raises(Unmade, match=r"^False$"):
        cutter.join(order(tmp_path, Part(24, "a.mp4")), lambda _: None)

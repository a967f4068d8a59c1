"""A cut for tests: three shots, the second of which is missing; names with Chinese and spaces."""

from __future__ import annotations

from klingflow.results.timeline import Clip, Cut, Footage, cut_of

FILE = "outputs/霓虹 雨/开 场.mp4"
OPENING = Clip(
    shot="opening",
    key="opening#2",
    seconds=5.0,
    file=FILE,
    title="开场",
    scene="一 窄巷",
    prompt="雨夜\n<b>&",
    dialogue=("你好", "再见了"),
    task_id="task_1",
)
ALLEY = Clip("alley", "alley", 5.0, missing="never bought", prompt="=1+1")
DOOR = Clip("door", "door", 3.0, file="outputs/霓虹 雨/door.mp4", prompt="x", task_id="task_2")
FOOTAGE = {
    FILE: Footage(720, 1280, 121 / 24, 24.0, sound=True),
    DOOR.file: Footage(720, 1280, 3.0, 24.0),
}


def cut(fps: float = 24.0) -> Cut:
    """The cut; `fps` are the frames a second of its videos."""
    seen = {
        file: Footage(f.width, f.height, f.seconds, fps, f.sound) for file, f in FOOTAGE.items()
    }
    return cut_of("霓虹 雨", [OPENING, ALLEY, DOOR], seen)

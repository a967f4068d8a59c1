"""Draw plan.svg and run.svg beside this file, and both in Chinese: `python docs/pictures.py`.

Each picture is the screen of a terminal in which a real command ran, in the sandbox, on a copy of
pipelines/. Needs `pip install -e '.[media,dev]'` and a system with pseudo-terminals.
"""

from __future__ import annotations

import html
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fcntl import ioctl
from itertools import groupby
from pathlib import Path
from termios import TIOCSWINSZ

import pyte

HERE = Path(__file__).parent
COLUMNS, LINES = 100, 32
FILM = "neon-rain.yaml"
# A reader's machine loads no font from another host.
FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace"
WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 19, 14, 14  # of a cell, of the letters, around the screen
COLOURS = {
    "default": "#d4d4d4", "white": "#ffffff", "black": "#5c6370", "red": "#e06c75",
    "green": "#98c379", "brown": "#e5c07b", "blue": "#61afef", "magenta": "#c678dd",
    "cyan": "#56b6c2",
}  # fmt: skip

# By the ending of a picture's name: the language, and how its live view counts shots.
LANGUAGES = {"": ("en", r"(\d+) done", "3 running"), "-zh": ("zh", r"完成 (\d+)", "运行中 3")}

Line = list[pyte.screens.Char]


def main() -> None:
    """Draw both pictures in each language."""
    for ending, (language, done, running) in LANGUAGES.items():
        os.environ["KLINGFLOW_LANG"] = language
        draw_both(ending, done, running)


def draw_both(ending: str, done: str, running: str) -> None:
    """Buy some shots of the film, change it, draw its plan; then draw the run that follows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pipelines"
        shutil.copytree(HERE.parent / "pipelines", folder, ignore=shutil.ignore_patterns("outputs"))
        klingflow(folder, "run", FILM, "--sandbox", "-s", "newscast alley door chase", "--quiet")
        change(folder / FILM)
        (folder / "outputs/sandbox/neon-rain/act1/door.mp4").unlink()
        plan = screen_of(folder, ["plan", FILM, "--sandbox"], lambda screen: False)
        draw(f"plan{ending}", *plan)
        run = screen_of(
            folder,
            ["run", FILM, "--sandbox"],
            lambda screen: is_in_the_middle(screen, done, running),
        )
        draw(f"run{ending}", *run)


def change(film: Path) -> None:
    """Another prompt for a shot that was bought: the plan keeps it, and says so."""
    text = film.read_text(encoding="utf-8")
    film.write_text(text.replace("走进窄巷", "快步走进窄巷", 1), encoding="utf-8")


def is_in_the_middle(screen: Sequence[str], done: str, running: str) -> bool:
    """True for a live view in which some shots are done and three are running."""
    text = "\n".join(screen)
    found = re.search(done, text)
    return bool(found and int(found[1]) >= 6 and running in text)


def klingflow(folder: Path, *arguments: str) -> None:
    """Run a command to its end."""
    subprocess.run(
        [sys.executable, "-m", "klingflow", *arguments], cwd=folder, env=environ(), check=True
    )


def environ() -> dict[str, str]:
    """An environment with nothing of this machine's own."""
    ours = {name for name in os.environ if name.startswith("KLINGFLOW_")} - {"KLINGFLOW_LANG"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    kept.pop("NO_COLOR", None)
    return {
        **kept,
        "TERM": "xterm-256color",
        "PYTHONUTF8": "1",
        "COLUMNS": str(COLUMNS),
        "LINES": str(LINES),
    }


def screen_of(
    folder: Path, arguments: Sequence[str], wanted: Callable[[Sequence[str]], bool]
) -> tuple[str, list[Line]]:
    """The command as typed, and the screen when it is first `wanted`, otherwise at the end."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "klingflow", *arguments],
        cwd=folder, env=environ(), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    drawn: list[Line] | None = None
    while data := received(ours):
        stream.feed(data)
        if drawn is None and wanted(screen.display):
            drawn = lines_of(screen)
    process.wait()
    os.close(ours)
    return "klingflow " + " ".join(arguments), drawn or lines_of(screen)


def received(descriptor: int) -> bytes:
    """What the command wrote; nothing at its end, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def lines_of(screen: pyte.Screen) -> list[Line]:
    """The screen's lines, without the empty ones at its end."""
    lines = [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(LINES)]
    while lines and not "".join(char.data for char in lines[-1]).strip():
        lines.pop()
    return lines


def draw(name: str, command: str, lines: list[Line]) -> None:
    """Write the picture: each run of characters of one style at its column."""
    plain = pyte.screens.Char(" ")
    typed = [plain._replace(data="$", fg="green"), plain]
    typed += [plain._replace(data=letter, fg="white", bold=True) for letter in command]
    texts = [
        text(column, row, part)
        for row, line in enumerate([typed, *lines])
        for column, part in runs(line)
    ]
    width = round(COLUMNS * WIDTH) + 2 * MARGIN
    height = (len(lines) + 1) * HEIGHT + 2 * MARGIN
    picture = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' font-family="{FONTS}" font-size="{SIZE}">',
        f"<title>{html.escape(command)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#1e1e1e"/>',
        *texts,
        "</svg>",
    ]
    (HERE / f"{name}.svg").write_text("\n".join(picture) + "\n", encoding="utf-8")


def runs(line: Line) -> Iterator[tuple[int, Line]]:
    """Where each run begins, and its characters; two blanks and a change of style end one."""
    for _, group in groupby(enumerate(line), key=lambda item: (item[1].fg, item[1].bold)):
        cells = list(group)
        joined = "".join(char.data or "\0" for _, char in cells)  # \0: a wide one's second column
        for found in re.finditer(r"\S+(?: \S+)*", joined):
            yield cells[found.start()][0], [char for _, char in cells[slice(*found.span())]]


def text(column: int, row: int, part: Line) -> str:
    """One run as an element; `textLength` keeps its columns in any font."""
    words = html.escape("".join(char.data for char in part), quote=False)
    colour = COLOURS.get(part[0].fg, f"#{part[0].fg}")
    weight = ' font-weight="bold"' if part[0].bold else ""
    x, y = MARGIN + column * WIDTH, MARGIN + (row + 0.75) * HEIGHT
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" textLength="{len(part) * WIDTH:.1f}"'
        f' fill="{colour}"{weight} xml:space="preserve">{words}</text>'
    )


if __name__ == "__main__":
    main()

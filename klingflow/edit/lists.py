"""PURE. A cut as text: subtitles (SRT), a table (CSV) and a list for players (M3U). They need no
extra.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Final

from klingflow.results.timeline import Cut, cues
from klingflow.words import _

COLUMNS: Final = (
    *("number", "scene", "shot", "take", "title", "start", "seconds", "file"),
    *("prompt", "dialogue", "note", "model", "task_id", "missing"),
)
# A spreadsheet takes a cell that begins with one of these for a formula, and may run it.
_FORMULA: Final = ("=", "+", "-", "@", "\t")


def as_srt(cut: Cut) -> str:
    """Return the dialogue as SubRip subtitles; "" where nothing is said."""
    blocks = []
    for number, cue in enumerate(cues(cut), 1):
        # An empty line would end the subtitle, an arrow begin a time.
        lines = [line.strip() for line in cue.text.replace("-->", "→").splitlines()]
        said = "\n".join(filter(None, lines))
        blocks.append(f"{number}\n{_moment(cue.start_s)} --> {_moment(cue.end_s)}\n{said}\n")
    return "\n".join(blocks)


def _moment(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{thousandths:03}"


def as_csv(cut: Cut, path: Callable[[str], str]) -> str:
    """Return a row for each shot of the cut, missing ones too. `path` gives the name of a file."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for number, span in enumerate(cut.spans, 1):
        clip = span.clip
        start = _moment(float(span.start / cut.rate)).replace(",", ".")
        row = (
            *(number, clip.scene, clip.shot, clip.key, clip.title, start, f"{clip.seconds:.3f}"),
            *(path(clip.file) if clip.file else "", clip.prompt, "\n".join(clip.dialogue)),
            *(clip.note, clip.model, clip.task_id, clip.missing),
        )
        writer.writerow([_harmless(str(cell)) for cell in row])
    return table.getvalue()


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def as_m3u(cut: Cut, path: Callable[[str], str]) -> str:
    """Return a list of the videos for players; missing shots are remarks."""
    lines = ["#EXTM3U"]
    for clip in cut.clips:
        name = " ".join(clip.name.split())
        if clip.file:
            file = path(clip.file)
            lines += [
                f"#EXTINF:{clip.seconds:.3f},{name}",
                f"./{file}" if file[:1] == "#" else file,
            ]
        else:
            lines.append(
                _("# missing: {name}: {split}", name=name, split=" ".join(clip.missing.split()))
            )
    return "\n".join(lines) + "\n"

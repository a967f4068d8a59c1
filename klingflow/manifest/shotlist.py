"""PURE. A shot list as a table → its shots, each with the fields that its cells say, and everything
that could not be taken over, with its address.

columns.py says what a column feeds, cell_values.py what a cell says. transcript.py writes the
manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Final, Literal, NamedTuple, cast

from klingflow.errors import letters_of
from klingflow.manifest.cell_values import are_addresses, names_in, value_of
from klingflow.manifest.columns import Column, Feeds, Header, columns_of, header_of
from klingflow.manifest.folds import same_file
from klingflow.manifest.grids import Grid, address
from klingflow.manifest.identity import cell as id_of
from klingflow.manifest.identity import key_fault
from klingflow.model import Json
from klingflow.words import _

# Why something was not taken.
Why = Literal[
    "above", "formula", "value", "nothing-to-show", "double", "unnamed", "check",
    "unknown", "own-prompt", "second", "no-value", "pictures",
]  # fmt: skip
_TEXTS: Final = frozenset({"style", "title", "dialogue", "note"})
# What several columns may feed; otherwise the first of two columns is taken.
_ADDING_UP: Final = _TEXTS | {"character", "camera", "visual", "scene", "tags", "images"}
_SHOWING: Final = ("prompt", "image", "images", "first_frame", "motion_video", "video")
# What people write into an empty cell, and instead of the value above.
_NOTHING: Final = frozenset({"无", "暂无", "没有", "-", "--", "—", "——", "/", "\\", "n/a", "none"})
_AS_ABOVE: Final = frozenset({"同上", "〃", '"', "″", "ditto", "same", "same as above"})
_ENDS: Final = "。！？，；：、.!?,;:…\n"
_BLANKS: Final = " \t\u3000"  # typed behind a text, they say nothing where another one follows
_SCENE_SHORT: Final = 8  # characters of a scene's name that an id may begin with


class Left(NamedTuple):
    """Something that is not in the manifest: its address, or the letters of its column; the name of
    the column, the text, and why. `said` completes the reason: a field, an id, or what a check
    found.
    """

    at: str
    name: str
    text: str
    why: Why
    said: str = ""


@dataclass(slots=True)
class Entry:
    """One shot. `at` are the addresses of its fields, `names` its characters."""

    id: str
    fields: dict[str, Json]
    at: dict[str, str]
    names: list[str] = field(default_factory=list)


class Feed(NamedTuple):
    """A field, and the columns that feed it in their order."""

    field: Feeds
    columns: list[Column]


@dataclass(slots=True)
class ShotList:
    """What a table says. `left` are columns and cells that were not taken, in the table's order."""

    feeds: list[Feed]
    shots: list[Entry]
    left: list[Left]
    is_chinese: bool


def read_list(grid: Grid) -> ShotList:
    """Return the shots of a table. Raises ValueError if no line names its columns, or no row is a
    shot.
    """
    header = header_of(grid.rows)
    if header is None:
        raise ValueError(
            _("no line of it names columns such as 画面, 时长 or Description, Duration")
        )
    rows = _rows_below(grid, header)
    feeds, unused = _chosen(columns_of(header.names), [row for _, row in rows])
    is_chinese = any(map(_is_chinese, header.names))
    reader = _Reader(feeds, grid, is_chinese)
    shots = []
    for y, row in rows:
        if entry := reader.entry(y, row):
            shots.append(entry)
    if not shots:
        raise ValueError(_("no row of it says what a shot shows"))
    left = [*_above(grid, header), *unused, *_unnamed(header.names, rows), *reader.left]
    _name(shots, left)
    return ShotList(feeds, shots, left, is_chinese)


def _rows_below(grid: Grid, header: Header) -> list[tuple[int, Sequence[str]]]:
    """Return the rows below a header by their indexes, without empty rows and repeated headers."""
    found: list[tuple[int, Sequence[str]]] = []
    of_header = grid.rows[header.first : header.after]
    for y, row in enumerate(grid.rows[header.after :], header.after):
        if "".join(row).strip() and row not in of_header:
            found.append((y, row))
    return found


def _above(grid: Grid, header: Header) -> Iterator[Left]:
    """Yield the rows above a header that have content."""
    for y, row in enumerate(grid.rows[: header.first]):
        if "".join(row).strip():
            yield Left(address(y, _first(row)), "", _shown(row), "above")


def _unnamed(header: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Left]:
    """Yield the cells of columns without a name."""
    columns = [x for x, name in enumerate(header) if not name.strip()]
    for y, row in rows:
        for x in columns:
            if row[x].strip():
                yield Left(address(y, x), "", row[x], "unnamed")


# --- which columns are taken ---------------------------------------------------------------------


def _chosen(
    columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> tuple[list[Feed], list[Left]]:
    """Return what feeds each field, and the columns that feed none."""
    by_feed: dict[Feeds, list[Column]] = {}
    left = []
    has_prompt = any(column.feeds == "prompt" for column in columns)
    for column in columns:
        cells = [row[column.at] for row in rows if row[column.at].strip()]
        feeds = _feeds_in_truth(column, cells)
        why = _why_not(feeds, cells, has_prompt=has_prompt, is_second=feeds in by_feed)
        if why:
            left.append(Left(letters_of(column.at + 1), column.name, "", why, feeds or ""))
        elif feeds:
            by_feed.setdefault(feeds, []).append(column)
    shown = [*by_feed.pop("visual", []), *by_feed.pop("camera", [])]
    if shown:
        by_feed["prompt"] = shown
    found = [Feed(feeds, columns) for feeds, columns in by_feed.items()]
    return sorted(found, key=lambda feed: feed.columns[0].at), left


def _feeds_in_truth(column: Column, cells: Sequence[str]) -> Feeds | None:
    """Return what a column feeds by its cells: a column of characters may hold their images."""
    if column.feeds == "character" and cells and all(map(are_addresses, cells)):
        return "images"
    return column.feeds


def _why_not(
    feeds: Feeds | None, cells: Sequence[str], *, has_prompt: bool, is_second: bool
) -> Why | None:
    """Return why a column is not taken; None for a column that is."""
    if feeds is None:
        return "unknown"
    if has_prompt and feeds in ("visual", "camera"):
        return "own-prompt"
    if is_second and feeds not in _ADDING_UP:
        return "second"
    return "no-value" if _has_no_value(feeds, cells) else None


def _has_no_value(feeds: Feeds, cells: Sequence[str]) -> bool:
    """Return True for a column with content of which nothing is a value of its field."""
    said = [cell for cell in cells if not _is_empty(feeds, cell)]
    for cell in said:
        if _value(feeds, cell) is not None:
            return False
    return bool(said)


# --- rows ----------------------------------------------------------------------------------------


class _Reader:
    """Reads one row after the other. An empty scene is the one of the row above."""

    def __init__(self, feeds: Sequence[Feed], grid: Grid, is_chinese: bool) -> None:
        self.left: list[Left] = []
        self._feeds = feeds
        self._faults = grid.faults
        self._is_chinese = is_chinese
        self._scene = ""
        self._has_scenes = any(feed.field == "scene" for feed in feeds)

    def entry(self, y: int, row: Sequence[str]) -> Entry | None:
        """Return the shot of a row; None if the row is a heading, or has nothing to make a video
        of.
        """
        if self._is_heading(row):
            self._scene = "".join(row).strip()
            return None
        made, noted = Entry("", {}, {}), len(self.left)
        for feed in self._feeds:
            self._take(made, feed, y, row)
        self.left[noted:] = sorted(self.left[noted:], key=lambda left: (len(left.at), left.at))
        self._scene = str(made.fields.get("scene", self._scene))
        if not self._shows(made, y):
            del self.left[noted:]  # the whole row is noted
            self._note_empty(y, row, made)
            return None
        if self._scene:
            made.fields["scene"] = self._scene
        return made

    def _shows(self, made: Entry, y: int) -> bool:
        """Return True if a row says what its shot shows: `特写` beside an empty 画面 does not."""
        showing = [name for name in _SHOWING if name in made.fields]
        if showing != ["prompt"]:
            return bool(showing)
        columns = next(feed.columns for feed in self._feeds if feed.field == "prompt")
        visual = {address(y, column.at) for column in columns if column.feeds == "visual"}
        return not visual or not visual.isdisjoint(made.at["prompt"].split("、"))

    def _is_heading(self, row: Sequence[str]) -> bool:
        """Return True for a line such as `第一场：工厂，夜`, which stands alone above its shots."""
        filled = [at for at, cell in enumerate(row) if cell.strip()]
        return filled == [0] and not self._has_scenes and not row[0].strip().isdigit()

    def _note_empty(self, y: int, row: Sequence[str], made: Entry) -> None:
        """Note a row without a shot, except one of a number alone."""
        if made.fields or made.names or not "".join(row).strip().isdigit():
            at = address(y, _first(row))
            self.left.append(Left(at, "", _shown(row), "nothing-to-show"))

    def _take(self, made: Entry, feed: Feed, y: int, row: Sequence[str]) -> None:
        """Take one field of a row from its columns."""
        values: list[Json] = []
        places = []
        for column in feed.columns:
            text, place = row[column.at], address(y, column.at)
            if fault := self._faults.get((y, column.at)):
                self.left.append(Left(place, column.name, fault, "formula"))
                continue
            if _is_empty(column.feeds, text):
                continue
            value = _value(feed.field, text)
            if value is None:
                self.left.append(Left(place, column.name, text, "value", feed.field))
                continue
            values.append(value)
            places.append(place)
        if values:
            made.at[feed.field] = "、".join(places)
            self._put(made, feed.field, values)

    def _put(self, made: Entry, name: Feeds, values: list[Json]) -> None:
        texts = list(map(str, values))
        match name:
            case "id":
                made.id = texts[0]
            case "character":
                listed = chain.from_iterable(map(names_in, texts))
                made.names = list(dict.fromkeys(listed))
            case "images" | "tags":
                listed = chain.from_iterable(cast("list[list[str]]", values))
                made.fields[name] = list(dict.fromkeys(listed))
            case "prompt":
                made.fields[name] = _joined(texts, self._is_chinese)
            case "scene":
                made.fields[name] = " ".join(map(str.strip, texts))
            case _:
                made.fields[name] = "\n".join(texts) if name in _TEXTS else values[0]


def _is_empty(feeds: Feeds | None, text: str) -> bool:
    """Return True for a cell that says nothing, or that says that there is nothing."""
    said = text.strip().casefold()
    if feeds in ("id", "prompt", "visual", "scene", "audio"):
        return not said  # there, "none" may be meant
    return not said or said in _NOTHING


def _value(feeds: Feeds, text: str) -> Json:
    """Return what a cell says; None if it says nothing plainly, or only "as above"."""
    if text.strip().casefold() in _AS_ABOVE:
        return None
    return text if feeds in ("id", "character") else value_of(feeds, text)


def _joined(texts: Sequence[str], is_chinese: bool) -> str:
    """Return the parts of a prompt as one text."""
    after_an_end, comma = ("", "，") if is_chinese else (" ", ", ")
    whole = texts[0]
    for text in texts[1:]:
        whole = whole.rstrip(_BLANKS)
        whole += after_an_end if whole[-1] in _ENDS else comma
        whole += text.lstrip(_BLANKS)
    return whole


# --- ids -----------------------------------------------------------------------------------------


def _name(shots: Sequence[Entry], left: list[Left]) -> None:
    """Give each shot its id: the author's number, with its scene before it if numbers begin again
    in each scene. Otherwise a repeated number gets another number behind it, which is noted.

    An id is also taken if a take of another shot has its file: `1-2` beside three takes of `1`.
    """
    wanted = _wanted_ids(shots)
    given = {same_file(id) for id in wanted if id}
    used: set[str] = set()
    for number, (entry, id) in enumerate(zip(shots, wanted, strict=True), 1):
        takes = cast("int", entry.fields.get("takes", 1))
        taken = used if id else used | given
        free = _free(id or f"s{number:02}", takes, taken)
        if id and free != id:
            left.append(Left(entry.at.get("id", ""), "", entry.id, "double", free))
        used |= _files(free, takes)
        entry.id = free


def _wanted_ids(shots: Sequence[Entry]) -> list[str]:
    """Return the ids that the author's numbers make, with scenes if only these tell them apart."""
    alone = [_safe(entry.id) for entry in shots]
    if not _has_doubles(alone):
        return alone
    with_scenes = _with_scenes(shots, alone)
    return alone if _has_doubles(with_scenes) else with_scenes


def _files(id: str, takes: int) -> set[str]:
    """Return the names of a shot's videos: `2A`, and `2A-2` for its second take."""
    return {same_file(id), *(same_file(f"{id}-{take}") for take in range(2, takes + 1))}


def _safe(text: str) -> str:
    """Return an id that a number of the author makes; "" if it makes none."""
    id = id_of(text.strip().lstrip("#＃")).strip(".-")
    return "" if key_fault(id) else id


def _with_scenes(shots: Sequence[Entry], ids: Sequence[str]) -> list[str]:
    """Return the ids with their scenes: `2-1`, or `S2-1` where a scene is called by many words."""
    scenes = [_safe(str(entry.fields.get("scene", ""))) for entry in shots]
    if not all(0 < len(scene) <= _SCENE_SHORT for scene in scenes):
        parts = groupby(shots, lambda entry: entry.fields.get("scene", ""))
        scenes = [f"S{number}" for number, (_, part) in enumerate(parts, 1) for _ in part]
    return [f"{scene}-{id}" if id else "" for scene, id in zip(scenes, ids, strict=True)]


def _has_doubles(ids: Iterable[str]) -> bool:
    counts = Counter(same_file(id) for id in ids if id)
    return any(count > 1 for count in counts.values())


def _free(id: str, takes: int, used: set[str]) -> str:
    number, free = 1, id
    while not used.isdisjoint(_files(free, takes)):
        number += 1
        free = f"{id}-{number}"
    return free


# --- cells ---------------------------------------------------------------------------------------


def _first(row: Sequence[str]) -> int:
    return next((at for at, cell in enumerate(row) if cell.strip()), 0)


def _shown(row: Sequence[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in row if cell.strip())


def _is_chinese(text: str) -> bool:
    return any("\u3400" <= character <= "\u9fff" for character in text)

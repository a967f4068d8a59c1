"""PURE. The shots of a shot list → the text of a manifest, with comments in the list's language:
which column fed what, and what was not taken.

What many shots share is written once: fields that all have under `defaults`, characters that come
again as presets. `plainly` leaves that out, so that each value has a line of its own, by which the
checks find it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from klingflow.errors import letters_of
from klingflow.manifest.coerce import as_list
from klingflow.manifest.quoting import in_block, in_flow, literally
from klingflow.manifest.shotlist import Entry, Left, ShotList, Why
from klingflow.model import Json
from klingflow.words import _, filled

DEFAULT_MODEL: Final = "kling-3.0-omni"  # it takes images, frames and the lengths 3 to 15 s
_SHARED: Final = ("model", "seconds", "resolution", "aspect_ratio", "audio", "style")
_ORDER: Final = (
    "scene", "title", "kind", "model", "prompt", "style", "image", "images", "first_frame",
    "last_frame", "motion_video", "motion_level", "video", "seconds", "resolution", "aspect_ratio",
    "audio", "takes", "tags", "dialogue", "note",
)  # fmt: skip
# Why something was not taken: for the terminal, and for a Chinese manifest.
_WHY: Final[Mapping[Why, tuple[str, str]]] = {
    "above": (_("it stands above the table"), "在表头之上"),
    "formula": (_("a formula without a result"), "公式没有结果"),
    "value": (_("cannot be read as {said}"), "读不出 {said}"),
    "nothing-to-show": (_("nothing to make a video of"), "没有可以生成视频的画面或图片"),
    "double": (
        _("the number is taken; the shot is called {said}"),
        "编号重复，这个镜头改名为 {said}",
    ),
    "unnamed": (_("its column has no name"), "所在的列没有名字"),
    "check": ("{said}", "{said}"),
    "unknown": (_("a shot has no such field"), "镜头没有这样的字段"),
    "own-prompt": (_("the prompt has a column of its own"), "提示词另有一列"),
    "second": (_("another column gives {said}"), "{said} 已取自另一列"),
    "pictures": (
        _("pictures in the workbook are not read: save them as files, and name those in a column"),
        "工作簿里的图片不会读取：请另存为文件，并在一列里写上文件名",
    ),
    "no-value": (_("no cell can be read as {said}"), "没有一格读得出 {said}"),
}
_WORDS: Final = {
    "made": (
        "Made by klingflow init --from {0}. From here on, edit this file.",
        "由 klingflow init --from {0} 写成。以后请直接修改本文件。",
    ),
    "fed": ("Which column fed what:", "每一列写到了哪里："),
    "scene": ("  (an empty cell: the scene above)", "（空格沿用上一个场景）"),
    "left": ("Not in this file:", "没有写进本文件的："),
}


@dataclass(frozen=True, slots=True)
class Transcript:
    """A manifest's text, and which field of which shot stands in each line, counted from 1. The
    name of the field is "" for a shot's first line.
    """

    text: str
    lines: Mapping[int, tuple[Entry, str]]


def transcript(listed: ShotList, source: str, *, plainly: bool = False) -> Transcript:
    """Return the manifest of a shot list; `source` is the list's path as its author knows it."""
    common = {} if plainly else _common(listed.shots)
    presets = {} if plainly else _presets(listed.shots)
    lines = [*_head(listed, source), "version: 1", "prices: prices.yaml", *_defaults(common)]
    if presets:
        lines.append("presets:")
        lines += [f"  {_key(name)}: {_flow(fields)}" for name, fields in presets.items()]
    lines.append("shots:")
    places: dict[int, tuple[Entry, str]] = {}
    scene: Json = None
    for entry in listed.shots:
        if entry.fields.get("scene") != scene and scene is not None:
            lines.append("")
        scene = entry.fields.get("scene")
        lines.append(f"  {in_flow(entry.id)}:")
        places[len(lines)] = (entry, "")
        for name, value in _written(entry, common, presets).items():
            lines.append(f"    {name}: {_value(value)}")
            places[len(lines)] = (entry, name)
            lines[-1:] = lines[-1].split("\n")
    return Transcript("\n".join(lines) + "\n", places)


def why_of(left: Left, *, in_chinese: bool = False) -> str:
    """Return why something was not taken, as people read it."""
    return filled(_WHY[left.why][in_chinese], {"said": left.said})


# --- what shots share ----------------------------------------------------------------------------


def _common(shots: Sequence[Entry]) -> dict[str, Json]:
    """Return the most frequent value of each field that every shot has."""
    found: dict[str, Json] = {}
    for name in _SHARED:
        if all(name in entry.fields for entry in shots):
            counts = Counter(json.dumps(entry.fields[name]) for entry in shots)
            most_frequent, _times = counts.most_common(1)[0]
            found[name] = json.loads(most_frequent)
    return found


def _presets(shots: Sequence[Entry]) -> dict[str, dict[str, Json]]:
    """Return a preset for each character of more than one shot: its tag, and the references that
    stand wherever it is alone.
    """
    counts = Counter(name for entry in shots for name in entry.names)
    found: dict[str, dict[str, Json]] = {}
    for name, count in counts.items():
        if count < 2:
            continue
        found[name] = {"tags": [name]}
        if images := _images_alone(name, shots):
            found[name]["images"] = images
    return found


def _images_alone(name: str, shots: Sequence[Entry]) -> Json:
    """Return the images of a character that is alone in several shots, if they are always the
    same.
    """
    alone = [entry.fields.get("images") for entry in shots if entry.names == [name]]
    if len(alone) < 2:
        return None
    first, *others = alone
    return first if all(images == first for images in others) else None


def _written(
    entry: Entry, common: Mapping[str, Json], presets: Mapping[str, Mapping[str, Json]]
) -> dict[str, Json]:
    """Return the fields of a shot as they stand over defaults and presets."""
    fields: dict[str, Json] = {}
    below = dict(common)
    use: list[Json] = []
    tags: list[Json] = []
    for name in entry.names:
        if name not in presets:
            tags.append(name)
            continue
        use.append(name)
        below |= presets[name]
    below.pop("tags", None)  # they add up
    if use:
        fields["use"] = use[0] if len(use) == 1 else use
    own = dict(entry.fields)
    tags += as_list(own.get("tags"))
    if tags:
        own["tags"] = list(dict.fromkeys(tags))
    if own.get("takes") == 1:
        del own["takes"]
    for name in _ORDER:
        if own.get(name) != below.get(name):
            fields[name] = own.get(name)
    return fields


# --- the text ------------------------------------------------------------------------------------


def _head(listed: ShotList, source: str) -> Iterator[str]:
    """Yield the comments at the top, in the list's language."""
    chinese = listed.is_chinese
    words = {name: both[chinese] for name, both in _WORDS.items()}
    yield _comment(words["made"].format(source))
    yield _comment(words["fed"])
    for feed in listed.feeds:
        columns = [f"{letters_of(column.at + 1)} {column.name}" for column in feed.columns]
        target = {"id": "id", "character": "use, tags"}.get(feed.field, feed.field)
        note = words["scene"] if feed.field == "scene" else ""
        yield _comment(f"  {', '.join(columns)} → {target}{note}")
    if listed.left:
        yield _comment(words["left"])
    for left in listed.left:
        yield _comment(f"  {shown(left)}: {why_of(left, in_chinese=chinese)}")


def shown(left: Left) -> str:
    """Return what was not taken: its address, the name of its column and its text."""
    text = f"“{' '.join(left.text.split())}”" if left.text else ""
    return " ".join(filter(None, (left.at, left.name, text)))


def _comment(text: str) -> str:
    return "# " + "".join(map(_seen, text))


def _seen(character: str) -> str:
    if character.isprintable() or character == "\u3000":
        return character
    return ascii(character)[1:-1]


def _defaults(common: Mapping[str, Json]) -> Iterator[str]:
    yield "defaults:"
    for name, value in {"model": DEFAULT_MODEL, **common}.items():
        yield f"  {name}: {_value(value, 4)}"


def _key(text: str) -> str:
    return in_flow(literally(text))


def _value(value: Json, indent: int = 6) -> str:
    if isinstance(value, str):
        return in_block(literally(value), indent)
    return _flow(value)


def _flow(value: Json) -> str:
    """Return a value in one line, as YAML's braces and brackets hold it."""
    match value:
        case None | bool() | int() | float():
            return json.dumps(value)
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case dict():
            parts = (f"{in_flow(name)}: {_flow(part)}" for name, part in value.items())
            return f"{{ {', '.join(parts)} }}"
        case _:
            return in_flow(literally(str(value)))

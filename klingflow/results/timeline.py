"""PURE. A film as it is cut: the take that counts of each shot, in the manifest's order, with its
length in frames and its subtitles, and a gap for each missing video.

Everything that is written for an editor, a player or a viewer is made from a `Cut`. The caller
hands in how long each video really is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Final, NamedTuple, TypeVar

from klingflow.decide.picks import counting, present_of
from klingflow.manifest.held_files import records
from klingflow.manifest.meaning import meaning
from klingflow.model import Action, Json, Manifest, Plan
from klingflow.words import _

# What cameras and editors use, in frames a second; the rate of a video is one of these, or whole.
RATES: Final = tuple(
    Fraction(number, base)
    for number, base in (
        *((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1)),
        *((48, 1), (50, 1), (60000, 1001), (60, 1)),
    )
)
_T = TypeVar("_T", bound=Hashable)
_NEAR: Final = Fraction(1, 2500)  # 23.976 and 24 are a thousandth apart
# A damaged video may claim to last for days; a cut would fill them, and the disk, with its last
# picture.
_LONGEST_S: Final = 3600
_USUAL_RATE, _USUAL_SIZE = Fraction(24), (1280, 720)
_SIDES: Final = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1), "4:3": (4, 3), "3:4": (3, 4)}
_CHINESE: Final = re.compile("[⺀-鿿＀-￯]")  # and Japanese; marks, too
STILLS: Final = frozenset({"png", "jpg", "webp"})
# The fields of GB 45438-2025, annex E; a Label of 1 is "made by AI".
_MARK: Final = {
    **{"Label": "1", "ContentProducer": "", "ProduceID": "", "ReservedCode1": ""},
    **{"ContentPropagator": "", "PropagateID": "", "ReservedCode2": ""},
}
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Footage:
    """What a video is: its sides in pixels as it is shown, its length, its frames a second, and
    True if it has sound. `mark` is what its metadata says under AIGC (GB 45438-2025), "" if it says
    nothing.
    """

    width: int
    height: int
    seconds: float
    fps: float
    sound: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One shot of a cut. `file` is its video, relative to the manifest's folder; it is "" if no
    video is here, and then `missing` says why. `still` is its first local image, written the same
    way. `seconds` are as bought until its `footage` is known.
    """

    shot: str
    key: str
    seconds: float
    file: str = ""
    missing: str = ""
    still: str = ""
    title: str = ""
    scene: str = ""
    prompt: str = ""
    note: str = ""
    dialogue: tuple[str, ...] = ()
    model: str = ""
    ratio: str = ""
    task_id: str = ""
    footage: Footage | None = None

    @property
    def name(self) -> str:
        """What an editor shows: the key, and the title if there is one."""
        return f"{self.key} {self.title}" if self.title else self.key


class Span(NamedTuple):
    """A clip in a cut: its first frame, and how many it has."""

    clip: Clip
    start: int
    frames: int


class Cue(NamedTuple):
    """A subtitle; its times are seconds from the beginning of the cut."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Clips in their order, in a picture of `width` by `height` pixels with `rate` frames a
    second.
    """

    name: str
    clips: tuple[Clip, ...]
    rate: Fraction = _USUAL_RATE
    width: int = _USUAL_SIZE[0]
    height: int = _USUAL_SIZE[1]

    @property
    def spans(self) -> list[Span]:
        """Return the clips with their frames. Each is rounded by itself, so that no later one moves
        by a fraction of a frame.
        """
        found: list[Span] = []
        start = 0
        for clip in self.clips:
            frames = max(1, round(clip.seconds * self.rate))
            found.append(Span(clip, start, frames))
            start += frames
        return found

    @property
    def frames(self) -> int:
        """Return how many frames all of it has."""
        return sum(span.frames for span in self.spans)

    @property
    def seconds(self) -> float:
        """Return how long all of it is."""
        return float(self.frames / self.rate)

    @property
    def sound(self) -> bool:
        """Return True if any of its videos has sound."""
        return any(clip.footage and clip.footage.sound for clip in self.clips)

    @property
    def missing(self) -> list[Clip]:
        """Return the clips of which no video is here."""
        return [clip for clip in self.clips if not clip.file]


# ---------------------------------------------------------------- from a plan to clips


def clips(plan: Plan, selected: Set[str] | None = None) -> list[Clip]:
    """Return a clip for each shot of a plan of which a take is selected: its counting take, or its
    first selected take if the counting one is not selected. None selects all.
    """
    takes: dict[str, list[str]] = {}
    for shot in plan.manifest.shots:
        takes.setdefault(shot.id, []).append(shot.key)
    now_at = {step.uid: step.source for step in reversed(plan.filing.steps)}
    found = []
    for id, keys in takes.items():
        meant = [key for key in keys if selected is None or key in selected]
        if meant:
            found.append(_clip(plan, id, keys, meant, now_at))
    return found


def _clip(
    plan: Plan, id: str, keys: Sequence[str], meant: Sequence[str], now_at: Mapping[str, str]
) -> Clip:
    counts = counting(id, keys, plan.terms.picks, partial(present_of, plan.by_key))
    if not counts.key and len(meant) == len(keys):
        why = counts.reason if counts.verb == "held" else _("every take is rejected")
        return _described(plan.by_key[keys[0]], plan.manifest, missing=why)
    action = plan.by_key[counts.key if counts.key in meant else meant[0]]
    bought = action.purchase
    if bought is None or not bought.output or action.verb not in ("keep", "changed"):
        return _described(action, plan.manifest, missing=action.reason or _("not bought yet"))
    return replace(
        _described(action, plan.manifest),
        file=now_at.get(bought.uid, bought.output),
        task_id=plain(bought.task_id),
        seconds=float(bought.seconds),
    )


def _described(action: Action, manifest: Manifest, missing: str = "") -> Clip:
    """Return a clip without a video, as the manifest describes it."""
    shot, request = action.shot, action.request
    assert shot is not None and request is not None, "an orphan is in no cut"
    about = shot.about
    what = meaning(request.body if missing or not action.purchase else action.purchase.body)
    return Clip(
        shot=shot.id,
        key=shot.key,
        seconds=float(request.seconds or 1),
        missing=missing,
        still=_still(request.body, manifest),
        title=plain(about.get("title")),
        scene=plain(about.get("scene")),
        prompt=plain(what.words),
        note=plain(about.get("note")),
        dialogue=spoken(about.get("dialogue")),
        model=plain(what.model),
        ratio=plain(what.aspect_ratio),
    )


def _still(body: Mapping[str, Json], manifest: Manifest) -> str:
    """Return the first local image that a body names."""
    for _unused, record in records(body):
        file = manifest.files.get(record["file"])
        if file is not None and file.suffix in STILLS:
            return file.path
    return ""


def spoken(dialogue: Json) -> tuple[str, ...]:
    """Return the lines of a `dialogue`: a text, or a list of texts and of `{who: words}`."""
    lines = []
    for one in dialogue if isinstance(dialogue, list) else [dialogue]:
        if isinstance(one, Mapping):
            lines += [_line(plain(who), plain(words)) for who, words in one.items()]
        elif said := plain(one):
            lines.append(said)
    return tuple(lines)


def _line(who: str, words: str) -> str:
    """Return a line with its speaker, set apart as the line's own language does it."""
    is_chinese = _CHINESE.search(who + words)
    return f"{who}：{words}" if is_chinese else f"{who}: {words}"


def plain(value: Json) -> str:
    """Return a value as text that any format can hold: without characters that steer a terminal or
    the direction of writing, that XML forbids, or that UTF-8 lacks.
    """
    text = "" if value is None else str(value)
    return "".join(c for c in text if _is_text(c)).strip()


def _is_text(character: str) -> bool:
    if character in "\n\t":
        return True
    is_steering = character in _BIDI or unicodedata.category(character) in ("Cc", "Cs")
    return not is_steering and character not in "\ufffe\uffff"


# ---------------------------------------------------------------- from clips to a cut


def cut_of(name: str, clips: Sequence[Clip], footage: Mapping[str, Footage]) -> Cut:
    """Return the cut of clips whose videos are as `footage` says, by file. A video without footage
    cannot be played, and becomes a gap.
    """
    known = tuple(_with_footage(clip, footage) for clip in clips)
    seen = [clip.footage for clip in known if clip.footage]
    if not seen:
        return Cut(plain(name), known, _USUAL_RATE, *_size_of(known))
    rate = _most_frequent(rate_of(one.fps) for one in seen)
    width, height = _most_frequent((one.width, one.height) for one in seen)
    return Cut(plain(name), known, rate, width, height)


def _most_frequent(values: Iterable[_T]) -> _T:
    return Counter(values).most_common(1)[0][0]


def _with_footage(clip: Clip, footage: Mapping[str, Footage]) -> Clip:
    if not clip.file:
        return clip
    seen = footage.get(clip.file)
    if seen is None or not 0 < seen.seconds <= _LONGEST_S:
        return replace(
            clip, file="", missing=_("{file} is missing or cannot be played", file=clip.file)
        )
    return replace(clip, footage=seen, seconds=seen.seconds)


def rate_of(fps: float) -> Fraction:
    """Return the rate that a measured one stands for."""
    near = min(RATES, key=lambda rate: abs(rate - Fraction(fps)))
    if abs(near - Fraction(fps)) <= near * _NEAR:
        return near
    return Fraction(max(1, round(fps)))


def _size_of(clips: Sequence[Clip]) -> tuple[int, int]:
    """Return the size of a cut without a video, by the ratio that most of its shots have."""
    common = Counter(clip.ratio for clip in clips if clip.ratio in _SIDES).most_common(1)
    if not common:
        return _USUAL_SIZE
    wide, high = _SIDES[common[0][0]]
    short = min(_USUAL_SIZE)
    unit = Fraction(short, min(wide, high))
    return (round(wide * unit / 2) * 2, round(high * unit / 2) * 2)


def mark_of(cut: Cut) -> str:
    """Return what the metadata AIGC of a video of the cut says: what its first marked video says,
    otherwise that it is made by AI, and by which task; "" for a cut without a video.
    """
    tasks = []
    for clip in cut.clips:
        if clip.footage is None:
            continue
        if clip.footage.mark:
            return clip.footage.mark
        tasks.append(clip.task_id)
    if not tasks:
        return ""
    return json.dumps(_MARK | {"ProduceID": tasks[0]}, ensure_ascii=False)


# ---------------------------------------------------------------- subtitles


def cues(cut: Cut) -> Iterator[Cue]:
    """Yield the subtitles of a cut."""
    for span in cut.spans:
        yield from cues_of(span, cut.rate)


def cues_of(span: Span, rate: Fraction) -> Iterator[Cue]:
    """Yield the lines of one clip, one after the other, in shares of its time by their lengths."""
    whole = sum(map(len, span.clip.dialogue))
    said = 0
    for line in span.clip.dialogue:
        start = span.start + Fraction(span.frames * said, whole)
        said += len(line)
        end = span.start + Fraction(span.frames * said, whole)
        yield Cue(float(start / rate), float(end / rate), line)

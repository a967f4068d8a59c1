"""A film as it is cut: which take of each shot, how long it is, and what is said in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest

from klingflow.model import (
    Action,
    Filing,
    Json,
    LocalFile,
    PickLine,
    Picks,
    Plan,
    Purchase,
    Said,
    Step,
    Terms,
    Verb,
)
from klingflow.results.timeline import (
    Clip,
    Cue,
    Cut,
    Footage,
    clips,
    cues,
    cut_of,
    mark_of,
    plain,
    rate_of,
    spoken,
)
from tests.plans import action, plan_of
from tests.purchases import done

SEEN = Footage(720, 1280, 5.0, 24.0)


def take_of(verb: Verb, id: str, take: int, purchase: Purchase | None = None) -> Action:
    """An action about one of several takes of a shot."""
    made = action(verb, id, purchase)
    assert made.shot is not None
    shot = replace(made.shot, take=take)
    return replace(made, shot=shot, key=shot.key)


DISPUTE = "a and a#2 are both picked; `klingflow pick` or `unpick` settles it"


def two_takes(*said: PickLine, rejected: bool = False) -> Plan:
    """A shot with two delivered takes, of which people say something."""
    bought = [done("a", 1), replace(done("a", 2), output="outputs/film/a-2.mp4")]
    plan = plan_of(*(take_of("keep", "a", n, p) for n, p in enumerate(bought, 1)))
    words = {bought[line.take - 1].uid: Said(not line.rejects, line.rejects) for line in said}
    return replace(plan, terms=Terms(picks=Picks(said, words), takes={"a": ("a", "a#2")}))


@pytest.mark.parametrize(
    ("said", "file", "missing"),
    [
        ((), "outputs/film/a.mp4", ""),
        ((PickLine("a", 2),), "outputs/film/a-2.mp4", ""),
        ((PickLine("a", 1, rejects=True),), "outputs/film/a-2.mp4", ""),
        (
            (PickLine("a", 1, rejects=True), PickLine("a", 2, rejects=True)),
            "",
            "every take is rejected",
        ),
        ((PickLine("a", 1), PickLine("a", 2)), "", DISPUTE),
    ],
)
def test_the_take_that_counts_is_cut(said: tuple[PickLine, ...], file: str, missing: str) -> None:
    """The picked one, otherwise the first that is not rejected; where none counts, a gap that says
    why.
    """
    (clip,) = clips(two_takes(*said))
    assert (clip.file, clip.missing) == (file, missing)


def test_a_selected_take_is_cut_where_the_counting_one_is_not_selected() -> None:
    """`-s 'a#2'` shows the second take, whatever is picked."""
    (clip,) = clips(two_takes(PickLine("a", 1)), {"a#2"})
    assert clip.key == "a#2"


def test_shots_that_are_not_selected_are_not_in_the_cut() -> None:
    """What is left keeps the manifest's order."""
    plan = plan_of(*(action("keep", id, done(id)) for id in "cab"))
    assert [clip.key for clip in clips(plan, {"b", "c"})] == ["c", "b"]


@pytest.mark.parametrize("verb", ["create", "resume", "download", "failed", "in_doubt", "held"])
def test_a_shot_without_a_video_is_a_gap_of_its_length(verb: Verb) -> None:
    """The gap says why, in the plan's words."""
    (clip,) = clips(plan_of(action(verb, "a")))
    assert (clip.file, clip.missing, clip.seconds) == ("", "because", 5.0)


def test_a_changed_shot_is_cut_with_the_video_that_was_bought() -> None:
    """Prompt and model are then those of the purchase."""
    (clip,) = clips(plan_of(action("changed", "a", done("a"))))
    assert (clip.file, clip.prompt, clip.task_id) == ("outputs/film/a.mp4", "雨夜", "task_a")


def test_a_file_that_is_to_be_renamed_is_cut_from_where_it_lies() -> None:
    """A plan's moves are of the next run, and an export is not a run."""
    bought = done("a")
    plan = plan_of(action("keep", "a", bought))
    steps = (
        Step(bought.uid, "old.mp4", ".passage", SEEN),  # type: ignore[arg-type]  # no fact is read
        Step(bought.uid, ".passage", "outputs/film/a.mp4", SEEN),  # type: ignore[arg-type]
    )
    (clip,) = clips(replace(plan, filing=Filing(steps=steps)))
    assert clip.file == "old.mp4"


def test_what_the_author_says_of_a_shot_goes_with_its_clip() -> None:
    """Title, scene, note and dialogue, and the first local image."""
    made = action("create", "a")
    assert made.shot is not None and made.request is not None
    about = {"title": "开场", "scene": "一 窄巷", "note": "n", "dialogue": ["你好", {"林夏": "走"}]}
    body = {"prompt": "p", "image": {"file": "refs/a.png", "sha256": "ff"}, "model": "m"}
    shot, request = replace(made.shot, about=about), replace(made.request, body=body)
    plan = plan_of(replace(made, shot=shot, request=request))
    still = LocalFile("refs/a.png", 1, "ff", "png", 4, 4)
    film = replace(plan.manifest, files={"refs/a.png": still})
    (clip,) = clips(replace(plan, manifest=film))
    assert clip == Clip(
        shot="a",
        key="a",
        seconds=5.0,
        missing="because",
        still="refs/a.png",
        title="开场",
        scene="一 窄巷",
        prompt="p",
        note="n",
        dialogue=("你好", "林夏：走"),
        model="m",
    )


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (None, ()),
        ("", ()),
        ("一行", ("一行",)),
        (["a", "", 3], ("a", "3")),
        ([{"林夏": "走", "阿远": "不"}], ("林夏：走", "阿远：不")),
        ([{"Anna": "Go."}], ("Anna: Go.",)),
        ([{"Anna": "走"}, {"林夏": "Go."}], ("Anna：走", "林夏：Go.")),
    ],
)
def test_dialogue_is_read_as_lines(value: Json, lines: tuple[str, ...]) -> None:
    """A text is one line; a list may name who speaks."""
    assert spoken(value) == lines


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\x07b\x1b[31m", "ab[31m"),
        ("\u202eabc", "abc"),
        ("\ud800x", "x"),
        ("两\n行", "两\n行"),
        (5, "5"),
    ],
)
def test_texts_lose_what_a_format_cannot_hold(text: Json, left: str) -> None:
    """XML forbids some characters, UTF-8 lacks others, and some steer who reads."""
    assert plain(text) == left


# ---------------------------------------------------------------- the cut


def of(*seconds: float, fps: float = 24.0) -> Cut:
    """A cut of videos of these lengths."""
    made = [Clip(f"s{n}", f"s{n}", 5.0, file=f"{n}.mp4") for n in range(len(seconds))]
    return cut_of(
        "film", made, {f"{n}.mp4": Footage(720, 1280, s, fps) for n, s in enumerate(seconds)}
    )


def test_lengths_are_those_of_the_videos_in_whole_frames() -> None:
    """A video of 121 frames has 121, though 5 s were bought; the next one begins behind them."""
    cut = of(121 / 24, 5.0)
    assert [(span.start, span.frames) for span in cut.spans] == [(0, 121), (121, 120)]
    assert (cut.width, cut.height, cut.rate, cut.frames) == (720, 1280, Fraction(24), 241)


@pytest.mark.parametrize("seconds", [None, 0.0, 174_762.7])
def test_a_video_that_cannot_be_played_is_a_gap(seconds: float | None) -> None:
    """Its length is then the one that was bought. One that claims to last for days would fill the
    disk.
    """
    seen = {} if seconds is None else {"a.mp4": Footage(64, 36, seconds, 24.0)}
    cut = cut_of("film", [Clip("a", "a", 5.0, file="a.mp4")], seen)
    assert cut.missing[0].missing == "a.mp4 is missing or cannot be played"
    assert cut.frames == 120


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (24.0, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (30.001, Fraction(30)),
        (59.94, Fraction(60000, 1001)),
        (17.2, Fraction(17)),
        (0.0, Fraction(1)),
    ],
)
def test_a_counted_rate_stands_for_a_usual_one(fps: float, rate: Fraction) -> None:
    """24 and 23.976 are told apart; a rate that nobody uses is whole."""
    assert rate_of(fps) == rate


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("9:16", (720, 1280)), ("16:9", (1280, 720)), ("1:1", (720, 720)), ("", (1280, 720))],
)
def test_a_cut_without_videos_has_the_ratio_of_its_shots(ratio: str, size: tuple[int, int]) -> None:
    """A preview is made before there is any video."""
    cut = cut_of("film", [Clip("a", "a", 5.0, ratio=ratio)], {})
    assert (cut.width, cut.height) == size


@pytest.mark.parametrize(
    ("footage", "mark"),
    [
        ({}, ""),
        ({"a.mp4": replace(SEEN, mark='{"Label":"1","ContentProducer":"快手"}')},
         '{"Label":"1","ContentProducer":"快手"}'),
    ],
)  # fmt: skip
def test_a_cut_carries_the_mark_of_its_videos(footage: Mapping[str, Footage], mark: str) -> None:
    """A cut without a video is not marked as made by AI."""
    assert mark_of(cut_of("film", [Clip("a", "a", 5.0, file="a.mp4")], footage)) == mark


def test_a_cut_of_unmarked_videos_is_marked_all_the_same() -> None:
    """The mark names the task of the first video."""
    made = cut_of("film", [Clip("a", "a", 5.0, file="a.mp4", task_id="t")], {"a.mp4": SEEN})
    assert mark_of(made) == (
        '{"Label": "1", "ContentProducer": "", "ProduceID": "t", "ReservedCode1": "",'
        ' "ContentPropagator": "", "PropagateID": "", "ReservedCode2": ""}'
    )


def test_lines_share_the_time_of_their_shot_by_their_lengths() -> None:
    """Each subtitle lies within its shot."""
    said = [Clip("a", "a", 4.0), Clip("b", "b", 6.0, dialogue=("你好", "再见了吧"))]
    cut = cut_of("film", said, {})
    assert list(cues(cut)) == [Cue(4.0, 6.0, "你好"), Cue(6.0, 10.0, "再见了吧")]

"""Other shots' videos in bodies, and what of them counts."""

from __future__ import annotations

import json

import pytest

from klingflow.manifest import chained
from klingflow.manifest.compilation import compile
from klingflow.manifest.request import fingerprint, finish
from klingflow.model import Json, Manifest, Reference

END = {"from": "opening", "frame": "last"}


def film(**shots: Json) -> Manifest:
    """A manifest of these shots after `opening`, which has two takes. JSON is YAML."""
    defaults = {"model": "kling-3.0", "prompt": "x", "seconds": 5}
    opening = {"opening": {"takes": 2}}
    document = {"version": 1, "defaults": defaults, "shots": {**opening, **shots}}
    text = json.dumps(document, ensure_ascii=False)
    return compile("film.yaml", lambda _: text, variables={}, environ={}, stored=True)


def final(source: Json, uid: str = "uid-1") -> str | None:
    """The fingerprint of a shot that begins with `source`, made from this purchase."""
    made = film(door={"first_frame": source})
    return finish(made.requests[2], lambda _: "", lambda need: uid).fingerprint


def test_a_shot_waits_for_those_it_is_made_from() -> None:
    """`opening#2` names one take; each is named once."""
    first, again = {"from": "opening#2", "frame": "first"}, {"from": "opening#2", "frame": "50%"}
    made = film(door={"model": "kling-3.0-omni", "images": [END, first, again]})
    shot, request = made.shots[2], made.requests[2]
    assert shot.references == (Reference("opening", "video"), Reference("opening#2", "video"))
    assert shot.needs == ("opening", "opening#2") and request.fingerprint is None


def test_the_purchase_stands_in_the_final_body() -> None:
    """So the ledger knows what a video was made from."""
    made = film(door={"first_frame": END})
    done = finish(made.requests[2], lambda _: "", {"opening": "uid-7"}.__getitem__)
    assert done.body["image"] == {**END, "purchase": "uid-7"}
    assert done.fingerprint == fingerprint(done.body)


def test_the_fingerprint_counts_purchase_and_words() -> None:
    """Not the name of the source: a shot that is renamed makes the same."""
    same = final(END)
    assert final({"frame": "last", "from": "opening#1"}) == same != final(END, "uid-2")
    assert final({**END, "frame": "99%"}) != same


@pytest.mark.parametrize(
    ("written", "id"),
    [
        ("card@9:16", "card@9x16"),
        ("card@9x16#2", "card@9x16#2"),
        ("card@9:16-上海", "card@9x16-上海"),
        ("e\u0301", "\u00e9"),
        ("opening", "opening"),
    ],
)
def test_a_record_names_shots_as_ids_are_written(written: str, id: str) -> None:
    """What an expression made of an axis is what the id was made of."""
    assert chained.settled({"from": written, "frame": "last"}) == {"from": id, "frame": "last"}


def test_what_is_taken_has_a_name() -> None:
    """For people."""
    assert chained.named(END) == "the last frame of opening"
    at = {"from": "opening", "frame": "2.5s"}
    assert chained.named(at) == "the frame at 2.5s of opening"
    assert chained.named({"from": "opening#2", "purchase": "1"}) == "the video of opening#2"


@pytest.mark.parametrize("odd", [5, None, "x", [], {}, {"from": 5}, {"file": "a.png"}])
def test_bodies_of_any_shape_are_read(odd: Json) -> None:
    """Those of a ledger may come from anywhere."""
    bodies: list[dict[str, Json]] = [
        {"image": odd},
        {"images": odd},
        {"content": [odd]},
        {"metadata": odd},
        {"metadata": {"file_infos": [{"url": odd}], "video_url": odd}},
    ]
    for body in bodies:
        assert [*chained.chained(body)] == [] and not chained.is_open(body)
        assert chained.bound(body, str) == body


def test_other_maps_with_a_from_are_left_alone() -> None:
    """A pasted body may have keys that nobody knows here."""
    body = {"model": "kling-3.0", "prompt": "x", "metadata": {"camera": {"from": "left"}}}
    made = film(door={"request": body})
    assert made.requests[2].fingerprint and made.shots[2].needs == ()

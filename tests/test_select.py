"""Selection: space is union, comma is intersection, and a slip of the pen selects nothing."""

from __future__ import annotations

import pytest

from klingflow.decide.select import select
from klingflow.errors import Mark, NothingSelected, UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.model import Node, Shot
from tests.purchases import AT, done, submitted

NODE = Node({}, Mark("film.yaml", 1, 1))
SHOTS = [
    Shot(name, take, "text", {}, "x.mp4", NODE, tags=tags)
    for name, take, tags in [
        ("opening", 1, ("ext", "night")),
        ("opening", 2, ("ext",)),
        ("door", 1, ("night",)),
        ("postcard@9x16-上海", 1, ()),
        ("postcard@16x9-上海", 1, ()),
    ]
]
BOOK = Book([advance(submitted("opening", 2), "failed", AT), done("door")])
POSTCARDS = {"postcard@9x16-上海", "postcard@16x9-上海"}


@pytest.mark.parametrize(
    ("chosen", "exclude", "expected"),
    [
        ([], [], {s.key for s in SHOTS}),
        (["opening"], [], {"opening", "opening#2"}),
        (["opening#1"], [], {"opening"}),
        (["opening#2 door"], [], {"opening#2", "door"}),
        (["opening#2", "door"], [], {"opening#2", "door"}),
        (["postcard@*"], [], POSTCARDS),
        (["postcard@*,*上海", "door"], [], {*POSTCARDS, "door"}),
        (["tag:ext,tag:night"], [], {"opening"}),
        (["tag:n*"], [], {"opening", "door"}),
        (["state:failed"], [], {"opening#2"}),
        (["state:new,opening"], [], {"opening"}),
        (["state:done"], ["door"], set()),
        ([], ["postcard@*", "state:failed"], {"opening", "door"}),
    ],
)
def test_selection(chosen: list[str], exclude: list[str], expected: set[str]) -> None:
    assert select(SHOTS, BOOK, chosen, exclude) == expected


@pytest.mark.parametrize(
    ("chosen", "exclude"), [(["openin"], []), ([], ["openin"]), (["door openin"], [])]
)
def test_a_name_that_there_is_not_is_an_error_with_a_hint(
    chosen: list[str], exclude: list[str]
) -> None:
    with pytest.raises(NothingSelected, match=r"'openin'; did you mean 'opening'\?"):
        select(SHOTS, BOOK, chosen, exclude)


@pytest.mark.parametrize(
    ("chosen", "exclude"),
    [(["zz*"], []), (["tag:typo"], []), ([], ["tag:typo"]), ([" "], []), ([""], ["door"])],
)
def test_what_no_shot_has_selects_nothing(chosen: list[str], exclude: list[str]) -> None:
    with pytest.raises(NothingSelected):
        select(SHOTS, BOOK, chosen, exclude)


@pytest.mark.parametrize("text", ["tag:ext, tag:night", "tag:ext ,door", ",door"])
def test_a_comma_with_nothing_beside_it_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="a comma stands between"):
        select(SHOTS, BOOK, [text], [])


def test_a_state_that_there_is_not_is_an_error() -> None:
    with pytest.raises(UsageError, match="no state 'fialed'"):
        select(SHOTS, BOOK, ["state:fialed"], [])

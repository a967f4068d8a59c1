"""Selection: space is union, comma is intersection, and a slip of the pen selects nothing."""

from __future__ import annotations

import pytest

from klingflow.decide.select import orphans, select
from klingflow.errors import Mark, NothingSelected, UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.model import Node, Said, Shot
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


@pytest.mark.parametrize("term", ["caf\u00e9", "cafe\u0301", "cafe\u0301*", "tag:e\u0301*"])
def test_letters_composed_otherwise_are_the_same_name(term: str) -> None:
    """A keyboard and a Mac's file names write accents in two ways; a tag may be in either."""
    shot = Shot("caf\u00e9", 1, "text", {}, "x.mp4", NODE, tags=("e\u0301t",))
    assert select([shot], Book([]), [term], []) == {"caf\u00e9"}


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


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("", "the selection is empty text; leave it out to mean all shots"),
        ("tag:nihgt", "no shot matches 'tag:nihgt'; did you mean 'tag:night'?"),
        ("opening#3", "no shot matches 'opening#3'; the last is 'opening#2'"),
        ("zzzz", "no shot matches 'zzzz'"),
        ("stat:done", "no shot matches 'stat:done'"),
        ("state", "no shot matches 'state'"),
    ],
)
def test_a_selection_of_nothing_says_what_was_perhaps_meant(chosen: str, said: str) -> None:
    """The nearest id, key or tag, if there is one."""
    with pytest.raises(NothingSelected) as caught:
        select(SHOTS, BOOK, [chosen], [])
    assert str(caught.value) == said


def test_a_state_that_no_shot_is_in_selects_nothing_without_an_error() -> None:
    """There may be none today."""
    assert select(SHOTS, BOOK, ["state:parked"], []) == set()
    assert select(SHOTS, BOOK, [], ["state:parked"]) == {s.key for s in SHOTS}


def test_an_unknown_state_is_told_with_those_that_there_are() -> None:
    """`new` among them."""
    with pytest.raises(UsageError) as caught:
        select(SHOTS, BOOK, ["state:fialed"], [])
    assert str(caught.value).startswith("there is no state 'fialed'; there are intent, in_doubt, ")
    assert str(caught.value).endswith(", done, new, refused, not_sent, not_bought")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("pick:picked", {"door"}),
        ("pick:rejected", {"opening", "door"}),
        ("pick:open", {"opening#2", *POSTCARDS}),
    ],
)
def test_takes_are_selected_by_what_people_said(chosen: str, expected: set[str]) -> None:
    """One in dispute is both picked and rejected; one of which nothing is said is open."""
    words = {"opening": Said(rejected=True), "door": Said(picked=True, rejected=True)}
    assert select(SHOTS, BOOK, [chosen], [], lambda s: words.get(s.key, Said())) == expected


def test_a_pick_that_there_is_not_is_an_error() -> None:
    """With the words that there are."""
    with pytest.raises(UsageError) as caught:
        select(SHOTS, BOOK, ["pick:good"], [])
    assert str(caught.value) == "there is no pick 'good'; there are picked, rejected, open"


def test_a_misplaced_comma_is_shown() -> None:
    """With the expression it is in."""
    with pytest.raises(UsageError) as caught:
        select(SHOTS, BOOK, ["door tag:ext,"], [])
    said = "'tag:ext,': a comma stands between two terms, without spaces"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("opening#*", {"opening", "opening#2"}),  # every take has a number
        ("o*#1", {"opening"}),
        ("OPENING*", None),  # names are as written
        ("tag:NIGHT", None),
        ("door state:new,opening", {"door", "opening"}),
        ("tag:night,tag:ext state:failed", {"opening", "opening#2"}),
    ],
)
def test_a_glob_is_over_ids_and_keys(chosen: str, expected: set[str] | None) -> None:
    """Case counts; a comma binds more than a space."""
    if expected is None:
        with pytest.raises(NothingSelected):
            select(SHOTS, BOOK, [chosen], [])
    else:
        assert select(SHOTS, BOOK, [chosen], []) == expected


def test_a_shot_whose_name_is_a_pattern_is_meant_by_its_name() -> None:
    """As written, before it is read as a glob."""
    odd = [Shot("a[1]", 1, "text", {}, "x.mp4", NODE), Shot("a1", 1, "text", {}, "y.mp4", NODE)]
    assert select(odd, Book(), ["a[1]"], []) == {"a[1]", "a1"}


def test_takes_that_no_manifest_wants_can_be_selected() -> None:
    """By id, glob and state; they have no tags."""
    found = orphans(BOOK, {("door", 1)})
    assert [shot.key for shot in found] == ["opening#2"]
    assert select(found, BOOK, ["state:failed"], []) == {"opening#2"}

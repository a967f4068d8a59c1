"""Files that are, or were, bought videos have names by which klingflow knows them again."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from klingflow.decide.file_names import (
    earlier_paths,
    home_of,
    is_name_of_ours,
    is_passing,
    passing_name,
)
from klingflow.model import Bought, Purchase
from tests.purchases import done

UID = "20260608065249123-0123456789ab"


def bought(output: str = "outputs/film/a.mp4", *, uid: str = UID) -> Purchase:
    """A delivered purchase of the shot `a`."""
    return replace(done("a", uid=uid), output=output)


@pytest.mark.parametrize(
    ("path", "ours", "passes"),
    [
        ("a/b.mp4", False, False),
        ("a/b.mp4.bak", True, False),
        ("a/b.mp4.bak12", True, False),
        ("a/b.mp4.part", True, True),
        ("a/earlier/b.mp4", True, False),
        ("earlier/b.mp4", True, False),
        ("a/earlier/notes.txt", False, False),
        ("a/notes.txt.bak", False, False),
        (passing_name("a/b.mp4", "89abcdef"), True, True),
        ("a/.klingflow-x.moving", False, False),
    ],
)
def test_names_of_ours(path: str, ours: bool, passes: bool) -> None:
    """A user's file under another name is left alone, whatever it holds."""
    assert (is_name_of_ours(path), is_passing(path)) == (ours, passes)


def test_a_name_of_passage_is_in_the_folder_of_its_target() -> None:
    """So the rename at the end cannot cross disks; targets and runs have names of their own."""
    name = passing_name("a/b.mp4", "89abcdef")
    others = {passing_name("a/c.mp4", "89abcdef"), passing_name("a/b.mp4", "01234567")}
    assert name.startswith("a/.klingflow-") and name.endswith("-89abcdef.moving")
    assert len({name, *others}) == 3
    assert "/" not in passing_name("b.mp4", "89abcdef")


@pytest.mark.parametrize(
    ("name", "take", "file"),
    [
        ("a", 2, "a-2.1-01234567.mp4"),
        ("银发@16x9-上海", 1, "银发@16x9-上海.1-01234567.mp4"),
        ("../../x", 1, "_.._x.1-01234567.mp4"),
        ("a/b\\c:d\n", 1, "a_b_c_d_.1-01234567.mp4"),
        (".", 1, "video.1-01234567.mp4"),
        ("x" * 300, 1, "x" * 150 + ".1-01234567.mp4"),
    ],
)
def test_names_in_earlier_are_safe(name: str, take: int, file: str) -> None:
    """By the take that it was bought for, although it stands for another by now."""
    purchase = replace(bought(), shot="b", was=Bought(name, take))
    assert next(earlier_paths(purchase)) == f"outputs/film/earlier/{file}"


def test_the_uid_s_characters_come_from_its_random_part() -> None:
    """The others are its time. Where they are no plain letters and digits, a hash stands there."""
    assert next(earlier_paths(bought())) == "outputs/film/earlier/a.1-01234567.mp4"
    odd = next(earlier_paths(bought(uid="odd")))
    assert odd.startswith("outputs/film/earlier/a.1-") and "odd" not in odd
    assert len(odd) == len("outputs/film/earlier/a.1-01234567.mp4")


def test_a_purchase_has_as_many_names_in_earlier_as_it_takes() -> None:
    """Each once: other purchases may have the first ones."""
    names = [*islice(earlier_paths(bought()), 5)]
    assert len(set(names)) == 5
    assert names[2].endswith("-2.mp4") and names[3].endswith("-3.mp4")


@pytest.mark.parametrize("output", ["b.mp4", "earlier/b.mp4"])
def test_the_folder_earlier_is_not_put_into_itself(output: str) -> None:
    """Where a take's own output is there."""
    assert next(earlier_paths(bought(output))) == "earlier/a.1-01234567.mp4"


@pytest.mark.parametrize(
    ("path", "home"),
    [("a/b.mp4", "a"), ("a/earlier/b.mp4", "a"), ("earlier/b.mp4", ""), ("b.mp4", "")],
)
def test_what_was_replaced_is_at_home_beside_what_replaced_it(path: str, home: str) -> None:
    """A rename between the two is found again after a crash."""
    assert home_of(path) == home

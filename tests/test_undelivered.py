"""A dead download says what else there is."""

from __future__ import annotations

from dataclasses import replace

from klingflow.ledger.lifecycle import advance
from klingflow.model import Purchase
from klingflow.results.undelivered import undelivered, ways_out
from tests.purchases import LATER, done, submitted, succeeded

HEAD = "Gateways delete videos after some days, commonly 7. What else there is:"
AGAIN = "another purchase, which costs money: `klingflow run film.yaml -s a --rerun failed`"


def dead(purchase: Purchase) -> Purchase:
    return advance(purchase, "undelivered", LATER)


def test_the_undelivered_are_those_whose_last_download_was_given_up() -> None:
    """What came since, or is on its way, is none of them."""
    given_up, lost = dead(succeeded("a")), dead(done("e"))
    others = [submitted("b"), succeeded("c"), done("d"), advance(given_up, "downloaded", LATER)]
    assert undelivered([*others, given_up, lost]) == [given_up, lost]


def test_where_all_came_nothing_is_said() -> None:
    assert ways_out([], "film.yaml") == []


def test_a_copy_is_known_by_its_hash() -> None:
    """A video that was here once: the path and the hash are said, and what costs money."""
    purchase = replace(dead(done("a")), sha256="ab" * 32, output="outputs/film/a.mp4")
    assert ways_out([purchase], "film.yaml") == [
        HEAD,
        "a copy of a, from a colleague or a backup, put at outputs/film/a.mp4, with the sha256"
        f" {'ab' * 32}: the next run takes it as it is",
        AGAIN,
    ]


def test_without_a_hash_the_colleagues_lock_is_needed() -> None:
    """Only a ledger says which file is the video."""
    lines = ways_out([dead(succeeded("a"))], "film.yaml")
    assert [lines[0], lines[-1]] == [HEAD, AGAIN]
    assert "a copy put at its path is taken" in lines[1]
    assert len(lines) == 3


def test_of_many_a_few_are_listed() -> None:
    """The rest is counted; the purchase is of them alone, and not of all that failed."""
    lines = ways_out([dead(done(f"s{n}")) for n in range(7)], "film.yaml")
    assert len(lines) == 8
    assert lines[6].startswith("so for 2 more")
    assert lines[7].endswith("`klingflow run film.yaml -s 's0 s1 s2 s3 s4 s5 s6' --rerun failed`")


def test_a_take_of_several_is_named_as_a_shell_reads_it() -> None:
    """A `#` would begin a comment there."""
    assert ways_out([dead(succeeded("a", 2))], "film.yaml")[-1].endswith(
        "`klingflow run film.yaml -s 'a#2' --rerun failed`"
    )

"""Ids of purchases: sortable by time where one runner buys, the same for every copy of a ledger
where several hosts may buy.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.ledger.traces import uid_in
from klingflow.ledger.uids import attempt_of, film_of, new_uid, next_try, try_of, uid_of
from tests.purchases import AT, LATER

LINEAGE = "0123456789abcdef"


def test_new_uids_sort_by_time() -> None:
    """Whatever chance adds."""
    earlier, later = new_uid(AT, lambda n: "ff" * n), new_uid(LATER, lambda n: "00" * n)
    assert earlier == "20260608065249123-ffffffffffff" < later


def test_every_copy_of_a_ledger_makes_the_same_uid() -> None:
    """Its form is part of the names in a store, so it never changes."""
    assert uid_of(LINEAGE, "alley", 2, 1, 3) == "0123456789abcdef-f68677992ed9872a4d9a-003"


ATTEMPTS = st.tuples(st.text(max_size=9), st.integers(1, 99), st.integers(1, 99), st.integers(1, 9))


@given(st.lists(ATTEMPTS, unique=True, min_size=2, max_size=9))
def test_no_two_tries_are_alike(tries: list[tuple[str, int, int, int]]) -> None:
    """Neither of one attempt nor of two; also `a1` take 1 and `a` take 11 are two."""
    assert len({uid_of(LINEAGE, *one) for one in tries}) == len(tries)


@given(st.text(), st.text())
def test_a_lineage_of_any_text_leads_nowhere(lineage: str, shot: str) -> None:
    """A lock may name any lineage; the uid is the name of a file."""
    uid = uid_of(lineage, shot, 1, 1)
    assert uid_in(b'{"uid":"%s"}' % uid.encode()) == uid


@pytest.mark.parametrize(("uid", "number", "after"), [
    ("0123456789abcdef-f68677992ed9872a4d9a-001", 1, "0123456789abcdef-f68677992ed9872a4d9a-002"),
    ("0123456789abcdef-f68677992ed9872a4d9a-099", 99, "0123456789abcdef-f68677992ed9872a4d9a-100"),
    ("0123456789abcdef-f68677992ed9872a4d9a-999", 999, None),
    ("20260608065249123-ffffffffffff", None, None),
    ("0123456789abcdef-f68677992ed9872a4d9a-1", None, None),
])  # fmt: skip
def test_tries_follow_one_another(uid: str, number: int | None, after: str | None) -> None:
    """Up to the last one. Other ids have no tries."""
    assert (try_of(uid), next_try(uid)) == (number, after)


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_a_try_has_three_digits(number: int) -> None:
    """So that tries sort as texts do."""
    with pytest.raises(ValueError, match="no try"):
        uid_of(LINEAGE, "alley", 1, 1, number)


def test_an_id_says_of_which_film_and_attempt_it_is() -> None:
    """By its beginning; other ids say nothing."""
    first, second = (uid_of(LINEAGE, "alley", 1, 1, number) for number in (1, 2))
    assert attempt_of(first) == attempt_of(second) == first[:-4]
    assert first.startswith(f"{film_of(LINEAGE)}-")
    assert attempt_of("20260608065249123-ffffffffffff") is None
    assert "/" not in film_of("../..")

"""The ledger's content: by uid, by take, by task id; folded, in order, and what cannot be in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.ledger.book import (
    Book,
    alike,
    content,
    contradicting,
    contradictions,
    doubt,
    fold,
    held_twice,
    in_order,
    paid_twice,
    same_video,
    settled,
    superseded,
)
from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.lifecycle import advance, placed
from klingflow.model import Problem, Purchase
from tests.purchases import AT, LATER, done, intent, submitted, succeeded


def refused(shot: str, attempt: int = 1, *, uid: str = "") -> Purchase:
    """A purchase that bought nothing."""
    return advance(intent(shot, attempt=attempt, uid=uid), "refused", AT)


def failed(shot: str, attempt: int = 1, *, task_id: str = "", uid: str = "") -> Purchase:
    """A task that came to nothing."""
    bought = submitted(shot, attempt=attempt, task_id=task_id, uid=uid)
    return advance(bought, "failed", AT)


# ---------------------------------------------------------------- the book


def test_a_purchase_is_found_by_uid_take_and_task() -> None:
    a, b = submitted("a"), submitted("a", take=2)
    book = Book([a, b], lineage="l", serial=7)
    assert book.purchases == {a.uid: a, b.uid: b}
    assert book.task_ids == {"task_a": a.uid, "task_a#2": b.uid}
    assert (book.of("a", 1), book.of("a", 2), book.of("b", 1)) == ([a], [b], [])
    assert (book.lineage, book.serial, book.problems, book.pruned) == ("l", 7, [], {})
    assert (Book().lineage, Book().serial, [*Book().takes()]) == ("", 0, [])


def test_what_became_of_a_purchase_takes_its_place() -> None:
    """It is not a second purchase of the take."""
    first = submitted("a")
    after = advance(first, "succeeded", LATER)
    book = Book([first])
    book.put(after)
    assert (book.of("a", 1), book.latest("a", 1)) == ([after], after)
    assert book.task_ids == {"task_a": first.uid}


def test_a_task_stays_with_the_purchase_that_named_it_first() -> None:
    """Or a second one would take over its reply."""
    a, b = submitted("a"), submitted("b", task_id="task_a")
    assert Book([a, b]).task_ids == {"task_a": a.uid}


def test_what_was_never_made_can_be_forgotten() -> None:
    """Its take is not one that the ledger knows, until it is bought."""
    gone, kept = refused("a"), submitted("b")
    book = Book([gone, kept])
    book.drop(gone.uid)
    assert (book.purchases, [*book.takes()], book.of("a", 1)) == ({kept.uid: kept}, [("b", 1)], [])
    assert book.latest("a", 1) is None
    book.put(gone)
    assert {*book.takes()} == {("a", 1), ("b", 1)}


def test_purchases_of_a_take_are_the_oldest_first() -> None:
    """By attempt; of one attempt, what was bought after its refusals, by uid."""
    second, first = submitted("a", attempt=2, uid="1"), failed("a", uid="2")
    again = failed("a", uid="3", task_id="t")
    refusal = refused("a", uid="9")
    assert Book([second, again, first, refusal]).of("a", 1) == [refusal, first, again, second]
    assert Book([second, first]).latest("a", 1) == second


def test_refusals_of_one_attempt_stay_in_the_order_they_were_entered_in() -> None:
    """Their uids are of a clock that may go back."""
    one, two = refused("a", uid="2"), refused("a", uid="1")
    assert Book([one, two]).of("a", 1) == [one, two]


@pytest.mark.parametrize(
    ("purchases", "number"),
    [
        ([], 1),
        ([refused("a")], 1),
        ([failed("a")], 2),
        ([failed("a"), refused("a", 2)], 2),
        ([failed("a"), refused("a", 2), failed("a", 2, task_id="t")], 3),
        ([failed("a", 5)], 6),
        ([intent("a")], 2),
        ([failed("b")], 1),
    ],
)
def test_an_attempt_that_was_refused_does_not_count(purchases: list[Purchase], number: int) -> None:
    """It bought nothing, so its number is used again."""
    assert Book(purchases).next_attempt("a", 1) == number


def test_a_number_once_given_to_a_take_is_never_given_again() -> None:
    """It counts where it was bought, and where it stands; what was moved or pruned keeps it."""
    gone = placed(failed("a", 3), LATER, shot="b")
    book = Book([gone, submitted("b")])
    book.remember([done("a", attempt=5, uid="p"), placed(done("c", attempt=7), LATER, shot="d")])
    assert [book.next_attempt(shot, 1) for shot in "abcde"] == [6, 4, 8, 8, 1]
    book.put(placed(gone, LATER, shot="e"))
    assert [book.next_attempt(shot, 1) for shot in "abe"] == [6, 2, 4]


def test_a_purchase_that_was_moved_is_found_where_it_stands() -> None:
    a, b = done("a"), done("b")
    book = Book([a, b])
    book.put(moved := placed(a, LATER, shot="b"))
    assert (book.of("a", 1), book.of("b", 1)) == ([], [b, moved])
    assert [*book.takes()] == [("b", 1)]
    book.put(home := placed(moved, LATER, shot="a"))
    assert (book.of("a", 1), book.of("b", 1)) == ([home], [b])
    book.drop(a.uid)
    assert (book.of("a", 1), book.next_attempt("a", 1)) == ([], 1)


def test_a_purchase_is_as_old_at_its_take_as_its_move() -> None:
    """Whatever its attempt's number; what is bought there later is newer."""
    own = done("b", attempt=4)
    first, second = (placed(done("a", attempt=n), LATER, shot="b") for n in (1, 2))
    newest = replace(done("b", attempt=5), times={"intent": "2026-06-09T00:00:00.000Z"})
    assert Book([newest, second, own, first]).of("b", 1) == [own, first, second, newest]


def test_two_attempts_of_one_number_at_one_take_are_no_second_payment_after_a_move() -> None:
    """They were bought for two takes, with two bodies."""
    moved = placed(done("a", fingerprint="sha256:2"), LATER, shot="b")
    assert paid_twice([done("b"), moved]) == []


def test_the_tasks_of_what_was_pruned_stay_taken() -> None:
    """Where the book has the purchase itself, it is not pruned."""
    here, gone, never = submitted("a"), done("b"), intent("c")
    book = Book([here])
    book.remember([here, gone, never])
    assert book.pruned == {gone.uid: gone, never.uid: never}
    assert book.task_ids == {"task_a": here.uid, "task_b": gone.uid}
    book.remember([replace(gone, uid="other", task_id="task_a")])
    assert book.task_ids["task_a"] == here.uid


def test_what_was_pruned_can_be_entered_again() -> None:
    gone, other = done("b"), done("c")
    book = Book()
    book.remember([gone, other])
    book.put(gone)
    assert (book.of("b", 1), book.pruned) == ([gone], {other.uid: other})


def test_purchases_are_found_by_their_body() -> None:
    """Also what was pruned, and what came later; never what was refused."""
    a, b, gone = done("a"), done("b", fingerprint="sha256:2"), done("c")
    book = Book([a, b, refused("d")])
    book.remember([gone])
    assert book.bought_as("sha256:1") == [a, gone]
    book.put(later := done("e"))
    book.put(moved := placed(a, LATER, shot="x"))
    assert book.bought_as("sha256:1") == [moved, gone, later]
    book.drop(later.uid)
    assert book.bought_as("sha256:1") == [moved, gone]
    assert book.bought_as("sha256:3") == []


@pytest.mark.parametrize(
    "other",
    [
        [],
        [done("a", uid="1")],
        [submitted("a", uid="2")],
        [submitted("a", uid="1"), intent("b", uid="2")],
        [placed(submitted("a", uid="1"), LATER, shot="b")],
    ],
    ids=["less", "further", "another", "more", "moved"],
)
def test_the_content_of_a_ledger_is_another_whatever_happens(other: list[Purchase]) -> None:
    """A saved plan is held against it."""
    one = [submitted("a", uid="1")]
    assert content(Book(one)) != content(Book(other))


def test_the_order_of_lines_is_no_content() -> None:
    """Git may merge them in any."""
    one, other = submitted("a"), submitted("b")
    assert content(Book([one, other])) == content(Book([other, one]))


def test_when_a_doubt_was_noticed_is_no_change_of_the_ledger() -> None:
    """Who only looks, and who opens the ledger later, see one content."""
    stale = intent("a", uid="1")
    assert content(Book([doubt(stale, None)])) == content(Book([doubt(stale, LATER)]))


def test_a_pruned_purchase_still_counts_in_the_content() -> None:
    """It was paid for."""
    book = Book([])
    book.remember([done("a", uid="1")])
    assert content(book) != content(Book([]))


def test_a_copy_of_a_book_changes_alone() -> None:
    a, gone = done("a"), done("b")
    book = Book([a], lineage="l", serial=3)
    book.remember([gone])
    book.bought_as("sha256:1")
    again = book.copy()
    again.put(placed(a, LATER, shot="x"))
    again.put(gone)
    again.put(submitted("c"))
    assert (again.lineage, again.serial) == ("l", 3)
    assert ([*book.takes()], book.pruned, len(book.purchases)) == ([("a", 1)], {gone.uid: gone}, 1)
    assert (book.next_attempt("a", 1), again.next_attempt("x", 1)) == (2, 2)
    assert len(book.bought_as("sha256:1")) == 2
    assert len(again.bought_as("sha256:1")) == 3


# ---------------------------------------------------------------- order and fold


def test_the_lock_keeps_purchases_by_shot_take_attempt_and_uid() -> None:
    """So that a diff shows what changed, and nothing else."""
    right = [
        intent("a", uid="9"),
        intent("a", attempt=2, uid="1"),
        intent("a", attempt=2, uid="2"),
        intent("a", take=2, uid="0"),
        intent("b", uid="0b"),
    ]
    assert in_order(reversed(right)) == right


def test_accounts_of_one_uid_are_one_purchase() -> None:
    """And what contradicts them is handed back."""
    first = submitted("a", uid="u")
    after = advance(first, "succeeded", LATER)
    other = submitted("b", uid="v")
    apart = replace(first, task_id="t", times={**first.times, "submitted": LATER})
    other_apart = replace(other, task_id="t", times={**other.times, "submitted": LATER})
    purchases, left_out = fold([first, other, after, apart, other_apart])
    assert (purchases, left_out) == ([after, other], [apart, other_apart])


def test_a_doubt_counts_only_where_no_account_reports_its_uid() -> None:
    """Two doubts of one uid are one."""
    known = submitted("a", uid="u")
    lost = doubt(intent("b", uid="v"), LATER)
    assert fold([known], [replace(known, state="in_doubt", task_id=None), lost, lost]) == (
        [known, lost],
        [],
    )


def test_of_doubts_of_one_uid_the_last_in_the_locks_order_stays() -> None:
    """So that the order of damaged lines does not matter."""
    a, b = (replace(doubt(intent("x", uid="u"), LATER), attempt=n) for n in (1, 2))
    assert fold([], [a, b]) == fold([], [b, a]) == ([b], [])


def test_a_refusal_that_something_came_after_explains_no_more() -> None:
    """By attempt, or of one attempt by what was bought; the last refusal stays, and other takes."""
    first, last = refused("a", uid="1"), refused("a", 2, uid="2")
    assert superseded([first, last]) == superseded([last, first]) == {"1"}
    assert superseded([first, failed("a")]) == {"1"}
    assert superseded([failed("a"), refused("a", 2, uid="3")]) == set()
    assert superseded([first, refused("b", uid="4"), submitted("c")]) == set()
    assert superseded([failed("a"), submitted("a", attempt=2, task_id="t")]) == set()
    assert superseded([]) == set()


# ---------------------------------------------------------------- doubts


def test_an_intent_nobody_recorded_the_outcome_of_is_in_doubt() -> None:
    """Its request may have gone out between its time and now."""
    begun = intent("a")
    received = "nothing was recorded: klingflow ended before the answer was on disk"
    assert doubt(begun, LATER) == replace(
        begun,
        state="in_doubt",
        times={"intent": AT, "in_doubt": LATER, "updated": LATER},
        evidence={
            "from": AT,
            "to": LATER,
            "model": "kling-3.0",
            "received": received,
            "received_words": {"template": received},
        },
    )


def test_whoever_only_looks_does_not_say_until_when() -> None:
    looked = doubt(intent("a"), None)
    assert looked.evidence and (looked.evidence["from"], looked.evidence["to"]) == (AT, None)
    assert looked.times["in_doubt"] == AT
    bare = doubt(replace(intent("a"), times={}, body={}), None)
    assert bare.evidence and (bare.evidence["from"], bare.evidence["model"]) == ("", None)


def test_only_intents_are_settled() -> None:
    begun, bought = intent("a"), submitted("b")
    assert settled([begun, bought], LATER) == [doubt(begun, LATER), bought]


# ---------------------------------------------------------------- what cannot be


def test_a_task_under_two_purchases_is_found() -> None:
    a, b, c = submitted("a"), submitted("b", attempt=2, task_id="task_a"), submitted("c")
    assert held_twice([a, b, c, intent("d"), intent("e")]) == [(a, b)]
    assert contradictions([a, b, c]) == [
        Problem("task_held_twice", keys=("a", "b"), tasks=("task_a", "task_a"), attempts=(1, 2))
    ]


def test_a_take_that_was_paid_for_twice_is_found() -> None:
    """In the lock's order, whatever order the purchases are in."""
    a, b = done("a", uid="1", task_id="t"), submitted("a", uid="2", task_id="u")
    assert paid_twice([b, a]) == [(a, b)]
    assert contradictions([b, a]) == [
        Problem("paid_twice", keys=("a", "a"), tasks=("t", "u"), attempts=(1, 1))
    ]


def moved(purchase: Purchase, event: str) -> Purchase:
    """With the time of an event that permits another purchase."""
    return replace(purchase, times={**purchase.times, event: LATER})


@pytest.mark.parametrize(
    ("purchases", "twice"),
    [
        ([done("a"), submitted("a", attempt=2)], 1),
        ([done("a"), submitted("a", attempt=2, fingerprint="sha256:2")], 0),
        ([done("a"), submitted("a", fingerprint="sha256:2")], 1),
        ([moved(done("a"), "resubmitted"), submitted("a", attempt=2)], 0),
        ([moved(succeeded("a"), "undelivered"), submitted("a", attempt=2)], 0),
        ([moved(done("a"), "abandoned"), submitted("a", attempt=2)], 1),
        ([moved(done("a"), "resubmitted"), submitted("a")], 1),
        ([done("a"), moved(submitted("a", attempt=2), "resubmitted")], 1),
        ([failed("a"), submitted("a", attempt=2)], 0),
        ([done("a"), done("a", take=2), done("b")], 0),
        ([done("a"), submitted("a", attempt=2), submitted("a", attempt=3)], 2),
    ],
)
def test_a_second_purchase_may_have_been_meant(purchases: list[Purchase], twice: int) -> None:
    """Another body, or a permission after the first, explains it; one attempt twice never."""
    assert len(paid_twice(purchases)) == twice


def test_an_account_that_was_set_aside_is_reported_with_its_task() -> None:
    assert contradicting(submitted("a", take=2)) == Problem(
        "contradicting_line", keys=("a#2",), tasks=("task_a#2",)
    )


def test_one_video_of_several_tasks_is_remarked() -> None:
    """By the takes that have it; another video is nothing to remark."""
    videos = [replace(done(name), sha256="ab", size_bytes=7) for name in "abc"]
    other = replace(done("d"), sha256="cd", size_bytes=7)
    (found,) = alike([*videos, other])
    assert same_video(found) == Problem(
        "same_video", keys=("a", "b", "c"), tasks=("task_a", "task_b", "task_c"), count=3
    )


def test_one_task_under_two_purchases_is_no_second_video() -> None:
    """That is a report of its own."""
    assert alike([replace(done(name), sha256="ab", task_id="t") for name in "ab"]) == []


def test_an_intent_at_a_cluster_is_no_doubt_yet() -> None:
    """Hosts that this process does not see may wait for its outcome. Any other intent is one."""
    handed = handed_over(intent("alley"), store="s", batch="b")
    assert settled([handed], LATER) == [handed]
    assert [p.state for p in settled([intent("alley")], LATER)] == ["in_doubt"]


def test_a_doubt_keeps_what_its_intent_said() -> None:
    """Where it was handed over, and who claimed it."""
    handed = handed_over(intent("alley"), store="s", batch="b")
    evidence = doubt(handed, LATER).evidence or {}
    assert evidence.items() >= (handed.evidence or {}).items() and evidence["to"] == LATER


def test_the_newest_hundred_saved_plans_are_remembered() -> None:
    """By when they were used, whatever their ids; one that is used again is as new."""
    book = Book(plans={f"old{n:03}": f"2026-06-08T07:00:00.{n:03}Z" for n in range(100)})
    book.use_plan("old000", "2026-06-08T07:00:01.000Z")
    book.use_plan("a", "2026-06-08T07:00:02.000Z")
    assert (len(book.plans), [*book.plans][-2:]) == (100, ["old000", "a"])
    assert "old001" not in book.plans and "old002" in book.plans

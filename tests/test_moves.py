"""What is paid for goes with its body: renames, shifts and swaps, all decided together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from klingflow.decide.moves import is_spare
from klingflow.decide.plan import make_plan
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import placed
from klingflow.manifest.request import finish
from klingflow.model import Plan, Purchase, Request, Shot
from tests.planned import manifest, moved, pending, request, shot
from tests.purchases import AT, LATER, ORIGIN, done, intent, submitted, succeeded

Wanted = tuple[Shot, Request]


def want(name: str, body: str, take: int = 1) -> Wanted:
    """A take whose fingerprint is `body`."""
    return shot(name, take=take), request(body)


def planned(bought: Sequence[Purchase], *wanted: Wanted, **more: object) -> Plan:
    options = {"files": {}, "origin": ORIGIN, "at": LATER, **more}
    return make_plan(manifest(*wanted), Book(bought), **options)  # type: ignore[arg-type]


def lines(made: Plan) -> list[tuple[str, str]]:
    return [(a.verb, a.key) for a in made.actions]


def went(made: Plan) -> list[tuple[str, str]]:
    """From which take to which."""
    return [(move.before, move.purchase.key) for move in made.moves]


def written(made: Plan, book: Book) -> Book:
    """The book after a run has written the plan's moves."""
    for move in made.moves:
        book.put(move.purchase)
    return book


# ---------------------------------------------------------------- renames


def test_a_shot_that_is_renamed_takes_its_purchase_along() -> None:
    """Its line says what it was; the file stays where it is until a run moves it."""
    alley = done("alley", fingerprint="A")
    made = planned([alley], want("alley-night", "A"))
    (move,) = made.moves
    assert move.purchase == placed(alley, LATER, shot="alley-night")
    (action,) = made.actions
    assert (action.verb, action.purchase) == ("download", move.purchase)
    assert action.reason.endswith("; was alley")


def test_what_has_no_file_yet_goes_to_its_new_place() -> None:
    (move,) = planned([submitted("alley", fingerprint="A")], want("night", "A")).moves
    assert move.purchase.output == "outputs/film/night.mp4"


def test_an_insertion_that_shifts_every_later_shot_buys_one() -> None:
    bought = [done(f"s{n}", fingerprint=f"B{n}") for n in range(1, 5)]
    names = ["B1", "new", "B2", "B3", "B4"]
    made = planned(bought, *(want(f"s{n}", body) for n, body in enumerate(names, 1)))
    assert lines(made) == [
        ("download", "s1"),
        ("create", "s2"),
        *(("download", f"s{n}") for n in (3, 4, 5)),
    ]
    assert went(made) == [("s2", "s3"), ("s3", "s4"), ("s4", "s5")]


def test_a_swap_comes_out_in_one_step() -> None:
    bought = [done("a", fingerprint="A"), submitted("b", fingerprint="B")]
    made = planned(bought, want("a", "B"), want("b", "A"))
    assert went(made) == [("b", "a"), ("a", "b")]
    assert lines(made) == [("resume", "a"), ("download", "b")]


def test_a_plan_after_its_moves_is_the_same_without_them() -> None:
    bought = [
        done("a", fingerprint="A"),
        submitted("b", fingerprint="B"),
        done("c", fingerprint="C"),
    ]
    wanted = [want("b", "A"), want("a", "B"), want("d", "C")]
    made = planned(bought, *wanted)
    again = make_plan(made.manifest, written(made, Book(bought)), {}, origin=ORIGIN, at=LATER)
    assert again.moves == ()
    assert [(a.verb, a.key, a.purchase) for a in again.actions] == [
        (a.verb, a.key, a.purchase) for a in made.actions
    ]


def test_takes_split_into_shots_are_kept() -> None:
    bought = [done("opening", take=n, fingerprint="A", uid=f"u{n}") for n in (1, 2)]
    made = planned(bought, want("opening-a", "A"), want("opening-b", "A"))
    assert went(made) == [("opening", "opening-a"), ("opening#2", "opening-b")]


def test_of_equal_purchases_take_k_goes_to_take_k() -> None:
    """And otherwise the first of the ledger to the first of the manifest."""
    bought = [done(name, take=n, fingerprint="A") for name in "ab" for n in (1, 2)]
    made = planned(bought, *(want(name, "A", n) for name in "xy" for n in (2, 1)))
    assert went(made) == [("a#2", "x#2"), ("a", "x"), ("b#2", "y#2"), ("b", "y")]
    made = planned(bought[:2], want("x", "A", 3), want("y", "A", 3))
    assert went(made) == [("a", "x#3"), ("a#2", "y#3")]


def test_a_video_goes_before_what_may_bring_one_and_a_failure_last() -> None:
    """So that nothing is bought again while a paid video lies unused."""
    failure = moved(submitted("a", fingerprint="A"), "failed")
    doubt = moved(intent("b", fingerprint="A"), "doubted")
    running, video = submitted("c", fingerprint="A"), done("d", fingerprint="A")
    takes = [want("x", "A"), want("y", "A"), want("z", "A"), want("w", "A")]
    assert went(planned([failure, doubt, running, video], *takes)) == [
        ("d", "x"),
        ("c", "y"),
        ("b", "z"),
        ("a", "w"),
    ]


# ---------------------------------------------------------------- every state moves


@pytest.mark.parametrize(("name", "take"), [("z", 1), ("b", 2)], ids=["a rename", "a take"])
def test_a_take_that_would_be_bought_goes_before_one_that_has_failed(name: str, take: int) -> None:
    """The failed one costs nothing as it is, so its video would have to be bought once more."""
    failure = moved(submitted("b", fingerprint="A"), "failed")
    wanted = want("b", "A"), want(name, "A", take)
    made = planned([failure, done("c", fingerprint="A")], *wanted)
    key = wanted[1][0].key
    assert (lines(made), went(made)) == ([("failed", "b"), ("download", key)], [("c", key)])
    alone = planned([failure, done("c", fingerprint="A")], wanted[0])
    assert went(alone) == [("c", "b")]


@pytest.mark.parametrize(
    ("before", "verb"),
    [
        (submitted("a", fingerprint="A"), "resume"),
        (moved(submitted("a", fingerprint="A"), "parked"), "resume"),
        (succeeded("a", fingerprint="A"), "download"),
        (moved(succeeded("a", fingerprint="A"), "undelivered"), "download"),
        (moved(submitted("a", fingerprint="A"), "failed"), "failed"),
        (moved(intent("a", fingerprint="A"), "doubted"), "in_doubt"),
        (moved(intent("a", fingerprint="A"), "doubted", "abandoned"), "failed"),
        (moved(intent("a", fingerprint="A"), "doubted", "resubmitted"), "create"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_every_state_moves_and_means_what_it_meant(before: Purchase, verb: str) -> None:
    made = planned([before], want("b", "A"))
    assert (went(made), lines(made)) == ([("a", "b")], [(verb, "b")])


def test_a_refusal_stays_where_it_was() -> None:
    """It bought nothing."""
    made = planned([moved(intent("a", fingerprint="A"), "refused")], want("b", "A"))
    assert (made.moves, lines(made)) == ((), [("create", "b")])


def test_all_purchases_of_one_body_move_together() -> None:
    """Those of another body stay behind."""
    failure = moved(submitted("a", fingerprint="A", uid="1"), "failed")
    bought = [
        failure,
        done("a", attempt=2, fingerprint="A", uid="2"),
        done("a", attempt=3, fingerprint="B", uid="3"),
    ]
    made = planned(bought, want("x", "A"))
    assert [move.purchase.uid for move in made.moves] == ["1", "2"]
    assert lines(made) == [("download", "x"), ("orphan", "a")]


# ---------------------------------------------------------------- what does not move


def test_what_serves_its_take_stays() -> None:
    """A second shot of the same body is bought."""
    made = planned([done("a", fingerprint="A")], want("a", "A"), want("b", "A"))
    assert (made.moves, lines(made)) == ((), [("download", "a"), ("create", "b")])


def test_a_take_whose_body_is_another_now_gives_its_purchase_away() -> None:
    """And is kept, changed, where nobody wants that."""
    bought = [done("a", fingerprint="A")]
    assert went(planned(bought, want("a", "new"), want("b", "A"))) == [("a", "b")]
    made = planned(bought, want("a", "new"), want("b", "B"))
    assert (made.moves, lines(made)) == ((), [("download", "a"), ("create", "b")])


def test_what_another_gateway_sold_moves_only_to_a_run_with_it() -> None:
    """Or to one whose gateway is not known."""
    bought = [submitted("a", fingerprint="A")]
    other = "https://elsewhere.example.com"
    assert went(planned(bought, want("b", "A"), origin=other)) == []
    assert went(planned(bought, want("b", "A"), origin="")) == [("a", "b")]
    assert went(planned([replace(bought[0], origin="")], want("b", "A"), origin=other)) == [
        ("a", "b")
    ]


@pytest.mark.parametrize(
    "own",
    [
        submitted("x", fingerprint="B"),
        moved(submitted("x", fingerprint="B"), "parked"),
        succeeded("x", fingerprint="B"),
        moved(intent("x", fingerprint="B"), "doubted"),
        replace(moved(intent("x"), "doubted"), fingerprint="", origin=""),
    ],
    ids=["submitted", "parked", "succeeded", "in doubt", "damaged line"],
)
def test_a_take_with_something_unfinished_takes_nothing_over_yet(own: Purchase) -> None:
    """Nobody would ask after it then. Nothing is bought, and the next run may move."""
    made = planned([own, done("a", fingerprint="A")], want("x", "A"))
    assert made.moves == ()
    assert made.actions[0].verb in ("resume", "download", "in_doubt")


def test_a_doubt_that_moves_away_leaves_its_take_free_to_buy() -> None:
    doubt = moved(intent("a", fingerprint="A"), "doubted")
    made = planned([doubt], want("a", "new"), want("b", "A"))
    assert lines(made) == [("create", "a"), ("in_doubt", "b")]


def test_what_is_unfinished_moves_around_in_a_ring() -> None:
    """Each leaves the place that it would hold."""
    bought = [submitted(name, fingerprint=name.upper()) for name in "abc"]
    made = planned(bought, want("a", "C"), want("b", "A"), want("c", "B"))
    assert went(made) == [("c", "a"), ("a", "b"), ("b", "c")]


def test_a_chain_that_ends_at_something_unfinished_waits_as_a_whole() -> None:
    """`c` keeps a task of its own, so `b` keeps its task, too."""
    bought = [submitted(name, fingerprint=name.upper()) for name in "abc"]
    made = planned(bought, want("b", "A"), want("c", "B"))
    assert made.moves == ()
    assert lines(made) == [("resume", "b"), ("resume", "c"), ("resume", "a")]


def test_what_one_take_cannot_have_yet_goes_to_an_equal_one() -> None:
    made = planned(
        [submitted("x", fingerprint="B"), done("a", fingerprint="A")],
        want("x", "A"),
        want("y", "A"),
    )
    assert went(made) == [("a", "y")]


@pytest.mark.parametrize("rerun", ["changed", "failed"])
def test_what_is_bought_again_is_not_what_is_paid_for(rerun: str) -> None:
    """A move goes before `--rerun`."""
    own = [done("x", fingerprint="B"), moved(submitted("y", fingerprint="A2"), "failed")]
    paid = [done("a", fingerprint="A"), done("b", fingerprint="A2")]
    made = planned([*own, *paid], want("x", "A"), want("y", "A2"), rerun={rerun})
    assert went(made) == [("a", "x"), ("b", "y")]
    assert {verb for verb, _ in lines(made)} == {"download"}


# ---------------------------------------------------------------- pruned


def test_what_was_pruned_is_entered_again_for_its_take_or_its_body() -> None:
    """It is paid for."""
    book = Book()
    book.remember(
        [done("a", fingerprint="A"), done("b", fingerprint="B"), done("c", fingerprint="C")]
    )
    made = make_plan(manifest(want("a", "A"), want("x", "B")), book, {}, at=LATER)
    assert went(made) == [("a", "a"), ("b", "x")]
    assert made.actions[0].reason.endswith("; was pruned")
    assert len(book.pruned) == 3
    assert [p.key for p in written(made, book).pruned.values()] == ["c"]


# ---------------------------------------------------------------- dependants


def refers(name: str, need: str, to: Purchase) -> tuple[Wanted, str]:
    """A shot that refers to another one, and its fingerprint where that is served by `to`."""
    wanted = pending(name, need)
    final = finish(wanted[1], lambda _: "", lambda _: to.uid)
    return wanted, str(final.fingerprint)


def test_a_chain_of_renamed_shots_moves_as_a_whole() -> None:
    """A body refers to its source's purchase, whatever that is called."""
    a = done("a", fingerprint="A")
    _, body_b = refers("b", "a", a)
    b = done("b", fingerprint=body_b)
    _, body_c = refers("c", "b", b)
    c = done("c", fingerprint=body_c)
    made = planned([c, b, a], pending("c2", "b2"), pending("b2", "a2"), want("a2", "A"))
    assert went(made) == [("a", "a2"), ("b", "b2"), ("c", "c2")]
    assert {verb for verb, _ in lines(made)} == {"download"}


def test_a_shot_and_its_dependant_may_swap_their_names() -> None:
    a = done("a", fingerprint="A")
    _, body_b = refers("b", "a", a)
    made = planned([a, done("b", fingerprint=body_b)], pending("a", "b"), want("b", "A"))
    assert went(made) == [("a", "b"), ("b", "a")]


def test_a_dependant_waits_where_its_source_has_to_be_bought() -> None:
    """What its body will be is not known, so nothing goes over to it."""
    made = planned([done("z", fingerprint="Z")], pending("b", "a"), want("a", "A"))
    assert (made.moves, lines(made)[:2]) == ((), [("waits", "b"), ("create", "a")])


# ---------------------------------------------------------------- beside a plan


def test_a_purchase_is_spare_if_no_take_of_the_plan_stands_for_it() -> None:
    made = planned([], want("a", "A"), pending("b", "a"))
    told = [("a", "A", False), ("a", "B", True), ("b", "A", False), ("z", "A", True)]
    for name, body, spare in told:
        assert is_spare(done(name, fingerprint=body), made.by_key, ORIGIN) == spare
    other = replace(done("z"), origin="https://elsewhere.example.com")
    assert not is_spare(other, made.by_key, ORIGIN)


def test_many_renamed_shots_are_planned_together() -> None:
    """Linear: each body is looked up once."""
    bought = [done(f"s{n}", fingerprint=f"B{n}") for n in range(2000)]
    made = planned(bought, *(want(f"t{n}", f"B{n}") for n in range(2000)))
    assert len(made.moves) == 2000


def test_a_move_without_a_time_of_the_plan_has_that_of_the_last_change() -> None:
    """A plan that is only looked at has no clock."""
    (move,) = planned([done("a", fingerprint="A")], want("b", "A"), at="").moves
    assert move.purchase.times["moved"] == AT

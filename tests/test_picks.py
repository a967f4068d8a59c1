"""Which take of a shot counts, by what people say of its takes."""

from __future__ import annotations

import pytest

from klingflow.decide.picks import counting, held_against, takes_of
from klingflow.errors import Mark
from klingflow.ledger.book import Book
from klingflow.model import NO_PICKS, PickLine, Picks, Purchase, Said, Verdict
from tests.planned import OTHER, SAME, manifest, pending, plan, shot, verbs
from tests.purchases import done, submitted, succeeded

AT = Mark("film.picks.yaml", 1, 3)
PICKED, REJECTED, BOTH = Said(picked=True), Said(rejected=True), Said(True, True)


def picked(purchase: Purchase, note: str = "") -> PickLine:
    """A line that picks a purchase at its take."""
    return PickLine(purchase.shot, purchase.take, False, note, purchase.uid, AT)


def rejected(purchase: Purchase, note: str = "") -> PickLine:
    """A line that rejects a purchase at its take."""
    return PickLine(purchase.shot, purchase.take, True, note, purchase.uid, AT)


TWO = (shot("a"), shot("a", take=2))
FIRST, SECOND = done("a", uid="u1"), succeeded("a", take=2, uid="u2")

COUNTING = {
    "nothing said": ({}, "a", False),
    "the picked one": ({"u2": PICKED}, "a#2", True),
    "the first that is not rejected": ({"u1": REJECTED}, "a#2", False),
    "a pick of another purchase": ({"u9": PICKED}, "a", False),
    "a picked one beside a rejected one": ({"u1": REJECTED, "u3": PICKED}, "a#3", True),
}


@pytest.mark.parametrize("case", COUNTING)
def test_the_picked_take_counts_or_the_first_that_is_not_rejected(case: str) -> None:
    """A verdict counts while its purchase is the present one of its take."""
    said, key, is_picked = COUNTING[case]
    uids = {"a": "u1", "a#2": "u2", "a#3": "u3"}
    found = counting(
        "a", tuple(uids), Picks(lines=(PickLine("a", 1),), said=said), uids.__getitem__
    )
    assert found[:2] == (key, is_picked)


NONE_COUNTS = {
    "two picks": (
        {"u1": PICKED, "u2": PICKED},
        "held",
        "a and a#2 are both picked; `klingflow pick` or `unpick` settles it",
    ),
    "a pick and a rejection": (
        {"u2": BOTH},
        "held",
        "a#2 is picked and rejected; `klingflow pick` or `unpick` settles it",
    ),
    "only rejections": (
        {"u1": REJECTED, "u2": REJECTED},
        "waits",
        "waits for a, of which every take is rejected",
    ),
}


@pytest.mark.parametrize("case", NONE_COUNTS)
def test_in_a_dispute_no_take_counts(case: str) -> None:
    """What needs the shot is held; where all are rejected it waits."""
    said, verb, reason = NONE_COUNTS[case]
    uids = {"a": "u1", "a#2": "u2"}
    found = counting(
        "a", tuple(uids), Picks(lines=(PickLine("a", 1),), said=said), uids.__getitem__
    )
    assert found == ("", False, verb, reason)


def test_a_line_without_a_purchase_means_the_present_one() -> None:
    """As a person writes it by hand."""
    line = PickLine("a", 2, True, "too dark", "", AT)
    found = plan([FIRST, SECOND], *TWO, picks=[line]).terms.picks
    assert found == Picks(
        (line._replace(purchase="u2"),), {"u2": Said(rejected=True, note="too dark")}
    )


ASTRAY = {
    "no such take": (
        PickLine("a", 5, mark=AT),
        "a#5: there is no such take; the shot has takes 1, 2",
    ),
    "no such shot": (PickLine("x", 1, mark=AT), "x: there is no such take, and no such shot"),
    "not bought": (PickLine("b", 1, mark=AT), "b: nothing is bought for this take yet"),
    "unknown": (PickLine("a", 2, purchase="u9", mark=AT), "a#2: the ledger has no purchase u9"),
}


@pytest.mark.parametrize("case", ASTRAY)
def test_a_pick_of_nothing_is_a_diagnostic(case: str) -> None:
    """At its line; what needs the shot is held, because nobody knows which take was meant."""
    line, told = ASTRAY[case]
    made = plan([FIRST, SECOND], *TWO, shot("b"), shot("c", "a"), shot("d", "b"), picks=[line])
    (doubt,) = made.terms.picks.doubts
    assert str(doubt) == f"film.picks.yaml:1:3: warning[pick-astray]: {told}"
    held = {"a": ["c"], "b": ["d"]}.get(line.shot, [])
    assert [a.key for a in made.actions if a.verb == "held"] == held


def test_a_rejection_of_nothing_holds_nobody() -> None:
    """It is told; every take that there is stands."""
    line = PickLine("a", 5, rejects=True, mark=AT)
    made = plan([FIRST], *TWO, shot("b", "a"), picks=[line])
    assert (len(made.terms.picks.doubts), verbs(made)) == (1, ["keep", "create", "create"])


def test_what_needs_a_shot_uses_its_counting_take() -> None:
    """The body is made from the picked take's purchase."""
    made = plan([FIRST, SECOND], *TWO, pending("b", "a"), picks=[picked(SECOND)])
    request = made.by_key["b"].request
    assert request and request.body["images"] == [SECOND.video_url]


def test_a_take_can_be_named() -> None:
    """`shots['a#1']` is the first take, whatever is picked."""
    made = plan([FIRST, SECOND], *TWO, pending("b", "a#1"), picks=[picked(SECOND)])
    request = made.by_key["b"].request
    assert request and request.body["images"] == [FIRST.video_url]


def test_what_needs_a_disputed_shot_is_held() -> None:
    """And what needs that waits; nothing is bought by a guess."""
    lines = [picked(FIRST), picked(SECOND)]
    made = plan([FIRST, SECOND], *TWO, pending("b", "a"), shot("c", "b"), picks=lines)
    assert verbs(made)[2:] == ["held", "waits"]
    assert made.by_key["c"].reason == "waits for b, which is held"


def test_a_pick_follows_its_purchase_to_another_take() -> None:
    """A shot that is renamed takes its picked purchase with it."""
    made = plan([FIRST, SECOND], shot("z"), shot("z", take=2), picks=[picked(SECOND)])
    assert made.verdicts == {"z": Verdict(), "z#2": Verdict("picked", counts=True)}


def test_what_is_rejected_goes_to_no_other_take_by_itself() -> None:
    """A renamed shot does not take over what nobody wants."""
    made = plan([FIRST], shot("z"), picks=[rejected(FIRST)])
    assert (verbs(made), made.moves) == (["create", "orphan"], ())


def test_a_take_that_is_bought_again_inherits_no_pick() -> None:
    """While another purchase stands at the take, the pick counts for nothing and is shown."""
    old, new = done("a", uid="u1", fingerprint=OTHER), submitted("a", attempt=2, uid="u2")
    made = plan([old, new], shot("a"), picks=[picked(old)])
    assert made.verdicts == {"a": Verdict(earlier="picked", counts=True)}


def test_a_take_that_is_to_be_bought_again_has_no_verdict() -> None:
    """The rejected purchase is not the one that will stand there."""
    old = done("a", fingerprint=OTHER)
    made = plan([old], shot("a"), pending("b", "a"), rerun="changed", picks=[rejected(old)])
    assert (verbs(made), made.by_key["b"].reason) == (["create", "waits"], "waits for a")


def test_notes_of_one_purchase_stand_together() -> None:
    """Two colleagues rejected it, each with a reason."""
    lines = [rejected(FIRST, "手变形"), rejected(FIRST, "too dark")]
    made = plan([FIRST], shot("a"), picks=lines)
    assert made.verdicts == {"a": Verdict("rejected", "手变形; too dark")}


def test_without_a_picks_file_nothing_is_said() -> None:
    """Take 1 of a shot counts."""
    made = plan([FIRST, SECOND], *TWO)
    assert (made.terms.picks, made.verdicts) == (NO_PICKS, {})


def test_only_shots_of_several_takes_have_a_list() -> None:
    """The others are their own only take."""
    assert takes_of(manifest(*TWO, shot("b"))) == {"a": ("a", "a#2")}


def test_a_pruned_purchase_is_known() -> None:
    """It is no stranger, and counts for nothing while it is pruned."""
    book = Book()
    book.remember([done("a", uid="u1", fingerprint=SAME)])
    picks = held_against([PickLine("a", 1, purchase="u1")], book, {}, lambda shot, take: None)
    assert picks.doubts == ()

"""Where videos lie: at their take's output, in `earlier/` once they were replaced, and never over
another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.decide.file_names import passing_name
from klingflow.decide.filing import (
    Operation,
    arrival,
    fact_of,
    far_sources,
    file_away,
    operations,
    sparing,
)
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import placed
from klingflow.model import FileFact, Filing, Purchase, Step
from tests.planned import OTHER, SAME, plan, request, shot
from tests.purchases import LATER, done, submitted

A, B, C = (f"outputs/film/{name}.mp4" for name in "abc")
NONCE = "01234567"
OLD = "fedcba98"
WAY = passing_name(A, OLD)
UID = "20260608065249123-0123456789ab"
AWAY = "outputs/film/earlier/a.1-01234567.mp4"


def video(name: str, place: str = "", *, uid: str = "", attempt: int = 1) -> Purchase:
    """A delivered purchase of the shot `name`, whose content is told by its uid."""
    bought = done(name, attempt=attempt, uid=uid)
    return replace(bought, sha256=f"hash-{bought.uid}", output=place or bought.output)


def fact(purchase: Purchase) -> FileFact:
    """What the purchase's file holds."""
    found = fact_of(purchase)
    assert found is not None
    return found


MINE = FileFact(4, "mine")


def moves(made: Filing) -> list[tuple[str, str]]:
    """From where to where files go."""
    return [(step.source, step.target) for step in made.steps]


# ---------------------------------------------------------------- each kind


def test_what_lies_where_it_belongs_stays() -> None:
    """Nothing to record, nothing to rename."""
    a, b = video("a"), video("b")
    assert not file_away([a, b], {a.uid: A, b.uid: B}, {A: fact(a), B: fact(b)})


def test_a_changed_output_takes_its_file_along() -> None:
    """The ledger first, then the file; other purchases of the take stay."""
    a, old = video("a"), video("a", "outputs/film/earlier/x.mp4")
    made = file_away([a, old], {a.uid: C}, {A: fact(a), old.output or "": fact(old)})
    assert made == Filing({a.uid: C}, (Step(a.uid, A, C, fact(a)),))


def test_videos_that_change_places_do_so() -> None:
    """A swap, and a chain whose end is free."""
    a, b, c = video("a"), video("b"), video("c")
    files = {A: fact(a), B: fact(b), C: fact(c)}
    made = file_away([a, b, c], {a.uid: B, b.uid: A, c.uid: "d.mp4"}, files)
    assert made.placed == {a.uid: B, b.uid: A, c.uid: "d.mp4"}
    assert carried_out(made, files) == {B: fact(a), A: fact(b), "d.mp4": fact(c)}


def test_what_was_replaced_goes_to_a_folder_beside_it() -> None:
    """Named by its take, its attempt and its uid; its body comes back, and so does its file."""
    first, second = video("a", uid=UID), video("a", attempt=2)
    files = {A: fact(second), AWAY: fact(first)}
    gone = file_away([first, second], {second.uid: A}, {A: fact(first)})
    assert gone == Filing({UID: AWAY}, (Step(UID, A, AWAY, fact(first)),))
    first = placed(first, LATER, output=AWAY)
    back = file_away([first, second], {first.uid: A}, files)
    other = back.placed[second.uid]
    assert carried_out(back, files) == {A: fact(first), other: fact(second)}
    assert other.startswith("outputs/film/earlier/a.2-")


def test_until_the_new_video_is_here_the_old_one_stays() -> None:
    """It is on its way, and may fail."""
    old, new = video("a"), submitted("a", attempt=2)
    assert not file_away([old, new], {new.uid: A}, {A: fact(old)}, shots=[shot("a")])


def test_an_orphan_stays_until_its_place_is_needed() -> None:
    """Then it goes to `earlier/` like any other."""
    orphan, a = video("gone", A, uid=UID), video("a", B)
    files = {A: fact(orphan), B: fact(a)}
    assert not file_away([orphan], {}, {A: fact(orphan)}, shots=[shot("a")])
    made = file_away([orphan, a], {a.uid: A}, files, shots=[shot("a")])
    away = "outputs/film/earlier/gone.1-01234567.mp4"
    assert carried_out(made, files) == {away: fact(orphan), A: fact(a)}


def test_an_orphan_that_is_still_to_come_leaves_takes_their_places() -> None:
    """Its own take's, that is no longer there, it would keep."""
    orphan, mine = replace(submitted("gone", uid=UID), output=A), submitted("b")
    made = file_away([orphan, mine], {}, {}, shots=[shot("a"), shot("b")])
    assert made == Filing({UID: "outputs/film/earlier/gone.1-01234567.mp4"})


def test_names_in_earlier_tell_purchases_apart() -> None:
    """Also those of odd uids, and two whose characters are the same."""
    uids = [UID, UID + "f", "odd", "odd-", "20260608065249124-0123456789ac"]
    old = [video("a", uid=uid) for uid in uids]
    new = video("a", attempt=2)
    made = file_away([*old, new], {new.uid: A}, {A: fact(new)})
    assert len(set(made.placed.values())) == len(old) == len(made.placed)


def test_what_was_in_earlier_is_not_put_deeper() -> None:
    """Where a take's own output is there."""
    old, new = video("a", "earlier/a.mp4", uid=UID), video("b", "b.mp4")
    made = file_away([old, new], {new.uid: "earlier/a.mp4"}, {})
    assert made.placed[UID] == "earlier/a.1-01234567.mp4"


@pytest.mark.parametrize(
    "name",
    [
        "a.mp4.bak",
        "a.mp4.bak2",
        "a.mp4.part",
        passing_name("a.mp4", NONCE),
        "earlier/x.mp4",
        "old.mp4",
    ],
)
def test_a_video_is_found_under_any_name_and_taken(name: str) -> None:
    """It need not be fetched; what lies at its place without being ours makes room."""
    a = video("a")
    files = {name: fact(a), A: MINE}
    made = file_away([a], {a.uid: A}, files)
    assert made == Filing({}, (Step(a.uid, name, A, fact(a)),))
    assert carried_out(made, files) == {A: fact(a), f"{A}.bak": MINE}


def test_one_file_of_two_equal_videos_is_copied() -> None:
    """Neither is fetched again, and none is taken away from the other."""
    a, b = video("a"), video("b")
    b = replace(b, sha256=a.sha256)
    made = file_away([a, b], {a.uid: A, b.uid: B}, {A: fact(a)})
    assert made == Filing({}, (Step(b.uid, A, B, fact(a), stays=True),))


def test_what_another_manifest_has_is_copied() -> None:
    """A copied lock must not take the videos away from the film it was copied from."""
    a = video("a")
    made = sparing(file_away([a], {a.uid: C}, {A: fact(a)}), {A})
    assert made == Filing({a.uid: C}, (Step(a.uid, A, C, fact(a), stays=True),))


def test_a_version_does_not_come_over_a_file_that_is_not_ours() -> None:
    """Nobody needs it at that place: it goes to `earlier/`."""
    old = video("a", uid=UID)
    made = file_away([old], {}, {A: MINE, f"{A}.bak": fact(old)})
    assert moves(made) == [(f"{A}.bak", AWAY)]
    assert made.placed == {UID: AWAY}


def test_a_second_name_that_a_crash_left_is_dropped() -> None:
    """Only a name of passage, and only where the video lies at its place by then."""
    a = video("a")
    left = WAY
    files = {left: fact(a), C: fact(a)}
    made = file_away([a], {a.uid: A}, files)
    assert (moves(made), made.spare) == ([(C, A)], (left,))
    assert carried_out(made, files) == {A: fact(a)}


def test_all_leave_before_any_arrives() -> None:
    """Copies first, since their source may leave too; what is left over is dropped last."""
    a, b = FileFact(1, "a"), FileFact(2, "b")
    made = Filing(
        {},
        (Step("1", A, B, a), Step("2", B, A, b), Step("3", B, C, b, stays=True)),
        ("x.mp4.part",),
    )
    assert operations(made, NONCE) == [
        Operation("copy", B, passing_name(C, NONCE), b),
        Operation("rename", A, passing_name(B, NONCE), a),
        Operation("rename", B, passing_name(A, NONCE), b),
        Operation("put", passing_name(B, NONCE), B, a),
        Operation("put", passing_name(A, NONCE), A, b),
        Operation("put", passing_name(C, NONCE), C, b),
        Operation("drop", "x.mp4.part", ""),
    ]


# ---------------------------------------------------------------- a download


def test_a_download_gets_its_name() -> None:
    """From the `.part` beside it."""
    new = submitted("a")
    made = arrival(new, MINE, None, Book([new]))
    assert operations(made, NONCE) == [Operation("put", f"{A}.part", A, MINE)]


def test_a_download_replaces_the_take_s_earlier_video() -> None:
    """Whose purchase goes to `earlier/`."""
    old, new = video("a", uid=UID), submitted("a", attempt=2)
    made = arrival(new, MINE, fact(old), Book([old, new]))
    assert made.placed == {UID: AWAY}
    assert carried_out(made, {A: fact(old), f"{A}.part": MINE}) == {A: MINE, AWAY: fact(old)}


def test_a_download_makes_an_orphan_leave() -> None:
    """Its file lies at a place that was once its own."""
    orphan, new = video("gone", A, uid=UID), submitted("a")
    made = arrival(new, MINE, fact(orphan), Book([orphan, new]))
    assert made.placed == {UID: "outputs/film/earlier/gone.1-01234567.mp4"}


def test_a_download_puts_a_strange_file_aside() -> None:
    """Which a person edited, perhaps."""
    old, new = video("a"), submitted("a", attempt=2)
    made = arrival(new, MINE, FileFact(3, "edited"), Book([old, new]))
    assert made.placed == {}
    files = {A: FileFact(3, "edited"), f"{A}.part": MINE}
    assert carried_out(made, files) == {A: MINE, f"{A}.bak": FileFact(3, "edited")}


def test_a_download_that_was_here_already_is_dropped() -> None:
    """A run died after it gave the name and before it wrote that down."""
    new = submitted("a")
    made = arrival(new, MINE, MINE, Book([new]))
    assert made == Filing(spare=(f"{A}.part",))


# ---------------------------------------------------------------- of a whole plan


def test_a_plan_says_which_files_move() -> None:
    """In the reason of the take; what it does not say by itself is among the plan's steps."""
    a = replace(done("a"), output="old/a.mp4")
    made = plan([a], files={"old/a.mp4": FileFact(10, "aa")})
    (action,) = made.actions
    assert (action.verb, made.filing.placed) == ("keep", {a.uid: A})
    assert action.reason == f"bought, and its file is here; its file moves to {A}"


def test_a_plan_says_which_files_come_back() -> None:
    """From a `.bak`."""
    made = plan([done("a")], files={f"{A}.bak": FileFact(10, "aa")})
    assert made.actions[0].reason.endswith(f"; its file comes back from {A}.bak")


def test_a_take_that_is_bought_again_keeps_its_video_meanwhile() -> None:
    """Also at another output than before."""
    a = replace(done("a", fingerprint=OTHER), output="old/a.mp4")
    files = {"old/a.mp4": FileFact(10, "aa")}
    made = plan([a], files=files, rerun="changed")
    assert (made.actions[0].verb, made.filing.placed) == ("create", {a.uid: A})


def test_a_body_that_comes_back_brings_its_file() -> None:
    """Three videos, of which the first serves again."""
    first = replace(done("a", fingerprint=SAME), output=AWAY)
    others = [
        replace(done("a", attempt=n, fingerprint=f"sha256:{n}x"), sha256=f"h{n}", output=at)
        for n, at in ((2, "outputs/film/earlier/a.2-x.mp4"), (3, A))
    ]
    bought = [first, *others]
    files = {p.output or "": fact(p) for p in bought}
    made = plan(bought, (shot("a"), request(SAME)), files=files)
    assert (made.actions[0].verb, made.actions[0].purchase) == ("keep", first)
    after = carried_out(made.filing, files)
    assert after[A] == fact(first)
    assert {*after.values()} == {*files.values()}


# ---------------------------------------------------------------- whatever happens


def carried_out(
    made: Filing, files: Mapping[str, FileFact], until: int | None = None, nonce: str = NONCE
) -> dict[str, FileFact]:
    """The files after so many of a filing's operations; a file that would be written over fails."""
    there = dict(files)
    for operation in operations(made, nonce)[:until]:
        do(operation, there)
    return there


def do(operation: Operation, there: dict[str, FileFact]) -> None:
    """One operation on files that are a dictionary."""
    source, target = operation.source, operation.target
    match operation.kind:
        case "drop":
            there.pop(source)
        case "copy":
            assert target not in there
            there[target] = there[source]
        case "rename":
            assert target not in there
            there[target] = there.pop(source)
        case "put":
            if target in there:
                aside = next(name for name in baks(target) if name not in there)
                there[aside] = there.pop(target)
            there[target] = there.pop(source)


def baks(target: str) -> Iterator[str]:
    yield f"{target}.bak"
    yield from (f"{target}.bak{number}" for number in range(2, 50))


PATHS = [A, B, C, "other/a.mp4", "outputs/film/earlier/a.1-00000001.mp4"]
STRAY = [f"{A}.bak", f"{B}.part", WAY, passing_name(C, OLD), "outputs/film/earlier/z.mp4"]


@st.composite
def films(draw: st.DrawFn) -> tuple[list[Purchase], dict[str, str], dict[str, FileFact]]:
    """Purchases that stand anywhere, files that lie anywhere, and takes that some of them serve."""
    purchases = [
        replace(
            done(draw(st.sampled_from("abc")), attempt=number, uid=f"2026-{number:08x}"),
            output=draw(st.sampled_from(PATHS)),
            sha256=draw(st.sampled_from("stuvw")),
        )
        for number in range(draw(st.integers(1, 6)))
    ]
    contents = [FileFact(10, sha256) for sha256 in "stuvw"] + [MINE]
    files = draw(st.dictionaries(st.sampled_from([*PATHS, *STRAY]), st.sampled_from(contents)))
    serve = draw(st.permutations(purchases))
    serving = {p.uid: at for p, at in zip(serve, [A, B], strict=False)}
    return purchases, serving, files


@given(films())
def test_no_paid_video_is_lost_or_has_another_s_name(
    film: tuple[list[Purchase], dict[str, str], dict[str, FileFact]],
) -> None:
    """After any filing every video that was there lies under the one name that its purchase has;
    what was nobody's is still there, and a second filing finds nothing to do.
    """
    purchases, serving, files = film
    shots = [shot("a"), shot("b")]
    made = file_away(purchases, serving, files, shots=shots)
    after = carried_out(made, files)
    stand = standing(purchases, made)
    assert [after.get(p.output or "") for p in stand if fact(p) in files.values()] == [
        fact(p) for p in stand if fact(p) in files.values()
    ]
    delivered = [p.output for p in stand]
    assert len({*delivered}) == len(delivered)
    assert {*files.values()} == {*after.values()}
    assert sum(f == MINE for f in files.values()) == sum(f == MINE for f in after.values())
    assert not file_away(stand, serving, after, shots=shots)


def standing(purchases: Sequence[Purchase], made: Filing) -> list[Purchase]:
    """The purchases as the ledger has them once a filing is recorded."""
    return [
        placed(p, LATER, output=made.placed[p.uid]) if p.uid in made.placed else p
        for p in purchases
    ]


@given(films())
def test_a_filing_may_be_cut_off_anywhere(
    film: tuple[list[Purchase], dict[str, str], dict[str, FileFact]],
) -> None:
    """The next run finds every video under the names that are there, and comes to the same end."""
    purchases, serving, files = film
    made = file_away(purchases, serving, files)
    stand = standing(purchases, made)
    for number in range(len(operations(made, NONCE)) + 1):
        left = carried_out(made, files, number)
        assert {*left.values()} == {*files.values()}
        again = file_away(stand, serving, left)
        after = carried_out(again, left, nonce="89abcdef")
        final = standing(stand, again)
        there = [p for p in final if fact(p) in files.values()]
        assert [after.get(p.output or "") for p in there] == [fact(p) for p in there]


def test_sources_in_other_folders_are_far() -> None:
    """Those beside the new place, and in `earlier/` beside it, are found again anyway."""
    near = [Step("1", A, B, MINE), Step("2", A, AWAY, MINE), Step("3", AWAY, A, MINE)]
    far = [Step("4", A, "clips/a.mp4", MINE), Step("5", "a.mp4", A, MINE)]
    assert far_sources(Filing({}, (*near, *far))) == [A, "a.mp4"]

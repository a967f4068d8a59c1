"""Takes that wait for their local files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.schedule import Wanted
from klingflow.decide.sending import LocalFileOf, PieceOf, Sending, also_fetched
from klingflow.model import Action, Json, Purchase, Reference
from tests.planned import plan, request, shot
from tests.purchases import done

A, B = LocalFileOf(0, "a.png", "1"), LocalFileOf(0, "b.png", "2")


def take(name: str, *files: LocalFileOf, job: int = 0) -> Wanted:
    """A take whose body has these files."""
    images: Json = [{"file": file.file, "sha256": file.sha256} for file in files]
    wanted = replace(request(), body={"images": images})
    return Wanted(job, Action("create", name, "", shot(name), wanted))


def test_a_take_without_files_waits_for_nothing() -> None:
    """Nor is there anything to upload."""
    sending = Sending()
    assert sending.want(take("a")) and sending.next() is None


def test_a_take_waits_until_all_its_files_are_there() -> None:
    """Then it is free, once, and another with the same files waits for nothing."""
    sending, both = Sending(), take("a", A, B)
    assert not sending.want(both)
    assert (sending.next(), sending.next(), sending.next()) == (A, B, None)
    assert sending.put(A, "1.png") == []
    assert sending.put(B, "2.png") == [both]
    assert sending.want(take("b", B, A)) and sending.next() is None
    assert sending.name_of(0, {"file": "b.png", "sha256": "2"}) == "2.png"


def test_a_content_is_uploaded_once_for_all_its_takes_and_paths() -> None:
    """A copy under another name is the same object."""
    sending = Sending()
    one, other = take("a", A), take("b", A._replace(file="copy.png"))
    assert not sending.want(one) and not sending.want(other)
    assert (sending.next(), sending.next()) == (A, None)
    assert sending.put(A, "1.png") == [one, other]


def test_what_one_take_allowed_is_looked_at_again_for_the_next() -> None:
    """It may not allow it."""
    sending = Sending()
    sending.want(take("a", A))
    sending.allowed.add(A.content)
    sending.next(), sending.put(A, "1.png")
    assert not sending.want(later := take("b", A)) and sending.next() == A
    assert sending.put(A, "1.png") == [later]


def test_each_manifest_has_its_own_store() -> None:
    """What is in one is not in another."""
    sending = Sending()
    sending.want(take("a", A))
    sending.put(A, "1.png")
    assert not sending.want(take("a", A._replace(job=1), job=1))
    assert sending.next() == A and sending.next() == A._replace(job=1)


def test_a_file_that_cannot_be_put_anywhere_fails_its_takes() -> None:
    """Each once; the others go on, and a later try begins anew."""
    sending, both, other = Sending(), take("a", A, B), take("b", B)
    sending.want(both)
    sending.want(other)
    assert sending.failed(A) == [both]
    assert sending.put(B, "2.png") == [other]
    sending.next(), sending.next()
    assert not sending.want(take("a", A)) and sending.next() == A


def test_a_file_that_is_in_no_store_has_no_name() -> None:
    """A body with it is never sent."""
    with pytest.raises(KeyError):
        Sending().name_of(0, {"file": "a.png", "sha256": "1"})


# ---------------------------------------------------------------- of other shots' videos

LAST = PieceOf(0, "uid-1", "last", "the last frame of opening")
WHOLE = PieceOf(0, "uid-1", "", "the video of opening")


def made_from(name: str, *pieces: PieceOf) -> Wanted:
    """A take whose body has these pieces of videos."""
    images: Json = [
        {
            "from": "opening",
            "purchase": piece.purchase,
            **({"frame": piece.frame} if piece.frame else {}),
        }
        for piece in pieces
    ]
    wanted = replace(request(), body={"images": images})
    return Wanted(0, Action("create", name, "", shot(name), wanted))


def test_a_take_waits_for_what_is_taken_from_a_video() -> None:
    """A frame is taken once for all its takes, whatever they call its shot."""
    sending, one, other = Sending(), made_from("a", LAST, WHOLE), made_from("b", LAST)
    assert not sending.want(one) and not sending.want(other)
    assert (sending.next(), sending.next(), sending.next()) == (LAST, WHOLE, None)
    assert sending.put(LAST, "1.png") == [other]
    assert sending.put(WHOLE, "https://cdn.example.com/a.mp4") == [one]
    record = {"from": "start", "frame": "last", "purchase": "uid-1"}
    assert sending.name_of(0, record) == "1.png"


def test_a_frame_waits_for_a_video_that_is_coming() -> None:
    """A whole video may be read at the gateway meanwhile, and can wait as well."""
    sending, wanted = Sending(), made_from("a", LAST, WHOLE)
    sending.coming.add((0, "uid-1"))
    sending.want(wanted)
    assert (sending.next(), sending.next()) == (WHOLE, None)
    assert sending.wait(WHOLE) and not sending.wait(A)
    sending.arrived(0, "uid-1")
    assert (sending.next(), sending.next(), sending.next()) == (LAST, WHOLE, None)
    assert not sending.wait(LAST)


def test_a_take_may_be_dropped_alone() -> None:
    """Others that wait for the same frame go on."""
    sending, one, other = Sending(), made_from("a", LAST), made_from("b", LAST)
    sending.want(one)
    sending.want(other)
    assert sending.waiting_for(LAST) == [one, other]
    sending.drop(one)
    assert sending.waiting_for(LAST) == [other] == sending.put(LAST, "1.png")


def test_a_video_is_fetched_for_what_is_made_from_it() -> None:
    """Also where its own shot is not selected; once, and only if it is not here."""
    source, needs = Reference("a", "video"), Reference("b", "video")
    after = [replace(shot(name), references=(source,)) for name in ("c", "d")]
    also = replace(shot("e"), references=(needs,))
    bought: list[Purchase] = [done("a"), done("b")]
    wanted = (shot("a"), shot("b"), *after, also)
    found = [
        [action.key for action in also_fetched(plan(bought, *wanted, selected=selected, files={}))]
        for selected in ({"c", "d"}, {"a", "c"}, {"a", "c", "e"}, None)
    ]
    assert found == [["a"], [], ["b"], []]

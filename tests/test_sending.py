"""Takes that wait for their local files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.schedule import Wanted
from klingflow.decide.sending import LocalFileOf, Sending
from klingflow.model import Action, Json
from tests.planned import request, shot

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

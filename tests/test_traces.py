"""What is found in a ledger's bytes without parsing them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.ledger.lines import journal_line, lock_line
from klingflow.ledger.traces import fingerprints_in, outputs_in, text_at, uid_in, uids_in
from tests.purchases import done, intent, submitted


def test_uids_and_fingerprints_of_every_line_are_found() -> None:
    """In lines of a lock as in those of a journal."""
    a, b = done("a"), submitted("b")
    data = lock_line(a) + journal_line(b)
    assert uids_in(data) == {a.uid, b.uid}
    assert fingerprints_in(data) == {a.fingerprint, b.fingerprint}


def test_the_uid_of_a_line_is_its_first() -> None:
    """A body comes later, and may hold any word."""
    odd = replace(done("a"), body={"uid": "x"})
    assert uid_in(lock_line(odd)) == odd.uid
    assert uid_in(b'{"shot":"a"}') is None


def test_outputs_are_those_of_what_may_have_been_bought() -> None:
    """What was refused holds no place, and a body names none."""
    refused = replace(intent("b"), state="rejected")
    odd = replace(done("c"), output=None, body={"output": "outputs/film/x.mp4"})
    assert list(outputs_in(b"".join(map(lock_line, (done("a"), refused, odd))))) == [
        done("a").output
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'"a\\"\\u00e9",1', 'a"é'),
        (b"5", None),
        (b'"a', None),
        (b'"\\x"', None),
        (b"", None),
    ],
)
def test_a_text_is_read_where_one_begins(data: bytes, text: str | None) -> None:
    """Anything else is no text."""
    assert text_at(data) == text

"""Documents and their sums: what is written comes back, and what was changed does not."""

from __future__ import annotations

import json

import pytest

from klingflow.ledger.sums import document_in, encoded, is_sealed, sealed, summed, unsummed
from klingflow.model import Json

DOCUMENT: dict[str, Json] = {"shot": "雨夜", "take": 1, "at": [0.5, None, True]}


def test_a_document_stands_on_one_line_in_the_characters_it_was_written_in() -> None:
    assert encoded(DOCUMENT).decode() == '{"shot":"雨夜","take":1,"at":[0.5,null,true]}'
    assert document_in(encoded(DOCUMENT)) == DOCUMENT


def test_half_a_surrogate_pair_is_escaped() -> None:
    """UTF-8 cannot hold it, and a record must not be lost over it."""
    assert encoded({"a": "雨\ud800"}) == rb'{"a":"\u96e8\ud800"}'


def test_what_json_lacks_is_written_as_text() -> None:
    assert encoded({"a": 1 + 2j}) == b'{"a":"(1+2j)"}'


@pytest.mark.parametrize("raw", [b"[]", b"{} ", b'{"a":1}{}', b"{", b"\xff{}", b"[" * 100_000])
def test_what_is_not_one_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        document_in(raw)


def test_a_number_that_json_lacks_says_nothing() -> None:
    assert document_in(b'{"a":NaN,"b":-Infinity}') == {"a": None, "b": None}


def test_a_lock_line_ends_with_the_sum_of_everything_before_it() -> None:
    assert sealed(b'{"a":1}') == b'{"a":1,"crc":"a702fc6e"}\n'
    assert json.loads(sealed(encoded(DOCUMENT))).keys() == {*DOCUMENT, "crc"}


def test_a_journal_line_begins_with_the_sum_of_its_document() -> None:
    assert summed(b'{"a":1}') == b'561bacaf {"a":1}\n'
    assert unsummed(summed(encoded(DOCUMENT)).rstrip(b"\n")) == DOCUMENT


def test_no_changed_byte_passes() -> None:
    lock, journal = sealed(encoded(DOCUMENT))[:-1], summed(encoded(DOCUMENT))[:-1]
    assert is_sealed(lock)
    for at in range(len(lock)):
        assert not is_sealed(lock[:at] + bytes([lock[at] ^ 1]) + lock[at + 1 :])
    for at in range(len(journal)):
        with pytest.raises(ValueError):
            unsummed(journal[:at] + bytes([journal[at] ^ 1]) + journal[at + 1 :])

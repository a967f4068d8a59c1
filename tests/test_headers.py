"""The first line of a lock: whose ledger it is, whatever else is wrong with it."""

from __future__ import annotations

import pytest

from klingflow.errors import LedgerError
from klingflow.ledger.headers import VERSION, header_in, lock_header
from klingflow.ledger.lines import parse_lock
from klingflow.ledger.sums import sealed
from klingflow.model import Json, Place
from tests.purchases import AT


@pytest.mark.parametrize(
    ("header", "odd"),
    [
        (
            '{"klingflow_lock":0,"lineage":"x","serial":-1,"purchases":-2}',
            [("small_field", "klingflow_lock", "0"), ("small_field", "serial", "-1"),
             ("small_field", "purchases", "-2")],
        ),
        (
            '{"klingflow_lock":1,"lineage":"x","serial":1,"purchases":"many"}',
            [("wrong_field", "purchases", "'many'")],
        ),
        ('{"klingflow_lock":1,"lineage":"x","serial":1,"purchases":0}', []),
        ('{"klingflow_lock":1,"lineage":"x","serial":1}', []),
    ],
)  # fmt: skip
def test_a_header_that_klingflow_did_not_write_is_reported(
    header: str, odd: list[tuple[str, str, str]]
) -> None:
    """It still names the ledger."""
    parsed = parse_lock(sealed(header.encode()), "film.lock")
    assert [header["lineage"] for header in parsed.headers] == ["x"]
    assert [(p.kind, p.name, p.detail) for p in parsed.odd] == odd
    assert {p.place for p in parsed.odd} <= {Place("film.lock", 1)}


def test_a_header_names_the_saved_plans_that_were_used() -> None:
    """With when; one that names none has no such key."""
    (header,) = parse_lock(lock_header("x", 1, 0, {"p": AT}), "film.lock").headers
    assert header["plans"] == {"p": AT}
    assert b"plans" not in lock_header("x", 1, 0)


@pytest.mark.parametrize("version", [VERSION + 1, "1", None])
def test_a_header_of_another_format_is_not_read(version: Json) -> None:
    """What a newer klingflow means by its fields is not known to this one."""
    with pytest.raises(LedgerError, match="written by a newer klingflow"):
        header_in({"klingflow_lock": version, "lineage": "x", "serial": 1})


@pytest.mark.parametrize(
    ("name", "value"), [("lineage", 1), ("lineage", None), ("serial", "1"), ("serial", None)]
)
def test_a_header_that_does_not_name_its_ledger_is_none(name: str, value: Json) -> None:
    with pytest.raises(ValueError, match="not a header"):
        header_in({"klingflow_lock": VERSION, "lineage": "x", "serial": 1, name: value})

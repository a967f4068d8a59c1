"""What a ledger knows of local files."""

from __future__ import annotations

from dataclasses import replace

from klingflow.decide.contents import contents
from klingflow.model import Json, Purchase
from tests.purchases import intent


def bought(at: str, *images: Json) -> Purchase:
    return replace(intent("a"), body={"images": [*images]}, times={"intent": at})


def test_a_file_held_what_the_last_purchase_of_it_says() -> None:
    """Whatever the order in which purchases are told; addresses are none of them."""
    early = bought("2026-01-01", {"file": "a.png", "sha256": "1"}, "https://x.example/a.png")
    late = bought("2026-01-02", {"file": "a.png", "sha256": "2"}, {"file": "b.png", "sha256": "3"})
    odd = bought("2026-01-03", {"file": "a.png"}, {"file": "a.png", "sha256": 5}, {"file": 7})
    assert contents([odd, late, early]) == {"a.png": "2", "b.png": "3"}

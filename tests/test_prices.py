"""What a purchase is expected to cost, from the user's own prices."""

from __future__ import annotations

from decimal import Decimal

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.prices import parse, price
from klingflow.manifest.source import parse as parse_yaml
from klingflow.model import Price, Prices

_PRICES = """
currency: CNY
as_of: 2026-06-01
tiers:
  kling-a: { per_second: 0.1 }
  kling-face: { per_second: 0.5, min_seconds: 5 }
  "kling-*": { by_seconds: { 5: 4, 10: "7.50" } }
  "kling-b*": { per_request: 9 }
"""


def _prices(text: str) -> Prices:
    return parse(parse_yaml(text, "prices.yaml"))


@pytest.mark.parametrize(
    ("tier", "seconds", "amount", "basis"),
    [
        ("kling-a", 3, "0.3", "3 s × 0.1"),
        ("kling-face", 4, "2.5", "5 s × 0.5"),
        ("kling-c", 10, "7.50", "10 s"),
        ("kling-b1", 5, "9", "per request"),
    ],
)
def test_a_price_is_exact(tier: str, seconds: int, amount: str, basis: str) -> None:
    """An exact name wins over a glob, the longest glob over the others; 0.1 is a tenth."""
    expected = Price(Decimal(amount), "CNY", basis, "2026-06-01")
    assert price(_prices(_PRICES), tier, seconds) == expected


@pytest.mark.parametrize(("tier", "seconds"), [("other", 5), ("kling-c", 6)])
def test_a_tier_or_length_without_price_is_unknown(tier: str, seconds: int) -> None:
    """Unknown is never 0."""
    assert price(_prices(_PRICES), tier, seconds) is None


_MISTAKES = {
    "tiers: { a: { per_second: 1 } }": "1:1: error[missing-field]: 'currency' is missing",
    "currency: CNY\ntiers: {}": (
        "2:8: error[empty]: 'tiers' must be a map such as { kling-3.0-*: { per_second: 0.6 } },"
        " not an empty map {}"
    ),
    "currency: CNY\ntiers: { a: { per_secnd: 1 } }": (
        "2:15: error[unknown-field]: unknown field 'per_secnd' in 'tiers.a';"
        " did you mean 'per_second'?"
    ),
    "currency: CNY\ntiers: { a: { per_second: -1 } }": (
        "2:27: error[out-of-range]: 'tiers.a.per_second' must be an amount, 0 or more, not -1"
    ),
    "currency: CNY\ntiers: { a: { per_second: 1, per_request: 2 } }": (
        "2:10: error[price-unclear]: tier 'a' needs one of 'per_second', 'per_request'"
        " or 'by_seconds'"
    ),
    "currency: CNY\nfailed_tasks: refund\ntiers: { a: { per_second: 1 } }": (
        "2:15: error[unknown-value]: 'failed_tasks' must be refunded or charged, not 'refund';"
        " did you mean 'refunded'?"
    ),
    "- 1": (
        "1:1: error[wrong-type]: this must be a map with currency: and tiers:, not a list [ … ]"
    ),
}


@pytest.mark.parametrize("text", _MISTAKES)
def test_a_mistake_in_the_prices_has_its_place(text: str) -> None:
    """Prices are checked as strictly as the manifest."""
    with pytest.raises(ManifestError) as caught:
        _prices(text)
    assert [str(d) for d in caught.value.diagnostics] == [f"prices.yaml:{_MISTAKES[text]}"]

"""Records between hosts, desks and commands of different versions: what tells something is read as
far as it is understood, and what says what may be bought is read whole, or refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

from klingflow.cluster.account import Account, Said, Settings
from klingflow.cluster.desk import Desk
from klingflow.cluster.ends import Ends
from klingflow.cluster.orders import Ask, OrdersDamaged, Ref, Terms
from klingflow.cluster.queued import Batch, Order
from klingflow.cluster.reports import Bought
from klingflow.decide.caps import Caps
from klingflow.errors import UsageError
from klingflow.model import LeftOut, Rate

ASK = Ask(Ref("b1", 0, 3), "u-1", "alley", "t", 5, ("1.00", "CNY"), ("u-0",))
ORDER = Order(ASK, "u-2", try_=2, retry=1, reserved=True, needs=("u-0",))
TERMS = Terms("b1", "l", "film", "https://g", "s", 1, caps=Caps(Decimal(9)).state())
SETTINGS = Settings(Rate(60, 60.0), 40, Decimal(500), stopped=True)


def a_batch() -> Batch:
    """A batch of which all is to be read."""
    batch = Batch("b1", "film", 2, Caps(Decimal(9)), 1, cap=LeftOut("max_spend", "no room"))
    batch.waiting.append(ORDER)
    batch.live["u-9"] = True
    return batch


def a_desk() -> Desk:
    """A desk with a batch."""
    desk = Desk(SETTINGS)
    desk.add("b1", "film", 2, Caps(Decimal(9)).state())
    desk.read("b1", 0, [(ASK, False)])
    return desk


Read = Callable[[Mapping[str, Any]], Any]
TELLING: dict[str, tuple[dict[str, Any], Read]] = {
    "Bought": (
        Bought("u-1", "submitted", "task_1", "t", sent=True, stopped=2).as_json(),
        Bought.from_json,
    ),
}
EXACT: dict[str, tuple[dict[str, Any], Read]] = {
    "Terms": (TERMS.as_json(), Terms.from_json),
    "Ask": (ASK.as_json(), Ask.from_json),
    "Order": (ORDER.as_json(), Order.from_json),
    "Batch": (a_batch().state(), Batch.from_state),
    "Ends": (Ends({"a": True}, {"b": "c"}).state(), Ends.from_state),
    "Settings": (SETTINGS.as_json(), Settings.from_json),
    "Said": (Said(3, SETTINGS, "w", "v").as_json(), lambda told: Said.from_json(3, told)),
    "Account": (Account(SETTINGS).state(), Account.from_state),
    "Desk": (a_desk().state(), Desk.from_state),
}
ALL = {**TELLING, **EXACT}
# What a version without a word has in its place.
USUAL = {
    "Bought": {"uid", "outcome"},
    "Terms": {"batch", "lineage", "film", "origin", "store", "pages"},
    "Ask": {"ref", "uid", "key", "tier", "seconds"},
    "Order": {"ask"},
    "Batch": {"id", "film", "pages", "caps", "waiting", "held", "live", "cap"},
    "Ends": {"well"},
    "Settings": {"submit", "max_spend"},
    "Said": {"submit", "max_spend"},
    "Account": {"settings", "tempo", "caps", "said", "count_is_lost"},
    "Desk": {"account", "batches", "granted", "standing", "ends", "over", "hosts"},
}
FIELDS = [(name, field) for name, (document, _) in ALL.items() for field in document]
WRONG = (None, 7, "x", [1], {"a": 1}, True)


def told(name: str) -> dict[str, Any]:
    """A record as its writer tells it, through JSON."""
    document: dict[str, Any] = json.loads(json.dumps(ALL[name][0]))
    return document


@pytest.mark.parametrize("name", ALL)
def test_what_this_version_writes_it_reads(name: str) -> None:
    """Whole."""
    read = ALL[name][1](told(name))
    back = read.state() if hasattr(read, "state") and callable(read.state) else read.as_json()
    assert json.loads(json.dumps(back)) == told(name)


@pytest.mark.parametrize("name", TELLING)
def test_what_only_a_newer_version_tells_is_left_out(name: str) -> None:
    """It lets nobody buy."""
    read = ALL[name][1]
    assert read({**told(name), "of_a_newer_version": 1}) == read(told(name))


@pytest.mark.parametrize("name", EXACT)
def test_what_may_be_a_limit_of_a_newer_version_is_refused(name: str) -> None:
    """With what to do."""
    with pytest.raises((UsageError, OrdersDamaged), match=r"another version .*of_a_newer_version"):
        ALL[name][1]({**told(name), "of_a_newer_version": 1})


def test_a_cap_of_a_newer_version_is_refused() -> None:
    """It is a limit of the run that handed the batch over."""
    caps = {**TERMS.caps, "max_gpus": 3}
    with pytest.raises(OrdersDamaged, match="max_gpus"):
        Terms.from_json({**asdict(TERMS), "caps": caps})


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_what_an_older_version_does_not_tell_has_its_default_or_is_refused(
    name: str, field: str
) -> None:
    """Nothing else comes of it."""
    document = told(name)
    del document[field]
    if field in USUAL.get(name, set()):
        with pytest.raises((UsageError, OrdersDamaged, KeyError), match=field):
            ALL[name][1](document)
    else:
        assert ALL[name][1](document) is not None


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_what_is_of_another_type_is_refused(name: str, field: str) -> None:
    """By name, or it is read as what it can be; it never is a record of wrong types."""
    for wrong in WRONG:
        document = {**told(name), field: wrong}
        try:
            read = ALL[name][1](document)
        except (UsageError, OrdersDamaged) as error:
            assert "another version of klingflow" in str(error)
        else:
            back = read.state() if callable(getattr(read, "state", None)) else read.as_json()
            assert json.loads(json.dumps(back)).get(field, wrong) == wrong


@pytest.mark.parametrize("document", [None, 3, "x", [1, 2]])
@pytest.mark.parametrize("name", [name for name in ALL if name != "Desk"])
def test_what_is_no_record_is_refused(name: str, document: Any) -> None:
    """Whatever it is."""
    with pytest.raises((UsageError, OrdersDamaged)):
        ALL[name][1](document)

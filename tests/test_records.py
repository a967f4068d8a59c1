"""A purchase as JSON: what comes back, what is left out and said, and what makes a line no
purchase.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from klingflow.ledger.records import FIELDS, Odd, as_json, from_json
from klingflow.manifest.schema import generate
from klingflow.model import Bought, Failure, Json, Price, Purchase
from tests.purchases import done, submitted

WHOLE = replace(
    done("a", take=2, attempt=3),
    was=Bought("b", 1),
    price=Price(Decimal("3.00"), "CNY", "5 s × 0.6", "2026-06-01"),
    error=Failure("moderation", "x", "no"),
    finished_after_s=(1, 2.5),
    video_url="https://cdn.example.com/a.mp4",
    evidence={"from": "then"},
    further=True,
)
PLAIN: dict[str, Json] = json.loads(json.dumps(as_json(WHOLE)))
LEAST: dict[str, Json] = {"uid": "u", "shot": "a", "take": 1, "attempt": 1, "state": "submitted"}


def test_a_whole_purchase_comes_back_and_nothing_is_said() -> None:
    """Every field, the parts of its price and of its error included."""
    plain = json.loads(json.dumps(as_json(WHOLE)))
    assert from_json(plain) == (WHOLE, [])
    assert plain["price"] == {
        "amount": "3.00",
        "currency": "CNY",
        "basis": "5 s × 0.6",
        "as_of": "2026-06-01",
    }
    assert plain["error"] == {"kind": "moderation", "code": "x", "message": "no"}
    assert plain["was"] == {"shot": "b", "take": 1}


def test_every_field_of_a_purchase_is_written() -> None:
    """In an order of its own: what a reviewer of a diff looks for first, the long body last."""
    assert {field.name for field in fields(Purchase)} == set(FIELDS)
    assert tuple(PLAIN) == FIELDS
    assert FIELDS[:7] == ("shot", "take", "attempt", "uid", "was", "state", "task_id")
    assert FIELDS[-1] == "body"


def test_what_is_not_known_is_not_written() -> None:
    plain = as_json(replace(submitted("a"), price=Price(Decimal("1.50"), "CNY", "x")))
    assert plain["price"] == {"amount": "1.50", "currency": "CNY", "basis": "x"}
    assert FIELDS[-8:-1] == (
        "finished_after_s", "output", "sha256", "size_bytes", "video_url", "error", "evidence",
    )  # fmt: skip
    assert [name for name in FIELDS[-8:-1] if name in plain] == ["output"]


def test_what_says_no_more_than_whose_it_is_has_the_defaults_of_a_purchase() -> None:
    """A line of the journal leaves the body to an earlier one."""
    nothing: dict[str, Any] = dict.fromkeys(("fingerprint", "origin", "predicted_tier"), "")
    told: dict[str, Any] = LEAST
    purchase, odd = from_json(LEAST)
    assert purchase == Purchase(**told, **nothing, body={}, seconds=0)
    assert odd == [Odd("missing_field", "fingerprint")]


@pytest.mark.parametrize("missing", LEAST)
def test_what_does_not_say_whose_it_is_is_no_purchase(missing: str) -> None:
    with pytest.raises(ValueError, match=r"^not a purchase$"):
        from_json({name: value for name, value in LEAST.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("state", "bought", "state: there is no state 'bought'"),
        ("state", 1, "state cannot be 1"),
        ("take", "1", "take cannot be '1'"),
        ("take", True, "take cannot be True"),
        ("take", -1, "take: -1 is no number of anything"),
        ("attempt", -1, "attempt: -1 is no number of anything"),
        ("uid", None, "uid cannot be None"),
        ("shot", 7, "shot cannot be 7"),
        ("task_id", 7, "task_id cannot be 7"),
        ("task_id", None, "task_id cannot be None"),
        ("task_id", "", "task_id: '' is no task id"),
        ("task_id", "a\nb", "is no task id"),
        ("task_id", "x" * 1001, "is no task id"),
    ],
)
def test_a_wrong_name_of_a_purchase_or_a_task_is_not_believed(
    name: str, value: Json, says: str
) -> None:
    with pytest.raises(ValueError, match=says.replace("\\", ".")):
        from_json({**PLAIN, name: value})


def test_a_task_id_of_a_thousand_characters_is_read() -> None:
    purchase, odd = from_json({**PLAIN, "task_id": "x" * 1000})
    assert (purchase.task_id, odd) == ("x" * 1000, [])


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("times", {"intent": 1}, {}),
        ("times", [], {}),
        ("price", {"amount": "lots", "basis": "", "currency": "CNY"}, None),
        ("price", {"amount": "1"}, None),
        ("price", {"amount": 1, "basis": "", "currency": "CNY"}, None),
        ("error", {"kind": "x"}, None),
        ("error", {"code": 1, "kind": "x", "message": ""}, None),
        ("seconds", 5.0, 0),
        ("seconds", -5, 0),
        ("size_bytes", -1, None),
        ("size_bytes", "1", None),
        ("finished_after_s", [1], None),
        ("finished_after_s", [1, "2"], None),
        ("finished_after_s", [True, 2], None),
        ("finished_after_s", [1, True], None),
        ("fingerprint", None, ""),
        ("origin", 1, ""),
        ("body", [], {}),
        ("body", None, {}),
        ("evidence", "x", None),
        ("was", {"shot": "a"}, None),
        ("was", {"shot": "a", "take": 0}, None),
        ("was", {"shot": "a", "take": True}, None),
        ("was", {"shot": 1, "take": 1}, None),
        ("was", ["a", 1], None),
        ("output", "../x.mp4", None),
        ("output", "/etc/x.mp4", None),
        ("output", "~/x.mp4", None),
        ("output", ".x.mp4", None),
        ("output", "a/../x.mp4", None),
        ("output", "a /x.mp4", None),
        ("output", "a./x.mp4", None),
        ("output", "a/ ~/~x.mp4", None),
        ("output", "a//x.mp4", None),
        ("output", "a\\x.mp4", None),
        ("output", "C:x.mp4", None),
        ("output", "a/x.mov", None),
        ("output", "a/\tx.mp4", None),
    ],
)
def test_a_wrong_detail_costs_the_detail_and_is_said(
    name: str, value: Json, instead: object
) -> None:
    """A line must not lose its task id over its price."""
    purchase, odd = from_json({**PLAIN, name: value})
    changed: dict[str, Any] = {name: instead}
    assert purchase == replace(WHOLE, **changed)
    assert odd == [Odd("wrong_field", name, repr(value))]


@pytest.mark.parametrize("output", ["x.mp4", "a/x.MP4", "outputs/film/雨 夜.mp4", "a/b.c/x.mp4"])
def test_a_video_under_the_manifests_folder_is_believed(output: str) -> None:
    assert from_json({**PLAIN, "output": output}) == (replace(WHOLE, output=output), [])


def test_what_is_wrong_is_said_with_its_value_cut_short() -> None:
    _, odd = from_json({**PLAIN, "seconds": "5" * 500, "colour": {"deep": {"deeper": {}}}})
    assert [(one.kind, one.name) for one in odd] == [
        ("wrong_field", "seconds"),
        ("unknown_field", "colour"),
    ]
    assert odd[0].value.startswith("'555") and len(odd[0].value) == 80


@pytest.mark.parametrize("name", ["take", "attempt"])
def test_a_number_that_klingflow_does_not_write_is_believed_and_said(name: str) -> None:
    """The line may have a task id, which must not be lost over it."""
    purchase, odd = from_json({**PLAIN, name: 0})
    zero: dict[str, Any] = {name: 0}
    assert purchase == replace(WHOLE, **zero)
    assert odd == [Odd("small_field", name, "0", 1)]


def test_null_is_not_there_where_a_purchase_may_lack_it() -> None:
    """Except the task id: a line that says null in its place may have lost one."""
    names = ("billed_tier", "price", "finished_after_s", "video_url", "output",
             "sha256", "size_bytes", "error", "evidence")  # fmt: skip
    nothing: dict[str, Any] = dict.fromkeys(names)
    assert from_json({**PLAIN, **nothing}) == (replace(WHOLE, **nothing), [])
    assert from_json({**nothing, **LEAST, "fingerprint": 1})[1] == [
        Odd("wrong_field", "fingerprint", "1")
    ]


def test_a_price_is_one_record_for_all_that_say_the_same() -> None:
    a, b = (from_json(PLAIN)[0].price for _ in range(2))
    assert a is b


# ---------------------------------------------------------------- the schema and the reader

VALUES: list[Json] = [
    None, True, -1, 0, 1, 1.5, "", "x", [], {}, [1, 2], [1, True], [1, 2, 3], {"a": 1}, {"a": "b"},
]  # fmt: skip
PROPERTIES = generate("lock")["$defs"]["purchase"]["properties"]
# What JSON Schema cannot say, or does not: these values are no id, no path of a video, no number.
READER_IS_STRICTER = {
    ("task_id", None),
    ("task_id", ""),
    ("output", ""),
    ("output", "x"),
    ("amount", ""),
    ("amount", "x"),
}


def schema_takes(document: dict[str, Json]) -> bool:
    schema = {"$ref": "#/$defs/purchase", "$defs": generate("lock")["$defs"]}
    return Draft202012Validator(schema).is_valid(document)


def reader_takes(document: dict[str, Json]) -> bool:
    try:
        return not from_json(document)[1]
    except ValueError:
        return False


def variations(whole: dict[str, Json], name: str) -> list[tuple[Json, dict[str, Json]]]:
    """The document without one of its fields, and with each of VALUES in it."""
    without = {key: value for key, value in whole.items() if key != name}
    return [("gone", without), *((value, {**whole, name: value}) for value in VALUES)]


@pytest.mark.parametrize("name", [*sorted(PROPERTIES.keys() - {"crc"}), "colour"])
def test_the_schema_of_a_line_and_its_reader_agree(name: str) -> None:
    """What the published schema refuses, the reader reports, and nothing more."""
    apart = [
        value
        for value, document in variations(PLAIN, name)
        if schema_takes(document) != reader_takes(document)
    ]
    assert [v for v in apart if (name, v) not in READER_IS_STRICTER] == []


@pytest.mark.parametrize("part", ["price", "error", "was"])
def test_the_schema_of_a_part_of_a_line_and_its_reader_agree(part: str) -> None:
    apart = [
        (name, value)
        for name in [*PROPERTIES[part]["properties"], "colour"]
        for value, inner in variations(PLAIN[part], name)
        if schema_takes({**PLAIN, part: inner}) != reader_takes({**PLAIN, part: inner})
    ]
    assert [pair for pair in apart if pair not in READER_IS_STRICTER] == []


ODD: list[tuple[str, Json, tuple[str, ...]]] = [
    ("times", {"submitted": "yesterday"}, ("times.submitted",)),
    ("times", {"submitted": "2026-06-08T06:52:49"}, ("times.submitted",)),
    ("times", {"submitted": "9999-12-31T23:59:59Z"}, ("times.submitted",)),
    ("times", {"a": "b", "c": "d"}, ("times.a", "times.c")),
    ("times", "then", ("times",)),
    ("seconds", 10**400, ("seconds",)),
    ("size_bytes", 10**13, ("size_bytes",)),
    ("finished_after_s", [float("nan"), 1.0], ("finished_after_s",)),
    ("finished_after_s", [0.0, float("inf")], ("finished_after_s",)),
    ("finished_after_s", [-2.0, -1.0], ("finished_after_s",)),
    ("finished_after_s", [2.0, 1.0], ("finished_after_s",)),
    ("finished_after_s", [10**400, 10**400], ("finished_after_s",)),
    *(
        ("price", {"amount": amount, "currency": "CNY", "basis": "x"}, ("price",))
        for amount in ("NaN", "sNaN", "Infinity", "-5", "1E+999999", "1e16", "0." + "1" * 99)
    ),
    ("evidence", {"from": float("nan")}, ("evidence",)),
    *(
        (name, value, (name,))
        for name in (
            "origin",
            "fingerprint",
            "predicted_tier",
            "billed_tier",
            "sha256",
            "video_url",
        )
        for value in ("a\nb", "\x1b[31m", "\u202e", "\ud800", "x" * 10_001)
    ),
]


@pytest.mark.parametrize(("name", "value", "said"), ODD)
def test_no_odd_value_takes_the_task_id_with_it(
    name: str, value: Json, said: tuple[str, ...]
) -> None:
    """The field is left out and reported; the line keeps what it was bought as."""
    purchase, odd = from_json({**PLAIN, name: value})
    assert purchase.task_id == WHOLE.task_id and purchase.state == WHOLE.state
    assert tuple(o.name for o in odd) == said
    assert not getattr(purchase, name) or name == "times"
    again, nothing = from_json(json.loads(json.dumps(as_json(purchase))))
    assert again == purchase and [o.kind for o in nothing if o.kind != "missing_field"] == []


def test_a_good_time_stays_beside_an_odd_one() -> None:
    """Each time is judged by itself."""
    purchase, _ = from_json({**PLAIN, "times": {**WHOLE.times, "updated": "soon"}})
    assert purchase.times == {n: at for n, at in WHOLE.times.items() if n != "updated"}


@pytest.mark.parametrize("name", ["take", "attempt"])
def test_a_number_beyond_all_counting_is_no_purchase(name: str) -> None:
    """It says which purchase this is: the line is set aside, and its shot in doubt."""
    with pytest.raises(ValueError, match=name):
        from_json({**PLAIN, name: 10**400})

"""Why a shot counts as changed: the two bodies, value by value, with the place that sets each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.lifecycle import PAID, STATES
from klingflow.manifest.request import fingerprint
from klingflow.manifest.tag import tagged
from klingflow.model import Failure, Json, Purchase, Request, Shot, State
from klingflow.results.why import explain
from tests.one_shot import manifest_of
from tests.planned import NODE
from tests.purchases import submitted

END = {"from": "opening", "frame": "last"}


def wanted(**fields: Json) -> tuple[Shot, Request]:
    """A shot `s` of five seconds, and what would be sent for it."""
    film = manifest_of(model="kling-3.0", **{"prompt": "rain", "seconds": 5, **fields})
    return film.shots[0], film.requests[0]


def bought(**fields: Json) -> Purchase:
    """What was bought when the shot had these fields."""
    _, request = wanted(**fields)
    purchase = submitted("s", fingerprint=str(request.fingerprint))
    return replace(purchase, body=request.body)


def test_what_was_never_bought_has_not_changed() -> None:
    """And has nothing to be compared with."""
    found = explain(*wanted(), None)
    assert found == {"shot": "s", "says": "s was never bought.", "changes": []}


def test_what_means_the_same_has_not_changed() -> None:
    """The task is named, if there is one, and why it failed."""
    same = "s has not changed since it was bought (task_s)."
    assert explain(*wanted(), bought()) == {"shot": "s", "says": same, "changes": []}
    failed = replace(bought(), state="failed", error=Failure("capacity", "busy", "too busy"))
    of_it = "s has not changed since it was bought (task_s, which failed: too busy)."
    assert explain(*wanted(), failed)["says"] == of_it
    doubt = replace(bought(), task_id=None)
    assert explain(*wanted(), doubt)["says"] == "s has not changed since it was bought."


def test_a_body_that_is_not_final_cannot_be_compared() -> None:
    """It depends on what is not bought yet."""
    shot, request = wanted()
    found = explain(shot, replace(request, fingerprint=None), bought())
    said = "s depends on a shot that is not bought yet, so it cannot be compared."
    assert found == {"shot": "s", "says": said, "changes": []}


def test_a_purchase_of_a_damaged_line_cannot_be_compared() -> None:
    """Nobody knows its body: no field is said to have come or gone."""
    damaged = replace(bought(), fingerprint="", body={})
    told = explain(*wanted(), damaged)
    says = "s cannot be compared: the ledger has lost what was sent for it."
    assert (told["says"], told["changes"]) == (says, [])


def test_a_changed_value_is_shown_with_the_place_that_sets_it() -> None:
    """Old and new, by the author's field and by the place in the body."""
    found = explain(*wanted(prompt="sun"), bought())
    kept = "it is kept, and --rerun changed buys it again."
    assert found["says"] == f"s has changed since it was bought (task_s); {kept}"
    (change,) = found["changes"]
    where = change.pop("where")
    assert change == {"field": "prompt", "pointer": "/prompt", "old": "rain", "new": "sun"}
    assert where.startswith("m.yaml:1:")


@pytest.mark.parametrize("state", sorted(set(STATES) - PAID))
def test_only_what_was_paid_is_said_to_be_kept(state: State) -> None:
    """A doubt, a failure and a purchase that was let go are held or bought by other rules."""
    found = explain(*wanted(prompt="sun"), replace(bought(), state=state, task_id=None))
    assert found["says"] == "s has changed since it was bought."


def test_a_value_that_came_or_went_has_one_side() -> None:
    """What came first, in the order of the body now; what went after it."""
    shot, request = wanted(resolution="1080P")
    purchase = replace(bought(), body={**wanted()[1].body, "gone": {"deep": [1]}})
    came, went = explain(shot, request, purchase)["changes"]
    assert (came["field"], came["new"], "old" in came) == ("resolution", "1080P", False)
    assert went == {"field": "/gone/deep/0", "pointer": "/gone/deep/0", "old": 1}


def test_a_tag_of_ours_is_no_change() -> None:
    """It was added to find the purchase again, and means nothing."""
    shot, request = wanted(prompt="sun")
    purchase = bought()
    marked = replace(purchase, body=tagged(purchase.body, "20260608-3f"))
    changes = explain(shot, request, marked)["changes"]
    assert [change["field"] for change in changes] == ["prompt"]


def test_a_second_take_is_called_by_its_key() -> None:
    """As everywhere."""
    shot, request = wanted()
    second = replace(shot, take=2)
    assert explain(second, request, None)["shot"] == "s#2"
    assert explain(second, request, None)["says"].startswith("s#2 ")


def made_from(uid: str) -> tuple[Shot, Request]:
    """A shot that begins with the last frame of another one's video, and what would be sent."""
    shot = Shot("s", 1, "image", {"image": END}, "s.mp4", NODE)
    body = {"model": "kling-3.0", "image": {**END, "purchase": uid}}
    return shot, Request(body, fingerprint(body), "kling-3.0-720p", 5, None)


def test_another_source_is_named_with_its_take() -> None:
    """What it was made from, and what counts now: a pick is said with the take."""
    shot, request = made_from("uid-2")
    _, before = made_from("uid-1")
    purchase = submitted("s", fingerprint=str(before.fingerprint))
    takes = {"uid-1": "opening", "uid-2": "opening#2 (picked)"}
    bought = replace(purchase, body=before.body)
    found = explain(shot, request, bought, takes.__getitem__)
    assert found["says"] == (
        "s has changed since it was bought (task_s); it was made from opening, and now opening#2"
        " (picked) counts; it is kept, and --rerun changed buys it again."
    )
    (change,) = found["changes"]
    assert (change["field"], change["pointer"]) == ("image.from", "/image")
    assert change["old"] == "the last frame of opening, purchase uid-1"
    assert change["new"] == "the last frame of opening#2 (picked), purchase uid-2"


@pytest.mark.parametrize(("prompt", "says"), [
    ("rain", "has not changed since it was handed over; what came of it is not known yet."),
    ("sun", "has changed since it was handed over to the cluster, and is there as it was then."),
])  # fmt: skip
def test_what_hosts_may_be_buying_is_not_called_bought(prompt: str, says: str) -> None:
    """Nobody knows yet whether it is."""
    order = replace(bought(), state="intent", task_id=None)
    order = handed_over(order, store="s", batch="b")
    assert explain(*wanted(prompt=prompt), order)["says"] == f"s {says}"

"""What a finished shot releases: each take once, decided on as in a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from klingflow.decide.plan import make_plan
from klingflow.decide.schedule import Wanted
from klingflow.decide.waiting import Waiting
from klingflow.ledger.book import Book
from klingflow.model import FileFact, Plan, Purchase, Verb
from tests.planned import OTHER, THERE, failed, moved, pending, plan, shot
from tests.purchases import ORIGIN, done, intent, submitted, succeeded


def waiting(made: Plan) -> Waiting:
    """All that waits by a plan, as a run adds it."""
    queue = Waiting(made)
    for number, action in enumerate(made.actions):
        if action.verb == "waits":
            queue.add(Wanted(number, action, frozenset({"known"})))
    return queue


def released(queue: Waiting, key: str, *bought: Purchase) -> list[tuple[Verb, str]]:
    """What `key` releases while the ledger holds these purchases."""
    return [(w.action.verb, w.action.key) for w in queue.finished(key, Book(bought))]


def test_a_shot_is_released_when_what_it_needs_is_finished() -> None:
    """With the final body, and once."""
    queue = waiting(plan([], shot("a"), pending("b", "a")))
    assert released(queue, "a", submitted("a", uid="u1")) == []
    book = Book([succeeded("a", uid="u1")])
    (wanted,) = queue.finished("a", book)
    request = wanted.action.request
    assert wanted.action.verb == "create" and request and request.fingerprint
    assert request.body["images"] == ["https://cdn.example.com/a.mp4"]
    assert queue.finished("a", book) == []


def test_a_released_take_knows_no_more_purchases_than_before() -> None:
    """So that the buyer's last look finds whatever has come into the ledger meanwhile."""
    queue = waiting(plan([], shot("a"), shot("b", "a")))
    (wanted,) = queue.finished("a", Book([succeeded("a"), failed_b()]))
    assert (wanted.job, wanted.known) == (1, frozenset({"known"}))


def failed_b() -> Purchase:
    return moved(submitted("b"), "failed")


def test_a_shot_with_two_needs_waits_for_both() -> None:
    """And is released by the second, whichever that is."""
    queue = waiting(plan([], shot("a"), shot("b"), shot("c", "a", "b")))
    assert released(queue, "b", succeeded("b"), submitted("a")) == []
    assert released(queue, "a", succeeded("b"), succeeded("a")) == [("create", "c")]


def test_only_what_needs_the_finished_shot_is_looked_at() -> None:
    """A second take serves nobody."""
    made = plan([], shot("a"), shot("a", take=2), shot("b", "a"), shot("c", "z"), shot("z"))
    queue = waiting(made)
    bought = [succeeded("a"), succeeded("a", take=2), succeeded("z")]
    assert released(queue, "a#2", *bought) == []
    assert released(queue, "a", *bought) == [("create", "b")]


def test_a_chain_is_released_link_by_link() -> None:
    """What is only queued to be bought releases nothing yet."""
    queue = waiting(plan([], shot("a"), shot("b", "a"), shot("c", "b")))
    assert released(queue, "a", succeeded("a")) == [("create", "b")]
    assert released(queue, "b", succeeded("a"), succeeded("b")) == [("create", "c")]


def test_where_one_is_bought_again_its_dependants_wait_for_the_new_purchase() -> None:
    """The old video is not what the new shot is to be made from."""
    old = done("a", fingerprint=OTHER)
    queue = waiting(plan([old], shot("a"), pending("b", "a"), rerun="changed"))
    assert released(queue, "a", old) == []
    assert released(queue, "a", old, succeeded("a", attempt=2)) == [("create", "b")]


# What may have become of the take that waited, beside the finished purchase it needs.
STATES: list[tuple[str, list[Purchase], str, Verb]] = [
    ("nothing", [], "", "create"),
    ("refused", [moved(intent("b"), "refused")], "", "create"),
    ("an intent", [intent("b")], "", "in_doubt"),
    ("in doubt", [moved(intent("b"), "doubted")], "failed changed", "in_doubt"),
    ("in doubt, before", [moved(intent("b"), "doubted"), done("b", attempt=2)], "", "in_doubt"),
    ("submitted", [submitted("b")], "failed changed", "resume"),
    ("submitted, other body", [submitted("b", fingerprint=OTHER)], "", "resume"),
    ("parked", [moved(submitted("b"), "parked")], "failed", "resume"),
    ("succeeded", [succeeded("b")], "", "download"),
    ("undelivered", [moved(succeeded("b"), "undelivered")], "", "download"),
    ("undelivered, rerun", [moved(succeeded("b"), "undelivered")], "failed", "create"),
    ("done", [done("b")], "changed", "keep"),
    ("done, other body", [done("b", fingerprint=OTHER)], "", "changed"),
    ("done, other body, rerun", [done("b", fingerprint=OTHER)], "changed", "create"),
    ("failed", [failed_b()], "", "failed"),
    ("failed, rerun", [failed_b()], "failed", "create"),
    ("abandoned", [moved(intent("b"), "doubted", "abandoned")], "", "failed"),
    ("resubmitted", [moved(intent("b"), "doubted", "resubmitted")], "", "create"),
    ("elsewhere", [replace(submitted("b"), origin="https://elsewhere")], "", "held"),
]


@pytest.mark.parametrize(
    ("bought", "rerun", "verb"), [s[1:] for s in STATES], ids=[s[0] for s in STATES]
)
def test_a_released_take_is_decided_on_as_in_a_plan(
    bought: Sequence[Purchase], rerun: str, verb: Verb
) -> None:
    """Whatever the ledger has learned meanwhile: the same verb and the same reason."""
    files = {"outputs/film/b.mp4": FileFact(10, "aa")}
    wanted = (shot("a"), shot("b", "a"))
    queue = waiting(plan([], *wanted, rerun=rerun, files=files))
    book = Book([succeeded("a"), *bought])
    (found,) = queue.finished("a", book)
    again = make_plan(
        plan([], *wanted).manifest, book, files, rerun=frozenset(rerun.split()), origin=ORIGIN
    )
    assert found.action.verb == verb
    assert found.action == again.by_key["b"]


def final_fingerprint() -> str:
    """That of `b` once `a` is bought as `u1`."""
    request = plan([succeeded("a", uid="u1")], shot("a"), pending("b", "a")).by_key["b"].request
    assert request and request.fingerprint
    return request.fingerprint


def test_what_turns_out_to_be_bought_already_releases_others() -> None:
    """`--rerun changed`: b might have had to be bought again and need not, so c can be bought."""
    files = {f"outputs/film/{name}.mp4": FileFact(10, "aa") for name in "ab"}
    old = done("b", fingerprint=final_fingerprint())
    wanted = (shot("a"), pending("b", "a"), shot("c", "b"))
    made = plan([submitted("a", uid="u1"), old], *wanted, rerun="changed", files=files)
    assert [a.verb for a in made.actions] == ["resume", "waits", "waits"]
    queue = waiting(made)
    assert released(queue, "a", succeeded("a", uid="u1"), old) == [("keep", "b"), ("create", "c")]


def test_a_failure_for_the_final_body_is_not_bought_again_beside_an_older_video() -> None:
    """`--rerun changed` permits a purchase for a new body, not after a failure of that body."""
    failure = moved(submitted("b", attempt=2, fingerprint=final_fingerprint()), "failed")
    files = {"outputs/film/b.mp4": FileFact(10, "aa")}
    bought = [done("b", fingerprint=OTHER), failure]
    queue = waiting(plan(bought, shot("a"), pending("b", "a"), rerun="changed", files=files))
    assert released(queue, "a", succeeded("a", uid="u1"), *bought) == [("failed", "b")]


def test_a_shot_bought_after_a_failure_releases_its_dependants() -> None:
    """What counts is the newest purchase of the needed shot."""
    queue = waiting(plan([failed()], shot("a"), shot("b", "a"), rerun="failed", files=THERE))
    assert released(queue, "a", failed(), succeeded("a", attempt=2)) == [("create", "b")]


def test_one_that_still_waits_holds_up_no_other() -> None:
    """Whatever their order in the manifest."""
    made = plan([], shot("a"), shot("z"), shot("both", "a", "z"), shot("b", "a"), shot("c", "a"))
    queue = waiting(made)
    assert released(queue, "a", succeeded("a")) == [("create", "b"), ("create", "c")]
    assert released(queue, "z", succeeded("a"), succeeded("z")) == [("create", "both")]


def test_a_released_take_whose_body_is_paid_for_elsewhere_is_not_bought() -> None:
    """Its move is for the next run."""
    queue = waiting(plan([], shot("a"), pending("b", "a")))
    a = succeeded("a")
    (wanted,) = waiting(plan([], shot("a"), pending("b", "a"))).finished("a", Book([a]))
    assert wanted.action.request
    paid = done("z", fingerprint=str(wanted.action.request.fingerprint))
    (wanted,) = queue.finished("a", Book([a, paid]))
    assert (wanted.action.verb, wanted.action.purchase) == ("held", paid)
    assert wanted.action.reason == "its body is paid for, as z: run again to take that over"

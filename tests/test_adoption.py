"""A task that a person found: taken where the gateway's word fits the purchase, asked about where
it does not.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.api import loading, resolving, site
from klingflow.decide.adoption import judge
from klingflow.errors import UsageError
from klingflow.gateway.outcomes import Answer, NoReply, QueryOutcome, Reply
from klingflow.gateway.replies import read_query
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import SANDBOX, ledger_paths, site_at
from klingflow.ledger.store import open_ledger
from klingflow.manifest.request import fingerprint
from klingflow.manifest.tag import is_tag, tag_in, tag_of, tagged
from klingflow.model import Failure, Purchase
from klingflow.results.doubts import doubts
from tests.harness import charges, pipeline_at, sandboxed
from tests.purchases import AT, LATER, ORIGIN, intent

NOBODY = "http://127.0.0.1:9"
BEGUN = 1780901570  # 2026-06-08T06:52:50Z, between AT and LATER
TIER = "kling-3.0-720p"


def adopted() -> Purchase:
    doubt = advance(intent("a"), "doubted", LATER, evidence={"from": AT, "to": LATER})
    return advance(doubt, "found", LATER, task_id="task_x")


def reply(**task: Any) -> Reply:
    document = {"id": "task_x", "status": "completed", "model": TIER, "created_at": BEGUN, **task}
    return Reply(200, {}, json.dumps(document).encode())


def read(answer: Answer) -> QueryOutcome:
    return read_query(answer, task_id="task_x")


def misfits(purchase: Purchase, answer: Answer) -> list[str]:
    return list(judge(purchase, read(answer), LATER).doubts)


def learned(purchase: Purchase, answer: Answer) -> list[Purchase]:
    return list(judge(purchase, read(answer), LATER).records)


@pytest.mark.parametrize(
    "answer",
    [
        reply(),
        reply(created_at=BEGUN * 1000),
        reply(created_at=str(BEGUN)),
        reply(created_at=BEGUN - 500),  # the clocks differ
        reply(created_at=None, model=None, status="queued"),
        reply(model="Kling-3.0"),  # repeats the request's own model
        reply(status="failed"),
    ],
)
def test_what_fits_is_taken(answer: Reply) -> None:
    assert misfits(adopted(), answer) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            reply(model="kling-3.0-1080p"),
            "billed as kling-3.0-1080p, where kling-3.0-720p was predicted",
        ),
        (reply(created_at=BEGUN - 3600), "created at 2026-06-08 05:52:50 UTC"),
        (reply(created_at=(BEGUN + 3600) * 1000), "created at 2026-06-08 07:52:50 UTC"),
        (reply(id=None), "does not name the task"),
        (reply(id="another"), "the gateway's reply is about another task, another"),
        (
            Reply(404, {}, b'{"code":"task_not_exist","message":"no such task"}'),
            "knows no task task_x",
        ),
        (Reply(401, {}, b'{"error":{"message":"bad key","code":"invalid"}}'), "refuses the key"),
        (Reply(502, {}, b"<html>"), "could not be asked: HTTP 502"),
        (NoReply(False, "no connection"), "could not be asked: no connection"),
    ],
)
def test_what_does_not_fit_is_said(answer: Reply, says: str) -> None:
    (found,) = misfits(adopted(), answer)
    assert says in found


def test_a_purchase_made_elsewhere_may_be_of_any_time() -> None:
    elsewhere = advance(
        intent("a"), "accepted", LATER, task_id="task_x", evidence={"adopted": LATER}
    )
    assert misfits(elsewhere, reply(created_at=1)) == []


ENDS = [("queued", "submitted"), ("completed", "succeeded"), ("failed", "failed")]


@pytest.mark.parametrize(("status", "state"), ENDS)
def test_what_was_learned_is_recorded_with_the_id(status: str, state: str) -> None:
    records = learned(adopted(), reply(status=status, video_url="https://cdn.example.com/x.mp4"))
    assert [r.state for r in records] == list(dict.fromkeys(["submitted", state]))
    assert (records[-1].task_id, records[-1].billed_tier) == ("task_x", TIER)
    assert records[-1].evidence and records[-1].evidence["created_at"].startswith(
        "2026-06-08T06:52:50"
    )


@pytest.mark.parametrize(
    ("status", "state", "says"),
    [
        ("completed", "succeeded", ""),
        ("failed", "failed", "it has failed"),
        ("queued", "failed", "not finished"),
    ],
)
def test_a_failure_is_taken_back_where_the_gateway_says_so(
    status: str, state: str, says: str
) -> None:
    """It was paid for, and a gateway may have been wrong about it for a while."""
    failed = advance(adopted(), "failed", LATER, error=Failure("capacity", "x", "busy"))
    assert says in "; ".join(misfits(failed, reply(status=status)))
    assert bool(says) == bool(misfits(failed, reply(status=status)))
    last = learned(failed, reply(status=status))[-1]
    assert (last.state, last.task_id, last.error is None) == (state, "task_x", state == "succeeded")


# ------------------------------------------------------------ the tag


@pytest.mark.parametrize(
    "body", [{"model": "m"}, {"metadata": {"a": 1, "output_config": {"duration": 5}}}]
)
def test_a_tag_is_short_and_means_nothing(body: dict[str, Any]) -> None:
    marked = tagged(body, "20260608065249123-3f9a0c12b7de")
    assert tag_in(marked) == "klingflow-3f9a0c12b7de"
    assert fingerprint(marked) == fingerprint(body)
    assert all(
        len(tag_of(uid)) <= 64 and is_tag(tag_of(uid))
        for uid in ("x" * 99, "a-b-c", "20260608-new")
    )


def test_an_authors_name_stays() -> None:
    body = {"metadata": {"output_config": {"media_name": "opening"}}}
    assert tagged(body, "20260608-1") == body
    assert fingerprint(body) != fingerprint({})


def test_a_doubt_is_told_with_all_that_finds_it() -> None:
    doubt = advance(
        intent("a", 2, uid="20260608-3f"), "doubted", AT, evidence={"from": AT, "to": LATER}
    )
    doubt = replace(doubt, body=tagged(doubt.body, doubt.uid))
    (said,) = doubts([doubt, adopted()], site_at("my film.yaml", origin=SANDBOX).command)
    assert (said["key"], said["from"], said["to"], said["tag"]) == (
        "a#2",
        AT,
        LATER,
        "klingflow-3f",
    )
    assert said["most"] == {"amount": "3.00", "currency": "CNY"}
    assert said["commands"]["task"] == "klingflow resolve 'my film.yaml' 'a#2' --sandbox --task ID"
    assert doubts([replace(doubt, price=None)], site_at("f.yaml").command)[0]["most"] is None
    witness = replace(doubt, evidence={"damaged": "{..."}, fingerprint="", body={})
    assert "damaged line" in doubts([witness], site_at("f.yaml").command)[0]["received"]


# ------------------------------------------------------------ as a user


def test_a_task_that_failed_is_asked_after_once_more(tmp_path: Path) -> None:
    """`resolve --task` with its own id takes the failure back, and buys nothing."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}})
    failed = advance(adopted(), "failed", LATER, error=Failure("capacity", "x", "busy"))
    with open_ledger(ledger_paths(film.manifest), lambda: LATER) as ledger:
        anyio.run(ledger.record, failed)
    ways: dict[str, Any] = {"task": "task_x", "verdict": ""}
    manifest, wish = loading.load(film.manifest), site.Wish()
    with pytest.raises(UsageError, match="not finished"):
        resolving.resolve(
            manifest, "a", wish, ORIGIN, ask=lambda _: read(reply(status="queued")), **ways
        )
    (said,) = resolving.resolve(manifest, "a", wish, ORIGIN, ask=lambda _: read(reply()), **ways)
    assert "klingflow fetch downloads it" in said
    assert [(p["state"], p["task_id"]) for p in film.purchases()] == [("succeeded", "task_x")]


def test_a_lost_purchase_is_found_by_its_tag(tmp_path: Path) -> None:
    """The tag is at the gateway and in `status`; a wrong id is refused, the right one is taken with
    what is billed.
    """
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, sandbox):
        film.write(2, run={"tag_media": True})
        film.do("run", "film.yaml", "-y", code=4)
        said = film.do("status", "film.yaml")
        (doubt,) = film.data("status", "film.yaml")["doubts"]
        assert f"tag:      {doubt['tag']}" in said
        assert "may cost: up to 2 CNY" in said
        key = doubt["key"]
        assert f"klingflow resolve film.yaml {key} --task ID" in said
        assert max(map(len, said.splitlines())) <= 80, said
        bought = {c["task_id"]: c for c in charges(sandbox)}
        known = {p["task_id"] for p in film.purchases() if p.get("task_id")}
        (lost,) = bought.keys() - known
        assert "knows no task" in film.do("resolve", "film.yaml", key, "--task", "task_no", code=2)
        assert "already that of" in film.do(
            "resolve", "film.yaml", key, "--task", known.pop(), "--force", code=2
        )
        elsewhere = film.do(
            "resolve", "film.yaml", key, "--task", lost, code=2, KLINGFLOW_BASE_URL=NOBODY
        )
        assert "the purchase was sent to" in elsewhere
        assert "bought as task" in film.do("resolve", "film.yaml", key, "--task", lost)
        found = next(p for p in film.purchases() if p["shot"] == key)
        assert (found["state"], found["billed_tier"]) == ("succeeded", bought[lost]["tier"])
        film.do("fetch", "film.yaml")
        assert "nothing has changed" in film.do("why", "film.yaml", key)
        assert len(charges(sandbox)) == 2
        assert "all is well" in film.do("lock", "check", "film.yaml")

"""`resolve` as a user has it: a ledger changes by what the gateway says, and nothing is bought."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.api import loading, resolving, site
from klingflow.errors import UsageError
from klingflow.gateway.outcomes import Running, Succeeded
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import ledger_paths
from klingflow.ledger.store import open_ledger
from klingflow.model import Failure
from tests.harness import charges, pipeline_at, sandboxed
from tests.purchases import LATER, ORIGIN, found

NOBODY = "http://127.0.0.1:9"


def test_a_task_that_failed_is_asked_after_once_more(tmp_path: Path) -> None:
    """`resolve --task` with its own id takes the failure back, and buys nothing."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}})
    failed = advance(found(), "failed", LATER, error=Failure("capacity", "x", "busy"))
    with open_ledger(ledger_paths(film.manifest), lambda: LATER) as ledger:
        anyio.run(ledger.record, failed)
    ways: dict[str, Any] = {"task": "task_x", "verdict": ""}
    manifest, wish = loading.load(film.manifest), site.Wish()
    with pytest.raises(UsageError, match="not finished"):
        resolving.resolve(manifest, "a", wish, ORIGIN, ask=lambda _: Running(), **ways)
    (said,) = resolving.resolve(
        manifest, "a", wish, ORIGIN, ask=lambda _: Succeeded(billed_tier="kling-3.0-720p"), **ways
    )
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
        assert "may cost: up to 2.00 CNY" in said
        key = doubt["key"]
        assert f"klingflow resolve film.yaml {key} --task ID" in said
        assert max(map(len, said.splitlines())) <= 80, said
        bought = {c["task_id"]: c for c in charges(sandbox)}
        known = {p["task_id"] for p in film.purchases() if p.get("task_id")}
        (lost,) = bought.keys() - known
        assert "knows no task" in film.do("resolve", "film.yaml", key, "--task", "task_no", code=2)
        assert "already belongs to" in film.do(
            "resolve", "film.yaml", key, "--task", known.pop(), "--force", code=2
        )
        elsewhere = film.do(
            "resolve", "film.yaml", key, "--task", lost, code=2, KLINGFLOW_BASE_URL=NOBODY
        )
        assert "the purchase was sent to" in elsewhere
        assert "bought as task" in film.do("resolve", "film.yaml", key, "--task", lost)
        taken = next(p for p in film.purchases() if p["shot"] == key)
        assert (taken["state"], taken["billed_tier"]) == ("succeeded", bought[lost]["tier"])
        film.do("fetch", "film.yaml")
        assert "has not changed since" in film.do("why", "film.yaml", key)
        assert len(charges(sandbox)) == 2
        assert "all is well" in film.do("lock", "check", "film.yaml")

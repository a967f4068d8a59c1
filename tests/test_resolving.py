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
from tests.harness import Pipeline, charges, on_a_terminal, pipeline_at, sandboxed
from tests.purchases import AT, LATER, ORIGIN, found, intent

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
        said = film.do("status", "film.yaml", "-v")
        (doubt,) = film.data("status", "film.yaml")["doubts"]
        assert f"tag:      {doubt['tag']}" in said
        assert "may cost: up to 2.00 CNY" in said
        key = doubt["key"]
        assert f"klingflow resolve film.yaml {key} --task ID" in said
        card = said[said.index(f"{key} is in doubt") :]
        # In a pipe what came back stays one line; all else fits a terminal.
        lines = [line for line in card.splitlines() if "received:" not in line]
        assert max(map(len, lines)) <= 80, card
        bought = {c["task_id"]: c for c in charges(sandbox)}
        known = {p["task_id"] for p in film.purchases() if p.get("task_id")}
        (lost,) = bought.keys() - known
        unknown = film.do("resolve", "film.yaml", key, "--task", "task_no", code=2)
        assert "the gateway does not know task_no" in unknown
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


def doubtful(film: Pipeline, *shots: str) -> None:
    """Put a doubt about each of these shots into the ledger."""
    with open_ledger(ledger_paths(film.manifest), lambda: LATER) as ledger:
        for shot in shots:
            doubt = advance(intent(shot), "doubted", AT, evidence={"from": AT})
            anyio.run(ledger.record, doubt)


def test_six_doubts_are_settled_by_one_command(tmp_path: Path) -> None:
    """The row "six doubts": `resolve FILE -s state:in_doubt --abandon` settles all of them, also of
    a shot that is no longer in the manifest; with -y where there is no terminal.
    """
    film = pipeline_at(tmp_path)
    film.write({name: {"prompt": "x"} for name in "abcde"})
    doubtful(film, *"abcdef")
    many = ("resolve", "film.yaml", "-s", "state:in_doubt", "--abandon")
    assert "not a terminal: pass -y to settle these" in film.do(*many, code=2)
    said = film.do(*many, "-y")
    assert "6 purchases: 18.00 CNY in doubt (6 doubts)." in said
    assert {p["state"] for p in film.purchases()} == {"abandoned"}
    assert "the selection has nothing to settle; nothing is in doubt" in film.do(*many, code=5)


def test_a_no_settles_nothing(tmp_path: Path) -> None:
    """On a terminal the question says what follows; a yes settles all, a no nothing."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}, "b": {"prompt": "y"}})
    doubtful(film, "a", "b")
    many = ("resolve", "film.yaml", "-s", "a b", "--resubmit")
    screen = on_a_terminal(film, *many, typed="n\n")
    assert screen.code == 2 and "The next run buys them again." in screen.text
    assert {p["state"] for p in film.purchases()} == {"in_doubt"}
    assert on_a_terminal(film, *many, typed="y\n").code == 0
    assert {p["state"] for p in film.purchases()} == {"abandoned"}


@pytest.mark.parametrize(("word", "said"), [
    ("--resubmit", "a: the next run buys it once more; task_x stays in the ledger"),
    ("--abandon", "a: abandoned; it is not bought again unless you pass --rerun failed"),
])  # fmt: skip
def test_a_task_that_is_parked_was_bought(word: str, said: str, tmp_path: Path) -> None:
    """Nobody is told that it was not, also where the take is to be bought once more."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}})
    parked = advance(found(), "parked", LATER, error=Failure("unknown", "deadline", "late"))
    with open_ledger(ledger_paths(film.manifest), lambda: LATER) as ledger:
        anyio.run(ledger.record, parked)
    assert film.do("resolve", "film.yaml", "a", word).strip() == said
    doubtful(film, "b")
    assert film.do("resolve", "film.yaml", "b", "--resubmit").strip() == (
        "b: not bought; the next run buys it"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--abandon"], "name one SHOT, or several by -s"),
        (["a", "-s", "b", "--abandon"], "name one SHOT, or several by -s"),
        (["-s", "a", "--task", "task_x"], "--task is for one SHOT"),
    ],
)
def test_one_shot_or_a_selection(words: list[str], said: str, tmp_path: Path) -> None:
    """Never both, and a task belongs to one shot."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x"}, "b": {"prompt": "y"}})
    assert said in film.do("resolve", "film.yaml", *words, code=2)

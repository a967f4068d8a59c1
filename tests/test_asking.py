"""Before anything is bought the user has said so, in the command or on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Pipeline, charges, on_a_terminal, sandboxed

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="terminals as POSIX has them")


def priced(film: Pipeline, price: int) -> None:
    prices = {"currency": "CNY", "tiers": {"*": {"per_request": price}}}
    (film.folder / "prices.yaml").write_text(json.dumps(prices), encoding="utf-8")


@pytest.mark.parametrize(
    ("top", "price"),
    [
        ({}, 0),
        ({"run": {"max_tasks": 1_000_000}}, 2),
        ({"run": {"max_spend": 1}}, 0),
        ({"run": {"max_seconds": 100}}, 2),
    ],
)
def test_without_a_terminal_the_folder_cannot_agree(
    tmp_path: Path, top: dict[str, Any], price: int
) -> None:
    """Neither a price of 0 nor a cap in the manifest, nor what `.env` says, is the user's word."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(3, **top)
        priced(film, price)
        (film.folder / ".env").write_text("KLINGFLOW_YES=1\nKLINGFLOW_MAX_SPEND=9\n")
        said = film.do("run", "film.yaml", code=2)
        assert "3 to buy, and not a terminal: pass -y" in said
        assert charges(sandbox) == []


@POSIX
@pytest.mark.parametrize("price", [0, 2])
def test_a_terminal_is_asked_at_any_price(tmp_path: Path, price: int) -> None:
    """The question names number, cost, gateway and its sources, and the variables in it; a cap does
    not answer it. After a no nothing is bought, and the exit code is 2."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write({"a": {"prompt": "${{ vars.who }}"}, "b": {"prompt": "x"}}, vars={"who": "Lin"})
        priced(film, price)
        given = {"KLINGFLOW_VAR_WHO": "Bo"}
        run = ("run", "film.yaml", "--max-tasks", "5")
        no = on_a_terminal(film, *run, typed="n\n", **given)
        assert (
            f"Buy 2 for {2 * price}.00 CNY, predicted, for 10 s of video, with KLINGFLOW_VAR_WHO"
            f" from the environment, at {sandbox.base_url} (address and key from the environment)?"
            " [y/N]"
        ) in " ".join(no.text.split())
        assert no.code == 2 and "nothing bought" in no.text
        assert charges(sandbox) == []
        yes = on_a_terminal(film, *run, typed="y\n", **given)
        assert (yes.code, len(charges(sandbox))) == (0, 2)
        again = on_a_terminal(film, *run, **given)
        assert again.code == 0 and "Buy" not in again.text


@POSIX
def test_the_end_of_input_is_no_yes(tmp_path: Path) -> None:
    """Nor is Return alone."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(1)
        assert on_a_terminal(film, "run", "film.yaml", typed="\x04").code == 130
        assert on_a_terminal(film, "run", "film.yaml", typed="\n").code == 2
        assert charges(sandbox) == []


def test_a_task_that_fails_is_not_bought_again_without_a_word(tmp_path: Path) -> None:
    """A run that only resumes asks nothing, and so it buys nothing, whatever `retries` says."""
    with sandboxed(tmp_path, "query:fail_capacity") as (film, sandbox):
        film.write(1, run={"retries": 3, "poll_floor": "1h"})
        first = film.start("run", "film.yaml", "-y")
        assert first.stdout
        for _ in ("the gateway", "bought"):
            first.stdout.readline()
        first.terminate()
        first.communicate(timeout=60)
        film.write(1, run={"retries": 3})
        film.do("run", "film.yaml", code=3)
        assert len({charge["task_id"] for charge in charges(sandbox)}) == 1


def test_a_cap_on_money_is_no_word_for_what_costs_nothing(tmp_path: Path) -> None:
    """A price of 0 may come from anybody's file of prices; the dry run says so, and -y buys."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(2)
        priced(film, 0)
        capped = ("run", "film.yaml", "--max-spend", "50")
        assert "its price is 0, which nobody has agreed to" in film.do(*capped, "-n")
        film.do(*capped, code=8)
        assert charges(sandbox) == []
        film.do(*capped, "-y")
        assert len(charges(sandbox)) == 2

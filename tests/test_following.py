"""A run at a cluster whose ledger or store fails: what it ends with, and what it waits for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from klingflow.api.following import Follower, followed
from klingflow.errors import LedgerBroken, StoreAway
from tests.clusters import a_store
from tests.runs import Run, a_run

pytestmark = pytest.mark.anyio


class Failing(Follower):
    """One whose ledger cannot be written, and whose store goes away at the second hand-over."""

    async def run(self) -> None:
        """Fail."""
        raise LedgerBroken("film.journal: cannot be written")

    async def hand_over(self) -> bool:
        """Fail at the second time."""
        if self.handed:
            raise StoreAway("the store is not there")
        self.handed.add("a")
        return False


def failing(run: Run, folder: Path) -> Follower:
    """Such a follower of a run, at a desk that nobody asks."""
    desk = cast(Any, SimpleNamespace())
    return Failing(run.job, desk, a_store(folder / "store"), run.context.limits, run.told.append)


async def test_a_broken_ledger_ends_a_run_as_such(tmp_path: Path) -> None:
    """The command line knows the error by its kind."""
    broken = pytest.raises(LedgerBroken, match="cannot be written")
    with a_run(tmp_path / "film") as run, broken:
        await followed(failing(run, tmp_path), lambda: None, detach=False)


async def test_a_store_that_is_away_is_asked_again(tmp_path: Path) -> None:
    """Nobody knows then whether more is to be handed over."""
    with a_run(tmp_path / "film") as run:
        follower = failing(run, tmp_path)
        assert [await follower._next(), await follower._next()] == [False, True]

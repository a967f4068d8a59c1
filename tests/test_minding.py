"""What a host finds of its store is told to the desk, when it changes and while it is bad."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from klingflow.cluster.hand import Hand
from klingflow.cluster.temporal.minding import Minding
from klingflow.cluster.temporal.telling import Telling
from tests.clusters import a_hand, a_store

pytestmark = pytest.mark.anyio

ACCOUNT, LOST = "gateway.example.com", "it misses a tick"


class Desk:
    """What a desk is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    async def tell(self, *report: Any) -> None:
        """Hear a report."""
        self.heard.append(report)


async def told(folder: Path, found: Sequence[str]) -> list[list[tuple[Any, ...]]]:
    """Return what the desk is told at each of the looks, half a minute apart, that find this."""
    desk, moments, finds = Desk(), iter(range(1000, 9999, 30)), iter(found)

    async def forgotten(hand: Hand, account: str) -> str:
        return next(finds)

    reports = []
    with a_hand(a_store(folder / "store"), folder / "north") as hand:
        hand.clock = lambda: next(moments)
        minding = Minding(hand, cast(Telling, desk), lambda line: None)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("klingflow.cluster.temporal.minding.forgotten", forgotten)
            for why in found:
                assert await minding.look(ACCOUNT) == why
                reports.append(desk.heard)
                desk.heard = []
    return reports


async def test_a_desk_is_told_what_a_host_finds_of_its_store_when_that_changes(
    tmp_path: Path,
) -> None:
    """Also that the host goes on: what it said before may come after a person's word."""
    lost, well = [("store", "north", LOST)], [("store", "north", "")]
    assert await told(tmp_path, ["", LOST, LOST, "", ""]) == [[], lost, [], well, []]


async def test_a_desk_is_told_again_what_a_store_has_lost_while_that_lasts(tmp_path: Path) -> None:
    """Its server's memory may come from a backup of an earlier moment. That all is well is not
    repeated.
    """
    lost, well = [("store", "north", LOST)], [("store", "north", "")]
    found = await told(tmp_path, [LOST, LOST, LOST, LOST, "", "", ""])
    assert found == [lost, [], lost, [], well, [], []]


async def test_a_host_looks_at_its_store_once_at_a_time(tmp_path: Path) -> None:
    """A look that finds a loss stops the account, and one that comes late would do that again after
    a person has let hosts go on.
    """
    looks, most = 0, 0

    async def forgotten(hand: Hand, account: str) -> str:
        nonlocal looks, most
        looks, most = looks + 1, max(most, looks + 1)
        await anyio.lowlevel.checkpoint()
        looks -= 1
        return ""

    with a_hand(a_store(tmp_path / "store"), tmp_path / "north") as hand:
        minding = Minding(hand, cast(Telling, Desk()), lambda line: None)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("klingflow.cluster.temporal.minding.forgotten", forgotten)
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(minding.look, ACCOUNT)
    assert most == 1

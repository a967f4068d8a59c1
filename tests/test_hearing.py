"""Which hosts a run hears of: it says which have gone silent, and that nobody is there at all."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from klingflow.api.hearing import Hearing

pytestmark = pytest.mark.anyio


class Server:
    """A server that says which hosts are there, for the account and for others, at a time that a
    test sets.
    """

    def __init__(self, others: Sequence[str] = ()) -> None:
        self.here: list[str] = []
        self.now = 0.0
        self.asked = 0
        self.told: list[dict[str, Any]] = []

        async def hosts() -> list[str]:
            self.asked += 1
            return self.here

        async def named() -> Sequence[str]:
            return others

        desk = SimpleNamespace(account="film", hosts=hosts, others=named)
        self.hearing = Hearing(cast(Any, desk), self.told.append, lambda: self.now)

    async def at(self, now: float, *here: str) -> list[tuple[str, str]]:
        """Listen then, while these hosts are there. Return what is told."""
        self.now, self.here = now, [*here]
        self.told.clear()
        await self.hearing.listen()
        return [(told["event"], told.get("host") or told["reason"]) for told in self.told]


@pytest.mark.parametrize(("others", "said"), [
    ((), "no host works for the account film: start `klingflow worker --account film`"),
    (("a", "b"), "no host works for the account film, but for a, b: name one of these by"
     " --account, or start `klingflow worker --account film`"),
])  # fmt: skip
async def test_who_waits_for_a_host_says_so_once(others: Sequence[str], said: str) -> None:
    """After the seconds that a host takes to start, with the accounts that have hosts."""
    server = Server(others)
    assert [await server.at(now) for now in (0.0, 19.0)] == [[], []]
    assert await server.at(21.0) == [("halted", said)]
    assert await server.at(60.0) == []


async def test_the_next_time_without_a_host_is_told_again() -> None:
    """Which host was the last is told as well."""
    server = Server()
    await server.at(0.0)
    await server.at(30.0)
    assert await server.at(31.0, "north/1") == []
    assert await server.at(50.0) == [("silent", "north")]
    assert [name for name, _ in await server.at(71.0)] == ["halted"]


async def test_hosts_that_are_there_are_not_asked_for_all_the_time() -> None:
    """Where none is there, each look asks: one may come at any moment."""
    server = Server()
    for now in (0.0, 2.0, 4.0):
        await server.at(now, "north/1", "north/2")
    assert (server.asked, server.hearing.heard) == (1, {"north"})
    alone = Server()
    for now in (0.0, 2.0, 4.0):
        await alone.at(now)
    assert alone.asked == 3

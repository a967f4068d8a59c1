"""What a host tells a desk, in signals that a test hears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import anyio.lowlevel
import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from klingflow.cluster.temporal.telling import Telling

pytestmark = pytest.mark.anyio


@dataclass
class Server:
    """A server that answers each signal with the next of `answers`, then hears all."""

    answers: list[RPCStatusCode] = field(default_factory=list)
    heard: list[tuple[str, list[Any]]] = field(default_factory=list)

    def get_workflow_handle(self, name: str) -> Server:
        """The desk of the one account that it has."""
        assert name == "desk-account"
        return self

    async def signal(self, name: str, reports: list[Any], **more: Any) -> None:
        """Hear a signal."""
        await anyio.lowlevel.checkpoint()
        if self.answers:
            raise RPCError("as scripted", self.answers.pop(0), b"")
        self.heard.append((name, reports))

    def telling(self) -> Telling:
        """A host that tells its desk."""
        return Telling(cast(Client, self), "account")


async def test_reports_that_come_together_go_together() -> None:
    """Behind the first, which waits for nobody; in the order in which they were told."""
    server = Server()
    telling = server.telling()
    await telling.tell("over", "a", True)
    await asyncio.gather(telling.tell("over", "b", False), telling.tell("delivered", "a", True))
    assert server.heard == [
        ("reports", [["over", "a", True]]),
        ("reports", [["over", "b", False], ["delivered", "a", True]]),
    ]


async def test_a_server_that_is_away_is_told_again() -> None:
    """However its silence looks; who told it waits."""
    server = Server([RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED])
    await server.telling().tell("over", "a", True)
    assert (len(server.heard), server.answers) == (1, [])


async def test_a_desk_that_has_ended_hears_nothing() -> None:
    """Nobody waits for it: the next desk grants again."""
    server = Server([RPCStatusCode.NOT_FOUND])
    await server.telling().tell("over", "a", True)
    assert (server.heard, server.answers) == ([], [])


async def test_what_is_refused_for_good_is_raised() -> None:
    """To whoever told it; the next report goes all the same."""
    server = Server([RPCStatusCode.PERMISSION_DENIED])
    telling = server.telling()
    with pytest.raises(RPCError):
        await telling.tell("over", "a", True)
    await telling.tell("over", "b", True)
    assert server.heard == [("reports", [["over", "b", True]])]


async def test_what_is_taken_back_is_not_told() -> None:
    """A step that the engine has cancelled is another host's to tell of."""
    server = Server()
    telling = server.telling()
    await telling.tell("over", "a", True)
    late = asyncio.create_task(telling.tell("over", "b", True))
    await asyncio.sleep(0)  # it is asked, and waits behind the first
    late.cancel()
    await telling.tell("over", "c", True)
    assert [reports for _, reports in server.heard] == [
        [["over", "a", True]],
        [["over", "c", True]],
    ]

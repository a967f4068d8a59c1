"""The gateway is told who asks."""

from __future__ import annotations

import pytest

import klingflow
from klingflow.api.connecting import NOBODY, connect, reader
from klingflow.gateway.outcomes import NoReply
from tests.wire import http, serve

pytestmark = pytest.mark.anyio


async def test_the_gateway_is_told_name_and_version() -> None:
    """An operator can tell our requests from others."""
    async with serve(http(200, b"{}")) as wire, connect(wire.base, "key-0123456789") as gateway:
        await gateway.query("task_1")
    assert f"\r\nuser-agent: klingflow/{klingflow.__version__}\r\n".encode() in wire.requests[0]


async def test_a_reader_of_addresses_elsewhere_reads_nothing_on_this_machine() -> None:
    """A redirect of any server's could lead here; a store on this machine is read."""
    async with serve(http(200, b"still"), http(200, b"still")) as wire:
        async with reader(NOBODY) as away, away.open(f"{wire.base}/a.png") as reply:
            assert isinstance(reply, NoReply) and "on this machine" in reply.reason
        assert wire.requests == []
        async with reader(wire.base) as here, here.open(f"{wire.base}/a.png") as reply:
            assert not isinstance(reply, NoReply)

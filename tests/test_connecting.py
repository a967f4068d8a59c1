"""The gateway is told who asks."""

from __future__ import annotations

import pytest

import klingflow
from klingflow.api.connecting import connect
from tests.wire import http, serve

pytestmark = pytest.mark.anyio


async def test_the_gateway_is_told_name_and_version() -> None:
    """An operator can tell our requests from others."""
    async with serve(http(200, b"{}")) as wire, connect(wire.base, "key-0123456789") as gateway:
        await gateway.query("task_1")
    assert f"\r\nuser-agent: klingflow/{klingflow.__version__}\r\n".encode() in wire.requests[0]

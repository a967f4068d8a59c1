"""What hosts tell a desk: reports of tries and of tasks, those of one moment in one signal.

A report may reach a desk twice, or long after another host has said the same: the desk counts it
once.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final, Literal

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from klingflow.cluster.temporal.flows import desk_of

ReportName = Literal["bought", "over", "again", "delivered", "blinded", "store", "missing"]
# Each signal costs a server as much as a step of a workflow, so a host sends no more of them than
# one in this time.
_GATHER_S: Final = 0.5
# A server that is away is told again after this time.
_AGAIN_S: Final = 1.0
_PATIENCE: Final = timedelta(seconds=10)
# What a server says that will not hear it later, either.
FOR_GOOD: Final = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


class Telling:
    """What one host tells the desk of an account."""

    def __init__(self, client: Client, account: str) -> None:
        self._desk = client.get_workflow_handle(desk_of(account))
        self._open: list[tuple[list[Any], asyncio.Future[None]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def tell(self, name: ReportName, *said: Any) -> None:
        """Tell the desk, however long the server is away. A desk that has ended hears nothing: the
        next one grants again, to others. Raises RPCError where the server refuses it for good.
        """
        heard = asyncio.get_running_loop().create_future()
        self._open.append(([name, *said], heard))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        await heard

    async def _send_all(self) -> None:
        while self._open:
            letters, self._open = self._open, []
            wanted = [(report, heard) for report, heard in letters if not heard.done()]
            error = await self._sent([report for report, _ in wanted]) if wanted else None
            for _, heard in wanted:
                _answer(heard, error)
            await asyncio.sleep(_GATHER_S)
        self._sending = None

    async def _sent(self, reports: list[list[Any]]) -> Exception | None:
        """Send reports as one signal. Return why that is in vain."""
        while True:
            try:
                await self._desk.signal("reports", reports, rpc_timeout=_PATIENCE)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return None
                if error.status in FOR_GOOD:
                    return error
            except Exception as error:
                return error
            else:
                return None
            await asyncio.sleep(_AGAIN_S)


def _answer(heard: asyncio.Future[None], error: Exception | None) -> None:
    if heard.done():  # whoever told it has left
        return
    if error is None:
        heard.set_result(None)
    else:
        heard.set_exception(error)

"""A host looks after its store: again and again, and before it buys. What it finds is told to the
desk, so that a person is told why nothing is bought.

What a store may have lost, and what is done about that, is klingflow.cluster.giving_back's part.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from temporalio.service import RPCError

from klingflow.cluster.giving_back import forgotten
from klingflow.cluster.hand import Hand
from klingflow.cluster.temporal.telling import Telling
from klingflow.errors import UsageError

# How often a host looks whether the store is what it was.
_EVERY_S: Final = 5.0
# How often a desk is told again why nothing may be bought.
_REMIND_S: Final = 60.0


class Minding:
    """What one host has told the desk of its store. `told` gets a line for the person who looks
    after this host.
    """

    def __init__(self, hand: Hand, telling: Telling, told: Callable[[str], None]) -> None:
        self._hand = hand
        self._telling = telling
        self._told = told
        self._said, self._said_at = "", -math.inf
        self._turn = asyncio.Lock()

    async def look(self, account: str) -> str:
        """Return why nothing may be bought at the store, as `forgotten`; the desk is told, too.

        One look comes after the other. One that has seen a loss before a person let all go on, and
        acts on it afterwards, would stop the account again.
        """
        async with self._turn:
            why = await forgotten(self._hand, account)
            await self._tell_desk(why)
        return why

    async def always(self, account: str) -> None:
        """Look at the store again and again, also while nothing is bought. Never returns."""
        known = ""
        while True:
            await asyncio.sleep(_EVERY_S)
            async with self._turn:
                try:
                    why = await forgotten(self._hand, account)
                except (UsageError, OSError) as error:
                    why = str(error)
                if why and why != known:
                    self._told(why)
                known = why
                with suppress(RPCError):  # then whoever buys says it
                    await self._tell_desk(why)

    async def _tell_desk(self, why: str) -> None:
        """Tell the desk what changes: also that this host goes on, after a word that it said at the
        same time as a person let all hosts go on. Why nothing may be bought is told again while it
        lasts: a server from a backup has forgotten it, and nobody else would say it.
        """
        now = self._hand.clock()
        is_due = bool(why) and now - self._said_at >= _REMIND_S
        if is_due or why != self._said:
            self._said, self._said_at = why, now
            await self._telling.tell("store", self._hand.host, why)

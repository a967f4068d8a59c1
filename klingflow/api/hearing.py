"""Which hosts of an account are heard of while a run follows them: who has gone silent, and whether
anybody is there at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from klingflow.api.site import now
from klingflow.runner.events import Emit, EventName
from klingflow.words import _, joined

if TYPE_CHECKING:
    from klingflow.cluster.temporal.client import DeskClient

# How often the server is asked which hosts there are; it misses one a minute after its last word.
_HEAR_EVERY_S: Final = 15.0
# No host has been heard of for so long: hosts that start take some seconds.
_ALONE_S: Final = 20.0


@dataclass(slots=True)
class Hearing:
    """`heard` are the hosts that were heard of last; where there is none, they are asked for at
    each look.
    """

    desk: DeskClient
    emit: Emit
    clock: Callable[[], float] = time.monotonic
    heard: set[str] = field(default_factory=set)
    _again_at: float = 0.0
    _alone_at: float = math.inf
    _is_told: bool = False

    async def listen(self) -> bool:
        """Tell of hosts that were heard of, and are no more, and where none comes. Return False
        where it is too early to ask again. Raises ClusterAway.
        """
        if self.heard and self.clock() < self._again_at:
            return False
        self._again_at = self.clock() + _HEAR_EVERY_S
        here = {identity.partition("/")[0] for identity in await self.desk.hosts()}
        for host in sorted(self.heard - here):
            self._inform("silent", host=host)
        self.heard = here
        await self._miss()
        return True

    async def _miss(self) -> None:
        """Tell, once for each time, that no host has worked for the account for some seconds."""
        if self.heard:
            self._alone_at, self._is_told = math.inf, False
            return
        self._alone_at = min(self._alone_at, self.clock())
        if not self._is_told and self.clock() - self._alone_at >= _ALONE_S:
            self._inform("halted", reason=_no_host(self.desk.account, await self.desk.others()))
            self._is_told = True

    def _inform(self, event: EventName, **facts: str) -> None:
        self.emit({"at": now(), "event": event, **facts})


def _no_host(account: str, others: Sequence[str]) -> str:
    """Return what to do where no host works for an account; hosts work for `others`."""
    if not others:
        return _(
            "no host works for the account {account}: start `klingflow worker --account {account}`",
            account=account,
        )
    return _(
        "no host works for the account {account}, but for {others}: name one of these by --account,"
        " or start `klingflow worker --account {account}`",
        account=account,
        others=joined(", ", others),
    )

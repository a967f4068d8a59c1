"""A process that buys every order of a batch, as a worker of a cluster does without any engine:

    python -m tests.campaigns.buyers STORE STATE GATEWAY BATCH SEED [--no-claims]

With `--no-claims` its store grants every claim, which is what must not go unnoticed.
"""

from __future__ import annotations

import random
import secrets
import sys
from pathlib import Path

import anyio

from klingflow.api.site import now
from klingflow.cluster import hands
from klingflow.cluster.hand import Hand, Waits
from klingflow.cluster.handbox import opened
from klingflow.cluster.orders import Ref
from klingflow.cluster.store import FolderStore
from klingflow.cluster.ticks import Ticks, note_of
from klingflow.gateway.http import Gateway
from klingflow.gateway.origin import normal_base

# The longest create of the campaign's sandbox is one second.
WAITS = Waits(claim_s=1.0, create_s=1.5, spare_s=0.5, look_s=0.05, longest_look_s=0.2)
AT_ONCE, MOST_TRIES = 4, 9


class Careless(FolderStore):
    """A store that lets everybody make every claim: each process sees its own alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._claims: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> bool:
        if not name.endswith(".intent"):
            return super().put(name, data)
        (self.folder / name).write_bytes(data)
        return self._claims.setdefault(name, data) is data

    def get(self, name: str) -> bytes | None:
        return self._claims.get(name) if name.endswith(".intent") else super().get(name)


async def main(
    store: Path, state: Path, base: str, batch: str, seed: int, *, careless: bool
) -> None:
    """Buy everything, in an order of this process's own."""
    claims = (Careless if careless else FolderStore)(store)
    with opened(state, claims.identity) as box:
        async with Gateway(base, "test-key") as gateway:
            hand = Hand(
                claims,
                gateway,
                normal_base(base),
                box,
                host=state.name,
                now=now,
                nonce=lambda: secrets.token_hex(16),
                ticks=Ticks(claims, note_of(state, claims.identity, "a")),
                waits=WAITS,
            )
            await hands.hand_in(hand, state)
            await _all(hand, batch, random.Random(seed))


async def _all(hand: Hand, batch: str, chance: random.Random) -> None:
    first = await hands.page(hand, batch, 0)
    refs = [ask.ref for ask in first.asks()]
    for number in range(1, first.terms.pages):
        refs += [ask.ref for ask in (await hands.page(hand, batch, number)).asks()]
    chance.shuffle(refs)
    places = anyio.Semaphore(AT_ONCE)
    async with anyio.create_task_group() as group:
        for ref in refs:
            await places.acquire()
            group.start_soon(_one, hand, ref, places)


async def _one(hand: Hand, ref: Ref, places: anyio.Semaphore) -> None:
    for number in range(1, MOST_TRIES + 1):
        told = await hands.buy(hand, ref, try_=number)
        if told.next_try is None:
            break
    places.release()


if __name__ == "__main__":
    where, box, address, name, chosen, *more = sys.argv[1:]
    anyio.run(
        lambda: main(
            Path(where), Path(box), address, name, int(chosen), careless="--no-claims" in more
        )
    )

"""A host of a cluster: its hand made of what the environment names, and its work until it leaves.

A host that starts is waited for, so nothing is imported here that only plans, reads manifests or
shows need.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable

from klingflow.api.cluster_place import engine_missing, store_in
from klingflow.api.connecting import connect
from klingflow.api.site import now
from klingflow.api.state import chosen_state
from klingflow.assets.stores import Store
from klingflow.cluster import handbox, hands
from klingflow.cluster.address import Address, account_named, address_in
from klingflow.cluster.hand import Hand
from klingflow.cluster.store import PutOnce, prove
from klingflow.cluster.ticks import Ticks, note_of
from klingflow.disk import make_folder
from klingflow.errors import LedgerBroken, UsageError
from klingflow.gateway.env_file import BASE_URL, KEY
from klingflow.gateway.origin import normal_base
from klingflow.model import AssetSettings
from klingflow.runner.signals import ends
from klingflow.words import _

Tell = Callable[[str], None]


def work(
    account: str | None,
    at_once: int,
    tell: Tell,
    *,
    origin: str | None = None,
    host: str | None = None,
) -> None:
    """Work for an account until a signal comes; then finish the creates that are on their way.
    `origin` is what ledgers call the gateway, by default its address; `host` is what this machine
    is called, by default its own name.

    Raises UsageError for what the environment lacks, ClusterAway, StoreAway, and LedgerBroken where
    this host must buy nothing more.
    """
    environ = os.environ
    for name in (BASE_URL, KEY):
        if not environ.get(name, "").strip():
            raise UsageError(
                _("no {name} in the environment, which is where a worker has it from", name=name)
            )
    address, base_url = address_in(environ), environ[BASE_URL].strip()
    origin = origin or normal_base(base_url)
    name = account_named(account, origin)
    store = store_in(environ)
    prove(store)
    with handbox.opened(chosen_state(), store.identity) as box:
        here = host or socket.gethostname()
        asyncio.run(_work(address, name, origin, store, box, at_once, tell, here))


async def _work(
    address: Address,
    account: str,
    origin: str,
    store: PutOnce,
    box: handbox.HandBox,
    at_once: int,
    tell: Tell,
    host: str,
) -> None:
    try:
        from klingflow.cluster.temporal import client, worker  # an extra
    except ImportError as error:
        raise engine_missing() from error
    async with connect(os.environ[BASE_URL].strip(), os.environ[KEY].strip()) as gateway:
        hand = Hand(
            store=store,
            gateway=gateway,
            origin=origin,
            box=box,
            host=host,
            now=now,
            nonce=lambda: secrets.token_hex(16),
            ticks=Ticks(store, note_of(chosen_state(), store.identity, account)),
            assets=_assets,
            told=tell,
        )
        await _hand_in(hand, tell)
        make_folder(chosen_state() / "scratch")
        until = _asked_to_leave(tell)
        server = await client.connect(address, identity=f"{host}/{os.getpid()}")
        broken = await worker.work(
            server,
            account,
            hand,
            chosen_state() / "scratch",
            at_once=at_once,
            until=until,
            told=tell,
            begun=lambda: tell(
                _(
                    "working for {account} at {address}, with {described}",
                    account=account,
                    address=address,
                    described=store.described,
                )
            ),
        )
    if broken is not None:
        raise LedgerBroken(_("this host buys nothing more: {broken}", broken=broken))


async def _hand_in(hand: Hand, tell: Tell) -> None:
    for purchase in await hands.hand_in(hand, chosen_state()):
        tell(
            _(
                "{key}: this host's black box has {task_id}, the store another",
                key=purchase.key,
                task_id=purchase.task_id,
            )
        )


def _asked_to_leave(tell: Tell) -> asyncio.Event:
    """Return what the first signal sets; the second ends the process at once."""
    until, loop = asyncio.Event(), asyncio.get_running_loop()

    def leave() -> None:
        if until.is_set():
            os._exit(130)  # what was sent is in the black box
        tell(_("leaving: finishing the creates that are on their way (again: leave at once)"))
        until.set()

    for number in ends():
        try:
            loop.add_signal_handler(number, leave)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(leave))
    return until


def _assets(settings: AssetSettings) -> Store | None:
    from klingflow.api import stores  # for start-up: few batches need frames

    return stores.of_host(settings, os.environ)

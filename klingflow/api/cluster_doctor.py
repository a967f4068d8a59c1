"""`klingflow doctor --cluster`: whether this machine sees the server, the store and the account's
hosts, and how far its clock is from theirs. Buys nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Final

from klingflow.api.cluster_place import account_here, store_in
from klingflow.api.clusters import desk_of
from klingflow.api.doctor import Finding
from klingflow.cluster.address import CLUSTER, address_in
from klingflow.cluster.store import prove
from klingflow.errors import KlingflowError
from klingflow.gateway.env_file import KEY
from klingflow.words import _, joined

# Times in ledgers are compared by the second; grants do not depend on the clocks of hosts.
_FAR_S: Final = 5.0


def examine(account: str | None) -> list[Finding]:
    """Return everything worth knowing of the cluster, in the order in which to mend it."""
    return [*_environment(), *_store(), *_server(account)]


def _environment() -> Iterator[Finding]:
    has_key = bool(os.environ.get(KEY))
    said = (
        _("{key} is in the environment", key=KEY)
        if has_key
        else _("{key} is not set: a worker needs it, `run` does not", key=KEY)
    )
    yield Finding(has_key, said, needed=False)


def _store() -> Iterator[Finding]:
    try:
        store = store_in(os.environ)
        prove(store)
    except KlingflowError as error:
        yield Finding(False, str(error))
    else:
        yield Finding(
            True, _("store {described}: an object can be made once only", described=store.described)
        )


def _server(account: str | None) -> Iterator[Finding]:
    try:
        address = address_in(os.environ)
        name = account_here(account)
        clock_s, (halted, way_out), hosts = asyncio.run(_asked(name))
    except KlingflowError as error:
        yield Finding(False, str(error))
        return
    yield Finding(
        True, _("{cluster} {address}: the server answers", cluster=CLUSTER, address=address)
    )
    yield _of_the_clock(clock_s)
    if hosts:
        said = _("hosts of {account}: {hosts}", account=name, hosts=joined(", ", hosts))
        yield Finding(True, said)
    else:
        said = _("no host works for {account}: start `klingflow worker`", account=name)
        yield Finding(False, said, needed=False)
    if halted:
        said = _("the desk buys nothing: {halted} ({way_out})", halted=halted, way_out=way_out)
        yield Finding(False, said, needed=False)


def _of_the_clock(clock_s: float) -> Finding:
    """Say how far this clock is ahead of the server's."""
    far = abs(clock_s) > _FAR_S
    todo = _("; set it (timedatectl set-ntp true)") if far else ""
    shown_s = round(clock_s, 1) + 0.0  # never -0.0
    said = _("this clock is {clock_s:+.1f} s from the server's{todo}", clock_s=shown_s, todo=todo)
    return Finding(not far, said, needed=False)


async def _asked(account: str) -> tuple[float, tuple[str, str], list[str]]:
    """Return how far this clock is ahead of the server's, why the desk grants nothing and what lets
    it, and the hosts. Raises KlingflowError.
    """
    desk = await desk_of(address_in(os.environ), account)
    clock_s = await desk.clock_s()
    hosts = await desk.hosts()
    status = await desk.status() if hosts else None  # a desk without hosts answers nothing
    halted = (status.halted, status.way_out) if status else ("", "")
    return clock_s, halted, hosts

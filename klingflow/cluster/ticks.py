"""Ticks: by them a host notices that a store was put back from a backup, and has lost claims.

A host that buys leaves a tick about every ten seconds, before it claims: an object like any other,
made once, under the next number. Each host looks for the next one all the time and remembers the
last, also over a restart. A store that does not have the last tick as it was, or the last claim of
this process, is not what it was: whoever claims there may buy what was bought before. All calls
block.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from klingflow import disk, plain_files
from klingflow.cluster.store import PutOnce
from klingflow.ledger.sums import encoded, summed
from klingflow.model import Json

# A host that buys leaves no tick while the last one is younger.
EVERY_S: Final = 10.0
# In a folder that every store has had from the beginning.
_FOLDER: Final = "probes/ticks"
# A tick that is missing is asked for again: a bucket may answer with what it knew before.
_LOOKS: Final = 3
_PAUSE_S: Final = 1.0


class _Tick(NamedTuple):
    """A tick, and what its object holds."""

    number: int
    data: bytes


def note_of(state: Path, store: str, account: str) -> Path:
    """Return where a host remembers the last tick of a store, for an account."""
    return state / "ticks" / f"{store}-{account}.json"


class Ticks:
    """What a host knows of the ticks of a store. `note` is the file that remembers it."""

    def __init__(
        self,
        store: PutOnce,
        note: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._note, self._clock, self._pause = store, note, clock, pause
        self._turn = threading.Lock()
        self._last, self._stopped = _remembered(note)
        self._seen_at = -EVERY_S
        self._claim: tuple[str, bytes] | None = None
        self._is_lost = self._stopped is not None

    @property
    def stopped(self) -> int | None:
        """The number of the word by which the account was stopped when a tick was found missing;
        None while none is.
        """
        return self._stopped

    def look(self) -> bool:
        """True if the store has the last tick that is known here. Later ones are learned. Raises
        StoreAway.
        """
        with self._turn:
            return self._look()

    def leave(self) -> bool:
        """As `look`; also leave a tick where the last one is not young. Raises StoreAway."""
        with self._turn:
            while self._look():
                if self._clock() - self._seen_at < EVERY_S:
                    return True
                tick = self._next()
                if self._store.put(_name(tick.number), tick.data):
                    self._learn(tick)
            return False

    def claimed(self, name: str, data: bytes) -> None:
        """Note a claim that this process has made."""
        self._claim = name, data

    def stop(self, number: int) -> None:
        """Remember that the account was stopped by the word of this number."""
        with self._turn:
            self._stopped = number
            self._remember()

    def accept(self) -> None:
        """Go on in the store as it is: a person has said so. Raises StoreAway."""
        with self._turn:
            self._last, self._claim = self._newest(), None
            self._is_lost, self._stopped = False, None
            self._remember()

    def _look(self) -> bool:
        if self._is_lost:
            return False
        known = self._last
        if known is None:
            self._last = self._newest()
        objects = [(_name(known.number), known.data)] if known and known.number else []
        if not all(self._has(*one) for one in (*objects, *filter(None, [self._claim]))):
            self._is_lost = True
            return False
        if self._last != known:
            self._remember()
        while (data := self._store.get(_name(self._number_after()))) is not None:
            self._learn(_Tick(self._number_after(), data))
        return True

    def _learn(self, tick: _Tick) -> None:
        self._last, self._seen_at = tick, self._clock()
        self._remember()

    def _has(self, name: str, data: bytes) -> bool:
        for looks_left in reversed(range(_LOOKS)):
            if self._store.get(name) == data:
                return True
            if looks_left:
                self._pause(_PAUSE_S)
        return False

    def _number_after(self) -> int:
        return self._last.number + 1 if self._last else 1

    def _next(self) -> _Tick:
        return _Tick(self._number_after(), summed(encoded({"tick": secrets.token_hex(8)})))

    def _newest(self) -> _Tick:
        numbers = (name.rpartition("/")[2] for name in self._store.names(_FOLDER))
        for number in sorted((int(one) for one in numbers if one.isdecimal()), reverse=True):
            if (data := self._store.get(_name(number))) is not None:
                return _Tick(number, data)
        return _Tick(0, b"")

    def _remember(self) -> None:
        """Write the note. Where that fails, this process knows all the same."""
        number, data = self._last or _Tick(0, b"")
        told = {"number": number, "tick": data.hex(), "stopped": self._stopped}
        with suppress(OSError):
            disk.make_folder(self._note.parent)
            disk.atomic_write(self._note, json.dumps(told).encode())


def _name(number: int) -> str:
    return f"{_FOLDER}/{number:09}"


def _remembered(note: Path) -> tuple[_Tick | None, int | None]:
    """Return what a note says: the last tick, and which word stopped the account. One that cannot
    be read says nothing.
    """
    try:
        told: dict[str, Json] = json.loads(plain_files.read_ours(note) or b"{}")
        number, stopped = int(told["number"]), told["stopped"]
        tick = _Tick(number, bytes.fromhex(told["tick"])) if number else None
        return tick, None if stopped is None else int(stopped)
    except (OSError, ValueError, KeyError, TypeError):
        return None, None

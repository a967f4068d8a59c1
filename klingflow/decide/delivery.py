"""PURE. How often a finished video is fetched, after which pauses, and from which address.

A download can never buy anything, so that trying again costs time alone. One try is
klingflow.gateway.download.
"""

from __future__ import annotations

from dataclasses import dataclass

# Downloads of one file in a row that brought too little, in one run; `fetch` or the next run tries
# again.
TRIES = 8
# What is enough: a sixteenth of what was here before, and no less than this. A server that sends
# one byte more at each try would be asked for ever otherwise.
LEAST_BYTES, SHARE = 64 * 1024, 16
# The most that a video may hold: far beyond any video of a gateway (1080P has 1 to 3 MB a second),
# so that a length of 50 GB, or bytes without an end, fill no disk.
MOST_BYTES, MOST_BYTES_PER_S = 256 * 1024**2, 32 * 1024**2
# After this many, the result's address is asked for again: such addresses expire.
STALE_AFTER = 2
# Seconds before the second try. Each further pause doubles, so that a video which is not there for
# some seconds after its task has completed (gateway.md 4) is waited for, about a minute in all.
FIRST_PAUSE_S = 0.5
# What a server may ask for at most.
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The downloads of one video so far. `tries` counts those in a row that brought too little,
    since `received_bytes` were here.
    """

    tries: int = 0
    received_bytes: int = 0

    def address(self, own: str | None, content: str) -> str:
        """Return the address of the next try: the result's `own` address and the gateway's
        `content` route in turn.
        """
        return own if own and self.tries % 2 == 0 else content

    def failed(self, received_bytes: int) -> Delivery:
        """After a try that failed and left `received_bytes` here.

        One that was cut, but got a good deal further than before, met a slow server, not a dead
        one: counting starts over.
        """
        enough = max(LEAST_BYTES, self.received_bytes // SHARE)
        if received_bytes >= self.received_bytes + enough:
            return Delivery(1, received_bytes)
        return Delivery(self.tries + 1, self.received_bytes)

    @property
    def is_over(self) -> bool:
        """True if this run tries no more."""
        return self.tries >= TRIES

    @property
    def is_stale(self) -> bool:
        """True if the result's address is to be asked for again before the next try."""
        return self.tries == STALE_AFTER

    def pause_s(self, asked_s: float | None) -> float:
        """Return the seconds before the next try; `asked_s` is what the server asked for, if it
        did.
        """
        own_s = FIRST_PAUSE_S * 2.0 ** (self.tries - 1)
        return max(own_s, min(asked_s or 0.0, LONGEST_PAUSE_S))


# An address from an earlier run may have expired: the gateway's own route goes first, and the
# address is asked for again after one failure.
FROM_AN_EARLIER_RUN = Delivery(tries=1)


def most_bytes(seconds: int) -> int:
    """Return the most bytes that a video of so many seconds is believed to have."""
    return MOST_BYTES + MOST_BYTES_PER_S * seconds

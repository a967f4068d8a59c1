"""The process in which a film is cut: it looks at videos, and joins them. cutter.py asks it.

Says first that it can begin. Then it reads a question a line, in JSON, and answers in lines of
JSON. `{"look": path}`: the `Footage` of a video, null where it has none. `{"join": order}`: how
many frames are done, now and then, and in the end `{"copied": …}`, or `{"why": …, "at": …}` where
the video cannot be made, with the frames that were done.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from klingflow.media import cards, splicing
from klingflow.media.footage import footage
from klingflow.media.opening import FAILURES
from klingflow.media.orders import Order, Part, order_in
from klingflow.media.pieces import Over, Piece, Shape
from klingflow.media.process import READY, begin_count, give_way

_NICER: Final = 1  # somebody waits for it
_MEMORY_BYTES: Final = 8 << 30  # an encoder holds dozens of large pictures
_FILE_BYTES: Final = 1 << 40
_LOOK_CPU_S: Final = 30
_JOIN_CPU_S: Final = 300  # from one word to the next
_OFTEN: Final = 12  # frames from one word to the next


def main() -> None:
    """Answer until there is nothing more to read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for klingflow alone
    give_way(_NICER, _MEMORY_BYTES, _FILE_BYTES)
    _say(READY)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        if "look" in question:
            begin_count(_LOOK_CPU_S)
            found = footage(Path(question["look"]))
            _say(asdict(found) if found else None)
        else:
            _say(_joined(order_in(question["join"])))


def _say(answer: object) -> None:
    # Where klingflow was killed, this raises, and the process ends.
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _joined(order: Order) -> Mapping[str, Any]:
    """Make an order, and return the last word about it."""
    begin_count(_JOIN_CPU_S)
    progress = _Progress()
    try:
        made = splicing.join(
            Path(order.target),
            [_piece(part, order) for part in order.parts],
            Shape(order.width, order.height, order.rate),
            mark=order.mark,
            encoder=splicing.QUICK if order.quick else splicing.FINE,
            tell=progress.hear,
        )
    except FAILURES as error:
        return {"why": str(error), "at": progress.done}
    return {"copied": made.picture}


class _Progress:
    """How many frames are done; says some of the steps that it hears."""

    def __init__(self) -> None:
        self.done = self._said = 0

    def hear(self, done: int) -> None:
        self.done = done
        if done >= self._said + _OFTEN:
            self._said = done
            _say(done)
            begin_count(_JOIN_CPU_S)


def _piece(part: Part, order: Order) -> Piece:
    sides = order.width, order.height
    over = [
        Over(partial(cards.subtitle, cue.text, *sides), cue.start_s, cue.end_s) for cue in part.said
    ]
    if part.card is None:
        return Piece(part.frames, Path(part.video), over=over)
    still = Path(part.still) if part.still else None
    return Piece(part.frames, still=partial(cards.card, part.card, *sides, still), over=over)


if __name__ == "__main__":
    main()

"""Colour where a stream has it: what a part of a line stands for, and which streams show it.

The colours can be read on dark and on light ground: a warning is magenta, as in gcc, because
yellow and white vanish on paper. Every colour goes with a mark or a word that says the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO

from klingflow.terminal.language import spoken

if TYPE_CHECKING:
    from klingflow.decide.verbs import Label
    from klingflow.model import State

Style = Literal["error", "warning", "good", "running", "strong", "faint"]

# By style, what click.style takes.
CODES: Mapping[Style, Mapping[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "magenta", "bold": True},
    "good": {"fg": "green"},
    "running": {"fg": "cyan"},
    "strong": {"bold": True},
    "faint": {"dim": True},
}

# What a shot is in a run or a plan, and what it is in the ledger.
OF_LABEL: Mapping[Label, Style | None] = {
    "to buy": "strong",
    "waiting": None,
    "buying": None,
    "running": "running",
    "downloading": "running",
    "done": "good",
    "kept": None,
    "held": "warning",
    "left out": "faint",
    "parked": "warning",
    "in doubt": "warning",
    "failed": "error",
}
OF_STATE: Mapping[State, Style | None] = {
    "intent": "warning",
    "submitted": "running",
    "succeeded": "running",
    "done": "good",
    "rejected": "error",
    "failed": "error",
    "in_doubt": "warning",
    "parked": "warning",
    "abandoned": None,
}


class Painted(NamedTuple):
    """A part of a line, and what it stands for."""

    text: str
    style: Style | None


Part = str | Painted


def has_colour(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """True if colours may be written to `stream`: NO_COLOR (no-color.org) wins over FORCE_COLOR
    (force-color.org), which wins over TERM=dumb and over a stream that is no terminal.
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def text_of(part: Part) -> str:
    """Return the text of a part without its colour, in the person's language."""
    return spoken(part if isinstance(part, str) else part.text)

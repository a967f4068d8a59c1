"""PURE. Sentences of klingflow's own in a purchase's evidence: their English, and beside it what
makes them a sentence again, so that they can be said in another language.

A sentence called `reason` has its words under `reason_words`. The gateway's own words have none.
"""

from __future__ import annotations

from collections.abc import Mapping

from klingflow.model.nodes import Json
from klingflow.words import kept, read

_WORDS = "_words"


def saying(name: str, sentence: str) -> dict[str, Json]:
    """Return the members of an evidence that keep a sentence, or the gateway's words, by name."""
    words = kept(sentence)
    return {name: sentence} if words is None else {name: sentence, name + _WORDS: words}


def said(evidence: Mapping[str, Json], name: str) -> str | None:
    """Return what an evidence keeps under a name; None where that is no text."""
    english = evidence.get(name)
    return read(english, evidence.get(name + _WORDS)) if isinstance(english, str) else None

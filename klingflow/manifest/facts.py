"""PURE. What the rules between fields may look at: a shot, the body made of it, what the body means
and what is known of its model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from klingflow.manifest.catalogue import Model, model_of
from klingflow.manifest.fields import Path
from klingflow.manifest.meaning import Meaning, scene_of
from klingflow.model import Json

Finding = tuple[Path, str]  # a path in the body, and what to say about it


class Facts(NamedTuple):
    """All that a rule may look at."""

    fields: Mapping[str, Json]
    kind: str
    body: Mapping[str, Json]
    what: Meaning
    scene: str | None
    model: Model


def facts(fields: Mapping[str, Json], kind: str, body: Mapping[str, Json], what: Meaning) -> Facts:
    """Return what the rules look at, from a shot and the body made of it."""
    return Facts(fields, kind, body, what, scene_of(what), model_of(what.model))

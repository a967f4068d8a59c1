"""The JSON Schemas that klingflow publishes, by name: those of the files that people write, and of
those that klingflow writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from klingflow.manifest import schema as authored
from klingflow.model import Json
from klingflow.results import saved_plan
from klingflow.runner import event_schema


def _of_a_saved_plan() -> dict[str, Json]:
    return authored.published(
        "klingflow saved plan",
        "What `klingflow plan -o` writes, and `klingflow run --plan` executes once.",
        saved_plan.SCHEMA,
    )


def _of_a_log() -> dict[str, Json]:
    return authored.published(
        "klingflow log line", "One event of a run, as `--log` appends it.", event_schema.schema()
    )


_WRITTEN: Final[Mapping[str, Callable[[], dict[str, Json]]]] = {
    "plan": _of_a_saved_plan,
    "log": _of_a_log,
}
NAMES: Final = (*authored.NAMES, *_WRITTEN)


def generate(name: str) -> dict[str, Json]:
    """Return one published schema. Raises KeyError for a name that is not in NAMES."""
    return _WRITTEN[name]() if name in _WRITTEN else authored.generate(name)

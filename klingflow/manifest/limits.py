"""PURE. The limits of a run, one row each: how `run:` and the command line say them, and which of
two is stricter.

Their defaults are in `klingflow.model.Limits`. The schemas, the checks, the command line and the
manual's table of limits take the rows from here, or tests/test_limits.py compares them with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final, Literal

from klingflow.manifest.settings import (
    Setting,
    parse_amount,
    parse_duration,
    parse_rate,
    switch,
    whole,
)
from klingflow.manifest.shapes import AMOUNT, BOOLEAN, COUNT, COUNT_OR_NONE, DURATION, RATE
from klingflow.model import Json, Limits, Rate
from klingflow.words import _

LimitName = Literal[
    "max_running",
    "submit",
    "poll",
    "poll_floor",
    "downloads",
    "connections",
    "retries",
    "max_spend",
    "max_tasks",
    "max_seconds",
    "deadline",
    "tag_media",
]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Limit(Setting):
    """One limit. `stricter` returns the stricter of two values; `flag` is the option of `run` that
    sets it, None if no option does.
    """

    name: LimitName
    stricter: Callable[[Any, Any], Any]
    flag: str | None


def _slower(a: Rate, b: Rate) -> Rate:
    return max(a, b, key=lambda rate: rate.interval_s)


_ROWS: Final = (
    Limit(
        name="max_running",
        attribute="max_running",
        read=whole(1),
        schema=COUNT,
        doc="Unfinished tasks at the gateway at any time.",
        stricter=min,
        flag="--max-running",
    ),
    Limit(
        name="submit",
        attribute="submit",
        read=parse_rate,
        schema=RATE,
        doc="Creates per period.",
        stricter=_slower,
        flag="--submit",
    ),
    Limit(
        name="poll",
        attribute="poll",
        read=parse_rate,
        schema=RATE,
        doc="Polls per period.",
        stricter=_slower,
        flag=None,
    ),
    Limit(
        name="poll_floor",
        attribute="poll_floor_s",
        read=parse_duration,
        schema=DURATION,
        doc="The shortest time between two polls of one task.",
        stricter=max,
        flag=None,
    ),
    Limit(
        name="downloads",
        attribute="downloads",
        read=whole(1),
        schema=COUNT,
        doc="Downloads at once.",
        stricter=min,
        flag=None,
    ),
    Limit(
        name="connections",
        attribute="connections",
        read=whole(1),
        schema=COUNT,
        doc="HTTP requests at once.",
        stricter=min,
        flag=None,
    ),
    Limit(
        name="retries",
        attribute="retries",
        read=whole(0),
        schema=COUNT_OR_NONE,
        doc="Re-purchases of a task that failed for want of capacity.",
        stricter=min,
        flag=None,
    ),
    Limit(
        name="max_spend",
        attribute="max_spend",
        read=parse_amount,
        schema=AMOUNT,
        doc="Never spend more than this in one run.",
        stricter=min,
        flag="--max-spend",
    ),
    Limit(
        name="max_tasks",
        attribute="max_tasks",
        read=whole(1),
        schema=COUNT,
        doc="Never create more tasks than this in one run.",
        stricter=min,
        flag="--max-tasks",
    ),
    Limit(
        name="max_seconds",
        attribute="max_seconds",
        read=whole(1),
        schema=COUNT,
        doc="Never buy more seconds of video than this in one run.",
        stricter=min,
        flag="--max-seconds",
    ),
    Limit(
        name="deadline",
        attribute="deadline_s",
        read=parse_duration,
        schema=DURATION,
        doc="How long one task may take before it is parked.",
        stricter=min,
        flag=None,
    ),
    Limit(
        name="tag_media",
        attribute="tag_media",
        read=switch,
        schema=BOOLEAN,
        doc="Name each video at the gateway after its purchase, so that it can be found there.",
        stricter=min,
        flag=None,
    ),
)
RUN: Final[dict[str, Limit]] = {limit.name: limit for limit in _ROWS}
_WITH_FLAG: Final = tuple(limit for limit in _ROWS if limit.flag)


def tightest(several: Sequence[Limits]) -> Limits:
    """Return one set of limits for manifests that run together: the strictest value of each
    limit.
    """
    return Limits(
        **{
            limit.attribute: _strictest(
                limit, [getattr(limits, limit.attribute) for limits in several]
            )
            for limit in _ROWS
        }
    )


def _strictest(limit: Limit, values: Sequence[Any]) -> Any:
    """Return the strictest value; None means that there is no limit."""
    set_values = [value for value in values if value is not None]
    return reduce(limit.stricter, set_values) if set_values else None


def under_flags(limits: Limits, given: Mapping[str, Json]) -> Limits:
    """Return the limits with the command line's over them.

    `given` holds the options by the names of the record's attributes: None if an option was not
    given, an int if the command line has checked it, otherwise text. Raises ValueError, which names
    the flag.
    """
    changes: dict[str, Any] = {}
    for limit in _WITH_FLAG:
        value = given.get(limit.attribute)
        if value is None:
            continue
        try:
            changes[limit.attribute] = limit.read(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(_("{flag}: {error}", flag=limit.flag, error=error)) from None
    return replace(limits, **changes)

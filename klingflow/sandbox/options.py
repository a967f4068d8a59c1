"""PURE. What a sandbox is told: its options as values, and how each is written as text."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from klingflow.errors import UsageError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_P95 = 1.6448536269514722  # standard deviations from a normal's median to its 95th percentile


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` creates in any `period_s` seconds."""

    count: int
    period_s: float


@dataclass(frozen=True, slots=True)
class TaskTime:
    """How long tasks take: `median_s`, lognormally spread by `sigma` (0: always the same)."""

    median_s: float
    sigma: float = 0.0


@dataclass(frozen=True, slots=True)
class Options:
    """A sandbox's options. Texts are as on the command line; `options_from` checks them.

    port          to listen on, on 127.0.0.1; 0 takes a free one
    task_time     how long a task takes: `5s`, or `lognormal:MEDIAN,P95`
    faults        `STAGE:NAME[=SHARE|=first:N][,SECONDS]`, see faults.CATALOGUE
    seed          of the faults and the task times
    key           the only key that is accepted; None accepts any
    state         JSON Lines file that keeps tasks and charges over restarts; None forgets them
    rate          creates above it are answered with 429, e.g. `30/1m`; None for no limit
    max_running   creates above so many unfinished tasks are answered with 429; None for no limit
    refresh       how often the rows that queries read are refreshed; `0s` answers from the moment
    plain_clips   small fixed clips, even where the media extra is installed
    refs          folder of images and videos that `/refs/NAME` serves; None serves none
    """

    port: int = 0
    task_time: str = "5s"
    faults: tuple[str, ...] = ()
    seed: int = 0
    key: str | None = field(default=None, repr=False)
    state: str | None = None
    rate: str | None = None
    max_running: int | None = None
    refresh: str = "0s"
    plain_clips: bool = False
    refs: str | None = None

    def as_json(self) -> str:
        """Return one line of JSON, for `options_from_json`."""
        return json.dumps(dataclasses.asdict(self))


def options_from(values: Mapping[str, Any]) -> Options:
    """Return the Options of a command line's values, without those that are None or unknown.

    Raises UsageError, which says what is wrong.
    """
    given: dict[str, Any] = {}
    for option in dataclasses.fields(Options):
        value = values.get(option.name)
        if value is not None:
            read = _READ.get(option.name)
            given[option.name] = read(value) if read else value
    options = Options(**given)
    _check(options)
    return options


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(str, values))


# YAML and JSON may spell a text as a number, such as `0` for a duration.
_READ: dict[str, Callable[[Any], Any]] = {
    "task_time": str,
    "rate": str,
    "refresh": str,
    "faults": _texts,
}


def _check(options: Options) -> None:
    parse_task_time(options.task_time)
    parse_duration(options.refresh)
    if options.rate is not None:
        parse_rate(options.rate)
    if options.max_running is not None and options.max_running < 1:
        raise UsageError("max_running must be at least 1")


def options_from_json(line: str) -> Options:
    """Return the Options that `Options.as_json` wrote."""
    return options_from(json.loads(line))


def parse_duration(text: str) -> float:
    """Return the seconds of `250ms`, `5s`, `1.5m`, `2h` or `0`. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text.strip())
    if match:
        return float(match[1]) * _UNITS_S[match[2]]
    if text.strip() == "0":
        return 0.0
    raise UsageError(f"{text!r} is not a duration: write it like 250ms, 5s, 2m or 1h")


def parse_rate(text: str) -> Rate:
    """Return the Rate of `30/1m`. Raises UsageError."""
    count, slash, period = text.partition("/")
    if slash and count.strip().isdecimal() and int(count) > 0:
        period_s = parse_duration(period)
        if period_s > 0:
            return Rate(int(count), period_s)
    raise UsageError(f"{text!r} is not a rate: write it like 30/1m")


def parse_task_time(text: str) -> TaskTime:
    """Return the TaskTime of `5s` or `lognormal:90s,240s` (median and 95th percentile)."""
    name, colon, rest = text.partition(":")
    if not colon:
        return TaskTime(parse_duration(text))
    median, comma, p95 = rest.partition(",")
    if name == "lognormal" and comma:
        median_s, p95_s = parse_duration(median), parse_duration(p95)
        if 0 < median_s <= p95_s:
            return TaskTime(median_s, math.log(p95_s / median_s) / _P95)
    raise UsageError(
        f"{text!r} is not a task time: write 5s, or lognormal:90s,240s (median and 95th percentile)"
    )


def first_and_share(text: str) -> tuple[float, int | None]:
    """Return (share, None) of `0.05` or `5%`, and (1.0, n) of `first:n`. Raises UsageError."""
    if text.startswith("first:") and text[6:].isdecimal():
        return 1.0, int(text[6:])
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(%?)", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 <= share <= 1:
        raise UsageError(f"{text!r} is not a share from 0 to 1, nor first:N")
    return share, None


def near(wrong: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` if something known is alike, otherwise nothing."""
    from difflib import get_close_matches  # for start-up: only a mistake needs it

    found = get_close_matches(wrong, list(known), 1)
    return f"; did you mean {found[0]!r}?" if found else ""

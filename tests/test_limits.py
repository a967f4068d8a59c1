"""The limits of a run: each has a row, and every place that needs one has it from that row."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args

import pytest

from klingflow.manifest.limits import RUN, LimitName, tightest, under_flags
from klingflow.manifest.settings import read_settings
from klingflow.model import Limits, Rate
from klingflow.terminal import cli_run
from klingflow.terminal.options import Options

SLOW, FAST = Rate(30, 60.0), Rate(1, 1.0)

# Of each limit a stricter and a laxer value.
STRICT_AND_LAX: dict[str, tuple[Any, Any]] = {
    "max_running": (2, 5),
    "submit": (SLOW, FAST),
    "poll": (SLOW, FAST),
    "poll_floor": (9.0, 5.0),
    "downloads": (1, 4),
    "connections": (8, 16),
    "retries": (0, 2),
    "max_spend": (Decimal(5), Decimal(50)),
    "max_tasks": (3, 30),
    "max_seconds": (15, 150),
    "deadline": (60.0, 5400.0),
    "tag_media": (False, True),
}


def limited(name: str, value: Any) -> Limits:
    """Limits of which one is not the default."""
    attribute: str = RUN[name].attribute
    return Limits(**{attribute: value})


def test_every_limit_has_a_row() -> None:
    """The rows are those of the record, of the `Literal` of names and of the examples here."""
    assert [limit.attribute for limit in RUN.values()] == [f.name for f in fields(Limits)]
    assert tuple(RUN) == get_args(LimitName)
    assert list(STRICT_AND_LAX) == list(RUN)


@pytest.mark.parametrize("name", RUN)
def test_the_stricter_of_two_counts(name: str) -> None:
    """Manifests that run together share the strictest of each limit, in whatever order
    they come.
    """
    strict, lax = (limited(name, value) for value in STRICT_AND_LAX[name])
    assert tightest([strict, lax]) == strict
    assert tightest([lax, strict]) == strict


@pytest.mark.parametrize("name", ["max_spend", "max_tasks", "max_seconds"])
def test_any_cap_is_stricter_than_none(name: str) -> None:
    """A manifest without a cap does not lift the cap of another."""
    capped = limited(name, STRICT_AND_LAX[name][1])
    assert tightest([Limits(), capped]) == capped
    assert tightest([capped, Limits()]) == capped
    assert tightest([Limits(), Limits()]) == Limits()


@pytest.mark.parametrize("name", RUN)
def test_every_flag_is_an_option_of_run(name: str) -> None:
    """`klingflow run` has the flag of a row, and no option for a limit that has no flag."""
    limit = RUN[name]
    options = {option.name: option.opts for option in cli_run.run.params}
    if limit.flag is None:
        assert limit.attribute not in options
        return
    assert limit.flag in options[limit.attribute]
    assert limit.attribute in {f.name for f in fields(Options)}


def test_flags_win_over_the_manifest() -> None:
    """What the command line says replaces the manifest's limits; what it leaves out does not."""
    given = {
        "max_running": 9,
        "submit": "60/1m",
        "max_spend": "12.5",
        "max_tasks": 0,
        "quiet": True,
    }
    assert under_flags(Limits(max_running=2, max_seconds=30), given) == Limits(
        max_running=9,
        submit=Rate(60, 60.0),
        max_spend=Decimal("12.5"),
        max_tasks=0,
        max_seconds=30,
    )


def test_an_attribute_without_a_flag_is_never_taken_from_the_command_line() -> None:
    """An option that has the name of a limit without a flag means something else."""
    assert under_flags(Limits(), {"retries": 3}) == Limits()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"submit": "often"},
            "--submit: 'often' is not a rate; write one such as 30/1m",
        ),
        (
            {"max_spend": "-1"},
            "--max-spend: '-1' is not an amount of 0 or more; write one such as 50 or 12.5",
        ),
        (
            {"max_spend": "NaN"},
            "--max-spend: 'NaN' is not an amount of 0 or more; write one such as 50 or 12.5",
        ),
    ],
)
def test_a_flag_that_cannot_be_read_is_named(given: dict[str, str], said: str) -> None:
    """The message begins with the flag and says what to write."""
    with pytest.raises(ValueError, match="^" + said.replace("|", "\\|") + "$"):
        under_flags(Limits(), given)


def test_a_block_is_read_by_its_rows() -> None:
    """Each key of `run:` sets its attribute; null and mistakes leave the default."""
    block = {"poll_floor": "250ms", "retries": 0, "downloads": None, "max_tasks": 0}
    limits, faults = read_settings(block, RUN, Limits)
    assert limits == Limits(poll_floor_s=0.25, retries=0)
    assert faults == {"max_tasks": "'0' is not a whole number of 1 or more"}

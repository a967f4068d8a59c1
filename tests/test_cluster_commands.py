"""What a person types of a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.cluster.status import Status
from klingflow.errors import UsageError
from klingflow.model import Json
from klingflow.terminal.cluster_commands import _show, settings_of

NOTHING: dict[str, Json] = {"submit": None, "max_running": None, "max_spend": None}


@pytest.mark.parametrize(("given", "told"), [
    ({}, {}),
    ({"max_spend": "12.5"}, {"max_spend": "12.5"}),
    ({"max_spend": "none"}, {"max_spend": None}),
    ({"submit": "60/1m", "max_running": 40}, {"submit": [60, 60.0], "max_running": 40}),
])  # fmt: skip
def test_the_desk_is_told_what_was_given(given: dict[str, Json], told: dict[str, Json]) -> None:
    """And no more; `none` lifts the limit of money."""
    assert settings_of({**NOTHING, **given}) == told


@pytest.mark.parametrize("given", [{"max_spend": "much"}, {"submit": "none"}])
def test_what_is_no_limit_is_refused(given: dict[str, Json]) -> None:
    """By the name of its option."""
    with pytest.raises(UsageError, match="--"):
        settings_of({**NOTHING, **given})


def test_what_is_set_aside_is_money(capsys: pytest.CaptureFixture[str]) -> None:
    """With two places, as everywhere; and of how much, where an account has a limit."""
    status = Status((), (), running=1, places=5, per_minute=30.0, spend="30.0", currency="CNY")
    _show(status)
    assert capsys.readouterr().out == "1 of 5 running, 30 creates a minute, 30.00 CNY set aside\n"
    _show(replace(status, max_spend="500"))
    assert capsys.readouterr().out.endswith(", 30.00 of 500.00 CNY set aside\n")

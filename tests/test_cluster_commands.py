"""What a person types of a cluster."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import pytest

from klingflow.cluster.status import Status
from klingflow.errors import UsageError
from klingflow.model import Json
from klingflow.terminal.cluster_commands import _show, _show_hosts, place_of, settings_of
from klingflow.terminal.options import Options

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


def test_workers_of_one_host_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The desk counts by hosts: two lines with the same number would count a create twice."""
    client = pytest.importorskip("klingflow.cluster.temporal.client")
    hosts = [
        client.Host("north/11", Counter(buy=1, watch=2)),
        client.Host("north/12", Counter(watch=1)),
        client.Host("south/7", Counter(bring=1)),
    ]
    _show_hosts(hosts, {"north": 5, "east": 3})
    assert capsys.readouterr().out.splitlines() == [
        "  host north (2 workers): 1 being bought, 3 polled, 0 being brought; 5 sent so far",
        "  host south: 0 being bought, 0 polled, 1 being brought; 0 sent so far",
        "  host east: gone; 3 sent",
    ]


@pytest.mark.parametrize(("options", "says"), [
    (Options(max_running=4), "--max-running: .* klingflow desk --max-running N"),
    (Options(submit="60/1m"), "--submit: .* klingflow desk --submit N"),
    (Options(fail_fast=True), "--fail-fast does not work at a cluster"),
])  # fmt: skip
def test_what_hosts_would_not_heed_is_refused(options: Options, says: str) -> None:
    """A limit that has no effect would be believed; here before anything is looked for."""
    with pytest.raises(UsageError, match=says):
        place_of(ExitStack(), [], "", options)

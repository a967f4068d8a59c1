"""The sandbox's options, as values and as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.errors import UsageError
from klingflow.sandbox.options import (
    Options,
    Rate,
    TaskTime,
    options_from,
    options_from_json,
    parse_rate,
    parse_task_time,
)


def test_options_are_read_from_a_command_lines_values() -> None:
    """Without the values that are None and the names that are no option of the server."""
    values = {
        "port": 0,
        "task_time": "2s",
        "faults": ("create:cut=0.1",),
        "rate": None,
        "list_faults": False,
    }
    options = options_from({**values, "key": "secret"})
    assert options == Options(task_time="2s", faults=("create:cut=0.1",), key="secret")
    assert options_from_json(options.as_json()) == options
    assert "secret" not in repr(options)
    assert parse_rate("30/1m") == Rate(30, 60.0)
    assert parse_task_time("250ms") == TaskTime(0.25)
    assert replace(options, key=None) != options


@pytest.mark.parametrize(
    "values",
    [
        {"task_time": "soon"},
        {"task_time": "lognormal:90s"},
        {"task_time": "lognormal:90s,10s"},
        {"rate": "30"},
        {"rate": "0/1m"},
        {"rate": "3/0s"},
        {"refresh": "5"},
        {"max_running": 0},
    ],
)
def test_options_that_cannot_be_read_are_refused(values: dict[str, str]) -> None:
    """With a sentence that shows how to write them."""
    with pytest.raises(UsageError):
        options_from(values)

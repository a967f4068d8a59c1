"""One report for all campaigns of a test run, shown as a table at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns.figures import Report, table
from tests.campaigns.ledgers import quick_folder

_report = pytest.StashKey[Report]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Where a campaign leaves its figures."""
    return request.config.stash.setdefault(_report, Report())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for files that are made thousands of times."""
    with quick_folder() as found:
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_report, Report()).rows
    if rows:
        terminalreporter.section("campaigns, long forms" if config.getoption("--long") else "campaigns")
        for line in table(rows):
            terminalreporter.write_line(line)

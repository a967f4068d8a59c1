"""What the campaigns found: a line as each one ends, a table of all as the test run ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# What every campaign may look for; a campaign that cannot see one of them leaves it out, and the
# table says "-".
WRONGS = ("charged twice", "ids lost", "crashes", "hangs", "leaks", "rules broken")


@dataclass(frozen=True)
class Figures:
    """`tried` counts what a campaign did, by name; `wrong` counts what must be zero, by one of
    `WRONGS`.
    """

    campaign: str
    tried: Mapping[str, int]
    wrong: Mapping[str, int]

    def __str__(self) -> str:
        counts = [*self.tried.items(), *self.wrong.items()]
        return f"{self.campaign}: " + ", ".join(f"{number:,} {name}" for name, number in counts)


@dataclass
class Report:
    """Collects the figures of one test run."""

    rows: list[Figures] = field(default_factory=list)

    def add(
        self,
        campaign: str,
        tried: Mapping[str, int],
        *,
        wrong: Mapping[str, int],
        found: object = "",
    ) -> None:
        """Print a campaign's line and keep it.

        Raises AssertionError, with `found`, if something went wrong.
        """
        unknown = wrong.keys() - set(WRONGS)
        assert not unknown, unknown
        self.rows.append(figures := Figures(campaign, tried, wrong))
        print(f"\n{figures}")
        assert not any(wrong.values()), f"{figures}\n{found}"


def table(rows: Iterable[Figures]) -> list[str]:
    """Return the table's lines: each campaign's `WRONGS` and what it tried; the sums are last."""
    rows = [*rows]
    sums = {wrong: sum(row.wrong.get(wrong, 0) for row in rows) for wrong in WRONGS}
    cells = [["campaign", *WRONGS, "tried"]]
    for row in [*rows, Figures("all", {"campaigns": len(rows)}, sums)]:
        tried = ", ".join(f"{number:,} {name}" for name, number in row.tried.items())
        cells.append(
            [row.campaign, *(f"{row.wrong[w]:,}" if w in row.wrong else "-" for w in WRONGS), tried]
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]) - 1)]
    return [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:-1], widths[1:]), line[-1]])
        for line in cells
    ]

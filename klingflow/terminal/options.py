"""The options that commands share, as given, and what of a manifest they mean.

flags.py says how they are typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klingflow.api.site import Wish


@dataclass(frozen=True, slots=True)
class Options:
    """What commands share; each takes some of it."""

    variables: tuple[str, ...] = ()
    profile: str = ""
    approved: str = ""
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    max_running: int | None = None
    submit: str | None = None
    max_spend: str | None = None
    max_tasks: int | None = None
    max_seconds: int | None = None
    dry_run: bool = False
    plan: str | None = None  # a saved plan to run
    save: str | None = None  # where to save a plan
    fail_fast: bool = False
    yes: bool = False
    sandbox: bool = False
    cluster: bool = False
    detach: bool = False
    account: str | None = None
    gateway: str | None = None
    no_black_box: bool = False
    same_film: bool = False
    buy_again: bool = False
    no_progress: bool = False
    log: str | None = None
    notify: str | None = None
    quiet: bool = False
    verbose: bool = False

    @property
    def wish(self) -> Wish:
        """What is meant of the manifests."""
        from klingflow.api.site import Wish  # for start-up

        return Wish(
            select=self.select,
            exclude=self.exclude,
            rerun=frozenset(self.rerun),
            sandbox=self.sandbox,
            black_box=not self.no_black_box,
            same_film=self.same_film,
            buy_again=self.buy_again,
            approved=self.approved,
            repeated=self.repeated,
        )

    @property
    def repeated(self) -> tuple[str, ...]:
        """The options that a command which is named to the user has to say again: by another value
        of a variable a shot would have another id, or another body.
        """
        given = (("--var", assignment) for assignment in self.variables)
        return (*chain.from_iterable(given), *(["--no-black-box"] if self.no_black_box else []))

"""PURE. The verbs of a plan: one row for each, with all that any room says or does because of it.

Which verb a take gets is decided in take.py. The names are `klingflow.model.Verb`; the tables of
marks in the documents are held to this one by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from klingflow.errors import ExitCode
from klingflow.model import Verb
from klingflow.words import _

# What a run does about an action. None: nothing, it is only shown.
Work = Literal["buy", "poll", "download", "wait"]

# What a shot is in the live view of a run: at first by its verb, then by its last event.
Label = Literal[
    "to buy",
    "waiting",
    "buying",
    "running",
    "downloading",
    "done",
    "kept",
    "held",
    "left out",
    "parked",
    "in doubt",
    "failed",
]


@dataclass(frozen=True, slots=True)
class VerbRow:
    """What a verb means everywhere. No field has a default: a new row has to say it all."""

    mark: str  # in a plan's first column
    plain: str  # the same in ASCII, for an encoding that lacks `mark`
    noun: str  # in the line of counts: `3 to buy`
    label: Label  # in the live view, before the shot's first event
    work: Work | None
    # The exit code that it means in the plan made after a run. A shot that is still to be created
    # was refused or never reached. One that waits says nothing of its own: what it waits for does.
    verdict: ExitCode | None
    needs_attention: bool  # True if it is listed after a run
    of_a_need: str  # what a shot that waits for this one adds to `waits for alley`
    # Why, of a purchase, for `str.format`; see `plan._reason` for the names. "" where a purchase
    # alone does not explain it.
    reason: str

    @property
    def comes_by_itself(self) -> bool:
        """True if a run brings its video without a person's help."""
        return self.work in ("buy", "poll", "download")

    @property
    def is_at_the_gateway(self) -> bool:
        """True if the gateway that made the purchase has to be asked."""
        return self.work in ("poll", "download")

    @property
    def may_buy(self) -> bool:
        """True if a run may send a create for it."""
        return self.work in ("buy", "wait")


# The mark of what caps and budget keep a run from buying, whatever its verb.
LEFT_OUT: Final = "x"

# In the order of the line of counts.
VERBS: Mapping[Verb, VerbRow] = {
    "create": VerbRow(
        mark="+",
        plain="+",
        noun=_("to buy"),
        label="to buy",
        work="buy",
        verdict=ExitCode.FAILED,
        needs_attention=True,
        of_a_need="",
        reason="",
    ),
    "keep": VerbRow(
        mark="=",
        plain="=",
        noun=_("kept"),
        label="kept",
        work=None,
        verdict=None,
        needs_attention=False,
        of_a_need="",
        reason=_("bought, and its file is here"),
    ),
    "resume": VerbRow(
        mark="↻",
        plain="r",
        noun=_("to resume"),
        label="running",
        work="poll",
        verdict=ExitCode.UNSETTLED,
        needs_attention=True,
        of_a_need="",
        reason=_("{task} is not finished{asked}{since}"),
    ),
    "download": VerbRow(
        mark="↓",
        plain="d",
        noun=_("to download"),
        label="downloading",
        work="download",
        verdict=ExitCode.FAILED,
        needs_attention=True,
        of_a_need="",
        reason=_("{task} is finished, its file is missing or damaged{given_up}{since}"),
    ),
    "changed": VerbRow(
        mark="~",
        plain="~",
        noun=_("changed (kept)"),
        label="kept",
        work=None,
        verdict=None,
        needs_attention=False,
        of_a_need="",
        reason=_("changed since it was bought, and kept; --rerun changed buys it again"),
    ),
    "failed": VerbRow(
        mark="!",
        plain="!",
        noun=_("failed"),
        label="failed",
        work=None,
        verdict=ExitCode.FAILED,
        needs_attention=True,
        of_a_need=_(", which failed"),
        reason=_("{state}{because}; {again}"),
    ),
    "in_doubt": VerbRow(
        mark="?",
        plain="?",
        noun=_("in doubt"),
        label="in doubt",
        work=None,
        verdict=ExitCode.UNSETTLED,
        needs_attention=True,
        of_a_need=_(", which is in doubt"),
        reason=_("perhaps bought{because}; held until `klingflow resolve` settles it"),
    ),
    "waits": VerbRow(
        mark="…",
        plain="w",
        noun=_("waiting for others"),
        label="waiting",
        work="wait",
        verdict=None,
        needs_attention=True,
        of_a_need=_(", which waits itself"),
        reason="",
    ),
    "held": VerbRow(
        mark="#",
        plain="#",
        noun=_("held"),
        label="held",
        work=None,
        verdict=ExitCode.UNSETTLED,
        needs_attention=True,
        of_a_need=_(", which is held"),
        reason=_("bought at {origin}: run with --gateway {origin}, or resolve it"),
    ),
    "orphan": VerbRow(
        mark="-",
        plain="-",
        noun=_("no longer in the manifest (kept)"),
        label="kept",
        work=None,
        verdict=None,
        needs_attention=False,
        of_a_need="",
        reason=_("not in the manifest; {state}, and kept"),
    ),
}

"""What a run may buy by the words of a command: the manifests' limits under its flags, and, for a
saved plan, the plan's own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace

from klingflow.errors import UsageError
from klingflow.manifest.limits import tightest, under_flags
from klingflow.model import Limits, Manifest
from klingflow.results.saved_plan import SavedPlan, Words
from klingflow.terminal.options import Options
from klingflow.words import _

_CAPS = ("max_spend", "max_tasks", "max_seconds")


def limits_of(
    manifests: Sequence[Manifest], options: Options, saved: SavedPlan | None = None
) -> Limits:
    """Return the strictest of the manifests' limits, under the flags. A saved plan can only make
    its caps stricter, because anybody may have written it. Raises UsageError.
    """
    try:
        limits = under_flags(tightest([m.limits for m in manifests]), asdict(options))
        if saved is None:
            return limits
        return tightest([limits, under_flags(limits, asdict(saved.words))])
    except ValueError as error:
        raise UsageError(str(error)) from error


def is_zero_unknown(options: Options, saved: SavedPlan | None = None) -> bool:
    """True if a price of 0 counts as unknown: a cap on money is no word for what costs nothing by a
    file of prices that may come from anybody. A saved plan has decided it.
    """
    if saved is not None:
        return saved.words.max_spend is not None and not saved.words.sandbox
    return options.max_spend is not None and not (options.yes or options.sandbox)


def words_of(options: Options) -> Words:
    """Return what of a command a saved plan keeps."""
    return Words(**{field.name: getattr(options, field.name) for field in fields(Words)})


def under_plan(options: Options, saved: SavedPlan, path: str) -> Options:
    """Return the options with a saved plan's words in them. Its caps stay out: a cap in a command
    is consent, and one in a file is none.

    Raises UsageError for an option that says anything else.
    """
    if options.dry_run:
        raise UsageError(_("-n makes a plan of its own; --plan runs one that is made"))
    for field in fields(Words):
        given, planned = getattr(options, field.name), getattr(saved.words, field.name)
        if given not in (field.default, planned):
            name = "-s" if field.name == "select" else "--" + field.name.replace("_", "-")
            raise UsageError(
                _(
                    "{name} comes from the plan, and {path} was made otherwise: leave it out,"
                    " or make"
                    " another plan",
                    name=name,
                    path=path,
                )
            )
    kept = {f.name: getattr(saved.words, f.name) for f in fields(Words) if f.name not in _CAPS}
    return replace(options, **kept)

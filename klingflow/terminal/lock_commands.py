"""`klingflow lock`: what each of its commands does, shows and returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from klingflow.api import checking, films, loading, merging, moving, nearby, pruning, site
from klingflow.errors import PRECEDENCE, ExitCode, UsageError
from klingflow.ledger.flaws import LEVELS
from klingflow.ledger.places import LedgerPaths, Site, manifest_called
from klingflow.ledger.problems import worded
from klingflow.model import Json, Purchase, State, task_named
from klingflow.results.account import shares
from klingflow.terminal import console
from klingflow.terminal.money import worded as worded_shares
from klingflow.terminal.options import Options
from klingflow.words import _, filled, joined, many, word

_SHOWN = 200


def check(file: str, options: Options, form: str) -> int:
    """`klingflow lock check`."""
    here = site.site_of(file, options.wish, profile=options.profile)
    _must_be(file, here)
    report = checking.check(here)
    codes = {LEVELS[f.level] for f in report.findings}
    code = next((c for c in PRECEDENCE if c in codes), ExitCode.OK)
    if form == "json":
        console.dump_json(
            {
                "lock": str(report.lock),
                "well": code == ExitCode.OK,
                "exit_code": int(code),
                "purchases": report.purchases,
                "videos": report.videos,
                "findings": [_as_data(f) for f in report.findings],
            }
        )
    else:
        _show_check(report)
    return code


def _show_check(report: checking.Report) -> None:
    for finding in report.findings[:_SHOWN]:
        _show_finding(finding)
    if len(report.findings) > _SHOWN:
        console.say(
            _(
                "… and {more} more (--format json lists all)",
                more=len(report.findings) - _SHOWN,
            )
        )
    levels = Counter(f.level for f in report.findings)
    there = [level for level in LEVELS if levels[level]]
    counts = joined(
        ", ", (_("{number} {noun}", number=levels[one], noun=_NOUNS[one]) for one in there)
    )
    console.say(
        _(
            "{lock}: {purchases}, {videos}: {counts}.",
            lock=report.lock,
            purchases=many(report.purchases, "{number} purchase", "{number} purchases"),
            videos=many(report.videos, "{number} video", "{number} videos"),
            counts=counts or _("all is well"),
        )
    )


def _show_finding(finding: checking.Finding) -> None:
    shot = _("{shot}: ", shot=finding.shot) if finding.shot else ""
    console.say(
        _(
            "{place}: {level}: {shot}{message}",
            place=finding.place,
            level=word(finding.level),
            shot=shot,
            message=finding.message,
        )
    )
    if finding.todo:
        console.say(_("    → {todo}", todo=finding.todo))


def _must_be(file: str, here: Site) -> None:
    """Refuse a mistyped path or profile: it must neither pass as an empty, healthy ledger nor
    create one. Raises UsageError.
    """
    named, paths = Path(file), here.paths
    manifest = manifest_called(named.parent, named.stem) if named.suffix == ".lock" else named
    if not any(p.exists() for p in (named, manifest, paths.lock, paths.journal)):
        raise UsageError(
            _(
                "{file}: {missing}",
                file=file,
                missing=nearby.missing(file, also=_(", and no ledger of one")),
            )
        )
    films.check_profile(here)


_NOUNS = {
    "damaged": _("damaged"),
    "unsettled": _("unsettled"),
    "video": _("about videos and double payments"),
    "note": _("to note"),
}


def _as_data(finding: checking.Finding) -> dict[str, Json]:
    return {
        "place": finding.place,
        "level": finding.level,
        "shot": finding.shot,
        "message": finding.message,
        "todo": finding.todo,
    }


def merge(
    file: str, others: Sequence[str], options: Options, from_boxes: Sequence[str] = ()
) -> int:
    """`klingflow lock merge`."""
    here = site.site_of(file, options.wish, profile=options.profile)
    paths = here.paths
    _must_be(file, here)
    manifest = checking.manifest_of(here)
    found = merging.merge(
        here,
        [Path(o) for o in others],
        dry_run=options.dry_run,
        wanted=manifest.takes if manifest else None,
        bodies={r.fingerprint for r in manifest.requests if r.fingerprint} if manifest else set(),
        from_boxes=[Path(o) for o in from_boxes],
    )
    for path, problem in found.problems:
        console.warn(_("{path}: {problem}", path=path, problem=worded(problem)))
    _show_merged(found, paths, options.dry_run)
    return ExitCode.UNSETTLED if found.contradicting else ExitCode.OK


def _show_merged(found: merging.Merged, paths: LedgerPaths, dry_run: bool) -> None:
    """Say what a merge changed, or would change."""
    said = _WOULD if dry_run else _DID
    if found.same:
        console.say(_("{lock}: holds all of it already; nothing is changed.", lock=paths.lock))
    else:
        new = many(len(found.new), "{number} new purchase", "{number} new purchases")
        values = {"lock": paths.lock, "new": new, "updated": len(found.updated)}
        console.say(filled(said.taken, values))
    if found.apart and not found.same:
        console.say(said.one)
    for a, b in found.paid_twice:
        console.warn(
            _(
                "  {key} was paid for twice: {one} and {other}; both are kept",
                key=a.key,
                one=task_named(a.task_id),
                other=task_named(b.task_id),
            )
        )
    for other in found.contradicting:
        console.warn(
            _(
                "  {key}: {task} is not the one that was learned first; {kept}",
                key=other.key,
                task=task_named(other.task_id),
                kept=filled(said.kept, {"name": paths.lock_damaged.name}),
            )
        )


class _Merging(NamedTuple):
    """What a merge does, or would do."""

    taken: str
    one: str
    kept: str


_WOULD = _Merging(
    _("{lock}: would take {new} and update {updated}."),
    _("  The ledgers began apart; they would be one from now on."),
    _("the line would be kept in {name}"),
)
_DID = _Merging(
    _("{lock}: took {new} and updated {updated}."),
    _("  The ledgers began apart; they are one from now on."),
    _("the line is kept in {name}"),
)


def move(file: str, old: str, new: str, options: Options) -> int:
    """`klingflow lock move`."""
    manifest = loading.load(file, profile=options.profile)
    moves = moving.move(manifest, old, new, options.wish, dry_run=options.dry_run)
    for moved in moves:
        console.say(
            _("  {before} → {purchase}", before=moved.before, purchase=_told(moved.purchase))
        )
    purchases = many(len(moves), "{number} purchase", "{number} purchases")
    if options.dry_run:
        console.say(_("Would move {purchases}.", purchases=purchases))
    else:
        console.say(
            _(
                "Moved {purchases}. Files follow: klingflow fetch {manifest}",
                purchases=purchases,
                manifest=site.named(manifest, options.wish),
            )
        )
    return ExitCode.OK


def prune(file: str, options: Options) -> int:
    """`klingflow lock prune`."""
    manifest, wish = loading.load(file, profile=options.profile), options.wish
    paths = site.site_for(manifest, wish).paths
    found, done = pruning.prune(manifest, wish, lambda found: _agreed(found, options.yes))
    for purchase in found.kept:
        console.say(
            _(
                "  kept    {purchase}: {why_kept}",
                purchase=_told(purchase),
                why_kept=WHY_KEPT[purchase.state],
            )
        )
    if done:
        console.say(
            _(
                "Pruned {purchases}; what was paid stands in {name}: commit it with the lock.",
                purchases=many(len(found.pruned), "{number} purchase", "{number} purchases"),
                name=paths.pruned.name,
            )
        )
    elif found.pruned:
        raise UsageError(_("nothing was pruned: you said no"))
    else:
        console.say(
            _("Nothing to prune: no settled purchase is of a shot that the manifest lacks.")
        )
    return ExitCode.OK


# Why `prune` leaves a purchase in the lock, by its state.
WHY_KEPT: Mapping[State, str] = {
    "intent": _("in doubt; klingflow resolve settles it"),
    "in_doubt": _("in doubt; klingflow resolve settles it"),
    "submitted": _("not finished, and its id must not be lost"),
    "parked": _("not finished, and its id must not be lost"),
}


def _agreed(found: pruning.Prunable, yes: bool) -> bool:
    for purchase in found.pruned:
        console.say(_("  prune   {purchase}", purchase=_told(purchase)))
    tasks = sum(p.task_id is not None for p in found.pruned)
    said = joined(", ", worded_shares(shares(found.spending))) or _("nothing was paid")
    console.say(
        _(
            "{purchases}, {tasks} with a task: {said}.",
            purchases=many(len(found.pruned), "{number} purchase", "{number} purchases"),
            tasks=tasks,
            said=said,
        )
    )
    if yes:
        return True
    if not console.can_ask():
        raise UsageError(_("not a terminal: pass -y to prune these"))
    return console.ask(_("Take these out of the lock?"))


def _told(purchase: Purchase) -> str:
    parts = (
        purchase.key,
        _("attempt {attempt}", attempt=purchase.attempt),
        word(purchase.state, "purchase"),
        purchase.task_id or _("no task"),
    )
    return joined(", ", parts)

"""`klingflow lock`: what each of its commands does, shows and returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

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

_SHOWN = 200


def check(file: str, options: Options, form: str) -> int:
    """`klingflow lock check`."""
    here = site.site_of(file, options.wish, profile=options.profile)
    _must_be(file, here)
    report = checking.check(here)
    codes = {LEVELS[f.level] for f in report.findings}
    code = next((c for c in PRECEDENCE if c in codes), ExitCode.OK)
    levels = Counter(f.level for f in report.findings)
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
        return code
    for finding in report.findings[:_SHOWN]:
        shot = f"{finding.shot}: " if finding.shot else ""
        console.say(f"{finding.place}: {finding.level}: {shot}{finding.message}")
        if finding.todo:
            console.say(f"    → {finding.todo}")
    if len(report.findings) > _SHOWN:
        console.say(f"… and {len(report.findings) - _SHOWN} more (--format json lists all)")
    counts = ", ".join(f"{levels[level]} {_NOUNS[level]}" for level in LEVELS if levels[level])
    purchases = console.many(report.purchases, "purchase")
    videos = console.many(report.videos, "video")
    console.say(f"{report.lock}: {purchases}, {videos}: {counts or 'all is well'}.")
    return code


def _must_be(file: str, here: Site) -> None:
    """Refuse a mistyped path or profile: it must neither pass as an empty, healthy ledger nor
    create one. Raises UsageError.
    """
    named, paths = Path(file), here.paths
    manifest = manifest_called(named.parent, named.stem) if named.suffix == ".lock" else named
    if not any(p.exists() for p in (named, manifest, paths.lock, paths.journal)):
        raise UsageError(f"{file}: {nearby.missing(file, also=', and no ledger of one')}")
    films.check_profile(here)


_NOUNS = {
    "damaged": "damaged",
    "unsettled": "unsettled",
    "video": "about videos and double payments",
    "note": "to note",
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
        console.warn(f"{path}: {worded(problem)}")
    _show_merged(found, paths, options.dry_run)
    return ExitCode.UNSETTLED if found.contradicting else ExitCode.OK


def _show_merged(found: merging.Merged, paths: LedgerPaths, dry_run: bool) -> None:
    """Say what a merge changed, or would change."""
    take, update, are, kept = _WOULD if dry_run else _DID
    if found.same:
        console.say(f"{paths.lock}: holds all of it already; nothing is changed.")
    else:
        new = console.many(len(found.new), "new purchase")
        console.say(f"{paths.lock}: {take} {new} and {update} {len(found.updated)}.")
    if found.apart and not found.same:
        console.say(f"  The ledgers began apart; they {are} one from now on.")
    for a, b in found.paid_twice:
        console.warn(
            f"  {a.key} was paid for twice: {task_named(a.task_id)} and {task_named(b.task_id)};"
            " both are kept"
        )
    for other in found.contradicting:
        console.warn(
            f"  {other.key}: {task_named(other.task_id)} is not the one that was learned first;"
            f" the line {kept} in {paths.lock_damaged.name}"
        )


_WOULD = ("would take", "update", "would be", "would be kept")
_DID = ("took", "updated", "are", "is kept")


def move(file: str, old: str, new: str, options: Options) -> int:
    """`klingflow lock move`."""
    manifest = loading.load(file, profile=options.profile)
    moves = moving.move(manifest, old, new, options.wish, dry_run=options.dry_run)
    for moved in moves:
        console.say(f"  {moved.before} → {_told(moved.purchase)}")
    done = "Would move" if options.dry_run else "Moved"
    fetch = f" Files follow: klingflow fetch {site.named(manifest, options.wish)}"
    follow = "" if options.dry_run else fetch
    console.say(f"{done} {console.many(len(moves), 'purchase')}.{follow}")
    return ExitCode.OK


def prune(file: str, options: Options) -> int:
    """`klingflow lock prune`."""
    manifest, wish = loading.load(file, profile=options.profile), options.wish
    paths = site.site_for(manifest, wish).paths
    found, done = pruning.prune(manifest, wish, lambda found: _agreed(found, options.yes))
    for purchase in found.kept:
        console.say(f"  kept    {_told(purchase)}: {WHY_KEPT[purchase.state]}")
    if done:
        console.say(
            f"Pruned {console.many(len(found.pruned), 'purchase')}; what was paid stands in"
            f" {paths.pruned.name}: commit it with the lock."
        )
    elif found.pruned:
        raise UsageError("nothing was pruned: you said no")
    else:
        console.say("Nothing to prune: no settled purchase is of a shot that the manifest lacks.")
    return ExitCode.OK


# Why `prune` leaves a purchase in the lock, by its state.
WHY_KEPT: Mapping[State, str] = {
    "intent": "in doubt; klingflow resolve settles it",
    "in_doubt": "in doubt; klingflow resolve settles it",
    "submitted": "not finished, and its id must not be lost",
    "parked": "not finished, and its id must not be lost",
}


def _agreed(found: pruning.Prunable, yes: bool) -> bool:
    for purchase in found.pruned:
        console.say(f"  prune   {_told(purchase)}")
    tasks = sum(p.task_id is not None for p in found.pruned)
    said = ", ".join(worded_shares(shares(found.spending))) or "nothing was paid"
    console.say(f"{console.many(len(found.pruned), 'purchase')}, {tasks} with a task: {said}.")
    if yes:
        return True
    if not console.can_ask():
        raise UsageError("not a terminal: pass -y to prune these")
    return console.ask("Take these out of the lock?")


def _told(purchase: Purchase) -> str:
    parts = (
        purchase.key,
        f"attempt {purchase.attempt}",
        purchase.state,
        purchase.task_id or "no task",
    )
    return ", ".join(parts)

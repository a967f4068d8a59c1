"""`lock check`: every line, sum and file of a ledger looked at, and nothing changed.

What is wrong with a line is what its reader reports (klingflow.ledger.lines), what is wrong with a
purchase is what klingflow.ledger.flaws finds; here both get their place and what to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from klingflow import plain_files
from klingflow.api.loading import load
from klingflow.api.planning import as_known, standing
from klingflow.errors import KlingflowError, LedgerError
from klingflow.gateway import mp4
from klingflow.ledger import emergency, files, flaws, stored
from klingflow.ledger.book import contradicting, in_order
from klingflow.ledger.lines import (
    Parsed,
    parse_journal,
    parse_lines,
    parse_lock,
    unreadable_bodies,
)
from klingflow.ledger.places import LedgerPaths, Site
from klingflow.ledger.problems import ROWS, Level, found
from klingflow.model import FileFact, Manifest, Problem, Purchase, task_named
from klingflow.results.versions import replaced
from klingflow.words import _, cause, joined, many

Places = dict[str, str]  # where a purchase stands, by uid


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: `place` is file:line, or a file."""

    place: str
    level: Level
    message: str
    todo: str = ""
    shot: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found."""

    lock: Path
    purchases: int
    videos: int
    findings: tuple[Finding, ...]


def check(site: Site) -> Report:
    """Look at the ledger of a site. Raises LedgerError for what cannot be read at all."""
    paths, manifest = site.paths, site.named
    places: Places = {}
    try:
        held = stored.load(paths, until=None)
        findings = [*_lines(paths, places), *_lock(paths), *_aside(paths, held.book.task_ids)]
    except OSError as error:
        raise LedgerError(
            _("{lock}: the ledger cannot be read: {error}", lock=paths.lock, error=error)
        ) from error
    wanted = manifest_of(site)
    book = standing(wanted, held.book, site) if wanted else held.book
    purchases = in_order(book.purchases.values())
    for p in held.contradicting:
        place = places.get(p.uid, paths.lock.name)
        findings.append(_finding(contradicting(p), place=place, shot=p.key))
    for flaw in flaws.examine(purchases, manifest):
        place = places.get(flaw.purchase.uid, paths.lock.name)
        findings.append(Finding(place, flaw.level, flaw.message, flaw.todo, flaw.purchase.key))
    takes = as_known(wanted, book).takes if wanted else None
    videos, about_videos = _videos(site, purchases, places, takes, manifest)
    return Report(paths.lock, len(purchases), videos, (*findings, *about_videos))


def _finding(
    problem: Problem, *, place: str | None = None, todo: str = "", shot: str | None = None
) -> Finding:
    row = ROWS[problem.kind]
    where = str(problem.place) if place is None else place
    return Finding(where, row.level, found(problem), row.todo or todo, shot)


def manifest_of(site: Site) -> Manifest | None:
    """Return the manifest of a site; None where it cannot be read, which `validate` reports."""
    try:
        return load(site.file, profile=site.profile)
    except KlingflowError:
        return None


# ---------------------------------------------------------------- lines

Read = Callable[[Path], bytes]
Parse = Callable[[bytes, str], Parsed]


def _lines(paths: LedgerPaths, places: Places) -> Iterator[Finding]:
    """Yield what the readers of all files report of single lines.

    Where purchases stand goes into `places`; the lock's own word counts.
    """
    name = paths.lock.name
    from_git = _(
        "git may have it as it was: git log -p {name}; the next run sets it aside in"
        " {name}.damaged and goes on",
        name=name,
    )
    set_aside = _(
        "the next run sets it aside; if it was about a purchase, its shot is then in doubt"
    )
    all_there_is = _("git may have it as it was: the line is all that is known of what was paid")
    yield from _each_line(paths.lock, parse_lock, from_git, places)
    yield from _each_line(paths.journal, parse_journal, set_aside, places)
    for place in emergency.places(paths.journal):
        if place.exists():
            yield from _each_line(place, parse_journal, set_aside, places, emergency.read)
            message = _("holds what could not be written into the ledger")
            yield Finding(str(place), "note", message, _("the next run or fetch takes it in"))
    yield from _each_line(paths.pruned, parse_lines, all_there_is, places)


def _each_line(
    path: Path, parse: Parse, todo: str, places: Places, read: Read = plain_files.read_whole
) -> Iterator[Finding]:
    """Yield what is wrong with single lines of a file; `todo` is for damaged ones."""
    try:
        parsed = parse(read(path), path.name)
    except FileNotFoundError:
        return
    for uid, number in parsed.numbers.items():
        places.setdefault(uid, f"{path.name}:{number}")
    for problem in parsed.problems:
        if problem.place.line is not None:
            yield _finding(problem, todo=todo)
    for problem in (*parsed.odd, *unreadable_bodies(parsed)):
        yield _finding(problem, shot=next(iter(problem.keys), None))


# ---------------------------------------------------------------- the lock as a whole


def _lock(paths: LedgerPaths) -> Iterator[Finding]:
    """Header, order and number of lines."""
    name = paths.lock.name
    try:
        lock = parse_lock(plain_files.read_whole(paths.lock), name)
    except FileNotFoundError:
        yield Finding(name, "note", _("there is no lock: nothing was bought yet, or git has it"))
        return
    of_the_whole = [problem for problem in lock.problems if problem.place.line is None]
    for problem in of_the_whole:
        yield _finding(problem)
    tidies = _("the next run puts it in order")
    if len(lock.headers) > 1 and not of_the_whole:
        yield Finding(name, "note", _("merged by git out of several versions"), tidies)
    twice = len(lock.lines) < len(lock.accounts)
    if twice or lock.accounts != in_order(lock.accounts):
        yield Finding(name, "note", _("lines out of order, or twice"), tidies)


def _aside(paths: LedgerPaths, task_ids: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what was set aside earlier, where a task id may stand that is nowhere else."""
    for path, parse in ((paths.lock_damaged, parse_lines), (paths.journal_damaged, parse_journal)):
        try:
            data = plain_files.read_whole(path)
        except FileNotFoundError:
            continue
        parsed = parse(data, path.name)
        by_task = {p.task_id: p for p in parsed.accounts if p.task_id}
        for task_id in by_task.keys() - task_ids.keys():
            purchase = by_task[task_id]
            yield Finding(
                f"{path.name}:{parsed.numbers[purchase.uid]}",
                "unsettled",
                _("{task_named} is in no purchase of the ledger", task_named=task_named(task_id)),
                _("look it up at the gateway; delete the line once you know what it was"),
                purchase.key,
            )
        count = sum(bool(raw.strip()) for raw in data.split(b"\n"))
        message = many(count, "{number} line set aside earlier", "{number} lines set aside earlier")
        yield Finding(
            path.name,
            "note",
            message,
            _("compare them with the lock; delete the file once you need none"),
        )


# ---------------------------------------------------------------- videos


def _videos(
    site: Site,
    purchases: Iterable[Purchase],
    places: Places,
    wanted: set[tuple[str, int]] | None,
    manifest: str,
) -> tuple[int, list[Finding]]:
    """Return how many videos ought to be there, and what is wrong with them.

    Hash every file again: bit rot does not change a file's mtime.
    """
    claims = _claims(purchases)
    facts = files.facts(site.folder, claims, None)
    away = {p.uid for p in replaced(chain.from_iterable(claims.values()))}
    findings: list[Finding] = []
    for output, several in claims.items():
        fault = _fault(site.folder / output, facts.get(output), several)
        if fault is None:
            continue
        owner = next((p for p in reversed(several) if p.uid not in away), several[-1])
        is_unwanted = wanted is not None and (owner.shot, owner.take) not in wanted
        level: Level = "video"
        todo = f"klingflow fetch {manifest}"
        if owner.uid in away:
            level = "video" if output in facts else "note"
            todo = _("another video replaced it, so nothing needs it unless its body comes back")
        elif is_unwanted:
            level = "note"
            todo = _("no longer in the manifest, so nothing fetches it")
        place = places.get(owner.uid, site.paths.lock.name)
        said = _("{output}: {fault}", output=output, fault=fault)
        findings.append(Finding(place, level, said, todo, owner.key))
    return len(claims), findings


def _claims(purchases: Iterable[Purchase]) -> dict[str, list[Purchase]]:
    """Return the purchases whose videos ought to be there, by output."""
    claims: defaultdict[str, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        if purchase.state == "done" and purchase.output:
            claims[purchase.output].append(purchase)
    return claims


def _fault(path: Path, fact: FileFact | None, claims: Sequence[Purchase]) -> str | None:
    """Return what is wrong with the video at `path`, which is to be as one of the `claims` says;
    None for a good one.
    """
    if fact is None:
        return _("there is no such file")
    sizes = {claim.size_bytes or 0 for claim in claims}
    if fact.size_bytes not in sizes:
        return _(
            "{size_bytes} bytes, not {sizes}",
            size_bytes=fact.size_bytes,
            sizes=joined(_(" or "), map(str, sorted(sizes))),
        )
    known = {(claim.size_bytes, claim.sha256) for claim in claims}
    if (fact.size_bytes, fact.sha256) not in known:
        return _("of the right size, but its hash is another")
    try:
        return mp4.check(path)
    except OSError as error:
        return cause(error)

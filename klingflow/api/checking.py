"""`lock check`: every line, sum and file of a ledger looked at, and nothing changed."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from klingflow import disk
from klingflow.api.loading import load
from klingflow.errors import KlingflowError, LedgerError
from klingflow.gateway import mp4
from klingflow.ledger import emergency, files, flaws, stored
from klingflow.ledger.book import in_order
from klingflow.ledger.lines import Parsed, in_conflict, parse_journal, parse_lines, parse_lock
from klingflow.ledger.places import LedgerPaths, Site
from klingflow.manifest.schema import generate
from klingflow.model import Json, Purchase

_PLACE = re.compile(r"(.+?:(?:[0-9]+| the last line)): (.*)", re.DOTALL)
_FROM_GIT = "git may have it as it was: git log -p {name}; the next run sets it aside in {name}.damaged and goes on"

Places = dict[str, str]  # where a purchase stands, by uid


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: `place` is file:line, or a file. `level` is one of
    klingflow.ledger.flaws.LEVELS.
    """

    place: str
    level: str
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
    try:
        found = stored.load(paths, until=None)
        places: Places = {}
        findings = [*_lines(paths, places), *_lock(paths), *_aside(paths, found.book.task_ids)]
    except OSError as error:
        raise LedgerError(f"{paths.lock}: the ledger cannot be read: {error}") from error
    purchases = in_order(found.book.purchases.values())
    for p in found.contradicting:
        message, todo = (
            stored.said_of_contradicting(p),
            "look both tasks up at the gateway: both may be charged",
        )
        findings.append(
            Finding(places.get(p.uid, paths.lock.name), "damaged", message, todo, p.key)
        )
    for flaw in flaws.examine(purchases, manifest):
        place = places.get(flaw.purchase.uid, paths.lock.name)
        findings.append(Finding(place, flaw.level, flaw.message, flaw.todo, flaw.purchase.key))
    videos, about_videos = _videos(paths, purchases, places, wanted_takes(site.file), manifest)
    return Report(paths.lock, len(purchases), videos, (*findings, *about_videos))


def wanted_takes(file: str) -> set[tuple[str, int]] | None:
    """The takes of the manifest; None where it cannot be read, which `validate` tells better."""
    try:
        return load(file).takes
    except KlingflowError:
        return None


# ---------------------------------------------------------------- lines

Parse = Callable[[bytes, str], Parsed]


def _lines(paths: LedgerPaths, places: Places) -> Iterator[Finding]:
    """Each line's sum, its JSON and its form. Where purchases stand goes into `places`; the lock's
    own word counts.
    """
    todo = _FROM_GIT.format(name=paths.lock.name)
    yield from _each_line(paths.lock, parse_lock, _sealed, todo, places)
    todo = "the next run sets it aside; if it told of a purchase, its shot is then in doubt"
    yield from _each_line(paths.journal, parse_journal, _summed, todo, places)
    for place in emergency.places(paths.journal):
        if place.exists():
            yield from _each_line(place, parse_journal, _summed, todo, places, emergency.read)
            message = "holds what could not be written into the ledger"
            yield Finding(str(place), "note", message, "the next run or fetch takes it in")
    todo = "git may have it as it was: the line is all that is known of what was paid"
    yield from _each_line(paths.pruned, parse_lines, _sealed, todo, places)


def _each_line(
    path: Path,
    parse: Parse,
    document_of: Callable[[bytes], bytes],
    todo: str,
    places: Places,
    read: Callable[[Path], bytes] = disk.read_whole,
) -> Iterator[Finding]:
    try:
        data = read(path)
    except FileNotFoundError:
        return
    parsed = parse(data, path.name)
    for problem in parsed.problems:
        if placed := _PLACE.fullmatch(problem):
            yield Finding(placed[1], "damaged", placed[2].partition(" was set aside")[0], todo)
    numbers = {raw.rstrip(b"\r"): number for number, raw in enumerate(data.split(b"\n"), 1)}
    for uid, (_, raw) in parsed.lines.items():
        places.setdefault(uid, f"{path.name}:{numbers.get(raw, 1)}")
    shown = (
        {raw[:2000].decode("utf-8", "replace"): number for raw, number in numbers.items()}
        if parsed.doubts
        else {}
    )
    for doubt in parsed.doubts:
        number = shown.get((doubt.evidence or {}).get("damaged", ""), 1)
        places.setdefault(doubt.uid, f"{path.name}:{number}")
    for number, raw in enumerate(data.split(b"\n"), 1):
        if raw.strip() and (fault := _misformed(document_of(raw))):
            yield Finding(
                f"{path.name}:{number}",
                "damaged",
                fault,
                "no klingflow wrote it so; see where it is from",
            )


def _sealed(raw: bytes) -> bytes:
    return raw


def _summed(raw: bytes) -> bytes:
    return raw[9:]


_shapes: dict[Json, str | None] = {}


def _misformed(raw: bytes) -> str | None:
    """What the schema of a line says against it. A line that is no JSON is told of by its sum.

    A large ledger has few shapes of lines; the schema is asked once for each.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "runner" in document:
        return None
    try:
        shape = tuple(
            (key, "" if key == "body" else _shape(key, value)) for key, value in document.items()
        )
    except RecursionError:
        return "nested too deeply"
    if shape not in _shapes:
        _shapes[shape] = _against_schema(document)
    return _shapes[shape]


def _shape(key: str, value: Json) -> Json:
    """What of a value its schema may care about: types, signs, and which state."""
    if isinstance(value, dict):
        return "{}" if key == "evidence" else tuple((k, _shape("", v)) for k, v in value.items())
    if isinstance(value, list):
        return tuple(_shape("", item) for item in value)
    if isinstance(value, str):
        return value if key == "state" else "text"
    return (
        type(value).__name__,
        isinstance(value, int) and (value > 0) - (value < 0),
        key == "klingflow_lock" and value,
    )


def _against_schema(document: Mapping[str, Json]) -> str | None:
    from jsonschema import Draft202012Validator  # for start-up

    name = "header" if "klingflow_lock" in document else "purchase"
    schema = generate("lock")
    validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
    error = next(iter(sorted(validator.iter_errors(document), key=str)), None)
    if error is None:
        return None
    where = ".".join(map(str, error.absolute_path))
    return f"{where + ': ' if where else ''}{error.message[:200]}"


# ---------------------------------------------------------------- the lock as a whole


def _lock(paths: LedgerPaths) -> Iterator[Finding]:
    """Header, order and number of lines."""
    name = paths.lock.name
    try:
        data = disk.read_whole(paths.lock)
    except FileNotFoundError:
        yield Finding(name, "note", "there is no lock: nothing was bought yet, or git has it")
        return
    parsed = parse_lock(data, name)
    tidies = "the next run puts it in order"
    if not parsed.headers:
        yield Finding(name, "damaged", "no readable header", "git may have an older version of it")
    elif len(parsed.headers) > 1 or in_conflict(data):
        apart = len({h["lineage"] for h in parsed.headers}) > 1
        began = ", of ledgers that began apart" if apart else ""
        yield Finding(name, "note", f"merged by git out of several versions{began}", tidies)
    expected = max((h["purchases"] for h in parsed.headers), default=0)
    if (missing := expected - len(parsed.accounts) - len(parsed.damaged)) > 0:
        yield Finding(
            f"{name}:1",
            "damaged",
            f"{missing} purchases fewer than the header says",
            "git may have them",
        )
    if parsed.accounts != in_order(parsed.accounts) or len(parsed.lines) < len(parsed.accounts):
        yield Finding(name, "note", "lines out of order, or twice", tidies)


def _aside(paths: LedgerPaths, task_ids: Mapping[str, str]) -> Iterator[Finding]:
    """What was set aside earlier: a task id that stands nowhere else must not be forgotten there."""
    for path, parse in ((paths.lock_damaged, parse_lines), (paths.journal_damaged, parse_journal)):
        try:
            data = disk.read_whole(path)
        except FileNotFoundError:
            continue
        parsed = parse(data, path.name)
        for number, raw in enumerate(data.split(b"\n"), 1):
            for purchase in (p for p, line in parsed.lines.values() if line == raw.rstrip(b"\r")):
                if purchase.task_id and purchase.task_id not in task_ids:
                    yield Finding(
                        f"{path.name}:{number}",
                        "unsettled",
                        f"task {purchase.task_id} is in no purchase of the ledger",
                        "look it up at the gateway; delete the line once you know what it was",
                        purchase.key,
                    )
        count = sum(bool(raw.strip()) for raw in data.split(b"\n"))
        message = f"{count} line{'s'[: count != 1]} set aside earlier"
        yield Finding(
            path.name, "note", message, "look at them, and delete the file when all is known"
        )


# ---------------------------------------------------------------- videos


def _videos(
    paths: LedgerPaths,
    purchases: Iterable[Purchase],
    places: Places,
    wanted: set[tuple[str, int]] | None,
    manifest: str,
) -> tuple[int, list[Finding]]:
    """How many videos ought to be there, and what is wrong with them. Each is read: a disk forgets
    bits, not times.
    """
    claims: defaultdict[str, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        if purchase.state == "done" and purchase.output:
            claims[purchase.output].append(purchase)
    folder = paths.hidden.parent
    facts = files.facts(folder, claims, None)
    latest = {(p.shot, p.take): p for several in claims.values() for p in several}
    findings: list[Finding] = []
    for output, several in claims.items():
        owners = [p for p in several if latest[p.shot, p.take] is p]
        if not owners:  # an older attempt's, under another name: nobody needs it
            continue
        fact = facts.get(output)
        fault = _fault(
            folder / output, None if fact is None else (fact.sha256, fact.size_bytes), several
        )
        if fault:
            owner = owners[-1]
            here = wanted is None or (owner.shot, owner.take) in wanted
            todo = (
                f"klingflow fetch {manifest}"
                if here
                else "no longer in the manifest, so nothing fetches it"
            )
            place = places.get(owner.uid, paths.lock.name)
            level = "video" if here else "note"
            findings.append(Finding(place, level, f"{output}: {fault}", todo, owner.key))
    return len(claims), findings


def _fault(path: Path, fact: tuple[str, int] | None, claims: Iterable[Purchase]) -> str | None:
    if fact is None:
        return "there is no such file"
    known = [(p.sha256, p.size_bytes) for p in claims]
    if fact not in known:
        sizes = {size for _, size in known}
        if fact[1] not in sizes:
            return f"{fact[1]} bytes, not {' or '.join(map(str, sorted(s or 0 for s in sizes)))}"
        return "of the right size, but its hash is another"
    try:
        return mp4.check(path)
    except OSError as error:
        return error.strerror or str(error)

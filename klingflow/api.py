"""load, plan and run: what a program calls, and what the command line is built on."""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from klingflow.decide.book import Book
from klingflow.decide.origin import normal_base
from klingflow.decide.plan import make_plan
from klingflow.decide.polling import Durations
from klingflow.decide.resolve import abandon, adopt, resubmit
from klingflow.decide.schedule import Schedule
from klingflow.decide.select import select as select_keys
from klingflow.effects import files, ledger
from klingflow.errors import PRECEDENCE, ExitCode, NothingSelected, UsageError
from klingflow.manifest import compile as compile_manifest
from klingflow.model import Json, Limits, Manifest, Plan, Purchase, Rate
from klingflow.results import run_manifest
from klingflow.results.why import explain

if TYPE_CHECKING:
    from klingflow.effects.gateway import Gateway
    from klingflow.runner import Context, Emit, Job, Outcome

# The origin under which sandbox purchases are kept: its port is another one each time.
SANDBOX = "sandbox"
# A manifest or a table of rows that is larger is not one.
_MAX_TEXT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a manifest is meant: `select` and `exclude` as on the command line, `rerun` of `changed`, `failed`."""

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    rerun: frozenset[str] = frozenset()
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to: the plans as they stand afterwards, and the exit code that the command gives."""

    plans: tuple[Plan, ...]
    exit_code: ExitCode
    outcome: Outcome
    bought: tuple[Purchase, ...]  # in this run, what is in doubt among them
    records: tuple[Path, ...]  # the run manifests
    capped: Mapping[tuple[int, str], str]  # (manifest number, shot key) → the cap that forbade it
    troubles: tuple[str, ...]  # what could not be written, for people


def load(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, Json] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Manifest:
    """Read, expand and check a manifest and what it names. Raises ManifestError with every mistake in it."""
    environ = os.environ if environ is None else environ
    with _without_collector():
        return compile_manifest(os.fspath(path), read_text, variables=variables or {}, environ=environ)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Compiling makes hundreds of thousands of objects and no cycles; looking for some takes a quarter of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()  # what was made stays until the end: later collections need not look at it
            gc.enable()


def read_text(path: str) -> str:
    """A file of the manifest's as text; raises OSError, UnicodeDecodeError."""
    with Path(path).open("rb") as file:
        data = file.read(_MAX_TEXT_BYTES + 1)
    if len(data) > _MAX_TEXT_BYTES:
        raise OSError(f"larger than {_MAX_TEXT_BYTES >> 20} MB")
    return data.decode("utf-8")


def plan(manifest: Manifest, wish: Wish = Wish(), *, origin: str = "") -> Plan:
    """What a run would do now. Reads the ledger and the outputs; changes nothing, needs no network.

    Raises NothingSelected, LedgerError, UsageError.
    """
    book = ledger.read(ledger.ledger_paths(manifest.path, sandbox=wish.sandbox))
    manifest = in_sandbox(manifest) if wish.sandbox else manifest
    return _planned(manifest, book, _selected(manifest, book, wish), wish.rerun, origin)


def selected(manifest: Manifest, wish: Wish) -> set[str] | None:
    """The keys of the shots that are meant; None for all. Reads the ledger only if there is a selection."""
    if not (wish.select or wish.exclude):
        return None
    return _selected(manifest, ledger.read(ledger.ledger_paths(manifest.path, sandbox=wish.sandbox)), wish)


def _selected(manifest: Manifest, book: Book, wish: Wish) -> set[str] | None:
    if not (wish.select or wish.exclude):
        return None
    keys = select_keys(manifest.shots, book, wish.select, wish.exclude)
    if not keys:
        raise NothingSelected(f"{manifest.path}: no shot matches the selection")
    return keys


def status(manifest: Manifest, wish: Wish) -> dict[str, Json]:
    """What the ledger says of the selected shots, in the shape of the run manifest."""
    book = ledger.read(ledger.ledger_paths(manifest.path, sandbox=wish.sandbox))
    keys = _selected(manifest, book, wish)
    gateway = SANDBOX if wish.sandbox else ""
    record = run_manifest.build(manifest, book, gateway=gateway, generated_at=now(), selected=keys)
    return {**record, "problems": list(book.problems)}


def why(manifest: Manifest, key: str, wish: Wish) -> dict[str, Json]:
    """Why one take counts as changed (`klingflow.results.why.explain`). Raises NothingSelected."""
    book = ledger.read(ledger.ledger_paths(manifest.path, sandbox=wish.sandbox))
    # `opening` is also what every table calls the first take, so here it means that one.
    exact = {shot.key for shot in manifest.shots if shot.key == key}
    keys = exact or select_keys(manifest.shots, book, [key], [])
    made = make_plan(manifest, book, {}, selected=keys)
    answers = [explain(a.shot, a.request, a.purchase) for a in made.actions if a.shot and a.request]
    if len(answers) != 1:
        raise UsageError(f"{key!r} means {len(answers)} takes; name one")
    return answers[0]


def resolve(
    manifest: Manifest, key: str, wish: Wish, origin: str, *, task: str | None, verdict: str
) -> list[str]:
    """Settle one take: its task's id, or the verdict `abandon` or `resubmit`. Returns what was done, in words.

    Raises UsageError, LedgerHeld, LedgerError.
    """
    paths = ledger.ledger_paths(manifest.path, sandbox=wish.sandbox)
    key = next((s.key for s in manifest.shots if key in (s.key, f"{s.id}#{s.take}")), key)
    with ledger.open_ledger(paths, now) as held:
        at = now()
        meant = in_sandbox(manifest) if wish.sandbox else manifest
        action = _planned(meant, held.book, None, frozenset(), origin).by_key.get(key)
        wanted = (action.shot, action.request) if action and action.shot and action.request else None
        if task is not None:
            records = adopt(
                held.book, key, task, wanted=wanted, origin=origin, new_uid=lambda: ledger.new_uid(at), at=at
            )
        elif verdict == "abandon":
            records = abandon(held.book, key, origin=origin, at=at)
        else:
            at_another = action is not None and action.verb == "held"
            records = resubmit(held.book, key, origin=origin, at=at, held=at_another)

        async def write() -> None:
            for record in records:
                await held.record(record)

        anyio.run(write)
    said = (
        f"bought as task {task}; klingflow fetch polls and downloads it" if task else _VERDICT_WORDS[verdict]
    )
    return [f"{key}: {said}"]


_VERDICT_WORDS = {
    "abandon": "abandoned; it is not bought again unless you say --rerun failed",
    "resubmit": "not bought; the next run buys it",
}


def sandbox_state(manifest: Manifest) -> Path:
    """Where the sandbox of this manifest keeps its tasks and charges over restarts."""
    return ledger.ledger_paths(manifest.path, sandbox=True).journal.parent / "server.jsonl"


def _planned(
    manifest: Manifest, book: Book, keys: set[str] | None, rerun: frozenset[str], origin: str
) -> Plan:
    hidden = ledger.ledger_paths(manifest.path).hidden
    facts = files.facts(folder_of(manifest), files_of(book), hidden / "files.json")
    with _without_collector():
        return make_plan(manifest, book, facts, rerun=rerun, origin=origin, selected=keys)


def files_of(book: Book) -> Iterable[str]:
    """The outputs that the ledger knows, relative to the manifest's folder."""
    return {p.output for p in book.purchases.values() if p.output and p.sha256}


def folder_of(manifest: Manifest) -> Path:
    """Where the manifest's outputs are relative to."""
    return ledger.manifest_file(manifest.path).parent


def in_sandbox(manifest: Manifest) -> Manifest:
    """The manifest with its outputs under `outputs/sandbox/`."""
    shots = tuple(
        replace(shot, output="outputs/sandbox/" + shot.output.removeprefix("outputs/"))
        for shot in manifest.shots
    )
    return replace(manifest, shots=shots)


def now() -> str:
    """UTC with milliseconds, as the ledger writes times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def open_job(manifest: Manifest, wish: Wish, origin: str) -> Iterator[Job]:
    """The manifest's plan with its ledger held by us. Raises as `plan`, and LedgerHeld."""
    from klingflow.runner import Job  # for start-up

    paths = ledger.ledger_paths(manifest.path, sandbox=wish.sandbox)
    manifest = in_sandbox(manifest) if wish.sandbox else manifest
    with ledger.open_ledger(paths, now) as held:
        keys = _selected(manifest, held.book, wish)
        made = _planned(manifest, held.book, keys, wish.rerun, origin)
        folder = folder_of(manifest)

        target = folder / "outputs" / ("sandbox" if wish.sandbox else "") / manifest.name / "manifest.json"

        def write_results() -> str | None:
            return _write_results(made.manifest, held.book, target, origin)

        def plan_again() -> Plan:
            return _planned(manifest, held.book, keys, frozenset(), origin)

        yield Job(made, held, folder, origin, target, write_results, plan_again)


def _write_results(manifest: Manifest, book: Book, target: Path, origin: str) -> str | None:
    """The run manifest, written; why it could not be. It can always be made again from the ledger."""
    record = run_manifest.build(manifest, book, gateway=origin, generated_at=now())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.atomic_write(target, run_manifest.as_bytes(record))
    except OSError as error:
        return f"{target}: {error.strerror or error}"
    return None


def run(
    manifests: Manifest | Sequence[Manifest],
    *,
    base_url: str,
    key: str,
    wish: Wish = Wish(),
    limits: Limits | None = None,
    emit: Emit = lambda event: None,
) -> Result:
    """Buy what the plans say, wait, download. Resumes what an earlier run left. Raises as `plan`, and LedgerHeld.

    Spends without asking; `limits` (default: the first manifest's) bounds it.
    """
    manifests = [manifests] if isinstance(manifests, Manifest) else manifests
    origin = SANDBOX if wish.sandbox else normal_base(base_url)
    with ExitStack() as stack:
        jobs = [stack.enter_context(open_job(m, wish, origin)) for m in manifests]
        return run_jobs(jobs, base_url, key, limits or tightest(manifests), emit=emit)


def run_jobs(
    jobs: list[Job],
    base_url: str,
    key: str,
    limits: Limits,
    *,
    emit: Emit,
    buying: bool = True,
    fail_fast: bool = False,
    abort: Callable[[], None] = lambda: os._exit(ExitCode.INTERRUPTED),
) -> Result:
    """Run plans whose ledgers are held. `buying` False polls and downloads only."""
    # Here, for start-up: `plan` and `validate` need no HTTP.
    from klingflow.effects.gateway import Gateway
    from klingflow.runner import run as run_context

    _check_apart(jobs)

    async def main() -> Result:
        async with Gateway(base_url, key) as gateway:
            context = _context(jobs, gateway, limits, emit)
            context.buying, context.fail_fast = buying, fail_fast
            outcome = await run_context(context, abort)
            troubles = tuple(trouble for job in jobs for trouble in _troubles(job))
            plans = tuple(job.plan_again() for job in jobs)
            bought = tuple(
                p
                for number, uid in context.bought
                if (p := jobs[number].ledger.book.purchases.get(uid)) and p.state != "rejected"
            )
            records = tuple(job.results for job in jobs)
            capped = {(w.job, w.action.key): reason for w, reason in context.schedule.capped}
            code = _exit_code(outcome, plans, capped, context)
            return Result(plans, code, outcome, bought, records, capped, troubles)

    return anyio.run(main)


def _troubles(job: Job) -> Iterator[str]:
    for lost in job.ledger.unwritten:
        yield f"NOT IN THE LEDGER: {lost.key} was bought as task {lost.task_id}; keep this line"
    if unwritten := job.write_results():
        yield f"the run manifest could not be written: {unwritten}"


def tightest(manifests: Sequence[Manifest]) -> Limits:
    """One set of limits for several manifests: of each limit the strictest."""
    first, *rest = [m.limits for m in manifests]
    for other in rest:
        first = Limits(
            **{
                f.name: _stricter(f.name, getattr(first, f.name), getattr(other, f.name))
                for f in fields(Limits)
            }
        )
    return first


def _stricter(name: str, a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, Rate):
        return max(a, b, key=lambda rate: rate.interval_s)
    return max(a, b) if name == "poll_floor_s" else min(a, b)


def _check_apart(jobs: Sequence[Job]) -> None:
    """Two manifests of one run must not write to one file. Raises UsageError."""
    writers: dict[Path, str] = {}
    for job in jobs if len(jobs) > 1 else ():
        manifest = job.plan.manifest
        for path in {job.results, *(job.folder / shot.output for shot in manifest.shots)}:
            other = writers.setdefault(path.resolve(), manifest.path)
            if other != manifest.path:
                raise UsageError(
                    f"{other} and {manifest.path} both write {path}; give them different names or outputs"
                )


def _context(jobs: list[Job], gateway: Gateway, limits: Limits, emit: Emit) -> Context:
    from klingflow.runner import Context

    durations = Durations()
    for job in jobs:
        durations.learn_from(job.ledger.book.purchases.values())
    return Context(
        jobs=jobs,
        gateway=gateway,
        limits=limits,
        schedule=Schedule(limits, durations),
        emit=emit,
        clock=time.monotonic,
        now=now,
        chance=random.random,
        new_uid=lambda: ledger.new_uid(now()),
    )


# What a shot's line in the plan after the run means for the exit code. A shot that is still to be created was
# capped, or else refused or never reached. One that waits says nothing of its own: what it waits for does.
_VERDICTS = {
    "in_doubt": ExitCode.UNSETTLED,
    "held": ExitCode.UNSETTLED,
    "resume": ExitCode.UNSETTLED,
    "failed": ExitCode.FAILED,
    "download": ExitCode.FAILED,
    "create": ExitCode.FAILED,
}


def _exit_code(
    outcome: Outcome, plans: Sequence[Plan], capped: Mapping[tuple[int, str], str], context: Context
) -> ExitCode:
    codes = set()
    for number, made in enumerate(plans):
        for action in made.actions:
            code = _VERDICTS.get(action.verb)
            if action.verb == "create" and ((number, action.key) in capped or not context.buying):
                continue
            if code is not None:
                codes.add(code)
    if capped:
        codes.add(ExitCode.CAPPED)
    if outcome.interrupted:
        codes.add(ExitCode.INTERRUPTED)
    if outcome.broken or outcome.crash:
        codes.add(ExitCode.INTERNAL)
    if outcome.refused:
        codes.add(ExitCode.REFUSED)
    if not codes and context.buying and any(a.verb == "waits" for made in plans for a in made.actions):
        codes.add(ExitCode.FAILED)  # for a shot that was not selected
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)

"""load and plan, and what else is asked of a manifest and its ledger without changing either."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from klingflow import texts
from klingflow.decide.plan import make_plan
from klingflow.decide.select import select as select_keys
from klingflow.errors import NothingSelected, UsageError
from klingflow.ledger import files, store
from klingflow.ledger.book import Book, in_order
from klingflow.manifest import compile as compile_manifest
from klingflow.model import Json, Manifest, Plan
from klingflow.results import run_manifest
from klingflow.results.doubts import doubts
from klingflow.results.why import explain

# The origin under which sandbox purchases are kept: its port is another one each time.
SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a manifest is meant: `select` and `exclude` as on the command line, `rerun` of `changed`, `failed`.

    Without `black_box`, what the user's state folder remembers of the ledger does not count, and nothing is kept there.
    """

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    rerun: frozenset[str] = frozenset()
    sandbox: bool = False
    black_box: bool = True


def load(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, Json] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Manifest:
    """Read, expand and check a manifest and what it names. Raises ManifestError with every mistake in it."""
    environ = os.environ if environ is None else environ
    with _without_collector():
        name = os.fspath(path)
        read = texts.reader(name, texts.allowed_folders(environ.get(texts.READ_BELOW, "")))
        return compile_manifest(name, read, variables=variables or {}, environ=environ)


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


def plan(manifest: Manifest, wish: Wish = Wish(), *, origin: str = "") -> Plan:
    """What a run would do now. Reads the ledger and the outputs; changes nothing, needs no network.

    Raises NothingSelected, LedgerError, UsageError.
    """
    book = book_of(manifest, wish)
    manifest = in_sandbox(manifest) if wish.sandbox else manifest
    return planned(manifest, book, selected_keys(manifest, book, wish), wish.rerun, origin)


def selected(manifest: Manifest, wish: Wish) -> set[str] | None:
    """The keys of the shots that are meant; None for all. Reads the ledger only if there is a selection."""
    if not (wish.select or wish.exclude):
        return None
    return selected_keys(manifest, book_of(manifest, wish), wish)


def selected_keys(manifest: Manifest, book: Book, wish: Wish) -> set[str] | None:
    if not (wish.select or wish.exclude):
        return None
    keys = select_keys(manifest.shots, book, wish.select, wish.exclude)
    if not keys:
        raise NothingSelected(f"{manifest.path}: no shot matches the selection")
    return keys


def status(manifest: Manifest, wish: Wish) -> dict[str, Json]:
    """What the ledger says of the selected shots, in the shape of the run manifest."""
    book = book_of(manifest, wish)
    keys = selected_keys(manifest, book, wish)
    gateway = SANDBOX if wish.sandbox else ""
    record = run_manifest.build(manifest, book, gateway=gateway, generated_at=now(), selected=keys)
    meant = [p for p in in_order(book.purchases.values()) if keys is None or p.key in keys]
    in_doubt = doubts(meant, manifest.path, sandbox=wish.sandbox)
    return {**record, "doubts": in_doubt, "problems": list(book.problems)}


def why(manifest: Manifest, key: str, wish: Wish) -> dict[str, Json]:
    """Why one take counts as changed (`klingflow.results.why.explain`). Raises NothingSelected."""
    book = book_of(manifest, wish)
    # `opening` is also what every table calls the first take, so here it means that one.
    exact = {shot.key for shot in manifest.shots if shot.key == key}
    keys = exact or select_keys(manifest.shots, book, [key], [])
    made = make_plan(manifest, book, {}, selected=keys)
    answers = [explain(a.shot, a.request, a.purchase) for a in made.actions if a.shot and a.request]
    if len(answers) != 1:
        raise UsageError(f"{key!r} means {len(answers)} takes; name one")
    return answers[0]


def book_of(manifest: Manifest, wish: Wish) -> Book:
    """What the ledger says, for looking at. Raises LedgerError, UsageError."""
    book = store.read(paths_of(manifest, wish))
    book.recall(takes_of(manifest))
    return book


def takes_of(manifest: Manifest) -> set[tuple[str, int]]:
    """Every take that the manifest wants."""
    return {(shot.id, shot.take) for shot in manifest.shots}


def sandbox_state(manifest: Manifest) -> Path:
    """Where the sandbox of this manifest keeps its tasks and charges over restarts."""
    return store.ledger_paths(manifest.path, sandbox=True).journal.parent / "server.jsonl"


def planned(
    manifest: Manifest, book: Book, keys: set[str] | None, rerun: frozenset[str], origin: str
) -> Plan:
    hidden = store.ledger_paths(manifest.path).hidden
    facts = files.facts(folder_of(manifest), files_of(book), hidden / "files.json")
    with _without_collector():
        return make_plan(manifest, book, facts, rerun=rerun, origin=origin, selected=keys)


def files_of(book: Book) -> Iterable[str]:
    """The outputs that the ledger knows, relative to the manifest's folder."""
    return {p.output for p in book.purchases.values() if p.output and p.sha256}


def paths_of(manifest: Manifest, wish: Wish) -> store.LedgerPaths:
    """Where the manifest's ledger lies, its black box included. Raises UsageError."""
    return paths_at(manifest.path, wish)


def paths_at(manifest: str | os.PathLike[str], wish: Wish) -> store.LedgerPaths:
    """As `paths_of`, for a manifest that need not be readable; its lock means the same ledger."""
    path = Path(manifest)
    if path.suffix == ".lock":
        path = next(
            (p for s in (".yaml", ".yml") if (p := path.with_suffix(s)).exists()), path.with_suffix(".yaml")
        )
    state = None
    if wish.black_box and not wish.sandbox:
        state = store.state_folder(os.environ.get(store.STATE_DIR))
    return store.ledger_paths(path, sandbox=wish.sandbox, state=state)


def folder_of(manifest: Manifest) -> Path:
    """Where the manifest's outputs are relative to."""
    return store.manifest_file(manifest.path).parent


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

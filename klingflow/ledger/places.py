"""Where the files of a ledger lie, and where its manifest's videos and record go."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from klingflow import plain_files
from klingflow.errors import UsageError
from klingflow.ledger.boxplaces import BoxPlace
from klingflow.model import Manifest, Request, Shot
from klingflow.words import _

PRUNED = ".pruned.jsonl"  # in the place of `.lock`
PICKS = ".picks.yaml"  # in the place of `.lock`
_HIDDEN = ".klingflow"
_OF_A_LEDGER = (".lock", ".lock.damaged", PRUNED, PICKS)
_RECORD = "manifest.json"
# The origin under which sandbox purchases are kept: the sandbox listens on another port each time.
SANDBOX = "sandbox"


class Link(NamedTuple):
    """A link where klingflow would write. `target` is what it leads to in the end, None for one of
    several names of a file (a hard link). Only an `allowable` one is ever followed, and only after
    the user has allowed it (`klingflow.api.links`).
    """

    path: Path
    target: Path | None
    allowable: bool = False


@dataclass(frozen=True, slots=True)
class LedgerPaths:
    """Where a manifest's ledger lies. `hidden` is the `.klingflow` folder beside it, which git
    ignores. `picks` is the file of picks.

    Where one of these is a link, the path is its target's, and the link is among `followed`.

    `anchor` is the manifest, which is locked too: it stays where `hidden` is cleared away. The
    sandbox's ledger has none, for it may be used beside the real one; nor has a draft's, which may
    be run beside the film's own. `box` is where its black box lies, if it has one. `profile` is
    that of a draft.
    """

    lock: Path
    journal: Path
    hidden: Path
    picks: Path
    anchor: Path | None = None
    box: BoxPlace | None = None
    followed: tuple[Link, ...] = ()
    profile: str = ""

    @property
    def picks_held(self) -> Path:
        """The file whose lock keeps two writers of the picks apart."""
        return self.journal.with_suffix(".picking")

    @property
    def lock_damaged(self) -> Path:
        """Lock lines that were set aside."""
        return self.lock.with_name(self.lock.name + ".damaged")

    @property
    def journal_damaged(self) -> Path:
        """Journal lines that were set aside."""
        return self.journal.with_name(self.journal.name + ".damaged")

    @property
    def pruned(self) -> Path:
        """The file of what was pruned from the lock, line by line as it stood there."""
        return self.lock.with_suffix(PRUNED)

    @property
    def folded(self) -> Path:
        """While a run lasts, a second name of the lock it folded last: git may put an older one in
        its place.
        """
        return self.journal.with_suffix(".folded")


def ledger_paths(
    manifest_path: str | os.PathLike[str],
    *,
    sandbox: bool = False,
    state: Path | None = None,
    profile: str = "",
) -> LedgerPaths:
    """Return the paths of the ledger beside a manifest; the sandbox's is hidden, so that it never
    counts as bought. That of drafts has the name of their `profile`.

    `state` is the folder of the black boxes; without one, and in the sandbox, there is none. Raises
    UsageError for two manifests that would share a ledger.
    """
    film = manifest_file(manifest_path)
    _refuse_twin(film)
    manifest = draft_of(film, profile)
    _refuse_manifest_of_drafts(manifest, film, profile)
    followed: list[Link] = []
    hidden = _at(manifest.parent / _HIDDEN, followed)
    folder = _at(hidden / "sandbox", followed) if sandbox else hidden
    lock_folder = folder if sandbox else manifest.parent
    lock = _at(lock_folder / f"{manifest.stem}.lock", followed)
    picks = _at(lock_folder / f"{manifest.stem}{PICKS}", followed)
    journal = folder / f"{manifest.stem}.journal"
    if sandbox:
        return LedgerPaths(lock, journal, hidden, picks, None, None, tuple(followed), profile)
    # Absolute: what this place is called must not depend on where its folder is moved in mid-run.
    box = BoxPlace(state, manifest.absolute(), profile=profile) if state else None
    anchor = None if profile else film
    return LedgerPaths(lock, journal, hidden, picks, anchor, box, tuple(followed), profile)


def _at(path: Path, followed: list[Link]) -> Path:
    """Return where a file or folder lies: for a link its target, which `followed` then has.

    It is followed here, once: a link that changes later, by `git pull` say, leads nowhere else.
    """
    if (link := link_at(path)) is None or link.target is None:
        return path
    followed.append(link)
    return link.target


def link_at(path: Path) -> Link | None:
    """Return the link at `path`, that the user may allow; None where there is none."""
    if not plain_files.is_link(path):
        return None
    at = Path(os.path.realpath(path.parent)) / path.name
    return Link(at, Path(os.path.realpath(path)), allowable=True)


def is_kept_by_klingflow(path: Path) -> bool:
    """True if klingflow gives such a name to a file of a ledger or to a record, or keeps the folder
    for itself: a file that the user names must have another one, also where none is there yet.
    """
    name = path.name.casefold()
    in_hidden = _HIDDEN in (part.casefold() for part in path.parts)
    return in_hidden or name == _RECORD or name.endswith(_OF_A_LEDGER)


def manifest_file(path: str | os.PathLike[str]) -> Path:
    """Return the manifest itself where `path` is a link to it: one manifest has one ledger, under
    any name.
    """
    manifest = Path(path)
    return Path(os.path.realpath(manifest)) if manifest.is_symlink() else manifest


SUFFIXES = (".yaml", ".yml")
_TWINS = dict(zip(SUFFIXES, reversed(SUFFIXES), strict=True))


def manifest_called(folder: Path, stem: str) -> Path:
    """Return the manifest whose ledger has the name `stem`. Where none is there, the path is that
    of the first ending.
    """
    named = [folder / f"{stem}{suffix}" for suffix in SUFFIXES]
    return next((path for path in named if path.exists()), named[0])


def _refuse_twin(manifest: Path) -> None:
    if manifest.suffix not in _TWINS:
        return
    twin = manifest.with_suffix(_TWINS[manifest.suffix])
    if manifest.exists() and twin.exists() and not twin.samefile(manifest):
        raise UsageError(
            _(
                "{manifest} and {name} share the ledger {stem}.lock; rename one of them",
                manifest=manifest,
                name=twin.name,
                stem=manifest.stem,
            )
        )


def draft_of(manifest: Path, profile: str) -> Path:
    """Return the path that a manifest would have whose ledger is that of a profile's drafts:
    `film.draft.yaml` of `film.yaml`; without a profile the manifest itself.
    """
    return manifest.with_name(draft_named(manifest.name, profile)) if profile else manifest


def draft_named(film: str, profile: str) -> str:
    """Return the name of the file of `draft_of`. What anybody wrote may be no name of a file."""
    name = Path(film)
    # A suffix of its own: without one, the profile would be taken for it.
    return f"{name.stem}.{profile}{name.suffix or SUFFIXES[0]}"


def film_of(draft: Path, profile: str) -> Path | None:
    """Return the manifest of which `draft_of` makes this path, None where it makes another."""
    stem = draft.stem.removesuffix(f".{profile}")
    is_draft = profile and stem and stem != draft.stem
    return draft.with_name(stem + draft.suffix) if is_draft else None


def _refuse_manifest_of_drafts(draft: Path, film: Path, profile: str) -> None:
    """Raise UsageError where a manifest has the ledger of drafts for its own."""
    there = manifest_called(draft.parent, draft.stem)
    if profile and there.exists():
        raise UsageError(
            _(
                "{there} has the ledger {stem}.lock, which the drafts of profile '{profile}' of"
                " {name} would have too; rename one of them",
                there=there,
                stem=draft.stem,
                profile=profile,
                name=film.name,
            )
        )


@dataclass(frozen=True, slots=True)
class Site:
    """One manifest with all that follows from where it lies and from the gateway it buys at.

    `file` is the manifest as commands name it, `manifest` the same with links followed. `origin`
    is the gateway's address, "" while it is unknown, and SANDBOX for the sandbox. `tops` are the
    first folders of outputs that are links, with the targets that the user allows. `repeated` are
    the user's options that a command which is named to the user has to say again. The ledger may be
    that of a profile's drafts.
    """

    file: str
    manifest: Path
    paths: LedgerPaths
    origin: str = ""
    tops: Mapping[str, Path] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()

    @property
    def profile(self) -> str:
        """The profile whose drafts these are, "" for the film itself."""
        return self.paths.profile

    @property
    def in_sandbox(self) -> bool:
        """True if what is bought here is bought in the sandbox, and counts nowhere else."""
        return self.origin == SANDBOX

    @property
    def folder(self) -> Path:
        """The folder that outputs are relative to."""
        return self.manifest.parent

    @property
    def facts(self) -> Path:
        """The file that saves hashing videos again."""
        return self.paths.hidden / "files.json"

    @property
    def media(self) -> Path:
        """The file that saves looking at videos again."""
        return self.paths.hidden / "media.jsonl"

    @property
    def server(self) -> Path:
        """The file in which the sandbox of this manifest keeps tasks and charges over restarts."""
        return self.paths.journal.parent / "server.jsonl"

    @property
    def refs(self) -> Path:
        """The folder of this manifest's local references for the sandbox, which serves them."""
        return self.paths.journal.parent / "refs"

    @property
    def frames(self) -> Path:
        """The folder of frames of this manifest's videos that other shots begin with."""
        return self.paths.journal.parent / "frames"

    @property
    def posters(self) -> Path:
        """The folder of the pictures that stand for videos on a page."""
        return self.paths.hidden / "posters"

    def place(self, output: str) -> str:
        """Return where an output of the manifest goes: the sandbox's go to `outputs/sandbox/`."""
        if not self.in_sandbox:
            return output
        return f"{_OUTPUTS}/sandbox/{output.removeprefix(_OUTPUTS + '/')}"

    def placed(self, manifest: Manifest) -> Manifest:
        """Return the manifest with every output where it goes."""
        if not self.in_sandbox:
            return manifest
        shots = tuple(replace(shot, output=self.place(shot.output)) for shot in manifest.shots)
        made = manifest.more

        def more(takes: Mapping[str, int]) -> Mapping[tuple[str, int], tuple[Shot, Request]]:
            again = made(takes) if made else {}
            return {
                take: (replace(shot, output=self.place(shot.output)), request)
                for take, (shot, request) in again.items()
            }

        return replace(manifest, shots=shots, more=more if made else None)

    def leads_elsewhere(self, output: str) -> bool:
        """True if a link on the way to an output leads where nothing is to be written."""
        return not plain_files.stays_below(self.folder, output, self.tops)

    def record(self, name: str) -> Path:
        """Return where the run manifest of the manifest called `name` goes."""
        return self.folder / self.place(f"{_OUTPUTS}/{name}/{_RECORD}")

    @property
    def named(self) -> str:
        """The manifest in a command, as a shell reads it: `'my film.yaml' --sandbox`."""
        return shlex.join([self.file, *self._options])

    def command(self, verb: str, key: str) -> str:
        """Return the command that does `verb` with one shot, as a shell reads it."""
        return shlex.join(["klingflow", verb, self.file, key, *self._options])

    def lock_command(self, verb: str, *arguments: str) -> str:
        """Return the command that does `verb` with the ledger as a whole, as a shell reads it."""
        return shlex.join(["klingflow", "lock", verb, self.file, *arguments, *self._of_drafts])

    @property
    def _options(self) -> list[str]:
        in_sandbox = ["--sandbox"] if self.in_sandbox else []
        return [*self._of_drafts, *self.repeated, *in_sandbox]

    @property
    def _of_drafts(self) -> list[str]:
        return ["--profile", self.profile] if self.profile else []


_OUTPUTS = "outputs"


def site_at(
    file: str | os.PathLike[str],
    *,
    origin: str = "",
    state: Path | None = None,
    same_film: bool = False,
    profile: str = "",
) -> Site:
    """Return the site of a manifest, which need not exist. `state` and `profile` as for
    `ledger_paths`, `same_film` as for `BoxPlace`.

    Raises UsageError as `ledger_paths` does.
    """
    paths = ledger_paths(file, sandbox=origin == SANDBOX, state=state, profile=profile)
    if same_film and paths.box:
        paths = replace(paths, box=replace(paths.box, same_film=True))
    return Site(os.fspath(file), manifest_file(file), paths, origin)

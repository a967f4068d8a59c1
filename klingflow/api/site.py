"""What of a manifest is meant, and the site that follows from it and the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from klingflow.api import links
from klingflow.api.state import chosen_state
from klingflow.errors import UsageError
from klingflow.ledger.beside import film_beside, owner_of
from klingflow.ledger.places import SANDBOX, Site, site_at
from klingflow.model import Manifest, composed
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a manifest is meant: `select` and `exclude` as on the command line, `rerun` of
    `changed`, `failed`, `rejected`.

    Without `black_box`, what the user's state folder remembers of the ledger does not count, and
    nothing is kept there. `same_film` says that what other places of the ledger's lineage bought is
    this film's, `buy_again` that what is selected is bought in spite of moves and elsewheres.
    `approved` is a profile: only shots of which one of its drafts is picked are meant.
    Raises TypeError for a single text as `select` or `exclude`: its letters would be taken for
    shots.
    """

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    rerun: frozenset[str] = frozenset()
    sandbox: bool = False
    black_box: bool = True
    same_film: bool = False
    buy_again: bool = False
    approved: str = ""
    repeated: tuple[str, ...] = ()  # what commands that are named to the user say again

    def __post_init__(self) -> None:
        """Refuse what type checkers let through: a str is a sequence of str."""
        for name, texts in (("select", self.select), ("exclude", self.exclude)):
            if isinstance(texts, str):
                raise TypeError(
                    _("{name} is a list of texts, not a text: [{texts!r}]", name=name, texts=texts)
                )


def site_of(
    file: str | os.PathLike[str], wish: Wish, origin: str = "", *, profile: str = ""
) -> Site:
    """Return the site of a manifest, which need not be readable. Its lock means the same site.

    `origin` is the gateway's address, "" while it is unknown; a wish for the sandbox has the
    sandbox's. `profile` means its drafts. Raises UsageError for a state folder or a ledger that
    cannot be told, and LinksRefused for a ledger whose files are links that the user has not
    allowed.
    """
    return links.check_ledger(unchecked_site(file, wish, origin, profile=profile))


def site_for(manifest: Manifest, wish: Wish, origin: str = "") -> Site:
    """Return what `site_of` does, for a loaded manifest: its profile says whose ledger is meant."""
    return site_of(manifest.path, wish, origin, profile=manifest.profile)


def unchecked_site(
    file: str | os.PathLike[str], wish: Wish, origin: str = "", *, profile: str = ""
) -> Site:
    """Return what `site_of` does, with links that the user has still to be asked about."""
    path, profile = Path(file), composed(profile)
    if profile:
        _check_name(profile)
    if path.suffix == ".lock":
        owner = owner_of(path, path.parent)
        file, profile = owner.manifest, owner.profile or profile
    if wish.sandbox:
        site = site_at(file, origin=SANDBOX, profile=profile)
    else:
        state = chosen_state() if wish.black_box else None
        site = site_at(file, origin=origin, state=state, same_film=wish.same_film, profile=profile)
    if not profile and (film := film_beside(site.manifest, site.paths.lock)):
        raise UsageError(
            _(
                "{file} has the ledger of the drafts that profile '{profile}' of"
                " {name} made; give it another name",
                file=site.file,
                profile=film.profile,
                name=film.manifest.name,
            )
        )
    return replace(site, repeated=wish.repeated)


def _check_name(profile: str) -> None:
    """Raise UsageError for a name that no profile has: files are named after it."""
    from klingflow.manifest.profiles import name_fault  # for start-up

    if fault := name_fault(profile):
        raise UsageError(_("--profile {profile}: {fault}", profile=profile, fault=fault))


def named(manifest: Manifest, wish: Wish) -> str:
    """Return the manifest in a command that can be pasted: `'my film.yaml' --sandbox`."""
    return unchecked_site(manifest.path, wish, profile=manifest.profile).named


def read_of(manifest: Manifest, site: Site) -> list[Path]:
    """Return the files that a manifest says something by: itself, its rows and prices, and the
    local files that it names.
    """
    # The names of sources are as they were opened; those of local files begin at the folder.
    return [*map(Path, manifest.sources), *(site.folder / file for file in manifest.files)]


def now() -> str:
    """UTC with milliseconds, as the ledger writes times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""The other ledgers of a film: its own beside that of drafts, and those of its drafts.

Nothing in them counts for a take of this one. What they cost counts against the film's budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from klingflow.api import links
from klingflow.api.loading import load
from klingflow.decide.spending import spending
from klingflow.errors import KlingflowError, UsageError
from klingflow.ledger import store
from klingflow.ledger.beside import other_locks, owner_of
from klingflow.ledger.places import LedgerPaths, Link, Site, draft_of, ledger_paths, manifest_called
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Manifest, Share, Sum
from klingflow.words import _


def spent_beside(manifest: Manifest, site: Site) -> dict[Share, Sum]:
    """Return what has become of the money in the other ledgers of a film. Raises LedgerError, and
    as `other_ledgers`.
    """
    books = (store.read(paths) for paths in other_ledgers(site, manifest.profiles))
    return spending((book.everything() for book in books), manifest.prices)


def other_ledgers(site: Site, profiles: Iterable[str]) -> Iterator[LedgerPaths]:
    """Yield the other ledgers of a site's film that are there: also of profiles that the manifest
    has no more. Raises LinksRefused before the first one that is read by a link which the user has
    not allowed: what another project has bought is not this film's.
    """
    for paths in _others(site, profiles):
        links.check_ledger(replace(site, paths=paths))
        yield paths


def at_stake(site: Site, profiles: Iterable[str]) -> list[Link]:
    """Return the links of the other ledgers as `links.at_stake` does those of the site's own."""
    there = _others(site, profiles)
    found = (links.ledger_at_stake(replace(site, paths=paths)) for paths in there)
    return list(dict.fromkeys(link for some in found for link in some))


def _others(site: Site, profiles: Iterable[str]) -> Iterator[LedgerPaths]:
    owners = (owner_of(lock, site.folder) for lock in other_locks(site))
    gone = (owner.profile for owner in owners if owner.manifest.name == site.manifest.name)
    state = site.paths.box.state if site.paths.box else None
    for profile in dict.fromkeys(("", *profiles, *gone)):
        if profile == site.profile or _is_anothers(site.manifest, profile):
            continue
        paths = ledger_paths(site.manifest, sandbox=site.in_sandbox, state=state, profile=profile)
        if paths.lock.exists() or paths.journal.exists():
            yield paths


def check_profile(site: Site) -> None:
    """Refuse a mistyped profile: it must neither pass as an empty ledger nor create one. A profile
    that the manifest has no more may have a ledger. Raises UsageError.
    """
    if not site.profile or site.paths.lock.exists() or site.paths.journal.exists():
        return
    try:
        profiles = load(site.file).profiles
    except KlingflowError:  # which `validate` reports
        return
    if site.profile not in profiles:
        hint = did_you_mean(site.profile, profiles)
        raise UsageError(
            _(
                "{file} has no profile '{profile}', and there is no ledger of such drafts{hint}",
                file=site.file,
                profile=site.profile,
                hint=hint,
            )
        )


def _is_anothers(manifest: Path, profile: str) -> bool:
    """True if a manifest has the name that drafts of a profile would have."""
    draft = draft_of(manifest, profile)
    return bool(profile) and manifest_called(draft.parent, draft.stem).exists()

"""Whether klingflow may write through a link in a manifest's folder: only where the user says so,
in the environment or once on a terminal.

What a folder brings along (the manifest, `.env`) cannot allow a link. Which links there are is for
klingflow.ledger.links; the question is asked by the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

from klingflow.api.state import chosen_state
from klingflow.api.texts import allowed_folders
from klingflow.errors import LinksRefused, UsageError
from klingflow.ledger import approvals
from klingflow.ledger.links import below, of_ledger, of_outputs, worded
from klingflow.ledger.places import Link, Site
from klingflow.model import Manifest, Place, Problem
from klingflow.words import _

WRITE_BELOW = "KLINGFLOW_WRITE_BELOW"


def refused(links: Iterable[Link]) -> list[Link]:
    """Return those links through which klingflow must not write. Raises UsageError for folders in
    KLINGFLOW_WRITE_BELOW that cannot be allowed.
    """
    links = list(dict.fromkeys(links))
    if not links:
        return []
    chosen = allowed_folders(os.environ.get(WRITE_BELOW, ""), WRITE_BELOW)
    folders = [os.path.realpath(folder) for folder in chosen]
    said = _approved()
    return [link for link in links if not _is_allowed(link, folders, said)]


def _is_allowed(link: Link, folders: Sequence[str], said: set[tuple[str, str]]) -> bool:
    if link.target is None or not link.allowable:
        return False
    is_named = any(link.target.is_relative_to(folder) for folder in folders)
    return is_named or (str(link.path), str(link.target)) in said


def _approved() -> set[tuple[str, str]]:
    """Return the links, each with its target, to which the user has said yes."""
    try:
        state = chosen_state()
    except UsageError:
        return set()
    return {(said.key, said.value) for said in approvals.approvals(state, "link").values()}


def approve(link: Link, at: str) -> None:
    """Remember that the user allows a link to its present target. Raises UsageError."""
    state = chosen_state()
    try:
        approvals.approve(state, "link", str(link.path), str(link.target), at)
    except OSError as error:
        raise UsageError(
            _("{state}: your answer cannot be kept: {error}", state=state, error=error)
        ) from error


def check_ledger(site: Site) -> Site:
    """Return the site. Raises LinksRefused where its ledger has a link that is not allowed."""
    _refuse(refused(of_ledger(site)))
    return site


def check_below(folder: Path) -> None:
    """Raise LinksRefused where a folder is a link, or has one anywhere in it."""
    _refuse(refused(below(folder)))


def check_outputs(site: Site, manifest: Manifest) -> Site:
    """Return the site with the links to which its outputs may go. Raises LinksRefused."""
    found = outputs_of(site, manifest)
    _refuse(refused(found.values()))
    tops = {top: link.target for top, link in found.items() if link.target}
    return replace(site, tops=tops) if tops else site


def outputs_of(site: Site, manifest: Manifest) -> dict[str, Link]:
    """Return the first folders of a manifest's outputs and of its record that are links, by
    name.
    """
    outputs = {site.place(shot.output) for shot in manifest.shots}
    record = site.record(manifest.name).relative_to(site.folder)
    return of_outputs(site, {*outputs, record.as_posix()})


def product_of(site: Site, manifest: Manifest, name: str) -> Path:
    """Return where something that is made of the film goes by default: `name` in the folder of its
    outputs. Raises LinksRefused, and UsageError where a link below that folder leads elsewhere.
    """
    output = site.place(f"outputs/{name}")
    if check_outputs(site, manifest).leads_elsewhere(output):
        raise UsageError(
            _("{output} leads elsewhere by a link; name another place with -o", output=output)
        )
    return site.folder / output


def problems(site: Site, manifest: Manifest) -> list[Problem]:
    """Return what commands that only read say of the links that a run would refuse."""
    return [
        Problem("link_refused", Place(str(link.path)), detail=str(link.target))
        for link in refused(outputs_of(site, manifest).values())
    ]


def _refuse(links: Sequence[Link]) -> None:
    if links:
        raise LinksRefused(*map(_said, links))


def _said(link: Link) -> str:
    if link.target is None:
        path = quote(str(link.path))
        return _(
            "{link}: what klingflow adds here would stand there too; give it a file of its"
            " own: cp {path} {path}.copy && mv {path}.copy {path}",
            link=worded(link),
            path=path,
        )
    if not link.allowable:
        return _(
            "{link}, and nothing is written through a link there; remove it", link=worded(link)
        )
    return _(
        "{link}, and klingflow writes there on your word alone: run it once on a"
        " terminal and say yes, or set {write_below}={target} in the environment"
        " (or put a folder or file of its own in the link's place)",
        link=worded(link),
        write_below=WRITE_BELOW,
        target=link.target,
    )


def at_stake(site: Site, manifest: Manifest) -> list[Link]:
    """Return the links of a site that are refused now, and that the user may allow. Raises
    LinksRefused where another one has to be removed first.
    """
    return _at_stake([*of_ledger(site), *outputs_of(site, manifest).values()])


def ledger_at_stake(site: Site) -> list[Link]:
    """Return what `at_stake` does, for the ledger alone."""
    return _at_stake(of_ledger(site))


def _at_stake(links: Sequence[Link]) -> list[Link]:
    found = refused(links)
    _refuse([link for link in found if not link.allowable])
    return found

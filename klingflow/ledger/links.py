"""The links in a manifest's folder through which klingflow would write.

A folder may come from elsewhere, and a link in it may lead to another project. Links above the
manifest's folder are the user's own. Which link is allowed is for klingflow.api.links.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from klingflow.ledger import emergency
from klingflow.ledger.places import Link, Site, link_at
from klingflow.words import _


def of_ledger(site: Site) -> list[Link]:
    """Return every link among the files and folders of a ledger: those that were followed, and
    those that never are.
    """
    paths = site.paths
    lengthened = [paths.journal, paths.journal_damaged, paths.lock_damaged, paths.pruned]
    lengthened += [emergency.places(paths.journal)[0], site.server]
    lengthened.append(paths.picks_held)
    replaced = [paths.lock, paths.folded, emergency.reserve_path(paths.journal), site.facts]
    inside = (*lengthened, *replaced, paths.hidden / ".gitignore")
    inside += (site.refs, site.frames, site.posters)
    never = [link._replace(allowable=False) for path in inside if (link := link_at(path))]
    return [*paths.followed, *never, *filter(None, map(_second_name, lengthened))]


def of_outputs(site: Site, outputs: Iterable[str]) -> dict[str, Link]:
    """Return the first folders of outputs that are links, by name; `outputs` are relative paths,
    as `Site.place` gives them. The sandbox's own folder below the first is one of them.
    """
    tops = {output.partition("/")[0] for output in outputs if "/" in output}
    found = {top: link for top in sorted(tops) if (link := link_at(site.folder / top))}
    own = site.place("x").rpartition("/")[0]
    if own and (link := link_at(site.folder / own)):
        found[own] = link._replace(allowable=False)
    return found


def below(folder: Path) -> list[Link]:
    """Return `folder` where it is a link, and every link in it; none is allowable. A folder in
    which others write, such as a cluster's server, is looked at whole.
    """
    paths = [folder]
    for at, folders, files in os.walk(folder):
        paths += (Path(at, name) for name in (*folders, *files))
    return [link._replace(allowable=False) for path in paths if (link := link_at(path))]


def _second_name(path: Path) -> Link | None:
    """Return the file at `path` as a Link, where it has another name too: lines that are added to
    it would stand in another project.
    """
    with suppress(OSError):
        there = path.lstat()
        if S_ISREG(there.st_mode) and there.st_nlink > 1:
            return Link(path.absolute(), None)
    return None


def worded(link: Link) -> str:
    """Return what a link is, for people."""
    if link.target is None:
        return _("{path} is one of several names of a file (a hard link)", path=link.path)
    return _("{path} is a link to {target}", path=link.path, target=link.target)

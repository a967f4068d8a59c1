"""The question about links through which a run would write, asked once for each target."""

from __future__ import annotations

from collections.abc import Sequence

from klingflow.api import films, links, site
from klingflow.ledger.links import worded
from klingflow.model import Manifest
from klingflow.terminal import console
from klingflow.terminal.options import Options
from klingflow.words import _


def ask(manifests: Sequence[Manifest], options: Options) -> None:
    """Ask on a terminal about every link that nobody has allowed, and remember each yes. After a
    no, and without a terminal, the run is refused later.

    Raises LinksRefused for a link that cannot be allowed.
    """
    if not console.can_ask():
        return
    for manifest in manifests:
        here = site.unchecked_site(manifest.path, options.wish, profile=manifest.profile)
        found = links.at_stake(here, manifest) + films.at_stake(here, manifest.profiles)
        for link in dict.fromkeys(found):
            if console.ask(_("{link}. Write there?", link=worded(link))):
                links.approve(link, site.now())

"""The question about links through which a run would write, asked once for each target."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from klingflow.api import links, site
from klingflow.ledger.links import worded
from klingflow.model import Manifest
from klingflow.terminal import console
from klingflow.terminal.options import Options


def ask(manifests: Sequence[Manifest], options: Options) -> None:
    """Ask on a terminal about every link that nobody has allowed, and remember each yes. After a
    no, and without a terminal, the run is refused later.

    Raises LinksRefused for a link that cannot be allowed.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    for manifest in manifests:
        here = site.unchecked_site(manifest.path, options.wish)
        for link in links.at_stake(here, manifest):
            question = f"{console.clean(worded(link))}. Write there?"
            if click.confirm(question, default=False, err=True):
                links.approve(link, site.now())

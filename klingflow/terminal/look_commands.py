"""What `review` and `report` do, and what they say."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from klingflow.api import gallery, links, picking
from klingflow.api.site import site_for
from klingflow.errors import ExitCode
from klingflow.media.process import can_decode
from klingflow.model import Manifest
from klingflow.pages.posters import NO_PICTURES, Posters
from klingflow.terminal import console
from klingflow.terminal.bars import bar
from klingflow.terminal.manifests import load, show_warnings
from klingflow.terminal.options import Options
from klingflow.words import _


def review(file: str, options: Options, *, opens: bool, port: int) -> int:
    """`klingflow review`."""
    from klingflow.pages.server import serve  # for start-up: it imports a web server
    from klingflow.pages.watching import Watch

    wish, log = options.wish, options.log
    manifest = load(file, options)
    show_warnings(manifest)

    def pick(verb: str, key: str, uid: str, note: str) -> None:
        now, take = load(file, options), _exactly(key)
        match verb:
            case "pick":
                picking.pick(now, take, wish, note, uid)
            case "reject":
                picking.reject(now, [take], note, wish, uid)
            case _:
                picking.unpick(now, [take], wish)

    def ready(address: str) -> None:
        console.say(_("The page of {file}: {address}", file=file, address=address))
        if not options.quiet:
            console.say(_("It is open to this machine alone, and once. Ctrl-C ends it."))
        if opens:
            webbrowser.open(address)

    read = [manifest]  # the first look is at what is read already

    def look() -> gallery.Gallery:
        return gallery.look(read.pop() if read else load(file, options), wish, log)

    watch = Watch(look)

    def closed(address: str) -> None:
        console.say(_("The page was closed. To open it again: {address}", address=address))

    with _posters(manifest, options) as posters:
        serve(watch, posters, pick, port, ready, closed)
    return ExitCode.OK


def report(file: str, output: str | None, options: Options, *, copies: bool) -> int:
    """`klingflow report`."""
    from klingflow.pages.report import write  # for start-up: it imports a web server

    manifest = load(file, options)
    show_warnings(manifest)
    made = gallery.look(manifest, options.wish, options.log)
    site = site_for(manifest, options.wish)
    usual = f"{manifest.name}/report"
    folder = Path(output) if output else links.product_of(site, manifest, usual)
    with (
        _posters(manifest, options) as posters,
        bar(_("looking at the videos"), quiet=options.quiet) as tell,
    ):
        index = write(made, folder, posters, copies=copies, tell=tell)
    if not options.quiet:
        console.say(_("{file}: {index}", file=file, index=index))
    return ExitCode.OK


def _exactly(key: str) -> str:
    """Return the key of one take, where a shot's name alone would mean all of them."""
    return key if "#" in key else f"{key}#1"


def _posters(manifest: Manifest, options: Options) -> Posters:
    if not can_decode() and not options.quiet:
        console.warn(NO_PICTURES)
    return Posters(site_for(manifest, options.wish).posters)

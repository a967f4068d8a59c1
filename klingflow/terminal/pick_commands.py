"""What `pick`, `reject` and `unpick` do, and what they say of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from klingflow.api import picking
from klingflow.api.site import named
from klingflow.errors import ExitCode
from klingflow.model import Manifest
from klingflow.terminal import console, pick_views
from klingflow.terminal.manifests import load
from klingflow.terminal.options import Options
from klingflow.words import _, joined


def pick(file: str, take: str, note: str, options: Options) -> int:
    """`klingflow pick`."""
    manifest = load(file, options)
    return _told(manifest, picking.pick(manifest, take, options.wish, note), _("picked"), options)


def reject(file: str, takes: Sequence[str], note: str, options: Options) -> int:
    """`klingflow reject`."""
    manifest = load(file, options)
    done = picking.reject(manifest, takes, note, options.wish)
    return _told(manifest, done, _("rejected"), options)


def unpick(file: str, takes: Sequence[str], options: Options) -> int:
    """`klingflow unpick`."""
    manifest = load(file, options)
    done = picking.unpick(manifest, takes, options.wish)
    if not options.quiet:
        said = _("taken back") if done.changed else _("nothing was said of it")
        console.say(_("{takes}: {said}", takes=joined(", ", takes), said=said))
        _show_rest(manifest, done, options)
    return ExitCode.OK


def _told(manifest: Manifest, done: picking.Picked, word: str, options: Options) -> int:
    if options.quiet:
        return ExitCode.OK
    again = "" if done.changed else _(" already")
    for purchase in done.purchases:
        verdict = done.verdicts.get(purchase.key)
        note = (
            _(": {note}", note=pick_views.in_line(verdict.note)) if verdict and verdict.note else ""
        )
        file = _(" ({output})", output=purchase.output) if purchase.output else ""
        console.say(
            _(
                "{key}: {word}{again}{file}{note}",
                key=purchase.key,
                word=word,
                again=again,
                file=file,
                note=note,
            )
        )
    _show_rest(manifest, done, options)
    return ExitCode.OK


def _show_rest(manifest: Manifest, done: picking.Picked, options: Options) -> None:
    """Say what is left to do about the picks of the film."""
    film = named(manifest, options.wish)
    for line in pick_views.disputes(done.verdicts):
        console.warn(line)
    shots = dict.fromkeys(purchase.shot for purchase in done.purchases)
    if spent := [shot for shot in shots if _has_none_left(shot, done)]:
        selection = shlex.quote(" ".join(spent))
        console.prose(
            _(
                "No take of {spent} is left:"
                " `klingflow run {film} --rerun rejected -s {selection}` buys one more",
                spent=joined(", ", spent),
                film=film,
                selection=selection,
            )
        )


def _has_none_left(shot: str, done: picking.Picked) -> bool:
    """True if every take of a shot is rejected."""
    of_shot = [v for key, v in done.verdicts.items() if key.partition("#")[0] == shot]
    return all(verdict.word == "rejected" for verdict in of_shot)

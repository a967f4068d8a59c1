"""What `export` and `preview` do, and what they say of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from klingflow.api import cutting
from klingflow.api.site import named
from klingflow.errors import ExitCode, UsageError
from klingflow.terminal import console
from klingflow.terminal.bars import bar
from klingflow.terminal.manifests import load
from klingflow.terminal.options import Options
from klingflow.words import _, many

_SHOWN = 10  # lines about single shots


def export(file: str, form: str, options: Options) -> int:
    """`klingflow export`."""
    form = cast("cutting.Form", form)
    row = cutting.FORMS[form]
    with bar(_("looking at the videos"), quiet=options.quiet) as tell:
        film = cutting.film_of(load(file, options), options.wish, tell)
    target = cutting.target_of(film, row.ending, options.save)
    over = _may_replace(target, options, is_folder=row.is_folder)
    _warn_of_boxes(film, form)
    with bar(_("writing {name}", name=target.name), quiet=options.quiet) as tell:
        done = cutting.export(film, form, target, over=over, tell=tell)
    if not options.quiet:
        _show_missing(film, options)
    if form == "mp4" and not options.quiet:
        why = _("encoded again, because not all shots are videos of one format")
        console.prose(
            _("The pictures are {copied}.", copied=_("copied as they are") if done.copied else why)
        )
    return _told(done, options)


def preview(file: str, options: Options) -> int:
    """`klingflow preview`."""
    with bar(_("looking at the videos"), quiet=options.quiet) as tell:
        film = cutting.film_of(load(file, options), options.wish, tell)
    target = cutting.target_of(film, cutting.PREVIEW, options.save)
    over = _may_replace(target, options, is_folder=False)
    _warn_of_boxes(film, None)
    with bar(_("writing {name}", name=target.name), quiet=options.quiet) as tell:
        done = cutting.preview(film, target, over=over, tell=tell)
    return _told(done, options)


def _warn_of_boxes(film: cutting.Film, form: cutting.Form | None) -> None:
    """Say before minutes of work that Chinese will be drawn as boxes."""
    if cutting.lacks_font(film, form):
        from klingflow.media.fonts import REMEDY  # for start-up: an extra

        console.warn(REMEDY)


def _may_replace(target: Path, options: Options, *, is_folder: bool) -> bool:
    """Return True if the user wants what is there replaced, False where nothing is there. Raises
    UsageError otherwise.
    """
    if not os.path.lexists(target):
        return False
    if is_folder or target.is_dir():
        raise UsageError(
            _("{target} is there already: remove it, or name another place with -o", target=target)
        )
    if options.yes:
        return True
    if not console.can_ask():
        raise UsageError(
            _(
                "{target} is there already, and not a terminal: pass -y to replace it, or name"
                " another place with -o",
                target=target,
            )
        )
    if not console.ask(_("{target} is there already. Replace it?", target=target)):
        raise UsageError(_("nothing written: you said no"))
    return True


def _show_missing(film: cutting.Film, options: Options) -> None:
    """Say which shots of an export have no video, and why."""
    missing = film.cut.missing
    for clip in missing[:_SHOWN]:
        console.prose(_("{key} is missing: {missing}", key=clip.key, missing=clip.missing), "  ")
    if (more := len(missing) - _SHOWN) > 0:
        console.say(
            _(
                "  … and {more} more: klingflow status {manifest}",
                more=more,
                manifest=named(film.manifest, options.wish),
            )
        )


def _told(done: cutting.Product, options: Options) -> int:
    """Say what was written."""
    if options.quiet:
        return ExitCode.OK
    cut = done.cut
    missing = _(", {missing} missing", missing=len(cut.missing)) if cut.missing else ""
    shots = many(len(cut.clips), "{number} shot", "{number} shots")
    console.say(
        _(
            "{path}: {shots}{missing}, {seconds}",
            path=done.path,
            shots=shots,
            missing=missing,
            seconds=console.duration(cut.seconds),
        )
    )
    return ExitCode.OK

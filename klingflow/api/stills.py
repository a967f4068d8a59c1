"""The local files that a manifest names as references: where each lies, and what it is.

The rules are those of texts.py: below the manifest's folder, or a folder that the user's
environment allows, and no hidden file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from klingflow.api import nearby, texts
from klingflow.api.state import chosen_state
from klingflow.decide.plan import buys
from klingflow.errors import Diagnostic, ManifestError, UsageError
from klingflow.manifest import chained
from klingflow.manifest.local_files import Look, fault_of, goes_to_a_store, uses, without_store
from klingflow.manifest.request import author_path
from klingflow.manifest.values import place_of, placed
from klingflow.model import LocalFile, Manifest, Plan, Request, Shot
from klingflow.words import _

# In the user's state folder: the hashes of files that were looked at.
HASHES = "hashes.json"


def looker(manifest: str, allowed: Iterable[Path]) -> Look:
    """Return what looks at the local files of `manifest`, by paths relative to its folder. Files
    below the `allowed` folders may be looked at as well.
    """
    beside = Path(manifest).parent
    folders = [os.path.realpath(folder) for folder in (beside, *allowed)]

    def place(path: str) -> Path | OSError:
        full = beside / path
        try:
            texts.check_below(folders, str(full))
        except OSError as error:
            return error
        except ValueError:  # Python's word for NUL, and for half a character
            return OSError(_("no file system has a file of such a name"))
        return full if full.exists() else nearby.absent(str(full), beside)

    def look(paths: Collection[str]) -> Mapping[str, LocalFile | OSError]:
        from klingflow.assets.looking import look  # for start-up: most manifests name no file

        return look({path: place(path) for path in paths}, _hashes())

    return look


def sends_files(plan: Plan) -> bool:
    """True if a run of the plan puts a file where the gateway can read it."""
    return any(a.request and goes_to_a_store(a.request.body) for a in buys(plan))


def may_send(manifest: Manifest) -> bool:
    """True if a manifest names local files, or takes something from other shots' videos."""
    return bool(manifest.files) or any(
        r.attribute == chained.VIDEO for shot in manifest.shots for r in shot.references
    )


def check_extra(plan: Plan) -> None:
    """Raise UsageError where a run of the plan takes a frame out of a video and nothing can."""
    bodies = (a.request.body for a in buys(plan) if a.request and a.shot and a.shot.references)
    if any(any(chained.frames(body)) for body in bodies):
        from klingflow.media.kept_frames import EXTRA  # for start-up: it imports anyio
        from klingflow.media.process import can_decode

        if not can_decode():
            raise UsageError(
                _(
                    "{path}: frames of videos need the media extra: {extra}",
                    path=plan.manifest.path,
                    extra=EXTRA,
                )
            )


def check(plan: Plan, *, stored: bool) -> None:
    """Refuse to buy what cannot be sent: a shot with a local file that is missing or, unless there
    is a store for them, with any, or with a frame of another shot's video.

    Raises ManifestError with each thing that is wrong, at the first place where it is.
    """
    found: list[Diagnostic] = []
    for action in buys(plan):
        if action.shot and action.request:
            found += _unsendable(action.shot, action.request, plan.manifest, stored=stored)
    if found:
        raise ManifestError(_said_once(found), dict(plan.manifest.sources))


def _said_once(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the first of the diagnostics that say the same, with the number of the shots of which
    they say it: one store that is missing would fill the screen otherwise.
    """
    alike: dict[str, list[Diagnostic]] = {}
    for one in found:
        alike.setdefault(one.message, []).append(one)
    return [_for_all(same) for same in alike.values()]


def _for_all(same: Sequence[Diagnostic]) -> Diagnostic:
    first = same[0]
    more = len({one.subject for one in same}) - 1
    if not more:
        return first
    subject = _("{first} and {more} more", first=first.subject, more=more)
    return first._replace(subject=subject)


def _unsendable(
    shot: Shot, request: Request, manifest: Manifest, *, stored: bool
) -> Iterator[Diagnostic]:
    beside = Path(manifest.path).parent
    for use in uses(shot.fields, shot.kind, shot.node, request.body):
        fault = without_store(use.field) if not stored else None
        if not manifest.files[use.file].sha256:
            absent = nearby.absent(str(beside / use.file), beside)
            fault = fault_of(use, request.body, absent)
        if fault:
            yield placed(fault, use.mark, _("shot '{id}'", id=shot.id))
    for path in () if stored else chained.frames(request.body):
        fault = without_store(author_path(shot.fields, shot.kind, path), is_frame=True)
        yield placed(fault, place_of(fault, shot.node), _("shot '{id}'", id=shot.id))


def _hashes() -> Path | None:
    with suppress(UsageError):  # no home: nothing is remembered
        return chosen_state() / HASHES
    return None

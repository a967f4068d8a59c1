"""The film as its page shows it, read again whenever one of its files has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from klingflow.api.gallery import Gallery
from klingflow.errors import KlingflowError

Stamp = tuple[tuple[int, int] | None, ...]


class Watch:
    """The newest gallery, and its `version`, which is another number after each change.

    `look` reads the film. While that fails, as for a manifest that is being edited, the last
    gallery stays and `trouble` says why.
    """

    def __init__(self, look: Callable[[], Gallery]) -> None:
        self._look = look
        self.gallery = look()
        self.trouble = ""
        self.version = 1
        self._stamp = _stamp(self.gallery.watched)
        self._said = _said(self.gallery)

    def again(self) -> bool:
        """Read the film again if one of its files has changed; True if the page has to change."""
        stamp = _stamp(self.gallery.watched)
        if stamp == self._stamp:
            return False
        return self.now(stamp)

    def now(self, stamp: Stamp | None = None) -> bool:
        """Read the film again. True if the page has to change."""
        # The stamp is from before the reading: what changes meanwhile is read once more.
        self._stamp = stamp or _stamp(self.gallery.watched)
        before = self._said, self.trouble
        try:
            self.gallery, self.trouble = self._look(), ""
        except KlingflowError as error:
            self.trouble = str(error)
        self._said = _said(self.gallery)
        changed = before != (self._said, self.trouble)
        self.version += changed
        return changed


def _said(gallery: Gallery) -> str:
    return json.dumps({**gallery.data, "generated_at": ""}, ensure_ascii=False)


def _stamp(paths: tuple[Path, ...]) -> Stamp:
    """Size and time of change of each file; None for one that is not there."""
    return tuple(map(_of, paths))


def _of(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns

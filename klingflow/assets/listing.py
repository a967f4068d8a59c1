"""Which names of a bucket have to be listed, to find those that begin with a text.

Most services list names in their order, and from any name on, so that no more are asked for. S3's
directory buckets list in no order, and from the beginning: there all names are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

# So many names of a list are looked at together. That so many of a service which lists in no order
# come in order does not happen.
CHUNK: Final = 50


class Listing:
    """How one bucket lists. `listed` yields the names below a folder, CHUNK at once, as the service
    lists them; from a name on, where one is given.
    """

    def __init__(self, listed: Callable[[str, str | None], Iterator[list[str]]]) -> None:
        self._listed = listed
        self._is_in_order: bool | None = None  # None: nobody knows

    def names(self, folder: str, begin: str) -> list[str]:
        """Return the names below a folder that begin so, sorted."""
        whole = f"{folder}{begin}"
        if self._is_in_order and begin:
            return self._from(folder, whole)
        found = list[str]()
        for names in self._listed(folder, None):
            if self._is_in_order is None and len(names) == CHUNK:
                self._is_in_order = names == sorted(names)
                if self._is_in_order and begin:
                    return self._from(folder, whole)
            found += (name for name in names if name.startswith(whole))
        return sorted(found)

    def _from(self, folder: str, whole: str) -> list[str]:
        """Return the names that begin so, of a service that lists names in their order."""
        found = list[str]()
        for names in self._listed(folder, whole):
            found += (name for name in names if name.startswith(whole))
            if names[-1] > whole and not names[-1].startswith(whole):
                break
        return found

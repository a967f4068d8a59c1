"""PURE. Which ids and output paths are taken. Two names that some file system takes for one count
as one.
"""

from __future__ import annotations

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.drafts import Draft
from klingflow.manifest.identity import same_file


class Claims:
    """The ids and outputs of the shots so far, each with its place."""

    def __init__(self) -> None:
        self.ids: dict[str, Mark] = {}
        self._names: dict[str, str] = {}
        self._outputs: dict[str, tuple[Draft, Mark]] = {}

    def claim_id(self, id: str, place: Mark) -> Diagnostic | None:
        """Take an id; return what is wrong if another shot has it."""
        first = self._names.setdefault(same_file(id), id)
        if first == id and id not in self.ids:
            self.ids[id] = place
            return None
        if first != id:
            message = f"some file systems take this id for '{first}'; rename one"
        else:
            message = f"this id is taken already, at {self.ids[id]}; make the values differ"
        related = self.ids[first]
        self.ids.setdefault(id, place)
        return Diagnostic(place, "duplicate-id", message, related=related, subject=f"shot '{id}'")

    def claim_output(self, draft: Draft, place: Mark) -> Diagnostic | None:
        """Take an output path; return what is wrong if another take has it."""
        first, mark = self._outputs.setdefault(same_file(draft.output), (draft, place))
        if first is draft or (first.id, first.take) == (draft.id, draft.take):
            return None
        if first.id == draft.id:
            who, advice = f"takes {first.take} and {draft.take}", "{take}"
        else:
            who, advice = f"it and shot '{first.id}'", "{shot}"
        message = f"{who} have the same output '{draft.output}'; put {advice} into output"
        subject = f"shot '{draft.id}'"
        return Diagnostic(place, "duplicate-output", message, related=mark, subject=subject)

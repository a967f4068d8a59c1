"""What people have said of takes, in words for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from klingflow.model import PickWord, Verdict

_NAMED = 5
_EARLIER: Mapping[PickWord, str] = {
    "picked": "an earlier version was picked",
    "rejected": "an earlier version was rejected",
    "disputed": "an earlier version was picked and rejected",
}


def of(verdict: Verdict | None) -> str:
    """Return `rejected (手变形)` and the like; "" where nothing is said."""
    if verdict is None:
        return ""
    return said(verdict.word, verdict.note, verdict.earlier)


def said(word: PickWord, note: str, earlier: PickWord) -> str:
    """Return a verdict in a few words."""
    parts = []
    if word != "open":
        shown = "in dispute" if word == "disputed" else word
        parts.append(f"{shown} ({in_line(note)})" if note else shown)
    elif earlier in _EARLIER:
        parts.append(_EARLIER[earlier])
    return ", ".join(parts)


def in_line(note: str) -> str:
    """Return a note as one line."""
    return " ".join(note.split())


def counted(verdicts: Mapping[str, Verdict]) -> str:
    """Return `2 picked, 1 rejected`; "" where nothing is said."""
    words = Counter(verdict.word for verdict in verdicts.values())
    parts = [f"{words[word]} {word}" for word in ("picked", "rejected") if words[word]]
    if words["disputed"]:
        parts.append(f"{words['disputed']} in dispute")
    if earlier := sum(v.word == "open" and v.earlier != "open" for v in verdicts.values()):
        parts.append(f"{earlier} of an earlier version")
    return ", ".join(parts)


def disputes(verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """Yield a line for each shot about whose takes people disagree, up to some; then how many more
    there are.
    """
    shots: dict[str, list[str]] = {}
    for key, verdict in verdicts.items():
        if verdict.word == "disputed":
            shots.setdefault(key.partition("#")[0], []).append(key)
    for shot, keys in [*shots.items()][:_NAMED]:
        what = "are both picked" if len(keys) > 1 else "is picked and rejected"
        yield (
            f"dispute: {shot}: {' and '.join(keys)} {what};"
            " settle it by `klingflow pick` or `klingflow unpick`"
        )
    if (more := len(shots) - _NAMED) > 0:
        yield f"dispute: {more} more shots (--format json lists all takes)"

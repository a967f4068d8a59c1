"""What people have said of takes, in words for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from klingflow.model import PickWord, Verdict
from klingflow.words import _, joined

_NAMED = 5
_SAID: Mapping[PickWord, str] = {
    "picked": _("picked"),
    "rejected": _("rejected"),
    "disputed": _("in dispute"),
}
_EARLIER: Mapping[PickWord, str] = {
    "picked": _("an earlier version was picked"),
    "rejected": _("an earlier version was rejected"),
    "disputed": _("an earlier version was picked and rejected"),
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
        shown = _SAID[word]
        parts.append(_("{shown} ({note})", shown=shown, note=in_line(note)) if note else shown)
    elif earlier in _EARLIER:
        parts.append(_EARLIER[earlier])
    return joined(", ", parts)


def in_line(note: str) -> str:
    """Return a note as one line."""
    return " ".join(note.split())


def counted(verdicts: Mapping[str, Verdict]) -> str:
    """Return `2 picked, 1 rejected`; "" where nothing is said."""
    words = Counter(verdict.word for verdict in verdicts.values())
    parts = [
        _("{number} {word}", number=words[word], word=said)
        for word, said in _SAID.items()
        if words[word]
    ]
    if earlier := sum(v.word == "open" and v.earlier != "open" for v in verdicts.values()):
        parts.append(_("{earlier} of an earlier version", earlier=earlier))
    return joined(", ", parts)


def disputes(verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """Yield a line for each shot about whose takes people disagree, up to some; then how many more
    there are.
    """
    shots: dict[str, list[str]] = {}
    for key, verdict in verdicts.items():
        if verdict.word == "disputed":
            shots.setdefault(key.partition("#")[0], []).append(key)
    for shot, keys in [*shots.items()][:_NAMED]:
        what = _("are both picked") if len(keys) > 1 else _("is picked and rejected")
        yield _(
            "dispute: {shot}: {keys} {what}; settle it by `klingflow pick` or `klingflow unpick`",
            shot=shot,
            keys=joined(_(" and "), keys),
            what=what,
        )
    if (more := len(shots) - _NAMED) > 0:
        yield _("dispute: {more} more shots (--format json lists all takes)", more=more)

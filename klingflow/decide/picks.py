"""PURE. Which take of a shot counts: the picked one, otherwise the first that nobody has rejected.

A line of a picks file names a purchase. It counts only while that purchase is the present one of
its take, so that a take which is bought again inherits no verdict. Two picks of one shot, or a pick
and a rejection of one purchase, are a dispute: a person settles it, and until then no take counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from klingflow.decide.verbs import VERBS
from klingflow.errors import Diagnostic
from klingflow.ledger.book import Book
from klingflow.model import (
    Action,
    Manifest,
    PickLine,
    Picks,
    PickWord,
    Purchase,
    Said,
    Shot,
    Terms,
    Verb,
    Verdict,
    key_of,
    split_key,
)
from klingflow.words import _, joined

Take = tuple[str, int]
# The present purchase of a take; None where nothing was bought for it.
Present = Callable[[str, int], Purchase | None]
NOTHING_SAID = Said()


class Counting(NamedTuple):
    """The key of the take that counts for a shot, "" where none does. `verb` is then what a shot
    that needs it does, and `reason` why.
    """

    key: str
    picked: bool = False
    verb: Verb = "waits"
    reason: str = ""


# ---------------------------------------------------------------- from lines to purchases


def held_against(
    lines: Sequence[PickLine], book: Book, takes: Mapping[str, Sequence[int]], present: Present
) -> Picks:
    """Return what the lines mean in a ledger as it stands before the moves of a plan.

    `takes` are the numbers of the takes of every shot of the manifest.
    """
    told = [_named(line, book, takes, present) for line in lines]
    said: dict[str, Said] = {}
    astray: dict[str, str] = {}
    doubts: list[Diagnostic] = []
    for line, why in told:
        if why:
            doubts.append(
                Diagnostic(
                    line.mark, "pick-astray", _("{key}: {why}", key=line.key, why=why), "warning"
                )
            )
            if not line.rejects and line.shot in takes:
                astray.setdefault(line.shot, why)
            continue
        before = said.get(line.purchase, NOTHING_SAID)
        notes = dict.fromkeys(filter(None, (before.note, line.note)))
        said[line.purchase] = Said(
            before.picked or not line.rejects, before.rejected or line.rejects, joined("; ", notes)
        )
    return Picks(tuple(line for line, _ in told), said, astray, tuple(doubts))


def _named(
    line: PickLine, book: Book, takes: Mapping[str, Sequence[int]], present: Present
) -> tuple[PickLine, str]:
    """Return the line with the purchase that it means, and why it means none."""
    if line.purchase:
        is_known = line.purchase in book.purchases or line.purchase in book.pruned
        return line, "" if is_known else _(
            "the ledger has no purchase {purchase}", purchase=line.purchase
        )
    bought = present(line.shot, line.take)
    if bought is not None:
        return line._replace(purchase=bought.uid), ""
    if line.take in takes.get(line.shot, ()):
        return line, _("nothing is bought for this take yet")
    return line, _(
        "there is no such take{those_there_are}",
        those_there_are=_those_there_are(takes.get(line.shot, ())),
    )


def _those_there_are(takes: Sequence[int]) -> str:
    if not takes:
        return _(", and no such shot")
    which = (
        _("takes {takes}", takes=joined(", ", map(str, takes))) if len(takes) > 1 else _("one take")
    )
    return _("; the shot has {which}", which=which)


# ---------------------------------------------------------------- which take counts


def counting(id: str, keys: Sequence[str], picks: Picks, present: Callable[[str], str]) -> Counting:
    """Return which of the takes `keys` counts for the shot `id`. `present` gives the uid of the
    present purchase of a take, "" where there is none or another one is to come.
    """
    if not picks.lines:
        return Counting(keys[0])
    said = {key: picks.said.get(present(key), NOTHING_SAID) for key in keys}
    if reason := _unsettled(id, said, picks):
        return Counting("", verb="held", reason=reason)
    if picked := next((key for key in keys if said[key].picked), ""):
        return Counting(picked, picked=True)
    if standing := next((key for key in keys if not said[key].rejected), ""):
        return Counting(standing)
    return Counting("", reason=_none_counts(id, len(keys)))


def _none_counts(id: str, takes: int) -> str:
    which = _("every take is rejected") if takes > 1 else _("the only take is rejected")
    return _("waits for {id}, of which {which}", id=id, which=which)


def _unsettled(id: str, said: Mapping[str, Said], picks: Picks) -> str:
    """Return why a person has to settle first which take counts; "" where nothing is open."""
    if why := picks.astray.get(id):
        return _(
            "{id} has a pick that means no purchase ({why}); `klingflow pick` settles it",
            id=id,
            why=why,
        )
    if dispute := _dispute(said):
        return _("{dispute}; `klingflow pick` or `unpick` settles it", dispute=dispute)
    return ""


def _dispute(said: Mapping[str, Said]) -> str:
    """Return what people disagree about; "" where they agree."""
    if both := next((key for key, one in said.items() if one.picked and one.rejected), None):
        return _("{both} is picked and rejected", both=both)
    picked = [key for key, one in said.items() if one.picked]
    if len(picked) > 1:
        return _("{picked} are both picked", picked=joined(_(" and "), picked))
    return ""


def present_of(by_key: Mapping[str, Action], key: str) -> str:
    """Return the uid of the purchase that a plan leaves to a take, "" where there is none or
    another one is to come.
    """
    action = by_key.get(key)
    if action is None or action.purchase is None or VERBS[action.verb].may_buy:
        return ""
    return action.purchase.uid


def source_of(need: str, terms: Terms, present: Callable[[str], str]) -> Counting:
    """Return the take that meets a need: the one that it names (`opening#2`), or the one that
    counts for the shot that it names. `present` as for `counting`.
    """
    if "#" in need:
        return Counting(key_of(*split_key(need)), picked=True)
    return counting(need, terms.takes.get(need, (need,)), terms.picks, present)


def sources(shot: Shot, by_key: Mapping[str, Action], terms: Terms) -> Iterator[Counting]:
    """Return the takes that meet the needs of a shot, as `source_of` has them."""
    return (source_of(need, terms, partial(present_of, by_key)) for need in shot.needs)


def keys_needed(need: str, takes: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the keys of all takes of which one may meet a need."""
    if "#" in need:
        return (key_of(*split_key(need)),)
    return takes.get(need, (need,))


def takes_of(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Return the keys of every shot that has several takes, by its id."""
    several: dict[str, list[str]] = {}
    for shot in manifest.shots:
        if shot.take > 1:
            several.setdefault(shot.id, [])
    for shot in manifest.shots if several else ():
        if shot.id in several:
            several[shot.id].append(shot.key)
    return {id: tuple(keys) for id, keys in several.items()}


# ---------------------------------------------------------------- what is shown


def verdicts(
    picks: Picks, book: Book, takes: Mapping[str, Sequence[str]], present: Callable[[str], str]
) -> dict[str, Verdict]:
    """Return what is to be said of takes, by key, for every shot that the picks speak of. `takes`
    and `present` as for `counting`.
    """
    said: dict[str, list[Purchase]] = {}  # the purchases that are spoken of, by their takes
    shots: dict[str, dict[str, None]] = {}  # the keys of their takes, by their shots
    for uid in picks.said:
        if purchase := book.purchases.get(uid) or book.pruned.get(uid):
            said.setdefault(purchase.key, []).append(purchase)
            shots.setdefault(purchase.shot, {})[purchase.key] = None
    found: dict[str, Verdict] = {}
    for id, spoken in shots.items():
        keys = takes.get(id, (id,))
        counts = counting(id, keys, picks, present)
        for key in dict.fromkeys((*keys, *spoken)):
            here = present(key)
            one = picks.said.get(here, NOTHING_SAID)
            others = [_word(picks.said[p.uid]) for p in said.get(key, ()) if p.uid != here]
            earlier = others[0] if others else "open"
            word = _word(one, disputed=counts.verb == "held")
            found[key] = Verdict(word, one.note, earlier, counts.key == key)
    return found


def _word(said: Said, *, disputed: bool = False) -> PickWord:
    if said.picked and (said.rejected or disputed):
        return "disputed"
    if said.picked:
        return "picked"
    return "rejected" if said.rejected else "open"

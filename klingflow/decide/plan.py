"""PURE. The difference between what a manifest wants and what its ledger holds: one action per
take, the moves of purchases between takes, where files go, and the sums.

What one take needs is decided in take.py, each take after those that it needs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from decimal import Decimal
from graphlib import TopologicalSorter
from typing import Any

from klingflow.decide.filing import file_away, note, serving_places
from klingflow.decide.further import Again, wanted_again, with_takes, without_empty
from klingflow.decide.moves import decide_moves
from klingflow.decide.needs import is_delivered
from klingflow.decide.picks import (
    held_against,
    keys_needed,
    present_of,
    sources,
    takes_of,
    verdicts,
)
from klingflow.decide.take import decide, decide_unwanted, left, present
from klingflow.decide.verbs import VERBS
from klingflow.ledger.book import Book
from klingflow.model import (
    NOWHERE_ELSE,
    Action,
    Elsewheres,
    FileFact,
    Filing,
    Manifest,
    Move,
    PickLine,
    Plan,
    Purchase,
    Request,
    Shot,
    Terms,
    Verb,
    key_of,
)
from klingflow.words import _


def make_plan(
    manifest: Manifest,
    book: Book,
    files: Mapping[str, FileFact],
    *,
    rerun: Set[str] = frozenset(),
    origin: str = "",
    again: Set[str] = frozenset(),
    elsewhere: Elsewheres = NOWHERE_ELSE,
    at: str = "",
    selected: Set[str] | None = None,
    picks: Sequence[PickLine] = (),
    further: Iterable[tuple[str, int]] = (),
) -> Plan:
    """Return what a run would do, by `Terms` of `files`, `rerun`, `origin`, `again`, `elsewhere`
    and `at`.

    Purchases go over to the takes that want them first (klingflow.decide.moves), all of them.
    `selected` are keys of shots, None for all. The others are left alone, and what needs one that
    is not bought yet waits. `picks` are the lines of the picks file, `further` takes beyond those
    of the manifest that are to be bought, too.
    """
    also = frozenset(further)
    manifest = with_takes(manifest, also)
    terms = terms_of(
        manifest,
        book,
        picks,
        files=files,
        rerun=rerun,
        origin=origin,
        again=again,
        elsewhere=elsewhere,
        at=at,
    )
    made = _made(manifest, book, terms, selected, also)
    if "rejected" not in rerun:
        return made
    once_more = wanted_again(made, book)
    return _once_more(made, once_more, manifest, book, selected, also) if once_more else made


def _once_more(
    plan: Plan,
    wanted: Again,
    manifest: Manifest,
    book: Book,
    selected: Set[str] | None,
    further: Set[tuple[str, int]],
) -> Plan:
    """Return the plan that also buys what `--rerun rejected` wants."""
    manifest = with_takes(manifest, wanted.takes)
    keys = {key_of(*take) for take in wanted.takes}
    in_spite = {a.shot.id for a in plan.actions if a.shot and a.key in plan.terms.again}
    again = {key_of(*take) for take in wanted.takes if take[0] in in_spite}
    terms = replace(
        plan.terms,
        takes=takes_of(manifest),
        once_more=wanted.keys | keys,
        again=plan.terms.again | again,
    )
    meant = None if selected is None else {*selected, *keys, *wanted.keys}
    return _made(manifest, book, terms, meant, further | {*wanted.takes})


def _made(
    manifest: Manifest,
    book: Book,
    terms: Terms,
    selected: Set[str] | None,
    further: Set[tuple[str, int]],
) -> Plan:
    """Return the plan by these terms; `further` are takes that stay in it without a purchase."""
    files = terms.files
    book, moves = moved(manifest, book, terms)
    left_over = without_empty(manifest, book, further)
    if left_over is not manifest:
        manifest, terms = left_over, replace(terms, takes=takes_of(left_over))
    came_from = {move.purchase.key: move.before for move in reversed(moves)}
    by_key: dict[str, Action] = {}
    for shot, request in _needed_first(manifest, terms.takes):
        action = decide(shot, request, by_key, book, terms)
        if before := came_from.get(shot.key):
            action = replace(
                action,
                reason=_("{reason}; {came}", reason=action.reason, came=_came(before, shot.key)),
            )
        by_key[shot.key] = action
    filing = _filing(manifest, by_key, book, files)
    planned = [by_key[s.key] for s in manifest.shots if selected is None or s.key in selected]
    if selected is None:
        planned += _orphans(manifest, book, terms)
    problems = tuple(book.problems)
    said = verdicts(terms.picks, book, terms.takes, lambda key: present_of(by_key, key))
    return Plan(
        manifest,
        tuple(planned),
        by_key,
        terms,
        problems,
        filing=filing,
        moves=moves,
        verdicts=said,
    )


def terms_of(manifest: Manifest, book: Book, lines: Sequence[PickLine], **known: Any) -> Terms:
    """Return `Terms` of what is `known`, with the takes of a manifest and with what the lines of a
    picks file mean, by a book before its moves.
    """
    terms = Terms(**known, takes=takes_of(manifest))
    if not lines:
        return terms
    takes: dict[str, list[int]] = {}
    wanted: dict[tuple[str, int], tuple[Shot, Request]] = {}
    for shot, request in manifest:
        takes.setdefault(shot.id, []).append(shot.take)
        wanted[shot.id, shot.take] = shot, request

    def present_at(id: str, take: int) -> Purchase | None:
        if (id, take) in wanted:
            return present(*wanted[id, take], book, terms)
        return next(reversed(book.bought(id, take)), None)

    return replace(terms, picks=held_against(lines, book, takes, present_at))


def _filing(
    manifest: Manifest, by_key: dict[str, Action], book: Book, files: Mapping[str, FileFact]
) -> Filing:
    """Return where files go, and add to the reasons in `by_key` what becomes of each file."""
    serving = serving_places(by_key.values(), book, files)
    purchases = [*book.purchases.values()]
    filing = file_away(purchases, serving, files, shots=manifest.shots)
    steps = {step.uid: step for step in filing.steps}
    if steps:
        for key, action in by_key.items():
            if said := note(action, steps):
                by_key[key] = replace(action, reason=action.reason + said)
    return filing


def moved(manifest: Manifest, book: Book, terms: Terms) -> tuple[Book, tuple[Move, ...]]:
    """Return the book as it stands after the moves that a plan would make, and these moves."""

    def left_to(shot: Shot, request: Request, book: Book) -> Purchase | None:
        return left(shot, request, book, terms)

    return decide_moves(manifest, book, terms, left_to)


def _came(before: str, key: str) -> str:
    return _("was pruned") if before == key else _("was {before}", before=before)


def _needed_first(
    manifest: Manifest, takes: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Shot, Request]]:
    """Yield every shot after all takes of those that it needs; compiling refuses circles."""
    sorter = TopologicalSorter[str]()
    for shot in manifest.shots:
        for need in shot.needs:
            sorter.add(shot.key, *keys_needed(need, takes))
    linked = dict.fromkeys(sorter.static_order())
    wanted = {shot.key: (shot, request) for shot, request in manifest if shot.key in linked}
    for key in linked:
        if key in wanted:
            yield wanted[key]
    for shot, request in manifest:  # most shots need nothing, and nothing needs them
        if shot.key not in linked:
            yield shot, request


def _orphans(manifest: Manifest, book: Book, terms: Terms) -> Iterator[Action]:
    wanted = ((shot.id, shot.take) for shot in manifest.shots)
    for take in sorted(set(book.takes()).difference(wanted)):
        if bought := book.bought(*take):
            yield decide_unwanted(bought, terms)


# ---------------------------------------------------------------- sums


def buys(plan: Plan) -> list[Action]:
    """Return what a run would buy: every `create`, and what waits only for shots that will come,
    without what caps and budget leave out.
    """
    planned = {action.key for action in plan.actions}
    coming: set[str] = set()
    here: set[str] = set()
    for key, action in plan.by_key.items():  # needs come first
        if is_delivered(action):
            here.add(key)
        elif key in planned and _comes(action, plan, coming, here):
            coming.add(key)
    bought = coming - plan.left_out.keys()
    return [a for a in plan.actions if VERBS[a.verb].may_buy and a.key in bought]


def _comes(action: Action, plan: Plan, coming: Set[str], here: Set[str]) -> bool:
    """True if a run brings the video: at once, or after those of `coming` that the shot needs."""
    row = VERBS[action.verb]
    if row.work != "wait" or action.shot is None:
        return row.comes_by_itself
    needs = {source.key for source in sources(action.shot, plan.by_key, plan.terms)}
    # `coming | here` would copy both for every shot that waits.
    left = needs - here
    return bool(left) and left <= coming


def counts(plan: Plan) -> dict[Verb, int]:
    """Return how many actions of each verb there are, in the order of VERBS, without those that do
    not occur.
    """
    found = Counter(action.verb for action in plan.actions)
    return {verb: found[verb] for verb in VERBS if found[verb]}


def cost(plan: Plan) -> tuple[dict[str, Decimal], int]:
    """Return what `buys` would cost by currency, and how many of them have no known price."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    unknown = 0
    for action in buys(plan):
        price = action.request.price if action.request else None
        if price is None:
            unknown += 1
        else:
            sums[price.currency] += price.amount
    return dict(sums), unknown


def seconds(plan: Plan) -> int:
    """Return the billable seconds of `buys`."""
    return sum(action.request.seconds for action in buys(plan) if action.request)

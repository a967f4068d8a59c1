"""PURE. The difference between what a manifest wants and what its ledger holds: one action per
take, with a reason.

What was paid for serves first: it is kept, polled or downloaded, whichever body it was bought for.
A take is bought only when nothing was, or when the user permitted it (`--rerun`, `resolve
--resubmit`). A doubt holds its take until a person has settled it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from decimal import Decimal
from graphlib import TopologicalSorter

from klingflow.decide import elsewhere as others
from klingflow.decide.filing import fact_of, file_away, note, serving_places
from klingflow.decide.moves import decide_moves
from klingflow.decide.verbs import VERBS
from klingflow.gateway.failures import kind_of
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, UNFINISHED, last_event
from klingflow.manifest.request import finish
from klingflow.model import (
    NOWHERE_ELSE,
    Action,
    Elsewheres,
    FileFact,
    Filing,
    Manifest,
    Move,
    Plan,
    Purchase,
    Reference,
    Request,
    Shot,
    State,
    Terms,
    Verb,
)

# What the purchase that serves a take calls for. What is done but has no file is downloaded again.
CALLS_FOR: Mapping[State, Verb] = {
    "submitted": "resume",
    "parked": "resume",
    "succeeded": "download",
    "done": "keep",
    "failed": "failed",
    "abandoned": "failed",
}
_DELIVERED = frozenset({"succeeded", "done"})


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
) -> Plan:
    """What a run would do, by `Terms` of `files`, `rerun`, `origin`, `again`, `elsewhere` and `at`.

    Purchases go over to the takes that want them first (klingflow.decide.moves), all of them.
    `selected` are keys of shots, None for all. The others are left alone, and what needs one that
    is not bought yet waits.
    """
    terms = Terms(files, rerun, origin, again, elsewhere, at)
    book, moves = moved(manifest, book, terms)
    came_from = {move.purchase.key: move.before for move in reversed(moves)}
    by_key: dict[str, Action] = {}
    for shot, request in _needed_first(manifest):
        action = decide(shot, request, by_key, book, terms)
        if before := came_from.get(shot.key):
            action = replace(action, reason=f"{action.reason}; {_came(before, shot.key)}")
        by_key[shot.key] = action
    filing = _filing(manifest, by_key, book, files)
    planned = [by_key[s.key] for s in manifest.shots if selected is None or s.key in selected]
    if selected is None:
        planned += _orphans(manifest, book, terms)
    problems = tuple(book.problems)
    return Plan(manifest, tuple(planned), by_key, terms, problems, filing=filing, moves=moves)


def _filing(
    manifest: Manifest, by_key: dict[str, Action], book: Book, files: Mapping[str, FileFact]
) -> Filing:
    """Where files go; the actions concerned say so."""
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
    """The book as it stands after the moves that a plan would make, and these moves."""

    def supply(shot: Shot, request: Request, book: Book) -> Purchase | None:
        bought = book.bought(shot.id, shot.take)
        if not bought or any(p.state in IN_DOUBT for p in bought):
            return None
        action = _served(shot, request, bought, "", terms)
        return action.purchase if is_delivered(action) else None

    return decide_moves(manifest, book, terms, supply)


def _came(before: str, key: str) -> str:
    return "was pruned" if before == key else f"was {before}"


def _needed_first(manifest: Manifest) -> Iterator[tuple[Shot, Request]]:
    """Return every shot after those that it needs; compiling refuses circles."""
    wanted = {shot.key: (shot, request) for shot, request in manifest}
    needs = {shot.key: shot.needs for shot in manifest.shots if shot.needs}
    for key in dict.fromkeys([*TopologicalSorter(needs).static_order(), *wanted]):
        if key in wanted:
            yield wanted[key]


def _orphans(manifest: Manifest, book: Book, terms: Terms) -> Iterator[Action]:
    for take in sorted(set(book.takes()) - manifest.takes):
        if bought := book.bought(*take):
            yield _orphan(bought, terms)


def _orphan(bought: Sequence[Purchase], terms: Terms) -> Action:
    """What was bought for a take that is not wanted any more is kept. What is unfinished comes all
    the same, and a doubt is a doubt.
    """
    coming = [p for p in bought if _comes_unwanted(p, terms)]
    doubtful = [p for p in bought if p.state in IN_DOUBT]
    chosen = (coming or doubtful or bought)[-1]
    if chosen.state in IN_DOUBT:
        verb: Verb = "in_doubt"
    elif not coming:
        return Action("orphan", chosen.key, _reason("orphan", chosen), purchase=chosen)
    else:
        verb = "held" if _is_elsewhere(chosen, terms) else CALLS_FOR[chosen.state]
    reason = f"{_reason(verb, chosen)}; no longer in the manifest"
    return Action(verb, chosen.key, reason, purchase=chosen)


def _comes_unwanted(purchase: Purchase, terms: Terms) -> bool:
    waits = purchase.state in UNFINISHED or purchase.state == "succeeded"
    return waits and not _is_given_up(purchase, terms)


# ---------------------------------------------------------------- one take


def decide(
    shot: Shot, request: Request, by_key: Mapping[str, Action], book: Book, terms: Terms
) -> Action:
    """What one take needs, by what `book` holds now.

    `by_key` are the actions of the shots that this one needs, as they were decided on. The action's
    request is final where all of those are bought.
    """
    bought = book.bought(shot.id, shot.take)
    if doubtful := [p for p in bought if p.state in IN_DOUBT]:
        reason = _reason("in_doubt", doubtful[-1])
        return Action("in_doubt", shot.key, reason, shot, request, doubtful[-1])
    supplies, obstacle = _supplies(shot, by_key, book)
    if obstacle is None:
        request = _finished(request, supplies)
    if bought:
        return _served(shot, request, bought, obstacle, terms)
    refused = book.latest(shot.id, shot.take)
    return _buying(shot, request, None, _never_bought(refused), obstacle, terms)


def _served(
    shot: Shot, request: Request, bought: Sequence[Purchase], obstacle: str | None, terms: Terms
) -> Action:
    """The action for a take that was bought at least once."""
    last = bought[-1]
    serving = _serving(bought, request.fingerprint, terms)
    if serving.output is None:  # known from a damaged line only, or from elsewhere
        serving = replace(serving, output=shot.output)
    same = _is_for(serving, request.fingerprint)
    verb = _called_for(serving, terms)
    if permission := _permission(verb, serving, same=same, terms=terms):
        return _buying(shot, request, last, permission, obstacle, terms)
    if verb == "keep" and request.fingerprint is None and "changed" in terms.rerun:
        reason = f"{obstacle}, and may have to be bought again"
        return Action("waits", shot.key, reason, shot, request, last)
    if VERBS[verb].is_at_the_gateway and _is_elsewhere(serving, terms):
        verb = "held"
    elif verb == "keep" and not same:
        verb = "changed"
    return Action(verb, shot.key, _reason(verb, serving, same=same), shot, request, serving)


def _buying(
    shot: Shot,
    request: Request,
    before: Purchase | None,
    reason: str,
    obstacle: str | None,
    terms: Terms,
) -> Action:
    """Buy a take, unless another ledger holds it or it waits for an `obstacle`."""
    other = others.found(shot, request, terms, never_bought=before is None)
    if other is not None and others.holds(other):
        said = others.reason(other, shot.key)
        return Action("held", shot.key, said, shot, request, before, elsewhere=other)
    if obstacle is not None:
        return Action("waits", shot.key, obstacle, shot, request, before)
    if other is not None:
        reason = f"{reason}; {others.reason(other, shot.key)}"
    return Action("create", shot.key, reason, shot, request, before, elsewhere=other)


def _serving(bought: Sequence[Purchase], fingerprint: str | None, terms: Terms) -> Purchase:
    """The purchase that counts for a take: of those that count most, the latest."""
    last = bought[-1]
    weights = [_weight(p, fingerprint, terms, is_last=p is last) for p in bought]
    _, number = max((weight, number) for number, weight in enumerate(weights))
    return bought[number]


def _weight(purchase: Purchase, fingerprint: str | None, terms: Terms, *, is_last: bool) -> int:
    """How much a purchase counts for its take, 0 to 5.

    One for the present body counts more than one for another. One that was given up counts less
    than a video of another body as soon as another purchase followed it.
    """
    same = _is_for(purchase, fingerprint)
    if purchase.state == "done" and _has_file(purchase, terms):
        return 5 if same else 2
    if purchase.state in PAID and not _is_given_up(purchase, terms):
        return 4 if same else 2
    if same:
        return 3 if is_last else 1
    return 0


def _called_for(purchase: Purchase, terms: Terms) -> Verb:
    verb = CALLS_FOR[purchase.state]
    if verb == "keep" and not _has_file(purchase, terms):
        return "download"
    return verb


def _permission(verb: Verb, serving: Purchase, *, same: bool, terms: Terms) -> str | None:
    """Why the user wants this take bought again; None if no user said so.

    What is on its way is never bought again. `resolve --resubmit` permits one more purchase, which
    then serves in place of the one that was given up.
    """
    if verb == "resume":
        return None
    if verb != "keep" and _is_given_up(serving, terms):
        return "to be bought once more, by `resolve --resubmit`"
    loss = _loss(verb, serving)
    if verb == "failed" and not same:
        return f"{loss}{_because(serving)}, for another body; this one was never bought"
    if loss and "failed" in terms.rerun:
        return f"{loss}{_because(serving)}: bought again by --rerun failed"
    if not same and "changed" in terms.rerun:
        return "changed since it was bought: bought again by --rerun changed"
    return None


def _loss(verb: Verb, serving: Purchase) -> str:
    """What has become of a purchase that brings no video; "" for one that may."""
    if verb == "failed":
        return serving.state
    if verb == "download" and last_event(serving) == "undelivered":
        return "its video cannot be had"
    return ""


# ---------------------------------------------------------------- what is known of a purchase


def _is_for(purchase: Purchase, fingerprint: str | None) -> bool:
    """True if the purchase was made for this body, or if the body is not final yet."""
    return fingerprint is None or fingerprint == purchase.fingerprint


def _has_file(purchase: Purchase, terms: Terms) -> bool:
    """True if the purchase's video is on disk, with its size and hash, under any name of ours."""
    return fact_of(purchase) in terms.contents


def _is_elsewhere(purchase: Purchase, terms: Terms) -> bool:
    """True if both gateways are known, and the purchase's is not the run's."""
    return bool(terms.origin and purchase.origin) and purchase.origin != terms.origin


def _is_given_up(purchase: Purchase, terms: Terms) -> bool:
    """True if the user has said `resolve --resubmit` and the video does not come by itself after
    all. A video that is finished elsewhere comes once its gateway is the run's again.
    """
    if last_event(purchase) != "resubmitted":
        return False
    comes = purchase.state in PAID and terms.origin and not _is_elsewhere(purchase, terms)
    return not comes


# ---------------------------------------------------------------- what a shot needs of others


def is_delivered(action: Action) -> bool:
    """True if the action leaves a finished video as it is: shots that need it can be bought."""
    purchase = action.purchase
    leaves = not VERBS[action.verb].may_buy
    return leaves and purchase is not None and purchase.state in _DELIVERED


def _supplies(
    shot: Shot, by_key: Mapping[str, Action], book: Book
) -> tuple[dict[str, Purchase], str | None]:
    """The purchases that meet a shot's needs, and why one is not met. Take 1 of a shot serves the
    others.
    """
    supplies: dict[str, Purchase] = {}
    for need in shot.needs:
        action = by_key.get(need)
        if action is None:
            return supplies, f"needs {need}, which is not in the manifest"
        purchase = _supply(action, book)
        if purchase is None or purchase.state not in _DELIVERED:
            return supplies, f"waits for {need}" + VERBS[action.verb].of_a_need
        supplies[need] = purchase
    if any(r.attribute == "video_url" and not supplies[r.shot].video_url for r in shot.references):
        return supplies, "needs the address of a video for which the gateway gave none"
    return supplies, None


def _supply(action: Action, book: Book) -> Purchase | None:
    """The purchase of a needed shot; of one that is to be bought only a newer one than it had."""
    before = action.purchase.uid if action.purchase else ""
    if not VERBS[action.verb].may_buy:
        return book.purchases.get(before)
    assert action.shot is not None, "an action without a shot is an orphan's, which no shot needs"
    newest = book.bought(action.shot.id, action.shot.take)[-1:]
    return next((p for p in newest if p.uid != before), None)


def _finished(request: Request, supplies: Mapping[str, Purchase]) -> Request:
    def text(reference: Reference) -> str:
        value: str = getattr(supplies[reference.shot], reference.attribute)
        return value

    return finish(request, text, lambda need: supplies[need].uid)


# ---------------------------------------------------------------- reasons


def _never_bought(refused: Purchase | None) -> str:
    if refused is None:
        return "never bought"
    was_sent = refused.error is not None and kind_of(refused.error).answered
    what = "refused" if was_sent else "not sent"
    return f"never bought; the last try was {what}{_because(refused)}"


def _because(purchase: Purchase) -> str:
    return f" ({purchase.error.message})" if purchase.error and purchase.error.message else ""


def _reason(verb: Verb, purchase: Purchase, *, same: bool = True) -> str:
    """Why a purchase calls for `verb`, in the words of its row. `same` is False if the purchase was
    made for another body than the manifest's.
    """
    return VERBS[verb].reason.format(
        task_id=purchase.task_id,
        state=purchase.state.replace("_", " "),
        origin=purchase.origin,
        intent=purchase.times.get("intent", "an unknown time"),
        because=_because(purchase),
        since="" if same else "; the manifest has changed since",
    )


# ---------------------------------------------------------------- sums


def buys(plan: Plan) -> list[Action]:
    """What a run would buy: every `create`, and what waits only for shots that will come, without
    what caps and budget leave out.
    """
    planned = {action.key for action in plan.actions}
    coming: set[str] = set()
    here: set[str] = set()
    for key, action in plan.by_key.items():  # needs come first
        if is_delivered(action):
            here.add(key)
        elif key in planned and _comes(action, coming, here):
            coming.add(key)
    bought = coming - plan.left_out.keys()
    return [a for a in plan.actions if VERBS[a.verb].may_buy and a.key in bought]


def _comes(action: Action, coming: Set[str], here: Set[str]) -> bool:
    """True if a run brings the video: at once, or after those of `coming` that the shot needs."""
    row = VERBS[action.verb]
    if row.work != "wait" or action.shot is None:
        return row.comes_by_itself
    needs = set(action.shot.needs)
    return not needs <= here and needs <= coming | here


def counts(plan: Plan) -> dict[Verb, int]:
    """How many actions of each verb there are, in the order of VERBS, without those that do not
    occur.
    """
    found = Counter(action.verb for action in plan.actions)
    return {verb: found[verb] for verb in VERBS if found[verb]}


def cost(plan: Plan) -> tuple[dict[str, Decimal], int]:
    """What `buys` would cost by currency, and how many of them have no known price."""
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
    """The billable seconds of `buys`."""
    return sum(action.request.seconds for action in buys(plan) if action.request)

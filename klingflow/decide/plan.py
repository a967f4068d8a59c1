"""PURE. The difference between what a manifest wants and what its ledger holds: one action per
take, with a reason.

What was paid for serves first: it is kept, polled or downloaded, whichever body it was bought for.
A take is bought only when nothing was, or when the user permitted it (`--rerun`, `resolve
--resubmit`). A doubt holds its take until a person has settled it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from graphlib import TopologicalSorter

from klingflow.decide.verbs import VERBS
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, last_event
from klingflow.manifest.request import finish
from klingflow.model import Action, FileFact, Manifest, Plan, Purchase, Request, Shot, State, Verb

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


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every decision stands on. `selected` None means all shots."""

    book: Book
    files: Mapping[str, FileFact]
    rerun: Set[str]
    origin: str
    selected: Set[str] | None

    def has_file(self, purchase: Purchase) -> bool:
        fact = self.files.get(purchase.output or "")
        return fact is not None and (fact.sha256, fact.size_bytes) == (
            purchase.sha256,
            purchase.size_bytes,
        )

    def elsewhere(self, purchase: Purchase) -> bool:
        """Whether its task is at another gateway than the run's, as far as is known."""
        return bool(self.origin and purchase.origin and purchase.origin != self.origin)

    def given_up(self, purchase: Purchase) -> bool:
        """Whether the user has said `resolve --resubmit`, and it does not come by itself after all.

        What is finished elsewhere comes once its gateway is the run's again.
        """
        return last_event(purchase) == "resubmitted" and (
            purchase.state not in PAID or not self.origin or self.elsewhere(purchase)
        )


def make_plan(
    manifest: Manifest,
    book: Book,
    files: Mapping[str, FileFact],
    *,
    rerun: Set[str] = frozenset(),
    origin: str = "",
    selected: Set[str] | None = None,
) -> Plan:
    """What a run would do. `files` tells of the outputs on disk by their paths relative to the
    manifest.

    `rerun` may hold `failed` and `changed`; `origin` is the gateway of this run, "" while it is not
    known; `selected` are keys of shots: the others are left alone, and what needs one that is not
    bought yet waits.
    """
    ground = _Ground(book, files, rerun, origin, selected)
    by_key: dict[str, Action] = {}
    for shot, request in _needed_first(manifest):
        by_key[shot.key] = _decide(shot, request, by_key, ground)
    planned = [by_key[s.key] for s in manifest.shots if selected is None or s.key in selected]
    if selected is None:
        planned += _orphans(manifest, book)
    return Plan(manifest, tuple(planned), by_key, tuple(book.problems))


def _needed_first(manifest: Manifest) -> Iterator[tuple[Shot, Request]]:
    """Every shot after those that it needs; compiling has seen to it that there is no circle."""
    wanted = {shot.key: (shot, request) for shot, request in manifest}
    needs = {shot.key: shot.needs for shot in manifest.shots if shot.needs}
    for key in dict.fromkeys([*TopologicalSorter(needs).static_order(), *wanted]):
        if key in wanted:
            yield wanted[key]


def _decide(shot: Shot, request: Request, by_key: Mapping[str, Action], ground: _Ground) -> Action:
    bought = [p for p in ground.book.of(shot.id, shot.take) if p.state != "rejected"]
    doubtful = [p for p in bought if p.state in IN_DOUBT]
    if doubtful:
        reason = _reason("in_doubt", doubtful[-1])
        return Action("in_doubt", shot.key, reason, shot, request, doubtful[-1])
    supplies, obstacle = _supplies(shot, by_key, ground.book)
    if obstacle is None:
        request = _finished(request, supplies)
    serving = _serving(bought, request.fingerprint, ground)
    if serving is None:
        return _buying(
            shot, request, None, _never_bought(ground.book.latest(shot.id, shot.take)), obstacle
        )
    if serving.output is None:  # known from a damaged line only, or from elsewhere
        serving = replace(serving, output=shot.output)
    return _served(shot, request, serving, bought[-1], obstacle, ground)


def _served(
    shot: Shot,
    request: Request,
    serving: Purchase,
    last: Purchase,
    obstacle: str | None,
    ground: _Ground,
) -> Action:
    """The action for a take whose purchase is known; `last` is the latest purchase of it."""
    same = request.fingerprint in (None, serving.fingerprint)
    verb = CALLS_FOR[serving.state]
    if verb == "keep" and not ground.has_file(serving):
        verb = "download"
    given_up = serving.uid == last.uid and ground.given_up(serving)
    if permission := _permission(verb, serving, same, ground.rerun, given_up=given_up):
        return _buying(shot, request, last, permission, obstacle)
    if verb == "keep" and obstacle and request.fingerprint is None and "changed" in ground.rerun:
        reason = f"{obstacle}, and may have to be bought again"
        return Action("waits", shot.key, reason, shot, request, last)
    if VERBS[verb].is_at_the_gateway and ground.elsewhere(serving):
        verb = "held"
    elif verb == "keep" and not same:
        verb = "changed"
    return Action(verb, shot.key, _reason(verb, serving, same), shot, request, serving)


def _serving(
    bought: Sequence[Purchase], fingerprint: str | None, ground: _Ground
) -> Purchase | None:
    """The purchase that counts for a take. One for the present body counts more than one for
    another.

    One that was given up counts no more than any other as soon as another followed it.
    """
    same = [p for p in bought if fingerprint in (None, p.fingerprint)]
    here = [p for p in same if p.state == "done" and ground.has_file(p)]
    coming = [p for p in bought if p.state in PAID and not ground.given_up(p)]
    paid = [p for p in coming if p in same]
    latest = [p for p in same if p is bought[-1]]
    other = [p for p in bought if p in coming or (p.state == "done" and ground.has_file(p))]
    return next((group[-1] for group in (here, paid, latest, other, bought) if group), None)


def _never_bought(rejected: Purchase | None) -> str:
    if rejected is None:
        return "never bought"
    refused = rejected.error is not None and rejected.error.kind != "not_sent"
    return (
        f"never bought; the last try was {'refused' if refused else 'not sent'}{_because(rejected)}"
    )


def _permission(
    verb: str, serving: Purchase, same: bool, rerun: Set[str], *, given_up: bool
) -> str | None:
    """Why the user wants this take bought again; None if nobody said so.

    `given_up` says that the take's latest purchase was, which permits one more: that one uses it
    up.
    """
    happened = last_event(serving)
    if given_up and verb in ("failed", "download"):
        return "to be bought once more, by `resolve --resubmit`"
    if verb == "failed" and "failed" in rerun:
        return f"{serving.state}{_because(serving)}: bought again by --rerun failed"
    if verb == "download" and happened == "undelivered" and "failed" in rerun:
        return f"its video cannot be had{_because(serving)}: bought again by --rerun failed"
    if verb in ("failed", "keep", "download") and not same and "changed" in rerun:
        return "changed since it was bought: bought again by --rerun changed"
    return None


def _buying(
    shot: Shot, request: Request, before: Purchase | None, reason: str, obstacle: str | None
) -> Action:
    if obstacle is None:
        return Action("create", shot.key, reason, shot, request, before)
    return Action("waits", shot.key, obstacle, shot, request, before)


def _orphans(manifest: Manifest, book: Book) -> Iterator[Action]:
    wanted = manifest.takes
    for shot, take in sorted(take for take in book.takes() if take not in wanted):
        bought = [p for p in book.of(shot, take) if p.state != "rejected"]
        if bought:
            reason = _reason("orphan", bought[-1])
            yield Action("orphan", bought[-1].key, reason, purchase=bought[-1])


# ---------------------------------------------------------------- what a shot needs of others


def decide_one(shot: Shot, request: Request, plan: Plan, book: Book) -> Action:
    """Of a shot that waits by `plan`: whether it can be bought now that `book` knows more.

    The action is `create` with the final body, or else `waits`, or what a purchase made meanwhile
    calls for.
    """
    supplies, obstacle = _supplies(shot, plan.by_key, book)
    if obstacle is not None:
        return Action("waits", shot.key, obstacle, shot, request)
    request = _finished(request, supplies)
    for purchase in reversed(book.of(shot.id, shot.take)):
        if purchase.state in IN_DOUBT:
            reason = _reason("in_doubt", purchase)
            return Action("in_doubt", shot.key, reason, shot, request, purchase)
        if purchase.state in PAID and purchase.fingerprint == request.fingerprint:
            verb = CALLS_FOR[purchase.state]
            return Action(verb, shot.key, _reason(verb, purchase), shot, request, purchase)
    return Action("create", shot.key, "what it waited for is there", shot, request)


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
        if purchase is None:
            return supplies, f"waits for {need}" + VERBS[action.verb].of_a_need
        supplies[need] = purchase
    if any(r.attribute == "video_url" and not supplies[r.shot].video_url for r in shot.references):
        return supplies, "needs the address of a video for which the gateway gave none"
    return supplies, None


def _supply(action: Action, book: Book) -> Purchase | None:
    """The finished purchase of a needed shot; of one that is to be bought only a newer one than it
    had.
    """
    if action.verb in ("create", "waits"):
        assert action.shot is not None
        latest = [p for p in book.of(action.shot.id, action.shot.take) if p.state != "rejected"][
            -1:
        ]
        new = [p for p in latest if action.purchase is None or p.uid != action.purchase.uid]
        return next((p for p in new if p.state in _DELIVERED), None)
    now = book.purchases.get(action.purchase.uid) if action.purchase else None
    return now if now is not None and now.state in _DELIVERED else None


def _finished(request: Request, supplies: Mapping[str, Purchase]) -> Request:
    return finish(
        request,
        lambda ref: getattr(supplies[ref.shot], ref.attribute),
        lambda need: supplies[need].uid,
    )


# ---------------------------------------------------------------- reasons


def _because(purchase: Purchase) -> str:
    return f" ({purchase.error.message})" if purchase.error and purchase.error.message else ""


def _reason(verb: Verb, purchase: Purchase, same: bool = True) -> str:
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
    """What a run would buy: every `create`, and what waits for nothing but a shot that will come."""
    planned = {action.key for action in plan.actions}
    coming: set[str] = set()
    here: set[str] = set()
    for key, action in plan.by_key.items():  # needs come first
        needs = set(action.shot.needs) if action.shot else set()
        if action.verb != "create" and action.purchase and action.purchase.state in _DELIVERED:
            here.add(key)
        elif (key in planned and VERBS[action.verb].comes_by_itself) or (
            key in planned and action.verb == "waits" and needs & coming and needs <= coming | here
        ):
            coming.add(key)
    return [a for a in plan.actions if VERBS[a.verb].may_buy and a.key in coming]


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

"""A plan as it is printed: its table, its counts, its cost, and how long a run of it takes.

How one line of the table looks is for plan_table.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from decimal import Decimal

from klingflow.decide.plan import buys, cost, counts, seconds
from klingflow.decide.sending import also_fetched
from klingflow.decide.verbs import VERBS
from klingflow.model import Forecast, Limits, Plan, Step
from klingflow.results.account import account
from klingflow.terminal import console, doubt_views, pick_views, plan_table
from klingflow.terminal.layout import room
from klingflow.terminal.money import show_budget, show_prices
from klingflow.words import _, joined, many

_LISTED = 600  # takes of a plan
_NAMED = 10  # moves in one line


def show_plan(plan: Plan, named: str, *, verbose: bool = False) -> None:
    """Print a plan as a table. What is simply kept is counted; `verbose` lists it too. `named` is
    the manifest, as a shell reads it.
    """
    console.say(_("{name} ({path})", name=plan.manifest.name, path=plan.manifest.path))
    if variables := joined(", ", plan.manifest.environment):
        console.prose(_("From the environment: {environment}", environment=variables))
    _show_table(plan, verbose=verbose)
    console.prose(_("Plan: {counted}.", counted=counted(plan)))
    if also := plan_table.named([action.key for action in also_fetched(plan)]):
        console.prose(
            _("Also downloads, because shots are made from it: {named_also}.", named_also=also)
        )
    show_picks(plan)
    doubtful = sum(action.verb == "in_doubt" for action in plan.actions)
    doubt_views.show_way_out(doubtful, named)
    _show_renamed(plan.filing.steps)
    if any(a.key not in plan.left_out and VERBS[a.verb].may_buy for a in plan.actions):
        console.prose(_("Cost: {money}", money=money(plan)))
    money_of_film = account(plan.manifest, plan.spending)
    show_prices(money_of_film)
    show_budget(money_of_film)


def _show_table(plan: Plan, *, verbose: bool) -> None:
    """Print a row for each take: without `verbose` the first ones of those that are not kept where
    they are.
    """
    moved = {move.purchase.key for move in plan.moves}
    actions = [a for a in plan.actions if verbose or a.verb != "keep" or a.key in moved]
    shown = actions if verbose else actions[:_LISTED]
    rows = [
        plan_table.row_of(a, plan.left_out.get(a.key), pick_views.of(plan.verdicts.get(a.key)))
        for a in shown
    ]
    for line in plan_table.lines(rows, room()):
        console.say(*line)
    if more := len(actions) - len(shown):
        console.say(_("  … and {more} more (-v lists all)", more=more))


def _show_renamed(steps: Sequence[Step]) -> None:
    """Print how many files a run would rename first, and one of them."""
    if not steps:
        return
    first, others = steps[0], len(steps) - 1
    more = _(" and {more} more", more=others) if others else ""
    named = _("{source} → {target}{more}", source=first.source, target=first.target, more=more)
    console.prose(
        _(
            "Files: {moving} to rename first: {named} (--format json lists them).",
            moving=len(steps),
            named=named,
        )
    )


def show_picks(plan: Plan) -> None:
    """Print how many takes are picked and rejected, and what people have to settle; nothing where
    nothing is said.
    """
    shown = {action.key for action in plan.actions}
    verdicts = {key: one for key, one in plan.verdicts.items() if key in shown}
    if said := pick_views.counted(verdicts):
        console.prose(_("Picks: {said}.", said=said))
    for line in pick_views.disputes(plan.verdicts):
        console.warn(line)
    for doubt in plan.terms.picks.doubts:
        console.show_diagnostic(doubt, {}, console.warn)


def show_forecast(found: Forecast | None, limits: Limits) -> None:
    """Print how long a run under `limits` takes; nothing where nobody knows."""
    if found is not None:
        takes = console.between(found.low_s, found.high_s)
        console.prose(_("Takes about {takes} ({bound}).", takes=takes, bound=_bound(found, limits)))


def _bound(found: Forecast, limits: Limits) -> str:
    """Return what keeps a run from being faster."""
    match found.bound:
        case "places":
            return _("{max_running} at once", max_running=limits.max_running)
        case "rate":
            return _(
                "{count} creates in {period_s:g} s",
                count=limits.submit.count,
                period_s=limits.submit.period_s,
            )
        case "chain" if found.links > 1:
            return _("a chain of {links} shots", links=found.links)
        case "chain":
            return _("all at once")


def show_moves(plan: Plan) -> None:
    """Print what a run moves and renames first, where no plan was shown; nothing if all stays."""
    moved = [move for move in plan.moves if move.before != move.purchase.key]
    parts = [
        _("{key} was {before}", key=move.purchase.key, before=move.before)
        for move in moved[:_NAMED]
    ]
    if more := len(moved) - len(parts):
        parts.append(_("{more} more moved", more=more))
    if renamed := len(plan.filing.steps):
        parts.append(
            _("{files} to rename first", files=many(renamed, "{number} file", "{number} files"))
        )
    if parts:
        console.say(_("{path}: {parts}.", path=plan.manifest.path, parts=joined(", ", parts)))


def counted(plan: Plan, delivered: Set[str] = frozenset()) -> str:
    """Return `2 to buy, 1 kept, 3 left out`. Those of the takes `delivered`, by their keys, are
    `done`: their videos came in this run.
    """
    left_out = Counter(a.verb for a in plan.actions if a.key in plan.left_out)
    done = Counter(a.verb for a in plan.actions if a.key in delivered)
    rest = Counter(counts(plan)) - left_out - done
    parts = [_("{done} done", done=done.total())] if done else []
    parts += [
        _("{number} {noun}", number=rest[verb], noun=VERBS[verb].noun)
        for verb in counts(plan)
        if rest[verb]
    ]
    parts += [_("{left_out} left out", left_out=left_out.total())] if left_out else []
    return joined(", ", parts)


def money(*plans: Plan) -> str:
    """Return `12.00 CNY, predicted, for 20 s of video` for all the plans together, with what has no
    known price.
    """
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    unknown = 0
    for of_plan, unpriced in map(cost, plans):
        unknown += unpriced
        for currency, amount in of_plan.items():
            amounts[currency] += amount
    parts = [f"{amount:.2f} {currency}" for currency, amount in amounts.items()]
    if unknown:
        whose = _("its tier") if unknown == 1 else _("their tiers")
        parts.append(
            _("unknown for {unknown} (no price for {whose})", unknown=unknown, whose=whose)
        )
    length = sum(map(seconds, plans))
    return _(
        "{parts}, predicted, for {length} s of video",
        parts=joined(" + ", parts) or "0",
        length=length,
    )


def purchases(plans: Sequence[Plan]) -> str:
    """Return what all the plans buy, in one line: `3 for 12.00 CNY, predicted, for 15 s of video`,
    with the variables of the environment that are in it.
    """
    number = sum(len(buys(plan)) for plan in plans)
    variables = sorted({name for plan in plans for name in plan.manifest.environment})
    given = (
        _(", with {variables} from the environment", variables=joined(", ", variables))
        if variables
        else ""
    )
    return _("{number} for {money}{given}", number=number, money=money(*plans), given=given)

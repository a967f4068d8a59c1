"""The tables that commands print: a plan, a status, a result, the reasons for a change."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from klingflow.api.running import Result
from klingflow.decide.plan import cost, counts, seconds
from klingflow.decide.verbs import VERBS
from klingflow.errors import ExitCode
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.ledger.problems import worded
from klingflow.model import Action, Json, Plan, Price, Problem, key_of
from klingflow.terminal import console

_SHOWN = 20  # lines about single shots after a run
# Longer plans are counted, not listed, for what needs no attention.
_LISTED = 60


def dump_rows(rows: Sequence[Json], form: str) -> None:
    """The rows of `render`: one JSON object, JSON Lines, or YAML."""
    if form == "jsonl":
        console.out("\n".join(map(console.as_json, rows)))
    elif form == "yaml":
        import yaml

        # Through JSON, so that text which is not final yet is plain text to YAML too.
        plain = json.loads(json.dumps({"shots": rows}))
        text = yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120)
        if console.clean(text) != text:  # then every character beyond ASCII is escaped
            text = yaml.safe_dump(plain, sort_keys=False, width=120)
        console.out(text.rstrip())
    else:
        console.dump_json({"shots": rows})


def plan_data(plan: Plan) -> dict[str, Json]:
    """A plan for `--format json`."""
    amounts, unknown = cost(plan)
    return {
        "manifest": plan.manifest.path,
        "name": plan.manifest.name,
        "actions": [_action_data(a) for a in plan.actions],
        "counts": counts(plan),
        "cost": {"amounts": {c: str(a) for c, a in amounts.items()}, "unknown": unknown},
        "seconds": seconds(plan),
        "problems": [worded(problem) for problem in plan.problems],
    }


def _action_data(action: Action) -> dict[str, Json]:
    request, purchase = action.request, action.purchase
    price = request.price if request else None
    return {
        "mark": VERBS[action.verb].mark,
        "action": action.verb,
        "key": action.key,
        "id": action.shot.id if action.shot else purchase.shot if purchase else None,
        "take": action.shot.take if action.shot else purchase.take if purchase else None,
        "reason": action.reason,
        "predicted_tier": request.predicted_tier if request else None,
        "seconds": request.seconds if request else None,
        "price": {"amount": str(price.amount), "currency": price.currency} if price else None,
        "fingerprint": request.fingerprint if request else None,
        "task_id": purchase.task_id if purchase else None,
    }


def show_plan(plan: Plan) -> None:
    """The plan as a table; a long one lists only what is not simply kept."""
    actions = plan.actions
    if len(actions) > _LISTED:
        actions = tuple(a for a in actions if a.verb != "keep")
    shown = actions[: 10 * _LISTED]
    console.say(f"{plan.manifest.name} ({plan.manifest.path})")
    console.table([_plan_row(a) for a in shown])
    if len(actions) > len(shown):
        console.say(f"  … and {len(actions) - len(shown)} more (--format json lists all)")
    total = counts(plan)
    console.say(
        "Plan: " + ", ".join(f"{n} {VERBS[verb].noun}" for verb, n in total.items() if n) + "."
    )
    if total.get("create") or total.get("waits"):
        console.say("Cost: " + money(plan))


def _plan_row(action: Action) -> list[str]:
    request = action.request
    buys = VERBS[action.verb].may_buy and request is not None
    return [
        VERBS[action.verb].mark,
        action.key,
        request.predicted_tier
        if buys and request
        else (action.purchase.billed_tier or "")
        if action.purchase
        else "",
        f"{request.seconds} s" if buys and request else "",
        _price(request.price) if buys and request else "",
        action.reason,
    ]


def _price(price: Price | None) -> str:
    return f"{price.amount:.2f} {price.currency}" if price else "price unknown"


def money(plan: Plan) -> str:
    """`12.00 CNY, predicted, for 20 s of video`, and what has no known price."""
    amounts, unknown = cost(plan)
    parts = [f"{amount:.2f} {currency}" for currency, amount in amounts.items()]
    if unknown:
        parts.append(f"unknown for {unknown} (no price for their tiers)")
    return f"{' + '.join(parts) or '0'}, predicted, for {seconds(plan)} s of video"


def show_problems(problems: Iterable[Problem]) -> None:
    """Print what is wrong with a ledger."""
    show_worded(map(worded, problems))


def show_worded(problems: Iterable[str]) -> None:
    """Print problems of a ledger that already have their words."""
    for problem in problems:
        console.warn(f"ledger: {problem}")


def show_status(record: Mapping[str, Any]) -> None:
    """A run manifest as a table."""
    rows = []
    for shot in (*record["shots"], *record["orphans"]):
        key = key_of(shot["id"], shot["take"])
        rows.append([shot["state"].replace("_", " "), key, _came_of(shot)])
    console.say(f"{record['name']} ({record['manifest']})")
    console.table(rows)
    _show_totals(record["totals"])
    for doubt in record["doubts"]:
        _show_doubt(doubt)


def _came_of(shot: Mapping[str, Any]) -> str:
    """The file, or else the task and what is wrong with it: three columns fit a narrow terminal,
    all is in the JSON.
    """
    error = (shot.get("error") or {}).get("message")
    told = (
        shot.get("task_id"),
        error if shot["state"] != "in_doubt" else "perhaps paid: see below",
    )
    what = shot.get("file") or "; ".join(text for text in told if text)
    return what if "kind" in shot else f"no longer in the manifest; {what}".rstrip("; ")


def _show_doubt(doubt: Mapping[str, Any]) -> None:
    """One line for each thing known, so that nothing is wider than a narrow terminal but what
    cannot be.
    """
    most = doubt["most"]
    unpriced = "unknown: its tier has no price" if doubt["predicted_tier"] else "unknown"
    about = (
        ("sent", f"{doubt['from'] or 'at an unknown time'} … {doubt['to'] or 'unknown'}"),
        ("to", doubt["origin"]),
        ("model", doubt["model"]),
        ("tier", doubt["predicted_tier"] and f"{doubt['predicted_tier']}, predicted"),
        (
            "may cost",
            f"up to {most['amount']} {most['currency']}" if most else unpriced,
        ),
        ("tag", doubt["tag"]),
        ("our id", doubt["client_request_id"]),
        *((f"its {name}", value) for name, value in doubt["request_ids"].items()),
        ("status", doubt["status"] and f"HTTP {doubt['status']}"),
        ("received", doubt["received"]),
    )
    console.say(f"\n{doubt['key']} is in doubt, perhaps paid:")
    for name, value in about:
        if value:
            console.say(_wrapped(f"  {name + ':':<9} ", str(value)))
    console.say("  Look it up at the gateway, then say what you found:")
    for command in doubt["commands"].values():
        console.say(f"    {command}")


def _wrapped(head: str, text: str) -> str:
    """What a server said may be long: in lines of 80 columns, between words."""
    lines = textwrap.wrap(text, 80 - len(head), break_long_words=False, break_on_hyphens=False)
    return head + ("\n" + " " * len(head)).join(lines)


def _show_totals(totals: Mapping[str, Any]) -> None:
    states = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in totals["by_state"].items())
    console.say(f"{totals['shots']} shots: {states or 'nothing bought yet'}.")
    for tier, sums in totals["by_tier"].items():
        paid = sums.get("amount")
        price = (
            f"{Decimal(str(paid)):.2f} {sums.get('currency') or ''}".rstrip()
            if paid is not None
            else "price unknown"
        )
        console.say(
            f"  {tier}: {sums['tasks']} task{'s'[: sums['tasks'] != 1]}, {sums['seconds']} s, {price}"
        )


def show_why(answer: Mapping[str, Any]) -> None:
    """The changed fields of one shot, old → new."""
    console.say(answer["says"])
    for change in answer["changes"]:
        where = f"   {change['where']}" if change.get("where") else ""
        console.say(
            f"  {change['field']}: {_brief(change, 'old')} → {_brief(change, 'new')}{where}"
        )


def _brief(change: Mapping[str, Any], side: str) -> str:
    return json.dumps(change[side], ensure_ascii=False) if side in change else "(not there)"


def show_result(result: Result, books: Sequence[Book], *, quiet: bool) -> None:
    """How a run ended, per manifest: the counts, and what needs a person. `quiet` leaves only that,
    as errors.
    """
    for trouble in result.troubles:
        console.warn(trouble)
    if quiet:
        for line in _wanting(result):
            console.warn(line)
        return
    for number, (plan, book) in enumerate(zip(result.plans, books, strict=True)):
        total = counts(plan)
        console.say(
            f"{plan.manifest.name}: "
            + ", ".join(f"{n} {VERBS[v].noun}" for v, n in total.items() if n)
            + "."
        )
        attention = _needing_attention(result, number)
        table = [
            [VERBS[a.verb].mark, a.key, result.capped.get((number, a.key), a.reason)]
            for a in attention
        ]
        console.table(table[:_SHOWN])
        if len(attention) > _SHOWN:
            console.say(
                f"  … and {len(attention) - _SHOWN} more: klingflow status {plan.manifest.path}"
            )
        show_problems(p for p in book.problems if p.kind == "paid_twice")
        doubts = [a.key for a in plan.actions if a.verb == "in_doubt"]
        if doubts:
            console.say(
                f"  In doubt, perhaps paid: look them up at the gateway, then klingflow resolve"
                f" {plan.manifest.path} {doubts[0]} --task ID | --abandon | --resubmit"
            )
    for line in (_bought(result), _where(result), _why_stopped(result)):
        if line:
            console.say(line)


def _needing_attention(result: Result, number: int) -> list[Action]:
    actions = result.plans[number].actions
    return [a for a in actions if VERBS[a.verb].needs_attention or (number, a.key) in result.capped]


def _wanting(result: Result) -> Iterator[str]:
    """Why the exit code is not 0."""
    if result.exit_code == ExitCode.OK:
        return
    for number, plan in enumerate(result.plans):
        attention = _needing_attention(result, number)
        for action in attention[:_SHOWN]:
            reason = result.capped.get((number, action.key), action.reason)
            yield f"{plan.manifest.name}: {action.key}: {VERBS[action.verb].noun}: {reason}"
        if len(attention) > _SHOWN:
            yield f"{plan.manifest.name}: {len(attention) - _SHOWN} more: klingflow status {plan.manifest.path}"
    if stopped := _why_stopped(result):
        yield stopped


def _where(result: Result) -> str:
    return f"Record: {', '.join(map(str, result.records))}"


def _bought(result: Result) -> str:
    """What this run bought, for its last line."""
    if not result.bought:
        return ""
    amounts: dict[str, Decimal] = {}
    for purchase in result.bought:
        if purchase.price:
            currency = purchase.price.currency
            amounts[currency] = amounts.get(currency, Decimal(0)) + purchase.price.amount
    unpriced = sum(purchase.price is None for purchase in result.bought)
    parts = [f"{amount:.2f} {currency} by your prices" for currency, amount in amounts.items()]
    parts += [f"{unpriced} of unknown price"] if unpriced else []
    seconds = sum(purchase.seconds for purchase in result.bought)
    doubtful = sum(purchase.state in IN_DOUBT for purchase in result.bought)
    number = f"{len(result.bought)}" + (f" ({doubtful} perhaps)" if doubtful else "")
    return f"Bought in this run: {number}, {seconds} s of video, {', '.join(parts)}."


def _why_stopped(result: Result) -> str:
    outcome = result.outcome
    if outcome.broken:
        return f"The ledger could not be written: {outcome.broken}"
    if outcome.crash:
        crash = console.redacted(f"{type(outcome.crash).__name__}: {outcome.crash}")
        return f"An internal error came up ({crash}); nothing bought is lost."
    if outcome.interrupted:
        return "Interrupted; run again to resume."
    if outcome.refused:
        return f"The gateway refuses us ({outcome.refused.kind}): {outcome.refused.message}"
    if outcome.unreachable:
        return f"The gateway could not be reached: {outcome.unreachable}"
    if result.exit_code == ExitCode.CAPPED:
        return "A cap kept the rest from being bought, as said above; run again to buy more."
    return ""

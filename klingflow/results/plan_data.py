"""PURE. A plan as data: what `plan --format json` prints, and what a saved plan holds.

klingflow.terminal.plan_views has the words for people.
"""

from __future__ import annotations

from functools import partial

from klingflow.decide.picks import present_of, source_of
from klingflow.decide.plan import cost, counts, seconds
from klingflow.decide.sending import also_fetched
from klingflow.decide.verbs import LEFT_OUT, VERBS
from klingflow.ledger.problems import worded
from klingflow.manifest.request import finish
from klingflow.model import Action, Forecast, Json, Plan, Request, Verdict
from klingflow.results.account import account


def plan_data(plan: Plan) -> dict[str, Json]:
    """Return a plan as JSON; amounts are exact decimals as text."""
    amounts, unknown = cost(plan)
    return {
        "manifest": plan.manifest.path,
        "name": plan.manifest.name,
        "ledger": plan.ledger,
        "environment": list(plan.manifest.environment),
        "actions": [_action_data(a, plan) for a in plan.actions],
        "also_downloads": [action.key for action in also_fetched(plan)],
        "moves": [
            {"uid": move.purchase.uid, "from": move.before, "to": move.purchase.key}
            for move in plan.moves
        ],
        "counts": counts(plan),
        "files": [{"from": step.source, "to": step.target} for step in plan.filing.steps],
        "cost": {"amounts": {c: str(a) for c, a in amounts.items()}, "unknown": unknown},
        "seconds": seconds(plan),
        "forecast": _forecast_data(plan.forecast),
        "money": account(plan.manifest, plan.spending),
        "problems": [worded(problem) for problem in plan.problems],
        "picks_astray": [str(doubt) for doubt in plan.terms.picks.doubts],
    }


def _forecast_data(found: Forecast | None) -> dict[str, Json] | None:
    """Return how long the run takes, in seconds; if several manifests share a run, the time of all
    of it.
    """
    if found is None:
        return None
    seconds = (found.low_s, found.middle_s, found.high_s)
    low_s, middle_s, high_s = (round(s, 1) for s in seconds)
    return {"low_s": low_s, "middle_s": middle_s, "high_s": high_s, "bound": found.bound}


def _action_data(action: Action, plan: Plan) -> dict[str, Json]:
    id, take = _take(action)
    left_out = plan.left_out.get(action.key)
    verdict = plan.verdicts.get(action.key, Verdict())
    return {
        "mark": LEFT_OUT if left_out else VERBS[action.verb].mark,
        "action": action.verb,
        "key": action.key,
        "id": id,
        "take": take,
        "reason": action.reason,
        "left_out": left_out and {"cap": left_out.cap, "reason": left_out.reason},
        "pick": verdict.word,
        "pick_note": verdict.note or None,
        **_request_data(action.request),
        "draft": _draft(action.request, plan),
        "task_id": action.purchase.task_id if action.purchase else None,
    }


def _draft(request: Request | None, plan: Plan) -> str | None:
    """Return what the body of a take that waits means so far: a fingerprint of its words, with the
    targets of references in place of videos. None once the body is final.
    """
    if request is None or request.fingerprint is not None:
        return None
    present = partial(present_of, plan.by_key)

    def source(need: str) -> str:
        key = source_of(need, plan.terms, present).key
        return present(key) or key

    return finish(request, lambda _: "", source).fingerprint


def _take(action: Action) -> tuple[str, int] | tuple[None, None]:
    if action.shot:
        return action.shot.id, action.shot.take
    if action.purchase:
        return action.purchase.shot, action.purchase.take
    return None, None


def _request_data(request: Request | None) -> dict[str, Json]:
    if request is None:
        return dict.fromkeys(("predicted_tier", "seconds", "price", "fingerprint"))
    price = request.price
    return {
        "predicted_tier": request.predicted_tier,
        "seconds": request.seconds,
        "price": {"amount": str(price.amount), "currency": price.currency} if price else None,
        "fingerprint": request.fingerprint,
    }

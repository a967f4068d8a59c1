"""What the commands that change nothing print: a plan, a status, the reasons for a change.

How a run ended is in result_views.py.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

from klingflow.decide.plan import buys, cost, counts, seconds
from klingflow.decide.select import called
from klingflow.decide.sending import also_fetched
from klingflow.decide.verbs import VERBS
from klingflow.ledger.problems import worded
from klingflow.model import Failure, Forecast, Json, Limits, Plan, Problem, Step, key_of
from klingflow.results.account import account, together
from klingflow.results.arrived import in_words
from klingflow.terminal import console, doubt_views, pick_views, plan_table
from klingflow.terminal.clock import local
from klingflow.terminal.layout import clean, folded, is_unicode, room, showable, width
from klingflow.terminal.money import show_budget, show_money, show_prices, summed
from klingflow.terminal.money import worded as worded_shares
from klingflow.terminal.paint import OF_STATE, Painted, Part
from klingflow.words import _, joined, many, word

_LISTED = 600  # takes of a plan
_NAMED = 10  # moves in one line


def dump_answers(answers: Sequence[Mapping[str, Json]], form: str) -> None:
    """Print the answers of `render`, `{"manifest"?, "shots"}` of each manifest: as JSON or YAML one
    answer, or the list of several; as JSON Lines a line for each shot.
    """
    if form == "jsonl":
        rows = [{**_manifest_of(one), **row} for one in answers for row in one["shots"]]
        console.out("\n".join(map(console.shown_json, rows)))
        return
    value = answers[0] if len(answers) == 1 else answers
    if form == "json":
        console.dump_json(value)
    else:
        console.out(_yaml(value).rstrip())


def _manifest_of(answer: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in answer.items() if name == "manifest"}


def _yaml(value: Json) -> str:
    """Return the value as YAML for stdout; every character beyond ASCII is escaped where one of
    them cannot be shown, or would be obeyed.
    """
    import yaml  # for start-up

    # Through JSON, so that text which is not final yet is plain text to YAML too.
    plain = json.loads(json.dumps(value))
    text: str = yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120)
    is_shown = all(clean(line) == line for line in text.split("\n"))
    if not is_shown or not is_unicode(sys.stdout):
        text = yaml.safe_dump(plain, sort_keys=False, width=120)
    return text


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


def show_all_told(several: Sequence[Mapping[str, Any]]) -> None:
    """Print the money of several films as one sum, each as klingflow.results.account has it;
    nothing where none was spent.
    """
    if told := joined(", ", worded_shares(together(several))):
        console.prose(_("All told: {told}.", told=told))


def show_problems(problems: Iterable[Problem]) -> None:
    """Print what is wrong with a ledger."""
    show_worded(map(worded, problems))


def show_worded(problems: Iterable[str]) -> None:
    """Print problems of a ledger that already have their words."""
    for problem in problems:
        console.warn(_("ledger: {problem}", problem=problem))


def show_status(record: Mapping[str, Any], named: str, *, verbose: bool = False) -> None:
    """Print a run manifest as a table. `verbose` lists all videos of each take, and a card for each
    doubt. `named` is the manifest, as a shell reads it.
    """
    doubts = {doubt["key"]: doubt for doubt in record["doubts"]}
    rows: list[list[Part]] = []
    for shot in (*record["shots"], *record["orphans"]):
        key = key_of(shot["id"], shot["take"])
        came = _came_of(shot, doubts.get(key))
        rows.append([Painted(_state(shot), OF_STATE.get(shot["state"])), key, came])
        if verbose:
            rows += (["", "", _version(one, shot)] for one in shot.get("versions", ()))
    console.say(_("{name} ({manifest})", name=record["name"], manifest=record["manifest"]))
    console.table(rows)
    _show_totals(record["totals"], map(_state, record["shots"]))
    show_prices(record["money"])
    show_money(record["money"])
    for line in record["ways_out"]:
        console.prose(line)
    if not verbose:
        doubt_views.show_way_out(len(record["doubts"]), named)
        return
    for doubt in record["doubts"]:
        doubt_views.show_card(doubt)
    if together := doubt_views.all_at_once(len(record["doubts"]), named):
        console.prose(together)


def _version(version: Mapping[str, Any], shot: Mapping[str, Any]) -> str:
    """Return the line of one video of a take; the file of the one that serves it stands in the
    take's own line.
    """
    here = "" if version["present"] else _(", not here")
    file = "" if version["file"] == shot.get("file") else f"{version['file']}"
    where = joined(", ", filter(None, (file, version["task_id"])))
    return _("attempt {attempt}: {where}{here}", attempt=version["attempt"], where=where, here=here)


def _came_of(shot: Mapping[str, Any], doubt: Mapping[str, Any] | None) -> str:
    """Return the file, or otherwise the task and what is wrong with it. Three columns fit a narrow
    terminal; the JSON holds all.
    """
    told = [_file(shot) or _unfinished(shot, doubt)]
    if "kind" not in shot:
        told.insert(0, _("no longer in the manifest"))
    if was := shot.get("was"):
        told.append(_("was {key}", key=key_of(was["shot"], was["take"])))
    others = len(shot.get("versions", ())) - ("file" in shot)
    if others > 0:
        told.append(many(others, "{number} earlier video", "{number} earlier videos"))
    told += map(in_words, shot.get("media", {}).get("remarks", ()))
    if "pick" in shot:
        note, earlier = shot.get("pick_note", ""), shot.get("pick_of_an_earlier_version", "open")
        told.append(pick_views.said(shot["pick"], note, earlier))
    return joined("; ", filter(None, told))


def _file(shot: Mapping[str, Any]) -> str:
    """Return the file of a take's video, with a word where the disk has it not; "" where there is
    none.
    """
    file = str(shot.get("file") or "")
    absent = {v["file"] for v in shot.get("versions", ()) if not v["present"]}
    return _("{file}, not here", file=file) if file in absent else file


def _unfinished(shot: Mapping[str, Any], doubt: Mapping[str, Any] | None) -> str:
    error = (shot.get("error") or {}).get("message")
    wrong = doubt_views.line_of(doubt) if doubt else error
    answer = shot.get("last_answer")
    asked = (
        _("asked last at {at}: {said}", at=local(answer["at"]), said=answer["said"])
        if answer
        else None
    )
    return joined("; ", filter(None, (shot.get("task_id"), wrong, asked)))


def _state(shot: Mapping[str, Any]) -> str:
    """Return the name of a take's state."""
    if any(map(_is_at_cluster, shot.get("attempts", ()))):
        return _("at the cluster")
    error = shot.get("error")
    failure = error and Failure(error.get("kind", "unknown"), "", "")
    return word(called(shot["state"], failure).replace("_", " "), "purchase")


def _is_at_cluster(attempt: Mapping[str, Any]) -> bool:
    """True if hosts of a cluster may buy it, or are buying it."""
    return attempt["state"] == "intent" and "cluster" in (attempt.get("evidence") or {})


def _show_totals(totals: Mapping[str, Any], states: Iterable[str]) -> None:
    counted = joined(
        ", ",
        (
            _("{number} {noun}", number=n, noun=state)
            for state, n in sorted(Counter(states).items())
        ),
    )
    console.say(
        _(
            "{takes}: {counted}.",
            takes=many(totals["shots"], "{number} take", "{number} takes"),
            counted=counted or _("nothing bought yet"),
        )
    )
    for tier, sums in totals["by_tier"].items():
        tasks = many(sums["tasks"], "{number} task", "{number} tasks")
        failed = _(", {failed} failed", failed=sums["failed"]) if "failed" in sums else ""
        console.say(
            _(
                "  {tier}: {tasks}, {seconds} s, {sums}{failed}",
                tier=tier,
                tasks=tasks,
                seconds=sums["seconds"],
                sums=summed(sums),
                failed=failed,
            )
        )


def show_why(answer: Mapping[str, Any]) -> None:
    """Print the changed fields of one shot, old → new.

    A field that stands in two places of the body (`seconds`, as text and as number) is one line;
    the JSON has both places.
    """
    console.prose(answer["says"])
    shown: set[tuple[str, ...]] = set()
    for change in answer["changes"]:
        what = (change["field"], *(str(change.get(side)) for side in ("old", "new", "where")))
        if what in shown:
            continue
        shown.add(what)
        for line in _change(change, room()):
            console.say(line)


def _change(change: Mapping[str, Any], columns: float) -> list[str]:
    """Return a changed field in one line, or with each value below it where that is too long."""
    old, new = showable(_brief(change, "old")), showable(_brief(change, "new"))
    field = showable(_("  {field}:", field=change["field"]))
    where = showable(_("   {where}", where=change["where"])) if change.get("where") else ""
    line = _("{field} {old} → {new}{where}", field=field, old=old, new=new, where=where)
    if width(line) <= columns:
        return [line]
    values = (folded(old, columns, "      ", "      "), folded(new, columns, "    → ", "      "))
    return [field + where, *values[0], *values[1]]


def _brief(change: Mapping[str, Any], side: str) -> str:
    return json.dumps(change[side], ensure_ascii=False) if side in change else _("(not there)")

"""How a run ended: the counts of each manifest, what needs a person, what was bought, and why it
stopped.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from klingflow.api.running import Result
from klingflow.decide.spending import added
from klingflow.decide.verbs import VERBS
from klingflow.errors import ExitCode
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.ledger.places import Site
from klingflow.model import Action, LeftOut, Plan
from klingflow.results.account import shares
from klingflow.results.arrived import in_words
from klingflow.results.notice import Notice
from klingflow.results.undelivered import undelivered, ways_out
from klingflow.terminal import console, doubt_views, plan_views, views
from klingflow.terminal.manifests import titles
from klingflow.terminal.money import amounts, worded
from klingflow.terminal.paint import Painted, Part
from klingflow.terminal.plan_table import mark_of, named
from klingflow.words import _, joined, many, word

if TYPE_CHECKING:
    from klingflow.runner.look import Remarked

_SHOWN = 20  # lines about single shots


@dataclass(frozen=True, slots=True)
class _Part:
    """What a result says of one manifest. `delivered`: the keys of the takes whose video came.
    `attention`: what has not ended, and why. `remarked`: the videos to look at.
    """

    title: str
    plan: Plan
    delivered: frozenset[str]
    attention: list[tuple[Action, str]]
    remarked: list[Remarked]


def show_result(
    result: Result, sites: Sequence[Site], books: Sequence[Book], *, quiet: bool
) -> None:
    """Print how a run ended. `quiet` leaves only why the exit code is not 0, on stderr.

    `sites` and `books` are those of the result's plans, in their order.
    """
    for trouble in result.troubles:
        console.warn(trouble)
    parts = list(_parts(result))
    if quiet:
        if result.exit_code != ExitCode.OK:
            _warn(parts, sites, console.redacted(_why_stopped(result)))
        return
    bought = {purchase.uid for purchase in result.bought}
    for part, site, book in zip(parts, sites, books, strict=True):
        _show(part, site, book)
    where = _("Record: {records}", records=joined(", ", map(str, result.records)))
    commit = _to_commit(sites, books, bought)
    told = (_bought(result), _all_told(result), _unseen(result), where, commit)
    for line in (*told, console.redacted(_why_stopped(result))):
        if line:
            console.prose(line)


def notice(result: Result) -> Notice:
    """Return what a notification says of a run."""
    parts = list(_parts(result))
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(_become(action, part) for action in part.plan.actions)
    lines = [_counted(part) for part in parts]
    lines += filter(None, (_bought(result), _all_told(result), _why_stopped(result)))
    text = "\n".join(["klingflow", *lines, _("Exit code {code}.", code=int(result.exit_code))])
    return Notice(
        name=joined(", ", (part.title for part in parts)),
        exit_code=int(result.exit_code),
        counts=dict(counts),
        cost=shares(result.spending),
        text=console.redacted(text),
    )


def _counted(part: _Part) -> str:
    """Return a line of what has become of the takes."""
    counted = plan_views.counted(part.plan, part.delivered)
    return _("{title}: {counted}.", title=part.title, counted=counted)


def _become(action: Action, part: _Part) -> str:
    """Return what has become of a take, in one word."""
    if action.key in part.delivered:
        return "done"
    return "left_out" if action.key in part.plan.left_out else action.verb


def _parts(result: Result) -> Iterator[_Part]:
    called = titles([plan.manifest for plan in result.plans])
    remarks = result.looking.remarked if result.looking else []
    for number, plan in enumerate(result.plans):
        left_out = {key: cap for (of, key), cap in result.capped.items() if of == number}
        attention = _attention(plan, left_out)
        delivered = frozenset(key for of, key in result.delivered if of == number)
        named = called[plan.manifest.path]
        remarked = [one for one in remarks if one.job == number]
        yield _Part(named, replace(plan, left_out=left_out), delivered, attention, remarked)


def _attention(plan: Plan, left_out: Mapping[str, LeftOut]) -> list[tuple[Action, str]]:
    """Return the actions that a person has to look at, each with why."""
    found: list[tuple[Action, str]] = []
    for action in plan.actions:
        cap = left_out.get(action.key)
        if cap or VERBS[action.verb].needs_attention:
            found.append((action, _said(action, cap)))
    return found


def _said(action: Action, cap: LeftOut | None) -> str:
    return _("left out, {reason}", reason=cap.reason) if cap else action.reason


def _warn(parts: Sequence[_Part], sites: Sequence[Site], stopped: str) -> None:
    """Print on stderr what needs a person, and why the run stopped."""
    for part, site in zip(parts, sites, strict=True):
        alike: dict[tuple[str, str], list[str]] = {}
        for action, reason in part.attention:
            alike.setdefault((VERBS[action.verb].noun, reason), []).append(action.key)
        for (noun, reason), keys in [*alike.items()][:_SHOWN]:
            console.warn(
                _(
                    "{title}: {key}: {noun}: {reason}",
                    title=part.title,
                    key=named(keys),
                    noun=noun,
                    reason=reason,
                )
            )
        if (rest := len(alike) - _SHOWN) > 0:
            console.warn(
                _(
                    "{title}: {rest} more: klingflow status {named}",
                    title=part.title,
                    rest=rest,
                    named=site.named,
                )
            )
    if stopped:
        console.warn(stopped)


def _show(part: _Part, site: Site, book: Book) -> None:
    """Print what a result says of one manifest."""
    console.prose(_counted(part))
    lines = _lines(part)
    console.table(lines[:_SHOWN])
    if (more := len(lines) - _SHOWN) > 0:
        console.say(_("  … and {more} more: klingflow status {named}", more=more, named=site.named))
    _show_remarks(part.remarked, site)
    views.show_problems(p for p in book.problems if p.kind == "paid_twice")
    doubtful = sum(action.verb == "in_doubt" for action in part.plan.actions)
    doubt_views.show_way_out(doubtful, site.named, "  ")
    missing = (a.purchase for a in part.plan.actions if a.verb == "download" and a.purchase)
    for line in ways_out(undelivered(missing), site.named):
        console.prose(line, "  ")


def _show_remarks(remarked: Sequence[Remarked], site: Site) -> None:
    """Name the videos that a person had better look at."""
    if not remarked:
        return
    console.say(
        _("Look at {videos}:", videos=many(len(remarked), "{number} video", "{number} videos"))
    )
    alike: dict[str, list[str]] = {}
    for one in remarked:
        alike.setdefault(joined(", ", map(in_words, one.remarks)), []).append(one.key)
    console.table([["", named(keys), said] for said, keys in [*alike.items()][:_SHOWN]])
    if (more := len(alike) - _SHOWN) > 0:
        console.say(_("  … and {more} more: klingflow status {named}", more=more, named=site.named))


def _unseen(result: Result) -> str:
    """Return a line about videos of which nobody can tell what they are; "" for none."""
    looking = result.looking
    if looking is None or not looking.unseen:
        return ""
    videos = many(looking.unseen, "{number} video", "{number} videos")
    if looking.is_able:
        return _("{videos} could not be looked at; klingflow fetch tries again.", videos=videos)
    return _(
        "{videos} not looked at, for length, size, and pictures or sound that are missing:"
        " pip install 'klingflow[media]'",
        videos=videos,
    )


def _lines(part: _Part) -> list[list[Part]]:
    """Return a line for all takes of `attention` that have the same mark and reason."""
    lines: dict[tuple[Painted, str], list[str]] = {}
    for action, reason in part.attention:
        mark = mark_of(action, is_left_out=action.key in part.plan.left_out)
        lines.setdefault((mark, reason), []).append(action.key)
    return [[mark, named(keys), reason] for (mark, reason), keys in lines.items()]


def _bought(result: Result) -> str:
    """Return what the run bought, in one line; "" for nothing."""
    bought = result.bought
    if not bought:
        return ""
    doubtful = sum(purchase.state in IN_DOUBT for purchase in bought)
    perhaps = _(" ({doubtful} perhaps)", doubtful=doubtful) if doubtful else ""
    seconds = sum(purchase.seconds for purchase in bought)
    found = shares(result.spending)
    # Under one heading its number is the one in front.
    sums = joined(", ", worded(found) if len(found) > 1 else amounts(found))
    return _(
        "Bought in this run: {bought}{perhaps}, {seconds} s of video: {sums}.",
        bought=len(bought),
        perhaps=perhaps,
        seconds=seconds,
        sums=sums,
    )


def _to_commit(sites: Sequence[Site], books: Sequence[Book], bought: Set[str]) -> str:
    """Return a word about the locks that this run changed, where git keeps their folder; ""
    otherwise.

    git itself is not started: a folder from elsewhere may say what git is to run. A lock with a new
    purchase cannot be as it was committed.
    """
    locks = [
        str(site.paths.lock)
        for site, book in zip(sites, books, strict=True)
        if not site.in_sandbox and not bought.isdisjoint(book.purchases) and _is_in_git(site)
    ]
    if not locks:
        return ""
    add = shlex.join(["git", "add", *locks])
    return _("The lock says what was paid for: commit it (`{add}`).", add=add)


def _is_in_git(site: Site) -> bool:
    folder = site.paths.lock.parent.absolute()
    return any((above / ".git").exists() for above in (folder, *folder.parents))


def _all_told(result: Result) -> str:
    """Return what the films of a run have cost by now, as `status` says it; "" where this run was
    all.
    """
    films = shares(added([plan.spending for plan in result.plans]))
    if not films or films == shares(result.spending):
        return ""
    return _("All told: {films}.", films=joined(", ", worded(films)))


def _why_stopped(result: Result) -> str:
    """Return why the run ended before all was done; "" where it did not."""
    outcome, said = result.outcome, ""
    if outcome.broken:
        said = _("The ledger could not be written: {broken}", broken=outcome.broken)
    elif outcome.crash:
        crash = _("{name}: {crash}", name=type(outcome.crash).__name__, crash=outcome.crash)
        said = _("An internal error came up ({crash}); nothing bought is lost.", crash=crash)
    elif outcome.interrupted:
        said = _("Interrupted; run again to resume.")
    elif outcome.refused:
        said = _(
            "The gateway refuses us ({kind}): {message}",
            kind=word(outcome.refused.kind),
            message=outcome.refused.message,
        )
    elif outcome.unreachable:
        said = _("The gateway could not be reached: {unreachable}", unreachable=outcome.unreachable)
    elif result.exit_code == ExitCode.CAPPED:
        said = _what_was_left_out(result)
    return said


def _what_was_left_out(result: Result) -> str:
    """Return what a person can do about the takes that caps and budget left out."""
    if {left_out.cap for left_out in result.capped.values()} == {"budget"}:
        return _(
            "The budget kept the rest from being bought, as said above;"
            " klingflow status says what it holds."
        )
    never = sum(not left_out.again for left_out in result.capped.values())
    if not never:
        return _("A cap kept the rest from being bought, as said above; run again to buy more.")
    if never == len(result.capped):
        return _("Under these caps no run buys what is left out, for the reasons above.")
    return _(
        "A cap kept the rest from being bought, as said above; run again to buy more, except"
        " {shots} that no run buys so.",
        shots=many(never, "{number} shot", "{number} shots"),
    )

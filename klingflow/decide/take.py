"""PURE. What one take needs: the action that its purchases call for, with a reason.

What was paid for serves first: it is kept, polled or downloaded, whichever body it was bought for.
A take is bought only when nothing was, or when the user permitted it (`--rerun`, `resolve
--resubmit`). A doubt holds its take until a person has settled it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from klingflow.decide import elsewhere as others
from klingflow.decide.filing import fact_of
from klingflow.decide.needs import Obstacle, finished, supplies_of, unpicked
from klingflow.decide.picks import NOTHING_SAID
from klingflow.decide.select import called
from klingflow.decide.verbs import VERBS
from klingflow.decide.with_hosts import why_with_hosts
from klingflow.gateway.failures import KINDS
from klingflow.ledger.answers import last_answer
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, UNFINISHED, last_event
from klingflow.ledger.moments import in_utc
from klingflow.model import (
    Action,
    Manifest,
    Purchase,
    Request,
    Said,
    Shot,
    State,
    Terms,
    Verb,
    task_named,
)
from klingflow.words import _, filled, joined, word

# What the purchase that serves a take calls for. What is done but has no file is downloaded again.
CALLS_FOR: Mapping[State, Verb] = {
    "submitted": "resume",
    "parked": "resume",
    "succeeded": "download",
    "done": "keep",
    "failed": "failed",
    "abandoned": "failed",
}
# Shared: 100,000 new shots have this one reason.
_NEVER_BOUGHT = _("never bought")

LOST = _(
    "never bought, as far as the lock says, but it names {count} purchases fewer than its header"
    " counts: bring the lock back from git, or --buy-again -s SHOT"
)
AT_CLUSTER = _("at the cluster: handed over to its hosts, and nobody else buys it")


def decide(
    shot: Shot, request: Request, by_key: Mapping[str, Action], book: Book, terms: Terms
) -> Action:
    """Return what one take needs, by what `book` holds now.

    `by_key` are the actions of the shots that this one needs, as they were decided on. The action's
    request is final where all of those are bought.
    """
    action = _decided(shot, request, by_key, book, terms)
    made_from = unpicked(shot, by_key, terms) if action.verb == "create" else ""
    if not made_from:
        return action
    reason = _("{reason}; {unpicked}", reason=action.reason, unpicked=made_from)
    return replace(action, reason=reason)


def _decided(
    shot: Shot, request: Request, by_key: Mapping[str, Action], book: Book, terms: Terms
) -> Action:
    bought = book.bought(shot.id, shot.take)
    if doubtful := [p for p in bought if p.state in IN_DOUBT]:
        verb, reason, one = _open(doubtful)
        return Action(verb, shot.key, reason, shot, request, one)
    supplies, obstacle = supplies_of(shot, by_key, book, terms)
    if obstacle is None:
        request = finished(request, supplies)
    if bought:
        return _served(shot, request, bought, obstacle, book, terms)
    if book.lost and shot.key not in terms.again:
        return Action("held", shot.key, filled(LOST, {"count": book.lost}), shot, request)
    reason = _never_bought(book.latest(shot.id, shot.take))
    if shot.key in terms.once_more:
        reason = _("{reason}; no other take stands (--rerun rejected)", reason=reason)
    return _buying(shot, request, None, reason, obstacle, terms)


def _served(
    shot: Shot,
    request: Request,
    bought: Sequence[Purchase],
    obstacle: Obstacle | None,
    book: Book,
    terms: Terms,
) -> Action:
    """Return the action for a take that was bought at least once."""
    last = bought[-1]
    serving = _serving(bought, request.fingerprint, terms)
    if serving.output is None:  # known from a damaged line only, or from elsewhere
        serving = replace(serving, output=shot.output)
    same = _is_for(serving, request.fingerprint)
    verb = _called_for(serving, terms)
    if verb == "failed" and (held := why_with_hosts(serving, book, terms.again)):
        return Action("held", shot.key, held, shot, request, serving)
    if permission := _permission(verb, serving, same=same, terms=terms):
        return _buying(shot, request, last, permission, obstacle, terms)
    if verb == "keep" and request.fingerprint is None and "changed" in terms.rerun:
        why = obstacle.reason if obstacle else ""
        reason = _("{why}, and may have to be bought again", why=why)
        return Action("waits", shot.key, reason, shot, request, last)
    verb = _as_it_is(verb, serving, same=same, terms=terms)
    return Action(verb, shot.key, _reason(verb, serving, same=same), shot, request, serving)


def _as_it_is(verb: Verb, serving: Purchase, *, same: bool, terms: Terms) -> Verb:
    """Return the verb of a take that is not bought again: `held` at another gateway, `changed` for
    another body.
    """
    if VERBS[verb].is_at_the_gateway and _is_elsewhere(serving, terms):
        return "held"
    return "changed" if verb == "keep" and not same else verb


def _buying(
    shot: Shot,
    request: Request,
    before: Purchase | None,
    reason: str,
    obstacle: Obstacle | None,
    terms: Terms,
) -> Action:
    """Buy a take, unless another ledger holds it or it waits for an `obstacle`."""
    other = others.found(shot, request, terms, never_bought=before is None)
    if other is not None and others.holds(other):
        said = others.reason(other, shot.key)
        return Action("held", shot.key, said, shot, request, before, elsewhere=other)
    if obstacle is not None:
        return Action(obstacle.verb, shot.key, obstacle.reason, shot, request, before)
    if other is not None:
        reason = _("{reason}; {elsewhere}", reason=reason, elsewhere=others.reason(other, shot.key))
    return Action("create", shot.key, reason, shot, request, before, elsewhere=other)


def _serving(bought: Sequence[Purchase], fingerprint: str | None, terms: Terms) -> Purchase:
    """Return the purchase that counts for a take: of those that count most, the latest."""
    last = bought[-1]
    weights = [_weight(p, fingerprint, terms, is_last=p is last) for p in bought]
    _unused, number = max((weight, number) for number, weight in enumerate(weights))
    return bought[number]


def _weight(purchase: Purchase, fingerprint: str | None, terms: Terms, *, is_last: bool) -> int:
    """Return how much a purchase counts for its take, 0 to 5.

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
    """Return why the user wants this take bought again; None if no user said so.

    What is on its way is never bought again. `resolve --resubmit` permits one more purchase, which
    then serves in place of the one that was given up.
    """
    if verb == "resume":
        return None
    if verb != "keep" and _is_given_up(serving, terms):
        return _("to be bought once more, by `resolve --resubmit`")
    loss = _loss(verb, serving)
    if verb == "failed" and not same:
        return _(
            "{loss} for another body{because}; this one was never bought",
            loss=loss,
            because=_because(serving),
        )
    if loss and (by := _rerun_by("failed", serving, terms)):
        why = joined("", (loss, _because(serving)))
        return _("{why}; bought again by --rerun {by}", why=why, by=by)
    if not same and (by := _rerun_by("changed", serving, terms)):
        why = _("changed since it was bought")
        return _("{why}; bought again by --rerun {by}", why=why, by=by)
    return None


def _rerun_by(kind: str, serving: Purchase, terms: Terms) -> str:
    """Return the --rerun that permits to buy a take of this kind again; "" for none."""
    if kind in terms.rerun:
        return kind
    return "rejected" if serving.key in terms.once_more else ""


def _loss(verb: Verb, serving: Purchase) -> str:
    """Return what has become of a purchase that brings no video; "" for one that may."""
    if verb == "failed":
        return word(serving.state, "purchase")
    if verb == "download" and last_event(serving) == "undelivered":
        return _("its video cannot be had")
    return ""


# ---------------------------------------------------------------- a take that is not wanted


def decide_unwanted(bought: Sequence[Purchase], terms: Terms) -> Action:
    """Return what to do about purchases, the oldest first, of a take that is not wanted any more.

    They are kept. What is unfinished comes all the same, and a doubt is a doubt.
    """
    coming = [p for p in bought if _comes_unwanted(p, terms)]
    doubtful = [p for p in bought if p.state in IN_DOUBT]
    chosen = (coming or doubtful or bought)[-1]
    if chosen.state in IN_DOUBT:
        verb, reason, chosen = _open(doubtful)
        return Action(
            verb,
            chosen.key,
            _("{reason}; no longer in the manifest", reason=reason),
            purchase=chosen,
        )
    if not coming:
        return Action("orphan", chosen.key, _reason("orphan", chosen), purchase=chosen)
    verb = "held" if _is_elsewhere(chosen, terms) else CALLS_FOR[chosen.state]
    reason = _("{reason}; no longer in the manifest", reason=_reason(verb, chosen))
    return Action(verb, chosen.key, reason, purchase=chosen)


def _comes_unwanted(purchase: Purchase, terms: Terms) -> bool:
    waits = purchase.state in UNFINISHED or purchase.state == "succeeded"
    return waits and not _is_given_up(purchase, terms)


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


# ---------------------------------------------------------------- what stands for a take


def left(shot: Shot, request: Request, book: Book, terms: Terms) -> Purchase | None:
    """Return the purchase that a plan leaves to a take; None where there is none, or another one is
    to come.
    """
    bought = book.bought(shot.id, shot.take)
    doubtful = [p for p in bought if p.state in IN_DOUBT]
    if doubtful or not bought:
        return doubtful[-1] if doubtful else None
    action = _served(shot, request, bought, Obstacle(""), book, terms)
    return None if VERBS[action.verb].may_buy else action.purchase


def present(shot: Shot, request: Request, book: Book, terms: Terms) -> Purchase | None:
    """Return the purchase that stands for a take now, whatever a run would buy; None where nothing
    was bought.
    """
    bought = book.bought(shot.id, shot.take)
    doubtful = [p for p in bought if p.state in IN_DOUBT]
    if doubtful or not bought:
        return doubtful[-1] if doubtful else None
    return _serving(bought, request.fingerprint, terms)


def saying(manifest: Manifest, book: Book, terms: Terms) -> Callable[[Shot], Said]:
    """Return a function that gives what the picks say of a take's present purchase."""
    requests = {shot.key: request for shot, request in manifest}

    def said(shot: Shot) -> Said:
        request = requests.get(shot.key)
        now = present(shot, request, book, terms) if request else None
        return terms.picks.said.get(now.uid, NOTHING_SAID) if now else NOTHING_SAID

    return said


# ---------------------------------------------------------------- reasons


def _open(doubtful: Sequence[Purchase]) -> tuple[Verb, str, Purchase]:
    """Return the verb for a take with such purchases, its reason, and the purchase that it is
    about: a doubt, which a person has to settle, before an order that hosts of a cluster may be
    buying.
    """
    doubts = [p for p in doubtful if not is_at_cluster(p)]
    if not doubts:
        return "held", AT_CLUSTER, doubtful[-1]
    return "in_doubt", _reason("in_doubt", doubts[-1]), doubts[-1]


def _never_bought(refused: Purchase | None) -> str:
    if refused is None:
        return _NEVER_BOUGHT
    what = word(called(refused.state, refused.error).replace("_", " "), "purchase")
    return _("never bought; the last try was {what}{because}", what=what, because=_because(refused))


def _because(purchase: Purchase) -> str:
    """Return the failure's own words. They may hold parentheses, so they stand in none."""
    if purchase.error is None or not purchase.error.message:
        return ""
    return _(": {message}", message=purchase.error.message)


def _again(purchase: Purchase) -> str:
    """Return what a person can do about a purchase that failed. The same body costs money once
    more, and after some failures it would only fail once more.
    """
    if purchase.error and KINDS[purchase.error.kind].wants_an_edit:
        return _("edit the shot and run again (--rerun failed buys it as it is)")
    return _("--rerun failed buys it again")


def _asked_last(purchase: Purchase) -> str:
    """Return when the gateway was asked last after a parked task, and what it said."""
    answer = last_answer(purchase) if purchase.state == "parked" else None
    if answer is None:
        return ""
    return _("; its last answer, {at}: {said}", at=in_utc(answer.at), said=answer.said)


def _given_up(purchase: Purchase) -> str:
    """Return why the last download was given up, if it was."""
    if last_event(purchase) != "undelivered" or purchase.error is None:
        return ""
    return _("; the last download failed: {message}", message=purchase.error.message)


def _reason(verb: Verb, purchase: Purchase, *, same: bool = True) -> str:
    """Return why a purchase calls for `verb`, in the words of its row. `same` is False if the
    purchase was made for another body than the manifest's.
    """
    values = {
        "task": task_named(purchase.task_id),
        "state": word(purchase.state.replace("_", " "), "purchase"),
        "origin": purchase.origin,
        "asked": _asked_last(purchase),
        "given_up": _given_up(purchase),
        "because": _because(purchase),
        "again": _again(purchase),
        "since": "" if same else _("; the manifest has changed since"),
    }
    return filled(VERBS[verb].reason, values)

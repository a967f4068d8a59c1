"""PURE. When a run goes on, pauses, stops buying or stops, by the outcomes of its requests.

Knows every threshold and counts towards it. The time (monotonic seconds) and chance (`u` in [0, 1))
are handed in; carrying out a Verdict is the runner's part. How fast to buy while nothing is wrong
is pace.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from klingflow.gateway.failures import kind_of
from klingflow.gateway.outcomes import Accepted, CreateOutcome, Doubtful, Refused, Unsent
from klingflow.model import Failure, Limits
from klingflow.words import _, many, word

# Rounds of creates in a row that could not be sent or were lost, after which the run gives up: soon
# where the address has never answered, because it is probably wrong; late where it has, because a
# night's run has to survive a router's restart. Creates that were on their way together are one
# round: one failure of the network met them all.
FIRST_ROUNDS = 5
PATIENT_ROUNDS = 40
LONGEST_PAUSE_S = 60.0
# A run whose first creates were all answered by redirects or pages has a wrong address; so many
# prove it.
PAGES = 3
# Rounds of 401 or 403 in a row. One may be a proxy's mistake. After five, somebody has to look at
# the account. The pauses between rounds double, from `poll_floor` on.
ROUNDS_UNTIL_BUYING_STOPS = 2
ROUNDS_UNTIL_ALL_STOPS = 5
# An id that the gateway does not know is common in a task's first seconds, and while one of its
# servers takes over from another. After so long, and so many polls in a row, the task is parked:
# the money was spent, so the next run asks again (gateway.md 4, "sometimes only for the first
# seconds").
UNKNOWN_GRACE_S = 60.0
UNKNOWN_POLLS = 3

Stop = Literal["nothing", "buying", "everything"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run does after an outcome; by default it goes on.

    `pause_s` is a pause to begin now, in seconds; None where no new one begins. `stop` says what to
    start no more, and `reason` why, in words for people. `refused` is set where the gateway refuses
    us, not one shot; `unreachable` says why no connection could be made.
    """

    pause_s: float | None = None
    stop: Stop = "nothing"
    reason: str = ""
    refused: Failure | None = None
    unreachable: str | None = None


GO = Verdict()


@dataclass(frozen=True, slots=True)
class Unknown:
    """The polls in a row that found the gateway not to know a task's id. `since` is the time of the
    first of them.
    """

    polls: int = 0
    since: float = 0.0

    def once_more(self, now: float) -> Unknown:
        """Count one more such poll."""
        return Unknown(self.polls + 1, self.since if self.polls else now)

    def is_to_be_parked(self, now: float) -> bool:
        """True if this run stops asking after the task."""
        return self.polls >= UNKNOWN_POLLS and now - self.since >= UNKNOWN_GRACE_S


class Patience:
    """What went wrong in one run so far, and what follows from it.

    `buying` False means that the user wants nothing bought (`klingflow fetch`); `fail_fast`, that
    the first shot which is refused or fails is to be the last one bought.
    """

    def __init__(self, limits: Limits, *, buying: bool = True, fail_fast: bool = False) -> None:
        self.buying = buying
        self._fail_fast = fail_fast
        self._retries = limits.retries
        self._poll_floor_s = limits.poll_floor_s
        self._deadline_s = limits.deadline_s
        self._reached = False  # the gateway has answered a create in this run
        self._rounds = 0  # in a row, of creates that could not be sent or were lost
        self._round_at = float("-inf")  # when the latest of them was noticed
        self._vouched = False  # a poll was answered, and the next create was lost all the same
        self._pages = 0  # creates that were answered as a wrong address answers
        self._blind_rounds = 0
        self._blind_until = float("-inf")

    # -------- creates

    def unsent(self, reason: str, u: float, *, now: float, sent_at: float) -> Verdict:
        """Note that a create, begun at `sent_at`, could not be sent. The pause is for creates
        alone.
        """
        self._vouched = False  # nothing is lost by trying again
        return self._missed(reason, u, now, sent_at)

    def lost(self, reason: str, u: float, *, now: float, sent_at: float) -> Verdict:
        """Note that a create, sent at `sent_at`, is in doubt because the way to the gateway is
        broken. The pause keeps further ones from being lost in the same way.
        """
        return self._missed(reason, u, now, sent_at)

    def _missed(self, reason: str, u: float, now: float, sent_at: float) -> Verdict:
        if sent_at >= self._round_at:
            self._rounds += 1
            self._round_at = now
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** (self._rounds - 1)) * (0.5 + u / 2)
        if self._rounds < (PATIENT_ROUNDS if self._reached else FIRST_ROUNDS):
            return Verdict(pause_s)
        said = _("the gateway cannot be reached: {reason}", reason=reason)
        return Verdict(pause_s, "buying", said, unreachable=reason)

    def answered(self) -> None:
        """Note that a create was answered, whatever the answer."""
        self._reached = True
        self._rounds, self._vouched = 0, False

    def ends_pause(self, asked_at: float) -> bool:
        """True if the reply to a poll, asked at `asked_at`, ends the pause of creates: the gateway
        can be reached again.

        That is believed once until a create is answered: a gateway may answer polls, and lose
        creates.
        """
        if self._rounds == 0 or self._vouched or asked_at < self._round_at:
            return False
        self._vouched = True
        return True

    def limited(self, failure: Failure, *, endless: bool, running: int) -> Verdict:
        """Note that a create was refused for the time being. `endless` says that the pace has given
        up on it.

        While tasks of ours are `running`, the limit may be our own, and ends with them.
        """
        return _refused(failure) if endless and not running else GO

    def refused(self, failure: Failure, key: str) -> Verdict:
        """Note that the create of the shot `key` was refused for good."""
        if kind_of(failure).stops_buying:
            return _refused(failure)
        return self._failing_fast(_("{key} was refused", key=key))

    def doubted(self, outcome: Doubtful, *, proven: bool) -> Verdict:
        """Note that a create is in doubt. `proven` says that another has shown the address to be
        right.
        """
        self._pages += outcome.off_the_mark
        if outcome.failure is not None:
            return _refused(outcome.failure)
        if proven or self._pages < PAGES:
            return GO
        question = _("is the gateway's address (KLINGFLOW_BASE_URL) right?")
        return Verdict(
            stop="buying",
            reason=_("nothing but {reason}: {question}", reason=outcome.reason, question=question),
        )

    # -------- queries

    def blinded(self, failure: Failure, now: float) -> Verdict:
        """Note that a query was answered by 401 or 403, which says nothing of its task. The pause
        is for creates and polls.

        Polls that were on their way together count as one round: while the pause of a round lasts,
        no other begins.
        """
        if now < self._blind_until:
            return GO
        pause_s = self._poll_floor_s * 2**self._blind_rounds
        self._blind_rounds += 1
        self._blind_until = now + pause_s
        if self._blind_rounds < ROUNDS_UNTIL_BUYING_STOPS:
            return Verdict(pause_s)
        if self._blind_rounds < ROUNDS_UNTIL_ALL_STOPS:
            return Verdict(pause_s, "buying", _refuses_us(failure), failure)
        said = _("the key or the balance is refused on every route; the task ids are in the ledger")
        return Verdict(pause_s, "everything", said, failure)

    def saw(self) -> None:
        """Note that a query was answered otherwise than by 401 or 403."""
        self._blind_rounds = 0

    def overdue(self, deadline: float, now: float) -> Failure | None:
        """Return why a task with this `deadline` is parked at `now`; None if it is still waited
        for.
        """
        if now < deadline:
            return None
        said = _(
            "not finished after {deadline_s}; the next run asks again",
            deadline_s=_worded(self._deadline_s),
        )
        return Failure("unknown", "deadline", said)

    def buys_again(self, failure: Failure, failures: int) -> bool:
        """True if a take whose task failed is bought again, its `failures` in this run counted.

        What failed in earlier runs does not count: each run is a person's word.
        """
        return self.buying and is_bought_again(failure, failures - 1, self._retries)

    def failed(self, key: str) -> Verdict:
        """Note that the task of the shot `key` failed, and is not bought again."""
        return self._failing_fast(_("{key} failed", key=key))

    def _failing_fast(self, what: str) -> Verdict:
        return (
            Verdict(stop="buying", reason=_("{what} (--fail-fast)", what=what))
            if self._fail_fast
            else GO
        )


def is_bought_again(failure: Failure, number: int, retries: int) -> bool:
    """True if a take is bought again whose task has failed: only for want of capacity, and so many
    times. `number` counts the tasks that failed before this one since a person had the take bought,
    by a run or by an order, whoever bought them.
    """
    return kind_of(failure).retried and number < retries


def passes(failure: Failure) -> bool:
    """True if a create that was refused so may be sent again after a pause."""
    return kind_of(failure).passes


def proves(outcome: CreateOutcome) -> bool:
    """True if the gateway dealt with the create: its address is one, and the key is good."""
    match outcome:
        case Accepted():
            return True
        case Refused(failure):
            return not kind_of(failure).stops_buying
        case Doubtful():
            return not outcome.off_the_mark
        case Unsent():
            return False


def _refused(failure: Failure) -> Verdict:
    return Verdict(stop="buying", reason=_refuses_us(failure), refused=failure)


def _refuses_us(failure: Failure) -> str:
    kind = word(failure.kind)
    return _("the gateway refuses us ({kind}): {message}", kind=kind, message=failure.message)


def _worded(seconds: float) -> str:
    """Return `90 minutes`; seconds where these are no whole minutes."""
    if seconds % 60:
        return many(seconds, "{number:g} second", "{number:g} seconds")
    return many(seconds / 60, "{number:g} minute", "{number:g} minutes")

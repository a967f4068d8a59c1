"""The desk of an account: rate, places, caps and turns over all its hosts."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.cluster.account import Said, Settings
from klingflow.cluster.desk import AHEAD_S, Desk
from klingflow.cluster.orders import Ask, Ref
from klingflow.cluster.queued import Order
from klingflow.cluster.reports import Bought
from klingflow.decide.caps import Caps
from klingflow.ledger.uids import attempt_of, next_try, uid_of
from klingflow.model import Rate

FAST = Settings(Rate(600, 60.0), 100)


def ask(number: int, batch: str = "b1") -> Ask:
    uid = uid_of(batch, f"shot{number}", 1, 1)
    return Ask(Ref(batch, 0, number), uid, f"shot{number}", "std", 5, ("2", "CNY"))


def desk(
    orders: int = 10,
    settings: Settings = FAST,
    caps: Caps | None = None,
    claimed: bool = False,
    proven: bool = True,
) -> Desk:
    """A desk with a batch, at a gateway that has taken a create before."""
    made = Desk(settings)
    made.standing.proven = proven
    made.add("b1", "film", 1, (caps or Caps()).state())
    made.read("b1", 0, [(ask(n), claimed) for n in range(orders)])
    return made


def granted(desk: Desk, now: float = 0.0) -> list[str]:
    """The uids that are granted now; the desk went through JSON before."""
    again = Desk.from_state(json.loads(json.dumps(desk.state())))
    found = [grant.order.uid for grant in desk.grants(now)]
    assert [grant.order.uid for grant in again.grants(now)] == found
    assert again.state() == desk.state()
    return found


def submitted(uid: str) -> Bought:
    return Bought(uid, "submitted", "task", sent=True, proven=True)


def test_creates_are_granted_two_seconds_ahead() -> None:
    """As many as the rate allows until then, each with its own moment, and the next wake-up is
    before the grants run out.
    """
    made = desk(50)
    moments = [grant.at for grant in made.grants(100.0)]
    assert len(moments) == 3 + 20
    assert moments == sorted(moments)
    assert moments[-1] <= 100.0 + AHEAD_S
    assert 100.0 < (made.wake_at(100.0) or 0.0) < moments[-1]


def test_creates_of_about_a_second_are_granted_together() -> None:
    """Each time that grants are begun costs an engine a step. While creates for the next second are
    granted, none is added; then as many are as there is time for.
    """
    made = desk(100, Settings(Rate(600, 60.0), 1000))
    first = [grant.at for grant in made.grants(100.0)]
    assert granted(made, 100.9) == []
    assert made.wake_at(100.9) == pytest.approx(first[-1] + 0.1 - AHEAD_S / 2)
    more = [grant.at for grant in made.grants(made.wake_at(100.9) or 0.0)]
    assert len(more) == 11 and more[0] == pytest.approx(first[-1] + 0.1)


def test_no_more_tasks_run_than_there_are_places() -> None:
    """A create on its way counts; a task that is over gives its place free."""
    made = desk(10, Settings(Rate(6000, 60.0), 3))
    first = granted(made)
    assert len(first) == 3
    assert granted(made, 10.0) == []
    assert made.wake_at(10.0) is None
    made.bought(submitted(first[0]), 10.0, 0.5)
    made.over(first[0])
    assert len(granted(made, 10.0)) == 1


def test_a_new_gateway_is_tried_by_one_create() -> None:
    """The others follow when it has answered, or when its host seems dead."""
    made = desk(5, proven=False)
    first = granted(made)
    assert len(first) == 1
    assert granted(made, 5.0) == []
    assert made.wake_at(5.0) == 10.0
    assert len(granted(made, 10.0)) == 1
    made.bought(submitted(first[0]), 10.0, 0.5)
    assert len(granted(made, 10.0)) == 3


def test_what_was_bought_and_cannot_be_found_holds_no_place() -> None:
    """As where the answer in the store is damaged before another host goes on with it. A grant that
    nobody has reported on is not meant.
    """
    made = desk(2)
    first, second = granted(made)
    list(made.grants(0.0))
    made.bought(submitted(first), 0.0, 0.5)
    made.lost(first)
    made.lost(second)
    assert (made.running, made.batches["b1"].settled) == (1, 1)


def test_films_take_turns() -> None:
    """No batch waits until another is through."""
    made = desk(4)
    made.add("b2", "other", 1, Caps().state())
    made.read("b2", 0, [(ask(n, "b2"), False) for n in range(4)])
    turns = [grant.order.ask.ref.batch for grant in made.grants(0.0)]
    assert turns == ["b1", "b2"] * 4


def test_what_was_claimed_needs_no_rate_and_no_place() -> None:
    """It is at the gateway already, and counts as running."""
    made = desk(9, Settings(Rate(1, 60.0), 2), claimed=True)
    assert len(granted(made)) == 9
    assert made.running == 9


@pytest.mark.parametrize("outcome", ["limited", "unsent"])
def test_a_create_that_bought_nothing_is_tried_again_under_another_id(outcome: str) -> None:
    """It keeps its turn and its reservation."""
    made = desk(1)
    (uid,) = granted(made)
    sent = outcome == "limited"
    told = {"uid": uid, "outcome": outcome, "kind": "limited", "sent": sent, "proven": sent}
    made.bought(Bought.from_json(told), 1.0, 0.5)
    again = granted(made, 100.0)
    assert again == [uid.removesuffix("001") + "002"]
    assert made.account.caps.tasks == 1


def test_a_claim_that_a_dead_host_never_used_says_nothing_of_the_gateway() -> None:
    """The host that read so in the store has sent nothing; its own failures make a pause."""
    for host, wait in (("", 0.0), ("north", 1.0)):
        made = desk(1)
        (uid,) = granted(made)
        made.bought(Bought(uid, "unsent", host=host), 10.0, 1.0)
        assert made.standing.paused_until == 10.0 * (host != "") + wait
        assert made.standing.unsent == (host != "")


@pytest.mark.parametrize("well", [True, False])
def test_a_batch_is_not_over_before_what_another_one_buys(well: bool) -> None:
    """Two copies of a film order the same take. The second batch comes to its end with the first:
    who follows it would otherwise take the order back before its create is claimed.
    """
    made = desk(1)
    made.add("b2", "film", 1, Caps().state())
    made.read("b2", 0, [(replace(ask(0), ref=Ref("b2", 0, 0)), False)])
    (uid,) = granted(made)
    assert granted(made, 1.0) == [] and {*made.batches} == {"b1", "b2"}
    assert made.wake_at(1.0) is None
    made.bought(submitted(uid), 1.0, 0.5)
    made.over(uid, comes=well)
    assert ("b2" in made.batches) == well
    made.delivered(uid, well=True)
    assert not made.batches and made.account.caps.spend == 2


def test_a_create_that_is_lost_holds_back_the_others() -> None:
    """As one of a single run does: while the gateway is away each would be in doubt, too. What was
    granted with it is of its round; then one goes alone, after a longer pause each time, until one
    is answered.
    """
    made, now = desk(50, Settings(Rate(6000, 1.0), 8)), 3.0
    for uid in granted(made):
        made.bought(lost(uid), now, 1.0)
    for wait_s in (1.0, 2.0, 4.0):
        assert wait_s == 1.0 or granted(made, now + wait_s - 1.1) == []  # it is granted ahead
        now += wait_s
        (uid,) = granted(made, now)
        assert granted(made, now) == []
        made.bought(lost(uid), now, 1.0)
    (uid,) = granted(made, now + 8.0)
    made.bought(submitted(uid), now + 8.0, 1.0)
    assert len(granted(made, now + 8.0)) == 7


def test_what_was_granted_ahead_of_a_loss_is_of_its_round() -> None:
    """Hosts send it, whatever has become known meanwhile."""
    made = desk(50, Settings(Rate(60, 1.0), 8))
    for n, uid in enumerate(granted(made, 10.0)):
        made.bought(lost(uid), 10.5 + n, 1.0)
        assert made.standing.unsent == 1


def lost(uid: str) -> Bought:
    """The connection broke while the gateway had the create."""
    return Bought(uid, "in_doubt", kind="unknown", sent=True, proven=True, lost=True, host="north")


def test_a_gateway_that_loses_every_create_is_given_up() -> None:
    """After so many rounds, not creates; a person lets hosts go on."""
    made, now = desk(100, Settings(Rate(6000, 1.0), 8)), 1.0
    while not made.halted:
        for uid in granted(made, now):
            made.bought(lost(uid), now, 1.0)
        now += 120.0
    assert made.halted == "the gateway cannot be reached"
    assert made.batches["b1"].settled == 8 + 39


def test_a_grant_that_came_too_late_is_granted_again() -> None:
    """Under the same id, because nobody has claimed it."""
    made = desk(1)
    (uid,) = granted(made)
    made.bought(Bought(uid, "late"), 60.0, 0.5)
    assert granted(made, 60.0) == [uid]


def test_hosts_that_come_too_late_are_granted_fewer_creates_at_once() -> None:
    """One cut for all that were granted together. A create that nobody reports on holds its turn
    for ten seconds, because its host may be dead.
    """
    made = desk(50, Settings(Rate(6000, 1.0), 8))
    first = granted(made)
    for uid in first[:2]:
        made.bought(Bought(uid, "late"), 6.0, 0.5)
    assert (len(first), made.account.tempo.in_time.limit) == (8, 5)
    assert granted(made, 6.0) == []
    assert made.wake_at(6.0) == pytest.approx(10.0, abs=0.01)
    made.bought(submitted(first[2]), 7.0, 0.5)
    made.bought(submitted(first[3]), 7.0, 0.5)
    assert len(granted(made, 7.0)) == 1
    assert len(granted(made, 12.0)) == 1  # of eight places


def test_what_has_its_video_after_a_loss_is_not_granted_again() -> None:
    """Its cost counts, and what waits for it goes on."""
    made = Desk(FAST)
    made.add("b1", "film", 1, Caps().state())
    first, second = ask(0), replace(ask(1), needs=(ask(0).uid,))
    made.read("b1", 0, [(first, True), (second, False)], {first.uid: True})
    assert granted(made) == [second.uid]
    assert (made.account.caps.tasks, made.batches["b1"].settled) == (2, 1)


@pytest.mark.parametrize(
    ("outcome", "reserved"), [("rejected", 0), ("stale", 0), ("withdrawn", 0), ("in_doubt", 1)]
)
def test_only_a_doubt_stays_reserved(outcome: str, reserved: int) -> None:
    """What certainly was not bought gives back its place and its cost."""
    made = desk(1)
    (uid,) = granted(made)
    made.bought(Bought.from_json({"uid": uid, "outcome": outcome, "sent": True}), 1.0, 0.5)
    assert (made.account.caps.tasks, made.running) == (reserved, 0)
    assert made.status(1.0)["over"] == ["b1"]


def test_the_cap_of_an_account_holds_over_all_batches() -> None:
    """What has no room is left out, and the batch says why."""
    made = desk(5, Settings(Rate(6000, 60.0), 100, Decimal(6)))
    assert len(granted(made)) == 3
    assert made.status(0.0)["batches"][0]["left_out"] == 2
    assert "max_spend" in made.status(0.0)["batches"][0]["why"]


def test_the_caps_of_a_batch_are_its_own() -> None:
    """Another batch of the account goes on."""
    made = desk(5, caps=Caps(max_tasks=2))
    made.add("b2", "other", 1, Caps().state())
    made.read("b2", 0, [(ask(n, "b2"), False) for n in range(5)])
    assert len(granted(made)) == 2 + 5


def test_a_report_that_comes_twice_counts_once() -> None:
    """So does one of a desk before this one."""
    made = desk(2)
    first, _ = granted(made)
    for _ in range(2):
        made.bought(submitted(first), 1.0, 0.5)
        made.over(first)
    made.bought(submitted("nobody's"), 1.0, 0.5)
    made.over("nobody's")
    assert made.status(1.0)["batches"][0]["settled"] == 1


def test_a_report_on_an_earlier_grant_is_known() -> None:
    """A host may say again that it was late, after the order was granted to another."""
    made = desk(1)
    (grant,) = made.grants(0.0)
    uid = grant.order.uid
    assert made.awaits(uid, grant.at)
    made.bought(Bought(uid, "late"), 8.0, 0.5)
    assert not made.awaits(uid, grant.at)
    (again,) = made.grants(9.0)
    assert (made.awaits(uid, grant.at), made.awaits(uid, again.at)) == (False, True)


def test_a_host_that_was_away_says_nothing_new_of_what_has_ended() -> None:
    """Another has said it meanwhile: the video is there, and nobody waits for it."""
    made = desk(2)
    first, second = granted(made)
    made.bought(submitted(first), 1.0, 0.5)
    made.delivered(first, well=False)  # its task is not over
    made.over(first, comes=True)
    made.delivered(first, well=True)
    state = made.state()
    made.over(first, comes=True)
    made.delivered(first, well=False)
    assert made.state() == state and made.ends.well == {attempt_of(first): True}
    assert second in made.batches["b1"].live


def test_a_video_that_is_there_says_that_its_task_is_over() -> None:
    """A server that was put back from a backup may have forgotten what it was told of the task."""
    made = desk(1)
    (uid,) = granted(made)
    made.delivered(uid, well=True)
    assert (made.running, made.ends.well) == (0, {attempt_of(uid): True})
    assert made.status(1.0)["over"] == ["b1"]


def test_a_batch_that_is_handed_over_again_begins_again() -> None:
    """Not while it is here; and what is claimed of it is counted once at the account."""
    made = desk(1)
    (uid,) = granted(made)
    made.add("b1", "film", 1, Caps().state())
    made.bought(submitted(uid), 1.0, 0.5)
    made.over(uid)
    made.add("b1", "film", 1, Caps().state())
    made.read("b1", 0, [(ask(0), True)])
    assert granted(made, 2.0) == [uid]
    assert made.account.caps.tasks == 1


@pytest.mark.parametrize(("outcome", "tasks"), [("rejected", 0), ("in_doubt", 1)])
def test_what_came_of_a_claim_is_counted_once_however_often_it_is_told(
    outcome: str, tasks: int
) -> None:
    """A batch comes back as long as one of its orders is in doubt; its refusals give nothing back
    at the account a second time.
    """
    made = desk(1)
    for sent in (True, False, False):
        (uid,) = granted(made)
        made.bought(Bought.from_json({"uid": uid, "outcome": outcome, "sent": sent}), 1.0, 0.5)
        assert made.account.caps.tasks == tasks
        made.add("b1", "film", 1, Caps().state())
        made.read("b1", 0, [(ask(0), True)])


def test_a_further_try_of_a_claim_counts_when_it_is_bought() -> None:
    """The earlier one was given back when the batch was stopped."""
    made = desk(1)
    (uid,) = granted(made)
    made.stop("b1")
    limited = {"uid": uid, "outcome": "limited", "kind": "limited"}
    made.bought(Bought.from_json({**limited, "sent": True, "proven": True}), 1.0, 0.5)
    assert made.account.caps.tasks == 0
    made.add("b1", "film", 1, Caps().state())
    made.read("b1", 0, [(ask(0), True)])
    assert granted(made, 60.0) == [uid]
    made.bought(Bought.from_json(limited), 60.0, 0.5)
    (second,) = granted(made, 120.0)
    assert made.account.caps.tasks == 0
    made.bought(submitted(second), 120.0, 0.5)
    assert made.account.caps.tasks == 1


def test_a_batch_that_is_stopped_is_over_when_its_last_task_is() -> None:
    """Nothing more of it is granted."""
    made = desk(5, Settings(Rate(6000, 60.0), 2))
    running = granted(made)
    made.stop("b1")
    assert granted(made, 60.0) == []
    for uid in running:
        made.bought(submitted(uid), 60.0, 0.5)
        made.over(uid)
    assert made.status(60.0)["batches"] == []
    assert made.account.caps.tasks == 2


def test_a_refused_key_halts_all_until_a_person_says_so() -> None:
    """Tasks on their way go on. Each host has a key of its own, so it is named."""
    made = desk(5, Settings(Rate(6000, 60.0), 2))
    first, _ = granted(made)
    made.bought(of_the_account(first, "north"), 1.0, 0.5)
    assert granted(made, 60.0) == []
    assert made.status(60.0)["halted"] == "the gateway refuses us (quota): no money (host north)"
    made.go_on()
    assert len(granted(made, 60.0)) == 1


def of_the_account(uid: str, host: str = "north") -> Bought:
    """The gateway refuses the account with this shot."""
    told = Bought(uid, "limited", kind="quota", reason="no money", sent=True, stops=True)
    return replace(told, host=host)


def test_what_was_refused_with_the_account_is_bought_once_a_person_says_so() -> None:
    """As another try, which is no retry, at the pace of before; it is set aside once, and comes
    after the others, which it would hold up if it was refused for its own sake.
    """
    made = desk(3, Settings(Rate(6000, 60.0), 1))
    before = made.account.tempo.state()["places"]
    (first,) = granted(made)
    made.bought(of_the_account(first), 1.0, 0.5)
    assert made.account.tempo.state()["places"] == before
    made.go_on()
    bought = []
    for n in range(1, 4):
        (uid,) = granted(made, 60.0 * n)
        made.bought(submitted(uid), 60.0 * n, 0.5)
        made.over(uid)
        bought.append(uid)
    assert bought == [ask(1).uid, ask(2).uid, next_try(first)]
    assert made.account.caps.tasks == 3
    assert made.status(300.0)["batches"] == []


def test_what_was_refused_with_the_account_is_let_go_of_with_its_batch() -> None:
    """Where the person stops it instead."""
    made = desk(1)
    (uid,) = granted(made)
    made.bought(of_the_account(uid), 1.0, 0.5)
    assert made.status(2.0)["batches"][0]["waiting"] == 1
    made.stop("b1")
    assert made.status(2.0)["batches"] == [] and made.account.caps.tasks == 0


def test_a_host_that_misses_what_the_store_had_halts_all_until_it_goes_on() -> None:
    """A person lets all go on; what a host said before that, and is heard after it, lasts no longer
    than the host says.
    """
    made = desk(5, Settings(Rate(6000, 60.0), 2))
    for host in ("north", "south"):
        made.missed(host, f"{host} misses a tick")
    assert granted(made) == []
    assert (made.halted, made.way_out) == ("north misses a tick", "klingflow desk --resume")
    made.go_on()
    made.missed("south", "south misses a tick")
    made = Desk.from_state(json.loads(json.dumps(made.state())))
    assert made.halted == "south misses a tick"
    made.missed("south", "")
    assert made.halted == "" and len(granted(made)) == 2


def test_a_page_that_a_host_does_not_find_is_told_until_it_is_read() -> None:
    """Of its batch alone: others are bought meanwhile. The next run of a desk knows it, too."""
    first = Desk()
    for batch in ("b1", "b2"):
        first.add(batch, "film", 1, Caps().state())
    first.missing("b1", "host north: another store")
    first.missing("b9", "of a batch that is over")
    made = Desk.from_state(first.state())
    missing = {one["id"]: one["missing"] for one in made.status(0.0)["batches"]}
    assert (missing, made.halted) == ({"b1": "host north: another store", "b2": ""}, "")
    made.read("b1", 0, [(ask(1), 0)])
    assert {one["missing"] for one in made.status(0.0)["batches"]} == {""}


def test_other_settings_count_at_once_and_keep_the_last_create_in_mind() -> None:
    """A new rate is no free burst."""
    made = desk(50, Settings(Rate(1, 60.0), 100))
    assert len(granted(made)) == 3
    made.account.settle(Settings(Rate(60, 60.0), 100))
    assert granted(made, 1.0) == []


def test_the_next_page_is_read_before_orders_run_out() -> None:
    """Each page is wanted once it is next."""
    made = Desk(FAST)
    made.standing.proven = True
    made.add("b1", "film", 2, Caps().state())
    assert list(made.wanted_pages()) == [("b1", 0)]
    made.read("b1", 0, [(ask(n), False) for n in range(25)])
    assert list(made.wanted_pages()) == []
    granted(made)
    assert list(made.wanted_pages()) == [("b1", 1)]
    made.unreadable("b1", 1, "damaged")
    assert made.status(0.0)["batches"][0]["why"] == "damaged"


@pytest.mark.parametrize(("told", "spend", "most", "halted"), [
    ([1, 2], False, "9", False),
    ([2], False, "9", True),
    ([2], False, None, False),
    ([2], True, "9", False),
    ([2, 1], False, "9", True),
])  # fmt: skip
def test_a_desk_that_lost_count_of_what_was_spent_buys_nothing(
    told: list[int], spend: bool, most: str | None, halted: bool
) -> None:
    """It knows by the number of what a person said last. Rate and places count at once."""
    made = desk(2)
    settings = Settings(Rate(6000, 60.0), 7, Decimal(most) if most else None)
    for number in told:
        made.account.say(Said(number, settings), told=True, spend=spend)
    assert (made.account.settings, made.account.tempo.places.limit) == (settings, 7)
    assert ("lost count" in made.status(0.0)["halted"]) is halted
    assert made.status(0.0)["max_spend"] == most
    assert len(granted(made)) == (0 if halted else 2)
    made.account.say(Said(3, settings), told=True, spend=True)
    assert made.halted == ""


# What the desk has heard last is the third word, after the second, under a limit of 9. What a store
# says then, by a person who has just spoken (`told`) or not: its number, word, the word before,
# limit; whether the person has just said the limit; the limit that holds, and whether the store has
# forgotten what was heard.
HEARD = Said(3, replace(FAST, max_spend=Decimal(9)), "w3", "w2")
ODD = [
    # told, number, word, after, most, spend, then, forgotten
    (True, 4, "w4", "w3", "20", True, "20", False),
    (True, 4, "w4", "w3", None, True, None, False),
    (True, 4, "w4", "w3", "20", False, "20", False),
    (True, 3, "w3", "w2", "9", False, "9", False),
    (True, 2, "w2", "w1", "50", True, "9", False),
    (True, 2, "x2", "x1", "5", False, "5", True),
    (True, 2, "x2", "x1", "50", False, "9", True),
    (True, 2, "x2", "x1", None, False, "9", True),
    (True, 2, "x2", "x1", "50", True, "50", True),
    (True, 3, "x3", "x2", "50", False, "9", True),
    (True, 4, "x4", "x3", "50", False, "9", True),
    (False, 2, "x2", "x1", "50", False, "9", False),
    (False, 3, "x3", "x2", "5", False, "9", True),
    (False, 4, "x4", "x3", "50", False, "9", True),
]


@pytest.mark.parametrize(
    ("told", "number", "word", "after", "most", "spend", "then", "forgotten"), ODD
)
def test_a_store_that_was_put_back_lets_nobody_spend_more(
    told: bool,
    number: int,
    word: str,
    after: str,
    most: str | None,
    spend: bool,
    then: str | None,
    forgotten: bool,
) -> None:
    """What a person has just said counts under any number. Where a word is not the one that was
    heard, or does not follow it, claims may be lost, and nothing is bought until a person says so.
    """
    made = desk(2)
    made.account.say(HEARD, told=True, spend=True)
    settings = replace(FAST, max_spend=Decimal(most) if most else None, max_running=7)
    made.account.say(Said(number, settings, word, after), told=told, spend=spend)
    again = Desk.from_state(json.loads(json.dumps(made.state())))
    limit = again.account.caps.max_spend
    assert (limit and str(limit), again.account.store_has_forgotten) == (then, forgotten)
    assert ("backup" in again.halted) is forgotten
    again.go_on()
    assert "backup" not in again.halted


def test_a_person_who_stops_an_account_is_heard_by_every_desk() -> None:
    """The next desk reads it in the store; a word about limits does not let it go on."""
    made = desk(2)
    made.account.say(Said(1, replace(FAST, stopped=True), "w1"), told=False, spend=False)
    assert (granted(made), made.way_out) == ([], "klingflow desk --resume")
    made.account.say(Said(1, FAST, "x1"), told=True, spend=False)
    assert "stopped" in made.halted
    made.go_on()
    assert len(granted(made)) == 2


@pytest.mark.parametrize(("number", "stopped"), [(2, True), (3, True), (1, False)])
def test_a_host_that_reads_a_stop_in_the_store_tells_the_desk(number: int, stopped: bool) -> None:
    """A desk whose memory is older than that buys nothing more; one that has heard more goes on.
    The create was not too late by the host's fault.
    """
    made = desk(3)
    made.account.say(Said(2, FAST, "w2"), told=True, spend=False)
    first, *_ = granted(made)
    before = made.account.tempo.in_time.limit
    made.bought(Bought(first, "late", stopped=number), 1.0, 0.5)
    assert bool(made.halted) is stopped
    assert made.account.tempo.in_time.limit == before
    assert [batch["waiting"] for batch in made.status(1.0)["batches"]] == [1]


def test_what_the_store_says_of_an_account_is_what_its_desk_forgot() -> None:
    """A desk that has heard it already forgot nothing; who lets it go on says what may be spent."""
    made, settings = desk(2), Settings(FAST.submit, 100, Decimal(9))
    made.account.say(Said(1, settings), told=True, spend=False)
    made.account.say(Said(1, settings), told=False, spend=False)
    assert len(granted(made)) == 2
    made.account.say(Said(2, settings), told=False, spend=False)
    assert made.halted
    made.go_on()
    assert made.halted and "--max-spend" in made.way_out
    made.account.say(Said(3, settings), told=True, spend=True)
    assert not made.halted


def test_a_batch_that_is_over_says_which_cap_left_orders_out() -> None:
    """Of the account, or its own."""
    made = desk(2, Settings(FAST.submit, 100, Decimal(2)))
    (uid,) = granted(made)
    made.bought(submitted(uid), 1.0, 0.5)
    made.over(uid)
    status = Desk.from_state(json.loads(json.dumps(made.state()))).status(1.0)
    assert status["over"] == ["b1"]
    cap = status["capped"]["b1"]
    assert (cap["cap"], cap["again"]) == ("max_spend", False)
    assert cap["reason"].startswith("of the account: max_spend: 2.00 of 2.00 CNY are used")


def test_each_host_is_known_by_what_it_sent() -> None:
    """What one only read in the store does not count."""
    made = desk(3)
    for uid, host, sent in zip(granted(made), ["north", "south", "north"], [1, 1, 0], strict=True):
        made.bought(replace(submitted(uid), host=host, sent=bool(sent)), 1.0, 0.5)
    assert Desk.from_state(made.state()).status(1.0)["hosts"] == {"north": 1, "south": 1}


# ---------------------------------------------------------------- tasks that failed


def retried(desk: Desk, order: Order, **more: bool) -> str:
    """Let the task of an order fail, and its take be bought again; return as what."""
    attempt = 2 + order.retry
    uid = uid_of("b1", order.ask.key, 1, attempt)
    desk.bought(submitted(order.uid), 1.0, 0.5)
    desk.again(order, uid, claimed=more.get("claimed", False))
    return uid


def orders(desk: Desk, now: float = 10.0) -> list[Order]:
    """What is granted now."""
    return [grant.order for grant in desk.grants(now)]


def test_a_take_that_is_bought_again_has_a_place_of_its_own() -> None:
    """It goes before the others, and the batch is not over before it is."""
    made = desk(2, Settings(Rate(6000, 60.0), 1))
    (first,) = orders(made)
    uid = retried(made, first)
    made.again(first, uid, claimed=False)  # told twice
    (again,) = orders(made)
    assert (again.uid, again.retry) == (uid, 1)
    made.bought(submitted(uid), 11.0, 0.5)
    made.over(uid)
    assert [one.uid for one in orders(made)] == [ask(1).uid]


@pytest.mark.parametrize("claimed", [True, False])
def test_what_was_bought_again_before_a_batch_came_back_is_counted_once(claimed: bool) -> None:
    """As its first purchase is; one that nobody has claimed is new."""
    made = desk(1)
    (first,) = orders(made)
    again = retried(made, first)
    made.over(orders(made)[0].uid)
    made.add("b1", "film", 1, Caps().state())
    made.read("b1", 0, [(ask(0), True)])
    (found,) = orders(made)
    made.again(found, again, claimed=claimed)
    assert [one.uid for one in orders(made)] == [again]
    assert made.account.caps.tasks == (2 if claimed else 3)


def test_a_cap_holds_for_what_is_bought_again() -> None:
    """It costs as much again; otherwise the batch ends."""
    for most, tasks in ((4, 2), (2, 1)):
        made = desk(1, Settings(FAST.submit, 100, Decimal(most)))
        retried(made, orders(made)[0])
        assert len(orders(made)) == tasks - 1
        assert (made.account.caps.tasks, "b1" in made.status(10.0)["capped"]) == (tasks, tasks == 1)


def test_a_batch_that_is_stopped_buys_nothing_again() -> None:
    """It is over with its last task."""
    made = desk(1)
    (first,) = orders(made)
    made.stop("b1")
    retried(made, first)
    assert made.status(10.0)["over"] == ["b1"]


@pytest.mark.parametrize("tries", [0, 1])
def test_what_waits_for_a_failed_task_waits_for_what_is_bought_again(tries: int) -> None:
    """By whichever try; and over a desk's new start."""
    made = chained(ask(0), waiting(1, 0))
    (first,) = orders(made)
    uid = retried(made, first)
    (again,) = orders(made)
    for _ in range(tries):
        told = {"uid": uid, "outcome": "limited", "kind": "limited", "sent": True, "proven": True}
        made.bought(Bought.from_json(told), 11.0, 0.5)
        uid = next_try(uid) or ""
        assert granted(made, 500.0) == [uid]
    made = Desk.from_state(json.loads(json.dumps(made.state())))
    made.bought(submitted(uid), 501.0, 0.5)
    made.over(uid, comes=True)
    assert made.status(501.0)["coming"] == [attempt_of(uid)]
    made.add("b2", "film", 1, Caps().state())
    made.read("b2", 0, [(replace(waiting(2, 0), ref=Ref("b2", 0, 0)), False)])
    assert not made.ends.unsure
    made.ended(uid, well=True)
    assert [one.ask.key for one in orders(made, 999.0)] == ["shot1", "shot2"]
    assert (again.attempt, made.ends.bought_for) == (attempt_of(ask(0).uid), {})


def test_what_fails_again_leaves_out_what_waits_for_it() -> None:
    """As one that fails at once does."""
    made = chained(ask(0), waiting(1, 0))
    uid = retried(made, orders(made)[0])
    orders(made)
    made.bought(submitted(uid), 11.0, 0.5)
    made.over(uid)
    assert made.status(11.0)["over"] == ["b1"]


# ---------------------------------------------------------------- orders that wait for others


def waiting(number: int, *needs: int, batch: str = "b1") -> Ask:
    """An order that waits for others of its batch."""
    return replace(ask(number, batch), needs=tuple(ask(n, batch).uid for n in needs))


def chained(*asks: Ask, places: int = 100) -> Desk:
    """A desk with a batch of these orders."""
    made = Desk(Settings(Rate(6000, 60.0), places))
    made.standing.proven = True
    made.add("b1", "film", 1, Caps().state())
    made.read("b1", 0, [(one, False) for one in asks])
    return made


def brought(desk: Desk, uid: str) -> None:
    """Let an order come to its video."""
    desk.bought(submitted(uid), 1.0, 0.5)
    desk.over(uid, comes=True)
    desk.ended(uid, well=True)


def numbers(desk: Desk, now: float = 10.0) -> list[int]:
    """The numbers of the orders that are granted now."""
    uids = {ask(n).uid: n for n in range(10)}
    return [uids[uid] for uid in granted(desk, now)]


def test_an_order_waits_until_what_it_needs_is_there() -> None:
    """A task that is over is not enough: its video has to be in the store."""
    made = chained(ask(0), waiting(1, 0), waiting(2, 0, 1))
    assert numbers(made) == [0]
    made.bought(submitted(ask(0).uid), 1.0, 0.5)
    made.over(ask(0).uid, comes=True)
    assert numbers(made) == [] and not made.ends.unsure
    made.ended(ask(0).uid, well=True)
    assert numbers(made) == [1]
    brought(made, ask(1).uid)
    assert numbers(made) == [2]
    brought(made, ask(2).uid)
    assert made.batches == {}


@pytest.mark.parametrize("well", [True, False])
def test_a_video_is_coming_until_its_order_has_ended(well: bool) -> None:
    """Also when its batch is over; whoever follows waits for no other."""
    made, uid = chained(ask(0)), ask(0).uid
    assert numbers(made) == [0]
    made.bought(submitted(uid), 1.0, 0.5)
    assert made.status(1.0)["coming"] == []
    made.over(uid, comes=True)
    assert (made.status(1.0)["over"], made.status(1.0)["coming"]) == (["b1"], [attempt_of(uid)])
    made.ended(uid, well=well)
    assert made.status(1.0)["coming"] == []


def test_what_is_released_goes_before_the_rest() -> None:
    """The batch waits for its chain."""
    made = chained(ask(0), ask(3), waiting(1, 0), waiting(2, 0), places=1)
    assert numbers(made) == [0]
    brought(made, ask(0).uid)
    order = []
    while found := numbers(made):
        order += found
        brought(made, ask(found[0]).uid)
    assert order == [1, 2, 3]


@pytest.mark.parametrize("how", ["failed", "undelivered", "rejected", "in_doubt", "stale"])
def test_what_does_not_come_leaves_out_all_that_waits_for_it(how: str) -> None:
    """Nobody buys a shot that cannot be made; the batch ends."""
    made = chained(ask(0), waiting(1, 0), waiting(2, 1), ask(3))
    assert numbers(made) == [0, 3]
    if how in ("failed", "undelivered"):
        made.bought(submitted(ask(0).uid), 1.0, 0.5)
        made.over(ask(0).uid, comes=how == "undelivered")
        made.ended(ask(0).uid, well=False)
    else:
        made.bought(Bought(ask(0).uid, how, sent=True), 1.0, 0.5)  # type: ignore[arg-type]  # a word
    assert numbers(made) == []
    (batch,) = made.status(0.0)["batches"]
    told = batch["waiting"], batch["left_out"], batch["why"]
    assert told == (0, 2, "what it waits for did not come")
    brought(made, ask(3).uid)
    assert made.batches == {}


def test_what_a_cap_leaves_out_takes_its_dependants_along() -> None:
    """They would wait for ever."""
    made = desk(0, caps=Caps(max_tasks=1))
    made.add("b2", "film", 1, Caps(max_tasks=1).state())
    made.read("b2", 0, [(ask(n), False) for n in (0, 3)] + [(waiting(1, 3), False)])
    assert numbers(made) == [0]
    brought(made, ask(0).uid)
    assert made.batches == {}


def test_another_try_is_waited_for() -> None:
    """A limit passes; the video is that of the try that was sold."""
    made = chained(ask(0), waiting(1, 0))
    assert numbers(made) == [0]
    made.bought(Bought(ask(0).uid, "limited", sent=True), 1.0, 0.5)
    (second,) = granted(made, 100.0)
    assert second == next_try(ask(0).uid)
    brought(made, second)
    assert numbers(made, 200.0) == [1]


def test_a_desk_that_has_lost_its_memory_asks_the_store() -> None:
    """An order that nobody here works on may have ended long ago."""
    made = chained(waiting(1, 0))
    assert numbers(made) == [] and [*made.ends.unsure] == [ask(0).uid]
    made.ended(ask(0).uid, well=True)
    assert numbers(made) == [1] and not made.ends.unsure


def test_an_end_that_came_first_counts() -> None:
    """A page may be read after the video has come, or after the shot has failed."""
    made = chained(ask(0), ask(3))
    assert numbers(made) == [0, 3]
    brought(made, ask(0).uid)
    made.add("b2", "film", 1, Caps().state())
    made.read("b2", 0, [(waiting(1, 0), False)])
    assert numbers(made) == [1]


def test_an_end_of_an_earlier_batch_does_not_count_for_a_new_try() -> None:
    """A shot that was refused is ordered again, and so is what waits for it."""
    made = chained(ask(0), waiting(1, 0))
    assert numbers(made) == [0]
    made.bought(Bought(ask(0).uid, "rejected", sent=True), 1.0, 0.5)
    again = replace(ask(0), uid=next_try(ask(0).uid) or "")
    made.add("b2", "film", 1, Caps().state())
    made.read("b2", 0, [(again, False), (replace(ask(1), needs=(again.uid,)), False)])
    assert granted(made, 10.0) == [again.uid]
    brought(made, again.uid)
    assert numbers(made, 20.0) == [1]


def test_a_claimed_order_waits_for_nothing() -> None:
    """Its claim was made when all was there."""
    made = Desk(FAST)
    made.add("b1", "film", 1, Caps().state())
    made.read("b1", 0, [(waiting(1, 0), True)])
    assert numbers(made) == [1]


def test_a_batch_that_is_stopped_lets_nothing_wait() -> None:
    """What is on its way ends."""
    made = chained(ask(0), waiting(1, 0))
    assert numbers(made) == [0]
    made.stop("b1")
    brought(made, ask(0).uid)
    assert made.batches == {}


def test_few_orders_of_a_batch_wait_at_once() -> None:
    """A desk goes on as a new one with all that it holds: its pages stay in the store."""
    made = Desk(FAST)
    made.standing.proven = True
    made.add("b1", "film", 3, Caps().state())
    made.read("b1", 0, [(ask(0), False), *((waiting(n, 0), False) for n in range(1, 100))])
    assert [*made.wanted_pages()] == [("b1", 1)]
    made.read("b1", 1, [(waiting(n, 0), False) for n in range(100, 200)])
    assert [*made.wanted_pages()] == []
    assert granted(made, 10.0) == [ask(0).uid]
    brought(made, ask(0).uid)
    assert len(made.batches["b1"].waiting) == 199


def test_a_page_that_begins_with_what_does_not_come_is_read_to_its_end() -> None:
    """The batch is not over before its last order was seen."""
    made = chained(ask(0))
    assert numbers(made) == [0]
    made.bought(Bought(ask(0).uid, "rejected", sent=True), 1.0, 0.5)
    made.add("b2", "film", 1, Caps().state())
    made.read("b2", 0, [(waiting(1, 0), False), (ask(3), False)])
    assert numbers(made) == [3]


def test_a_long_chain_is_left_out_whole() -> None:
    """However long it is."""
    uids = [uid_of("b1", f"shot{n}", 1, 1) for n in range(400)]
    refs = [Ref("b1", 0, n) for n in range(400)]
    asks = [
        Ask(ref, uid, "shot", "std", 5, ("2", "CNY"), tuple(uids[n - 1 : n]))
        for n, (ref, uid) in enumerate(zip(refs, uids, strict=True))
    ]
    made = chained(*asks)
    assert granted(made) == uids[:1]
    made.bought(Bought(uids[0], "rejected", sent=True), 1.0, 0.5)
    assert made.batches == {} and made.status(1.0)["over"] == ["b1"]

"""Buying at a cluster: a claim is made once, its POST is sent by whoever made it, and its answer is
never lost.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import pytest

from klingflow.cluster import hands
from klingflow.cluster.hand import Hand, Leave, Waits
from klingflow.cluster.orders import OrdersDamaged, Ref, withdrawn
from klingflow.cluster.reports import Bought
from klingflow.cluster.store import Chapter, FolderStore, told_of
from klingflow.errors import LedgerBroken, StoreAway
from klingflow.gateway.outcomes import Answer, Reply
from klingflow.ledger.handed_over import claimant, claimed
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line, parse_journal
from klingflow.model import Json
from tests.clusters import (
    QUICK,
    a_hand,
    a_store,
    asked,
    hand_over,
    lines,
    order,
    states,
    terms_of,
)
from tests.purchases import LATER
from tests.runs import LOST, UNSENT, refused, said

pytestmark = pytest.mark.anyio

TIER = "kling-3.0-720p"
ACCEPTED = said(id="task_1", model=TIER, status="queued")
LIMITED = refused(429, "rate_limit", "slow down", retry_after=7)
PAGE = Reply(200, {"content-type": "text/html"}, b"<html>welcome</html>")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of the first host."""
    return tmp_path / "host1"


def boxes(state: Path) -> list[Path]:
    """The black boxes that a host still has."""
    return sorted(state.glob("hands/*/*.jsonl"))


# ---------------------------------------------------------------- one host


@pytest.mark.parametrize(("answer", "end", "outcome"), [
    (
        ACCEPTED,
        "answer",
        Bought("", "submitted", "task_1", TIER, sent=True, proven=True),
    ),
    (
        LIMITED,
        "answer",
        Bought("", "limited", kind="limited", retry_after_s=7.0, sent=True, proven=True),
    ),
    (
        refused(401, "invalid_api_key", "no such key"),
        "answer",
        Bought("", "limited", kind="key", stops=True, sent=True),
    ),
    (UNSENT, "answer", Bought("", "unsent", kind="not_sent")),
    (LOST, "doubt", Bought("", "in_doubt", kind="unknown", sent=True, proven=True, lost=True)),
    (PAGE, "doubt", Bought("", "in_doubt", kind="unknown", sent=True, off_the_mark=True)),
])  # fmt: skip
async def test_an_order_is_bought(
    store: FolderStore, state: Path, answer: Answer, end: str, outcome: Bought
) -> None:
    """The store has claim and answer, or doubt; an engine is told no word of the gateway."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [answer]) as hand:
        told = await hands.buy(hand, ref)
    assert replace(told, uid="", reason="", host="") == outcome and told.host == "host1"
    assert [*lines(store)] == [f"001.{end}", "001.intent"]
    assert Bought.from_json(told.as_json()) == told
    assert boxes(state) == []


async def test_a_claim_says_whose_it_is(store: FolderStore, state: Path) -> None:
    """Which store, batch and host; the nonce is of this execution alone."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
    claim, answer = lines(store)["001.intent"], lines(store)["001.answer"]
    assert claim.evidence and answer.evidence == claim.evidence
    assert claim.evidence["cluster"] == {"batch": "b1", "store": store.identity}
    assert claim.evidence["claim"]["host"] == "host1"
    assert claim.times == {"intent": LATER, "updated": LATER}


async def test_the_claim_and_the_black_box_come_before_the_post(
    store: FolderStore, state: Path
) -> None:
    """A death at any later moment leaves a claim that nobody gets again."""
    seen: list[object] = []

    async def look() -> Answer:
        seen.extend([states(store), b'"state":"intent"' in boxes(state)[0].read_bytes()])
        return ACCEPTED

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [look]) as hand:
        await hands.buy(hand, ref)
    assert seen == [{"001.intent": "intent"}, True]


async def test_a_limited_order_is_tried_again_under_another_uid(
    store: FolderStore, state: Path
) -> None:
    """Each try has a claim of its own."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [LIMITED, ACCEPTED]) as hand:
        first = await hands.buy(hand, ref)
        second = await hands.buy(hand, ref, try_=2)
    assert first.next_try == second.uid
    assert states(store) == {
        "001.answer": "rejected", "001.intent": "intent",
        "002.answer": "submitted", "002.intent": "intent",
    }  # fmt: skip


async def test_a_page_that_is_not_there_yet_is_waited_for(store: FolderStore, state: Path) -> None:
    """A host that sees another store than the follower never buys anything."""
    told = list[str]()

    def looked(line: str) -> None:
        told.append(line)
        waited.cancel()

    with a_hand(store, state) as hand, anyio.move_on_after(60) as waited:
        hand.told = looked
        await hands.buy(hand, Ref("b1", 0, 0))
    assert waited.cancelled_caught
    assert len(told) == 1 and "does not have orders/b1/000000.jsonl: KLINGFLOW_CLAIMS" in told[0]
    assert states(store) == {}


async def test_a_page_that_does_not_come_is_left_to_other_hosts(
    store: FolderStore, state: Path
) -> None:
    """With what is wrong; this host says it once, and finds the page if it comes all the same."""
    told = list[str]()
    with a_hand(store, state, [ACCEPTED], waits=Waits(look_s=0.01, page_s=0)) as hand:
        hand.told = told.append
        for _ in range(2):
            with pytest.raises(hands.PageMissing, match=r"^host host1: .* does not have") as found:
                await hands.page(hand, "b1", 0)
            assert found.value.batch == "b1"
        assert len(told) == 1
        hand_over(store, [order("alley")], batch="b1")
        assert (await hands.page(hand, "b1", 0)).terms.batch == "b1"


async def test_a_damaged_page_is_told(store: FolderStore, state: Path) -> None:
    """Waiting would change nothing."""
    store.put("orders/b1/000000.jsonl", b"no page\n")
    with a_hand(store, state) as hand, pytest.raises(OrdersDamaged, match="b1/000000"):
        await hands.buy(hand, Ref("b1", 0, 0))


@pytest.mark.parametrize(("record", "why"), [
    ({"from": "opening", "frame": "last", "purchase": "uid-0"}, "its video, which is not in"),
    ({"from": "opening", "frame": "last"}, "last frame of opening was not uploaded"),
    ({"file": "alley.png", "sha256": "0" * 64}, "alley.png was not uploaded"),
])  # fmt: skip
async def test_an_order_without_an_address_is_not_sent(
    store: FolderStore, state: Path, record: Json, why: str
) -> None:
    """The gateway would get words in the place of an address, and might buy a shot without it."""
    (ref,) = hand_over(store, [replace(order("alley"), body={"prompt": "x", "image": record})])
    with a_hand(store, state) as hand:
        assert (await hands.buy(hand, ref)).outcome == "withdrawn"
        assert asked(hand) == []
    error = lines(store)["001.intent"].error
    assert error and why in error.message


async def test_an_order_for_another_gateway_is_stale(store: FolderStore, state: Path) -> None:
    """Its shot is planned again; nothing is claimed."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state) as hand:
        hand.origin = "https://elsewhere.example.com"
        assert (await hands.buy(hand, ref)).outcome == "stale"
    assert states(store) == {}


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_grant_that_is_too_old_claims_nothing(
    store: FolderStore, state: Path, claimed: bool
) -> None:
    """But tells what became of a claim that is there."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [ACCEPTED]) as hand:
        if claimed:
            await hands.buy(hand, ref)
        told = await hands.buy(hand, ref, too_late=True)
    assert told.outcome == ("submitted" if claimed else "late")
    assert len(asked(hand)) == claimed


# ---------------------------------------------------------------- several hosts


async def test_who_finds_the_claim_taken_sends_nothing(
    store: FolderStore, state: Path, tmp_path: Path
) -> None:
    """It waits for the answer, which is everybody's."""
    (ref,) = hand_over(store, [order("alley")])
    told: list[Bought] = []

    async def other() -> Answer:
        async def wait() -> None:
            told.append(await hands.buy(second, ref))

        group.start_soon(wait)
        await anyio.sleep(0.02)  # for the other to see the claim
        return ACCEPTED

    waits = replace(QUICK, create_s=30.0)
    with a_hand(store, tmp_path / "host2", waits=waits) as second:
        async with anyio.create_task_group() as group:
            with a_hand(store, state, [other]) as first:
                mine = await hands.buy(first, ref)
        assert told == [replace(mine, sent=False, proven=False, host="")]
        assert asked(second) == []


async def test_a_claim_without_an_answer_is_in_doubt_until_one_comes(
    store: FolderStore, state: Path, tmp_path: Path
) -> None:
    """The longest create is waited for; an answer that comes all the same outranks the doubt."""
    (ref,) = hand_over(store, [order("alley")])
    told: list[str] = []

    async def slow() -> Answer:
        with a_hand(store, tmp_path / "host2") as second:
            told.append((await hands.buy(second, ref)).outcome)
        return ACCEPTED

    with a_hand(store, state, [slow]) as first:
        mine = await hands.buy(first, ref)
    with a_hand(store, tmp_path / "host3") as third:
        told.append((await hands.buy(third, ref)).outcome)
    assert (mine.outcome, told) == ("submitted", ["in_doubt", "submitted"])


async def test_another_bodys_claim_is_no_answer(
    store: FolderStore, state: Path, tmp_path: Path
) -> None:
    """The order is stale: a copy of the ledger has bought another body as this attempt."""
    (ref,) = hand_over(store, [order("alley")])
    other = a_store(tmp_path / "other")
    hand_over(other, [order("alley", fingerprint="sha256:2")])
    with a_hand(other, state, [ACCEPTED]) as hand:
        hand.store = other
        await hands.buy(hand, ref)
    claim = other.get(other.names("purchases")[1]) or b""
    store.put(other.names("purchases")[1], claim)
    with a_hand(store, tmp_path / "host2") as second:
        assert (await hands.buy(second, ref)).outcome == "stale"


def _withdraw(store: FolderStore) -> bool:
    unused = withdrawn(order("alley"), host="follower", nonce="n", at=LATER)
    return store.put(told_of(unused.uid, "intent"), journal_line(unused))


async def test_a_withdrawn_order_is_never_bought(store: FolderStore, state: Path) -> None:
    """Its claim says that nobody uses it, so nobody waits."""
    (ref,) = hand_over(store, [order("alley")])
    assert _withdraw(store)
    with a_hand(store, state) as hand:
        told = await hands.buy(hand, ref)
    assert (told.outcome, asked(hand)) == ("withdrawn", [])
    assert (told.next_try, states(store)) == (None, {"001.intent": "rejected"})


async def test_what_is_bought_is_not_withdrawn(store: FolderStore, state: Path) -> None:
    """Whoever comes too late with its claim changes nothing."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
        assert not _withdraw(store)
        assert (await hands.buy(hand, ref)).outcome == "submitted"


# ---------------------------------------------------------------- trouble


class Away(FolderStore):
    """A store that is away at some calls: before it does what it is asked, or after it."""

    def __init__(self, store: FolderStore, plan: dict[str, list[str]]) -> None:
        super().__init__(store.folder)
        self.plan = plan

    def _meet(self, what: str, work: Callable[[], object]) -> object:
        trouble = self.plan[what].pop(0) if self.plan.get(what) else ""
        if trouble == "before":
            raise StoreAway("away")
        result = work()
        if trouble == "after":
            raise StoreAway("away")
        return result

    def put(self, name: str, data: bytes) -> bool:
        what = f"put {name.rpartition('.')[2]}"
        return cast(bool, self._meet(what, lambda: super(Away, self).put(name, data)))

    def get(self, name: str) -> bytes | None:
        what = f"get {name.rpartition('.')[2]}"
        return cast("bytes | None", self._meet(what, lambda: super(Away, self).get(name)))


@pytest.mark.parametrize("plan", [
    {"put intent": ["before"] * 3},
    {"put intent": ["after", "before", ""]},
    {"put intent": ["after"], "get intent": ["before"] * 3},
    {"put answer": ["before"] * 3},
    {"put answer": ["after", "before"]},
    {"get jsonl": ["before"] * 3},
])  # fmt: skip
async def test_a_store_that_is_away_is_waited_for(
    store: FolderStore, state: Path, plan: dict[str, list[str]]
) -> None:
    """The claim is ours if our own put made it, whatever we saw of it; one POST is sent."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [ACCEPTED]) as hand:
        hand.store = Away(store, plan)
        told = await hands.buy(hand, ref)
    assert (told.outcome, len(asked(hand))) == ("submitted", 1)
    assert states(store) == {"001.answer": "submitted", "001.intent": "intent"}


async def test_a_store_that_goes_and_comes_is_told_of(store: FolderStore, state: Path) -> None:
    """Once each time, however often it is asked."""
    (ref,) = hand_over(store, [order("alley")])
    told = list[str]()
    with a_hand(store, state, [ACCEPTED]) as hand:
        hand.store, hand.told = Away(store, {"get jsonl": ["before"] * 3}), told.append
        await hands.buy(hand, ref)
    assert [line.partition(":")[0] for line in told] == [
        "nothing is bought until the store is back",
        "the store is back",
    ]


async def test_a_claim_that_took_too_long_is_not_used(store: FolderStore, state: Path) -> None:
    """Others may have called it a doubt, and a person may have settled that."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, waits=replace(QUICK, claim_s=-1.0)) as hand:
        told = await hands.buy(hand, ref)
    assert (told.outcome, asked(hand)) == ("unsent", [])
    assert states(store) == {"001.answer": "rejected", "001.intent": "intent"}


async def test_a_black_box_that_cannot_be_written_stops_the_host(
    store: FolderStore, state: Path
) -> None:
    """Nothing is claimed, so another host buys."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state) as hand:
        await _break(hand)
        with pytest.raises(LedgerBroken):
            await hands.buy(hand, ref)
        assert asked(hand) == []
    assert states(store) == {}


async def test_a_black_box_that_breaks_after_the_claim_lets_it_go(
    store: FolderStore, state: Path
) -> None:
    """Nothing is sent, and the others are told so."""
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state) as hand:
        hand.store = Meeting(store, {"intent": lambda: _break_now(hand)})
        with pytest.raises(LedgerBroken):
            await hands.buy(hand, ref)
        assert asked(hand) == []
    assert states(store) == {"001.answer": "rejected", "001.intent": "intent"}


async def test_a_black_box_that_breaks_meanwhile_loses_no_id(
    store: FolderStore, state: Path
) -> None:
    """The store is then the only place that has it."""

    async def breaking() -> Answer:
        await _break(hand)
        return ACCEPTED

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [breaking]) as hand, pytest.raises(LedgerBroken):
        await hands.buy(hand, ref)
    assert lines(store)["001.answer"].task_id == "task_1"


async def _break(hand: Hand) -> None:
    _break_now(hand)


def _break_now(hand: Hand) -> None:
    hand.box._broken = OSError("no space left")


class Meeting(FolderStore):
    """A store in which something happens as soon as an object of a name is made."""

    def __init__(self, store: FolderStore, happens: Mapping[str, Callable[[], None]]) -> None:
        super().__init__(store.folder)
        self._happens = happens

    def put(self, name: str, data: bytes) -> bool:
        """Make the object; then it happens."""
        was_made = super().put(name, data)
        self._happens.get(name.rpartition(".")[2], lambda: None)()
        return was_made


@pytest.mark.parametrize("native", [True, False])
async def test_a_purchase_is_finished_though_it_is_cancelled(
    store: FolderStore, state: Path, native: bool
) -> None:
    """By an engine, which cancels the task itself, or by a scope: the answer is in the black box,
    and the next start hands it in.
    """

    async def cancel() -> Answer:
        hand.store = Away(store, {"put answer": ["before"] * 999})
        buying.cancel() if native else scope.cancel()
        await anyio.sleep(0.03)
        return ACCEPTED

    async def buy() -> None:
        with scope:
            await hands.buy(hand, ref)

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [cancel]) as hand:
        scope = anyio.CancelScope()
        buying = asyncio.ensure_future(buy())
        await asyncio.wait([buying])
    assert states(store) == {"001.intent": "intent"}
    await _hand_in(store, state)
    assert lines(store)["001.answer"].task_id == "task_1"
    assert boxes(state) == []


async def _hand_in(store: FolderStore, state: Path) -> None:
    with a_hand(store, state) as hand:
        assert await hands.hand_in(hand, state) == []


async def test_a_claim_that_a_dead_process_left_is_in_doubt_at_once(
    store: FolderStore, state: Path
) -> None:
    """Its host knows that nobody sends it any more."""

    async def die() -> Answer:
        raise RuntimeError("a mistake of ours")

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [die]) as hand, pytest.raises(RuntimeError):
        await hands.buy(hand, ref)
    await _hand_in(store, state)
    doubt = lines(store)["001.doubt"]
    assert doubt.evidence and claimant(doubt) == claimant(lines(store)["001.intent"])
    assert boxes(state) == []


class Died(BaseException):
    """The process is gone at this moment."""


@pytest.mark.parametrize(("claim", "expected"), [
    ("ours", {"001.answer": "rejected", "001.intent": "intent"}),
    ("theirs", {"001.intent": "intent"}),
    ("answered", {"001.answer": "submitted", "001.intent": "intent"}),
    ("damaged", {}),
    (None, {}),
])  # fmt: skip
async def test_a_claim_that_a_dead_process_has_not_used_is_free_at_once(
    claim: str | None, expected: dict[str, str], store: FolderStore, state: Path
) -> None:
    """Its black box says that it was about to claim, and not that it was about to send: another try
    follows. A claim that is not its own stays what it is.
    """
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state) as hand:
        intent = hands._intent(hand, order("alley"))
        await hand.box.claiming(intent)
        theirs = claimed(order("alley"), host="other", nonce="n")
        there = journal_line(theirs if claim == "theirs" else intent)
        if claim:
            store.put(told_of(intent.uid, "intent"), b"x" if claim == "damaged" else there)
        if claim == "answered":
            answer = advance(intent, "accepted", LATER, task_id="task_1")
            store.put(told_of(intent.uid, "answer"), journal_line(answer))
    await _hand_in(store, state)
    assert boxes(state) == []
    if claim != "damaged":
        assert states(store) == expected
    if claim == "ours":
        with a_hand(store, state, [ACCEPTED]) as hand:
            assert (await hands.buy(hand, ref)).next_try
            assert (await hands.buy(hand, ref, try_=2)).outcome == "submitted"


@pytest.mark.parametrize("other", ["host", "torn", "copy"])
async def test_a_claim_that_may_have_been_used_is_not_let_go(
    other: str, store: FolderStore, state: Path
) -> None:
    """Another host's, which only lies on the same disk; one of a box with a line that nobody can
    read, which may have said that it was about to be sent; or one of a box that was copied: the
    host of the same name that it was copied from may be about to send it.
    """
    hand_over(store, [order("alley")])
    with a_hand(store, state) as hand:
        hand.host = "another" if other == "host" else hand.host
        intent = hands._intent(hand, order("alley"))
        await hand.box.claiming(intent)
        store.put(told_of(intent.uid, "intent"), journal_line(intent))
    if other == "torn":
        (box,) = boxes(state)
        box.write_bytes(box.read_bytes() + journal_line(intent)[:50] + b"\n")
    if other == "copy":
        original = shutil.move(state, state.with_name("original"))
        shutil.copytree(original, state)
    await _hand_in(store, state)
    assert states(store).get("001.doubt") == (None if other == "host" else "in_doubt")
    assert "001.answer" not in states(store)


async def test_two_executions_of_one_process_are_told_apart(
    store: FolderStore, state: Path
) -> None:
    """The one that found the claim taken says nothing about the one that has it."""

    async def again() -> Answer:
        await hands._claim_and_send(hand, terms_of(store), ready, Leave())
        raise Died

    (ref,) = hand_over(store, [order("alley")])
    ready = hands._Ready(order("alley"), b"{}")
    with a_hand(store, state, [again]) as hand, pytest.raises(Died):
        await hands.buy(hand, ref)
    await _hand_in(store, state)
    assert states(store) == {"001.doubt": "in_doubt", "001.intent": "intent"}


@pytest.mark.parametrize("chapter", ["intent", "answer"])
async def test_what_nobody_can_read_is_in_doubt(
    chapter: Chapter, store: FolderStore, state: Path
) -> None:
    """A claim, or its answer: the store says so, and nobody waits for ever."""
    (ref,) = hand_over(store, [order("alley")])
    claim = claimed(order("alley"), host="other", nonce="n")
    store.put(told_of(claim.uid, "intent"), journal_line(claim))
    with a_hand(store, state) as hand:
        path = store.folder / told_of(claim.uid, chapter)
        path.write_bytes(b"x")
        told = await hands.buy(hand, ref)
        assert (told.outcome, asked(hand)) == ("in_doubt", [])
    (doubt,) = parse_journal(store.get(told_of(claim.uid, "doubt")) or b"", "").accounts
    assert doubt.state == "in_doubt"


async def test_a_torn_line_keeps_its_black_box(store: FolderStore, state: Path) -> None:
    """It may be an answer that names a task, which nobody else knows."""

    async def die() -> Answer:
        raise RuntimeError("a mistake of ours")

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [die]) as hand, pytest.raises(RuntimeError):
        await hands.buy(hand, ref)
    (box,) = boxes(state)
    answer = replace(lines(store)["001.intent"], state="submitted", task_id="task_1")
    box.write_bytes(box.read_bytes() + journal_line(answer)[:-9])
    await _hand_in(store, state)
    assert states(store) == {"001.doubt": "in_doubt", "001.intent": "intent"}
    assert b"task_1" in box.read_bytes()


async def test_an_answer_that_the_store_has_otherwise_is_kept(
    store: FolderStore, state: Path
) -> None:
    """Two ids for one claim cannot be; neither is thrown away."""

    async def contradicted() -> Answer:
        name = store.names("purchases")[0].replace(".intent", ".answer")
        hand.store = Away(store, {"put answer": ["before"] * 999})
        other = replace(lines(store)["001.intent"], state="submitted", task_id="task_other")
        store.put(name, journal_line(other))
        buying.cancel()
        return ACCEPTED

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [contradicted]) as hand:
        buying = asyncio.ensure_future(hands.buy(hand, ref))
        await asyncio.wait([buying])
    with a_hand(store, state) as hand:
        assert [p.task_id for p in await hands.hand_in(hand, state)] == ["task_1"]
    assert len(boxes(state)) == 1


@pytest.mark.parametrize("other", [b"damaged", None])
async def test_an_answer_that_the_store_does_not_take_stays_in_the_black_box(
    store: FolderStore, state: Path, other: bytes | None
) -> None:
    """Also where its process ends in good order: nothing else has the id."""

    async def contradicted() -> Answer:
        claim = lines(store)["001.intent"]
        theirs = replace(claim, state="submitted", task_id="task_other")
        store.put(told_of(claim.uid, "answer"), other or journal_line(theirs))
        return ACCEPTED

    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, state, [contradicted]) as hand:
        assert (await hands.buy(hand, ref)).task_id == "task_1"
    (box,) = boxes(state)
    assert b"task_1" in box.read_bytes()
    with a_hand(store, state) as hand:
        assert [p.task_id for p in await hands.hand_in(hand, state)] == ["task_1"]


async def test_a_live_process_keeps_its_black_box(store: FolderStore, state: Path) -> None:
    """What it is doing is no doubt."""
    (ref,) = hand_over(store, [order("alley")])

    async def meanwhile() -> Answer:
        await _hand_in(store, state)
        return ACCEPTED

    with a_hand(store, state, [meanwhile]) as hand:
        await hands.buy(hand, ref)
    assert states(store) == {"001.answer": "submitted", "001.intent": "intent"}

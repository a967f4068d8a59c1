"""What an order needs of other shots, on a host: made once, done again harmlessly, and never a
reason to send words in the place of an address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import pytest

from klingflow.assets.folders import FolderStore as Assets
from klingflow.cluster import hands
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import Ref, as_bytes, failed, page_name, pages, unused
from klingflow.cluster.reports import Bought
from klingflow.cluster.store import Chapter, FolderStore, told_of
from klingflow.cluster.supplies import Claims, claims_of, end_of
from klingflow.cluster.waits import Supply, waiting, waits_of
from klingflow.gateway.outcomes import NoReply
from klingflow.ledger.book import doubt
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import parse_journal
from klingflow.ledger.uids import next_try, uid_of
from klingflow.model import AssetSettings, Failure, Json, Purchase
from tests.clusters import LINEAGE, a_hand, asked, lines, order, put, states, terms_of
from tests.greys import film
from tests.purchases import LATER
from tests.runs import LOST, Scripted, Shown, Video, said

pytestmark = pytest.mark.anyio

PUBLIC = "https://cdn.example.com/refs"
FILM, SMALL = film(5), film(5, (320, 180))
END: dict[str, Json] = {"from": "opening", "frame": "last"}
WHOLE: dict[str, Json] = {"from": "opening"}
ACCEPTED = said(id="task_2", model="kling-3.0-720p", status="queued")
LIMITED = Failure("limited", "1302", "slow down")
NO_MONEY = Failure("quota", "1102", "resource pack depleted")
REFUSED = Failure("moderation", "1301", "no")
BUSY = Failure("capacity", "1", "server busy")
OPENING = order("opening")
NEEDS = {"opening": Supply(order=OPENING.uid)}


def bring(store: FolderStore, folder: Path, video: bytes = FILM, url: str | None = None) -> None:
    """Let the store have the video of `opening`, as a host leaves it."""
    sha256 = hashlib.sha256(video).hexdigest()
    bought = advance(OPENING, "accepted", LATER, task_id="task_1", video_url=url)
    done = advance(advance(bought, "succeeded", LATER, video_url=url), "downloaded", LATER)
    put(store, "intent", OPENING)
    put(store, "answer", bought)
    put(store, "done", replace(done, sha256=sha256, size_bytes=len(video)))
    (folder / "video").write_bytes(video)
    store.keep(f"videos/{sha256}.mp4", folder / "video")


def hand_over(
    store: FolderStore,
    image: Json,
    *,
    needs: dict[str, Supply] = NEEDS,
    allow: Sequence[str] = (),
    addresses: dict[str, str] | None = None,
) -> Ref:
    """Put the page of a shot `door` that begins with something else. Return where it stands."""
    intent = replace(order("door", fingerprint=""), body={"prompt": "x", "image": image})
    made = waiting(intent, needs, allow)
    (page,) = pages(terms_of(store), [made], addresses)
    store.put(page_name("b1", 0), as_bytes(page))
    return next(page.asks()).ref


def claim_of(store: FolderStore, shot: str) -> Purchase:
    """The claim of a shot's first try."""
    name = told_of(order(shot).uid, "intent")
    (claim,) = parse_journal(store.get(name) or b"", name).accounts
    return claim


def upload_to(hand: Hand, folder: Path, *videos: Video | NoReply) -> None:
    """Let a host upload to a folder, and its gateway sell one task."""
    hand.assets = lambda settings: Assets(folder, PUBLIC)
    hand.gateway = Scripted([ACCEPTED], (), videos)  # type: ignore[assignment]  # the seam


def sent(hand: Hand) -> Json:
    """The body that was sent."""
    return cast(Scripted, hand.gateway).bodies[0]


# ---------------------------------------------------------------- what became of an order


@pytest.mark.parametrize("why", [LIMITED, NO_MONEY])
async def test_an_order_ends_with_the_try_that_was_sold(
    store: FolderStore, tmp_path: Path, why: Failure
) -> None:
    """A limit passes, and a balance is filled: the next try is what came of the order."""
    with a_hand(store, tmp_path / "host") as hand:
        assert await end_of(hand, OPENING.uid) == ("nobody", None)
        put(store, "answer", advance(OPENING, "refused", LATER, error=why))
        assert (await end_of(hand, OPENING.uid))[0] == "coming"
        second = replace(OPENING, uid=next_try(OPENING.uid) or "")
        bought = advance(second, "accepted", LATER, task_id="task_1")
        put(store, "answer", bought)
        assert await end_of(hand, OPENING.uid) == ("coming", bought)
        done = advance(advance(bought, "succeeded", LATER), "downloaded", LATER, sha256="aa")
        put(store, "done", done)
        assert await end_of(hand, OPENING.uid) == ("done", done)


async def test_an_order_that_is_bought_again_ends_with_what_was_sold(
    store: FolderStore, tmp_path: Path
) -> None:
    """What waits for it waits on."""
    terms = terms_of(store, retries=1)
    again = replace(OPENING, uid=uid_of(LINEAGE, OPENING.shot, 1, 2), attempt=2)
    bought = advance(OPENING, "accepted", LATER, task_id="task_1")
    put(store, "done", failed(terms, OPENING, advance(bought, "failed", LATER, error=BUSY)))
    with a_hand(store, tmp_path / "host") as hand:
        assert await end_of(hand, OPENING.uid) == ("coming", None)
        bought = advance(again, "accepted", LATER, task_id="task_2")
        done = advance(advance(bought, "succeeded", LATER), "downloaded", LATER, sha256="aa")
        put(store, "done", done)
        assert await end_of(hand, OPENING.uid) == ("done", done)


@pytest.mark.parametrize(("end", "purchase", "expected"), [
    ("answer", advance(OPENING, "refused", LATER, error=REFUSED), "failed"),
    ("doubt", doubt(OPENING, LATER), "failed"),
    ("intent", OPENING, "coming"),
    ("answer", unused(OPENING, LATER), "coming"),
])  # fmt: skip
async def test_what_brings_no_video_has_failed(
    store: FolderStore, tmp_path: Path, end: str, purchase: Purchase, expected: str
) -> None:
    """A claim may still be answered."""
    put(store, end, purchase)
    with a_hand(store, tmp_path / "host") as hand:
        assert (await end_of(hand, OPENING.uid))[0] == expected


SECOND = replace(OPENING, uid=uid_of(LINEAGE, OPENING.shot, 1, 2), attempt=2)
SOLD, SOLD_AGAIN = (advance(o, "accepted", LATER, task_id="task") for o in (OPENING, SECOND))
AGAIN = replace(
    advance(SOLD, "failed", LATER, error=BUSY), evidence={"cluster": {}, "again": SECOND.uid}
)
COME = advance(advance(SOLD_AGAIN, "succeeded", LATER), "downloaded", LATER, sha256="aa")


@pytest.mark.parametrize(("told", "expected"), [
    ([("intent", OPENING)], Claims(1)),
    ([("answer", SOLD)], Claims(1)),
    ([("answer", advance(OPENING, "refused", LATER, error=LIMITED))], Claims(1)),
    ([("answer", advance(OPENING, "refused", LATER, error=NO_MONEY))], Claims(1)),
    ([("answer", advance(OPENING, "refused", LATER, error=REFUSED))], Claims(0, has_come=False)),
    ([("done", AGAIN)], Claims(1)),
    ([("done", AGAIN), ("answer", SOLD_AGAIN)], Claims(2)),
    ([("done", AGAIN), ("done", COME)], Claims(2, has_come=True)),
    ([("done", AGAIN), ("answer", advance(SECOND, "refused", LATER, error=REFUSED))],
     Claims(1, has_come=False)),
])  # fmt: skip
async def test_claims_count_what_they_cost(
    store: FolderStore, tmp_path: Path, told: list[tuple[Chapter, Purchase]], expected: Claims
) -> None:
    """Each attempt, unless it certainly bought nothing; and whether anything comes of them."""
    for chapter, purchase in told:
        put(store, chapter, purchase)
    with a_hand(store, tmp_path / "host") as hand:
        assert await claims_of(hand, OPENING.uid) == expected


async def test_claims_that_nobody_can_read_may_cost_something(
    store: FolderStore, tmp_path: Path
) -> None:
    """One was made."""
    store.put(told_of(OPENING.uid, "answer"), b"damaged")
    with a_hand(store, tmp_path / "host") as hand:
        assert await claims_of(hand, OPENING.uid) == Claims(1)


async def test_what_a_person_has_settled_is_not_tried_again(
    store: FolderStore, tmp_path: Path
) -> None:
    """Whatever its host says later, that never used its claim."""
    put(store, "answer", unused(OPENING, LATER))
    put(store, "resolved", advance(doubt(OPENING, LATER), "abandoned", LATER))
    with a_hand(store, tmp_path / "host") as hand:
        assert (await end_of(hand, OPENING.uid))[0] == "failed"


async def test_what_nobody_can_read_has_failed(store: FolderStore, tmp_path: Path) -> None:
    """Nobody can say which video it is, so nothing waits for it."""
    store.put(told_of(OPENING.uid, "answer"), b"damaged")
    with a_hand(store, tmp_path / "host") as hand:
        assert await end_of(hand, OPENING.uid) == ("failed", None)


# ---------------------------------------------------------------- frames and videos


async def test_a_host_takes_a_frame_and_buys_with_it(store: FolderStore, tmp_path: Path) -> None:
    """The gateway gets an address; claim and answer have shot, words and purchase."""
    bring(store, tmp_path)
    ref = hand_over(store, END)
    with a_hand(store, tmp_path / "host") as hand:
        upload_to(hand, tmp_path / "refs", Shown(tmp_path / "refs"))
        told = await hands.buy(hand, ref)
        (frame,) = (tmp_path / "refs").iterdir()
        assert sent(hand)["image"] == f"{PUBLIC}/{frame.name}" and told.task_id == "task_2"
    claim = claim_of(store, "door")
    assert claim.body["image"] == {**END, "purchase": OPENING.uid}
    assert claim.fingerprint.startswith("sha256:") and waits_of(claim) is None


async def test_another_host_goes_on_with_what_a_dead_one_uploaded(
    store: FolderStore, tmp_path: Path
) -> None:
    """The frame is not taken again, and one POST is sent."""
    bring(store, tmp_path)
    ref = hand_over(store, END)
    with a_hand(store, tmp_path / "host1") as first:
        upload_to(first, tmp_path / "refs", Shown(tmp_path / "refs"))
        first.clock = iter([0.0, 100.0, *[100.0] * 20]).__next__  # the frame took too long
        assert (await hands.buy(first, ref)).outcome == "late"
        assert not any("create" in asking for asking in asked(first))
    with a_hand(store, tmp_path / "host2") as second:
        upload_to(second, tmp_path / "elsewhere", Shown(tmp_path / "refs"))
        assert (await hands.buy(second, ref)).outcome == "submitted"
        assert not (tmp_path / "elsewhere").exists()
        assert sent(second)["image"].startswith(PUBLIC)


@pytest.mark.parametrize(("answers", "uploads"), [(True, False), (False, True)])
async def test_a_video_goes_by_its_own_address_while_that_answers(
    store: FolderStore, tmp_path: Path, answers: bool, uploads: bool
) -> None:
    """Otherwise by an upload of the video in the store."""
    own = "https://cdn.example.com/opening.mp4"
    bring(store, tmp_path, url=own)
    ref = hand_over(store, WHOLE)
    refs = tmp_path / "refs"
    shown = [Video(206, FILM)] if answers else [Video(403), Shown(refs)]
    with a_hand(store, tmp_path / "host") as hand:
        upload_to(hand, refs, *shown)
        assert (await hands.buy(hand, ref)).outcome == "submitted"
        name = f"{PUBLIC}/{hashlib.sha256(FILM).hexdigest()}.mp4"
        assert sent(hand)["image"] == (name if uploads else own)
        assert refs.exists() == uploads


@pytest.mark.parametrize(("video", "image", "uploads", "why"), [
    (SMALL, END, True, "the last frame of opening' is 320x180"),
    (FILM, {**END, "frame": "9s"}, True, "the frame at 9s of opening cannot be taken"),
    (FILM, END, False, "there is no store for frames"),
    (FILM, {"file": "a.png", "sha256": "aa"}, True, "a.png was not uploaded"),
])  # fmt: skip
async def test_what_cannot_be_sent_is_given_up_by_its_claim(
    store: FolderStore, tmp_path: Path, video: bytes, image: Json, uploads: bool, why: str
) -> None:
    """Nothing is bought, no host waits, and the ledger will say why."""
    bring(store, tmp_path, video)
    ref = hand_over(store, image)
    with a_hand(store, tmp_path / "host") as hand:
        upload_to(hand, tmp_path / "refs", Shown(tmp_path / "refs"))
        if not uploads:
            hand.assets = lambda settings: None
        assert (await hands.buy(hand, ref)).outcome == "withdrawn"
        assert (await hands.buy(hand, ref)).outcome == "withdrawn"
    claim = claim_of(store, "door")
    assert claim.error and why in claim.error.message and claim.error.code == "unsendable"


async def test_no_frame_is_taken_of_another_video(store: FolderStore, tmp_path: Path) -> None:
    """A disk or a bucket may have lost bytes: a shot would be bought that begins with them."""
    bring(store, tmp_path)
    (video,) = (store.folder / "videos").iterdir()
    video.write_bytes(SMALL)
    ref = hand_over(store, END, allow=["image-size"])
    with a_hand(store, tmp_path / "host") as hand:
        upload_to(hand, tmp_path / "refs", Shown(tmp_path / "refs"))
        assert (await hands.buy(hand, ref)).outcome == "withdrawn"
    assert "which is not in the store" in str(claim_of(store, "door").error)


async def test_a_shot_may_allow_what_a_limit_forbids(store: FolderStore, tmp_path: Path) -> None:
    """What it allows goes with the order."""
    bring(store, tmp_path, SMALL)
    ref = hand_over(store, END, allow=["image-size"])
    with a_hand(store, tmp_path / "host") as hand:
        upload_to(hand, tmp_path / "refs", Shown(tmp_path / "refs"))
        assert (await hands.buy(hand, ref)).outcome == "submitted"


async def test_what_has_not_come_is_not_bought_with(store: FolderStore, tmp_path: Path) -> None:
    """The desk was told otherwise: nothing is claimed."""
    ref = hand_over(store, END)
    with a_hand(store, tmp_path / "host") as hand:
        told = await hands.buy(hand, ref)
        assert told == Bought(order("door").uid, "stale", reason="what it needs has not come")
    assert states(store) == {}


# ---------------------------------------------------------------- local files


@pytest.mark.parametrize(("answer", "outcome"), [
    (Video(206, FILM), "submitted"),
    (Video(404), "withdrawn"),
    (Video(429), "submitted"),
    (Video(503), "submitted"),
    (LOST, "submitted"),
])  # fmt: skip
async def test_a_local_file_goes_by_the_address_of_its_page(
    store: FolderStore, tmp_path: Path, answer: Video | NoReply, outcome: str
) -> None:
    """Unless a server says that nothing is there any more: who cannot be reached says nothing."""
    record: Json = {"file": "refs/a.png", "sha256": "aa"}
    address = f"{PUBLIC}/aa.png?signature=1"
    ref = hand_over(store, record, needs={}, addresses={"aa": address, "bb": "not for it"})
    with a_hand(store, tmp_path / "host") as hand:
        upload_to(hand, tmp_path / "refs", answer)
        assert (await hands.buy(hand, ref)).outcome == outcome
        if outcome == "submitted":
            assert sent(hand)["image"] == address
    assert all(p.body["image"] == record for p in lines(store).values())
    assert b"not for it" not in (store.get(page_name("b1", 0)) or b"")


def test_a_batch_says_where_its_frames_go(store: FolderStore) -> None:
    """As its manifest does; a secret is never among it."""
    assets = Assets(Path("/srv/my refs"), PUBLIC).settings
    assert assets == AssetSettings("file:///srv/my%20refs", PUBLIC)
    terms = terms_of(store, assets=asdict(assets))
    assert AssetSettings(**terms.assets) == assets

"""A store with a batch of orders, and hands that buy from it, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import cast

from klingflow.api import loading, running
from klingflow.api.site import Wish
from klingflow.cluster.hand import Hand, Waits
from klingflow.cluster.handbox import opened
from klingflow.cluster.orders import Ref, Terms, as_bytes, page_name, pages
from klingflow.cluster.store import FolderStore
from klingflow.cluster.ticks import Ticks, note_of
from klingflow.gateway.http import Gateway
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import journal_line, parse_journal
from klingflow.ledger.uids import uid_of
from klingflow.model import Json, Purchase
from klingflow.runner.context import Job
from tests.harness import pipeline_at
from tests.purchases import LATER, ORIGIN, intent
from tests.runs import Said, Scripted, Video

LINEAGE, BATCH = "0123456789abcdef", "b1"
QUICK = Waits(claim_s=60.0, create_s=0.05, spare_s=-59.9, look_s=0.01, longest_look_s=0.02)
_nonces = count(1)


def order(shot: str, *, fingerprint: str = "sha256:1") -> Purchase:
    """An intent as it is handed over."""
    return intent(shot, uid=uid_of(LINEAGE, shot, 1, 1), fingerprint=fingerprint)


def a_store(folder: Path) -> FolderStore:
    """An empty store."""
    folder.mkdir(parents=True, exist_ok=True)
    return FolderStore(folder)


def put(store: FolderStore, end: str, purchase: Purchase) -> None:
    """Make an object of a purchase."""
    assert store.put(f"purchases/{purchase.uid}.{end}", journal_line(purchase))


def terms_of(store: FolderStore, **more: object) -> Terms:
    """The terms of the batch."""
    terms = Terms(BATCH, LINEAGE, "film", ORIGIN, store.identity, 0)
    return replace(terms, **more)  # type: ignore[arg-type]  # any field


def hand_over(store: FolderStore, orders: Sequence[Purchase], **more: object) -> list[Ref]:
    """Put the pages of a batch. Return where the orders stand."""
    made = pages(terms_of(store, **more), orders)
    for page in made:
        assert store.put(page_name(page.terms.batch, page.number), as_bytes(page))
    return [ask.ref for page in made for ask in page.asks()]


@contextmanager
def a_job(folder: Path, **shots: Json) -> Iterator[Job]:
    """A film whose lock is committed, held: of two shots, or of these."""
    pipeline = pipeline_at(folder)
    if not (folder / "film.lock").exists():
        pipeline.write(shots or 2)
        (folder / "film.lock").write_bytes(lock_header(LINEAGE, 1, 0))
    manifest = loading.load(pipeline.manifest)
    with running.open_job(manifest, Wish(black_box=False), ORIGIN) as job:
        yield job


@contextmanager
def a_hand(
    store: FolderStore, state: Path, creates: Sequence[Said] = (), *, waits: Waits = QUICK
) -> Iterator[Hand]:
    """A host whose gateway says what a test tells it to say."""
    with opened(state, store.identity) as box:
        yield Hand(
            store,
            cast(Gateway, Scripted(creates)),
            ORIGIN,
            box,
            host=state.name,
            now=lambda: LATER,
            nonce=lambda: f"nonce-{next(_nonces)}",
            ticks=Ticks(store, note_of(state, store.identity, "a"), pause=lambda seconds: None),
            waits=waits,
        )


def asked(hand: Hand) -> list[str]:
    """What its gateway was asked."""
    return cast(Scripted, hand.gateway).asked


def lines(store: FolderStore) -> dict[str, Purchase]:
    """What the store says of purchases, by the ends of the names."""
    found = {}
    for name in store.names("purchases"):
        (purchase,) = parse_journal(store.get(name) or b"", name).accounts
        found[name.rpartition("-")[2]] = purchase
    return found


def states(store: FolderStore) -> dict[str, str]:
    """The states that the objects of the store show."""
    return {name: purchase.state for name, purchase in lines(store).items()}


class Shelf:
    """A public web server of a folder, behind the seam of a gateway that reads addresses. `read`
    are the names that were asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.read: list[str] = []

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Video]:
        """Yield what is on the shelf under the address's last part."""
        name = url.rpartition("/")[2]
        self.read.append(name)
        try:
            data = (self._folder / name).read_bytes()
        except FileNotFoundError:
            yield Video(404)
        else:
            yield Video(206, data[:4096], **{"content-range": f"bytes 0-4095/{len(data)}"})

"""PURE. Orders: shots that are handed over to a cluster, in pages of a hundred.

An order is the intent of a purchase as a line of a journal; the first line of its page has what
holds for the whole batch. A body never leaves the page: an `Ask` is what an engine is told of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Final, NamedTuple, Self

from klingflow.cluster import versions
from klingflow.cluster.brief import brief
from klingflow.cluster.waits import waits_of
from klingflow.decide.caps import Caps
from klingflow.decide.patience import is_bought_again
from klingflow.errors import UsageError
from klingflow.gateway.failures import kind_of
from klingflow.ledger.book import doubt
from klingflow.ledger.handed_over import (
    CLUSTER,
    UNSENDABLE,
    WITHDRAWN,
    as_retry,
    bought_again,
    buying_again,
    claimed,
    handed_over,
    is_withdrawn,
    retry_of,
    store_of,
)
from klingflow.ledger.lifecycle import advance, begun_as
from klingflow.ledger.lines import journal_line, parse_journal
from klingflow.ledger.sums import encoded, summed, unsummed
from klingflow.ledger.uids import next_try, try_of, uid_of
from klingflow.manifest.chained import chained
from klingflow.manifest.held_files import Record, records
from klingflow.manifest.tag import tagged
from klingflow.model import Failure, Json, Price, Purchase, Request
from klingflow.model.sayings import saying
from klingflow.words import _

PAGE = 100
_HEADER, _VERSION = "klingflow_orders", 1


class OrdersDamaged(ValueError):
    """A page cannot be believed, or does not hold the order. Trying again changes nothing."""


class Ref(NamedTuple):
    """Where an order stands: numbers count from 0."""

    batch: str
    page: int
    number: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a batch. `film` is the manifest's name, `origin` the gateway that is to sell,
    `store` the identity of the store.

    `retries`: so often a take is bought again whose task failed for want of capacity. `caps` is the
    `Caps.state` of the run, whose purse 0 is the film's; `assets` says where hosts put frames, as
    the fields of `AssetSettings`.
    """

    batch: str
    lineage: str
    film: str
    origin: str
    store: str
    pages: int
    refund_5xx: bool = False
    tag_media: bool = False
    deadline_s: float = 3600.0
    poll_floor_s: float = 5.0
    retries: int = 0
    caps: Mapping[str, Json] = field(default_factory=dict)
    assets: Mapping[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """Return the terms as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of. Raises OrdersDamaged, also for terms that
        only a newer version knows: they may limit what is bought.
        """
        what = _("the terms of a batch")
        try:
            terms = versions.read(cls, document, what, exact=True)
            versions.check_names(terms.caps, frozenset(Caps().state()), what)
            return terms
        except UsageError as error:
            raise OrdersDamaged(str(error)) from error


# The fields of `Ask` that are lists in JSON.
_LISTS: Final = ("ref", "price", "needs")


@dataclass(frozen=True, slots=True)
class Ask:
    """What an engine is told of an order: nothing of its body. `price` is amount and currency;
    `needs` are the orders whose videos must be there first, by the uids of their first tries.
    """

    ref: Ref
    uid: str
    key: str
    tier: str
    seconds: int
    price: tuple[str, str] | None = None
    needs: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        told = {name: list(value) for name, value in brief(self).items() if name in _LISTS}
        return {**brief(self), **told}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of. Raises UsageError, also where only a newer
        version knows what it has to wait for.
        """
        what = _("what a desk says of an order")
        with versions.reading(what):
            lists = {name: document[name] for name in _LISTS if document.get(name) is not None}
            made: dict[str, Json] = {
                name: tuple(versions.listed(value)) for name, value in lists.items()
            }
            made["ref"] = Ref(*versions.listed(document["ref"]))
        return versions.read(cls, document, what, exact=True, **made)

    @property
    def request(self) -> Request:
        """What caps are reserved for; without its body."""
        price = Price(Decimal(self.price[0]), self.price[1], "") if self.price else None
        return Request({}, None, self.tier, self.seconds, price)


@dataclass(frozen=True, slots=True)
class Page:
    """A hundred orders, or fewer, under their terms. `addresses` has where the gateway reads what
    was uploaded for them, by `content_of`.
    """

    terms: Terms
    number: int
    orders: tuple[Purchase, ...]
    addresses: Mapping[str, str] = field(default_factory=dict)

    def asks(self) -> Iterator[Ask]:
        """Yield what an engine is told."""
        for number, order in enumerate(self.orders):
            price = (str(order.price.amount), order.price.currency) if order.price else None
            ref = Ref(self.terms.batch, self.number, number)
            waits = waits_of(order)
            needs = waits.orders if waits else ()
            tier, seconds = order.predicted_tier, order.seconds
            yield Ask(ref, order.uid, order.key, tier, seconds, price, needs)

    def order(self, number: int, try_: int = 1, retry: int = 0) -> Purchase:
        """Return an order as it is tried for the `try_`-th time, after so many tasks of it that
        have failed. Raises OrdersDamaged.
        """
        if not 0 <= number < len(self.orders):
            raise OrdersDamaged(
                _(
                    "{page_name} has no order {number}",
                    page_name=page_name(self.terms.batch, self.number),
                    number=number,
                )
            )
        order = self.orders[number]
        if retry:
            attempt = order.attempt + retry
            again = replace(order, uid=_further_uid(self.terms, order, retry), attempt=attempt)
            order = as_retry(again, retry)
        uid: str | None = order.uid
        for _unused in range(1, try_):
            uid = uid and next_try(uid)
        if uid is None:
            raise OrdersDamaged(_("{key} was tried too often", key=order.key))
        return replace(order, uid=uid)

    def named(self, order: Purchase) -> Purchase:
        """Return a final order with the name of its try in its body, where its film wants one."""
        if not self.terms.tag_media:
            return order
        return replace(order, body=tagged(order.body, order.uid))


def _further_uid(terms: Terms, order: Purchase, number: int) -> str:
    """Return the uid of a later attempt, which every copy of the ledger makes."""
    return uid_of(terms.lineage, order.shot, order.take, order.attempt + number)


def failed(terms: Terms, order: Purchase, purchase: Purchase) -> Purchase:
    """Return a purchase whose task has failed, as its hosts tell it: it says as what its film buys
    the take again, or that it does not.

    `order` is what was handed over. The attempts since then are the tasks that have failed for it,
    also those that a run beside the cluster has bought: so nobody buys once more than `retries`.
    """
    number = purchase.attempt - order.attempt
    error = purchase.error
    again = error is not None and is_bought_again(error, number, terms.retries)
    uid = _further_uid(terms, order, number + 1) if again else ""
    return buying_again(purchase, uid, order=order, number=number)


def page_name(batch: str, page: int) -> str:
    """Return the name of a page in a store."""
    return f"orders/{batch}/{page:06}.jsonl"


def content_of(record: Record) -> str:
    """Return what tells the content of a record in a body from others: the hash of a local file, or
    what is taken from which purchase's video. "" where that purchase is not known yet.
    """
    if "file" in record:
        return str(record.get("sha256", ""))
    purchase, frame = record.get("purchase"), record.get("frame", "")
    return f"{purchase} {frame}" if purchase else ""


def contents(body: Mapping[str, Json]) -> Iterator[tuple[str, Record]]:
    """Yield each record of a body with its `content_of`."""
    for _path, record in (*records(body), *chained(body)):
        yield content_of(record), record


def pages(
    terms: Terms, intents: Sequence[Purchase], addresses: Mapping[str, str] | None = None
) -> list[Page]:
    """Return the pages of a batch, each with those `addresses` that its orders need; `terms.pages`
    is set here.
    """
    count = -(-len(intents) // PAGE)
    whole = replace(terms, pages=count)
    orders = [handed_over(i, store=terms.store, batch=terms.batch) for i in intents]
    made = []
    for number in range(count):
        here = tuple(orders[number * PAGE : (number + 1) * PAGE])
        made.append(Page(whole, number, here, _needed(here, addresses or {})))
    return made


def _needed(orders: Sequence[Purchase], addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses that these orders need."""
    found = (content for order in orders for content, _ in contents(order.body))
    return {content: addresses[content] for content in found if content in addresses}


def as_bytes(page: Page) -> bytes:
    """Return a page as an object of the store."""
    header = {_HEADER: _VERSION, "page": page.number, "orders": len(page.orders)}
    told = {"terms": page.terms.as_json(), "addresses": dict(page.addresses)}
    first = summed(encoded({**header, **told}))
    return first + b"".join(map(journal_line, page.orders))


def from_bytes(data: bytes, batch: str, number: int) -> Page:
    """Return the page of this batch and number that `data` holds. Raises OrdersDamaged."""
    first, _unused, rest = data.partition(b"\n")
    try:
        header = unsummed(first)
    except ValueError as error:
        raise OrdersDamaged(
            _("{page_name}: {error}", page_name=page_name(batch, number), error=error)
        ) from error
    if header.get(_HEADER) != _VERSION:
        raise OrdersDamaged(
            _("{page_name} is not of this klingflow", page_name=page_name(batch, number))
        )
    terms = Terms.from_json(header["terms"])
    parsed = parse_journal(rest, page_name(batch, number))
    orders = tuple(parsed.accounts)
    is_whole = not parsed.damaged and len(orders) == header.get("orders")
    if not is_whole or (terms.batch, header.get("page")) != (batch, number):
        raise OrdersDamaged(_("{page_name} is damaged", page_name=page_name(batch, number)))
    if any(try_of(order.uid) is None or order.state != "intent" for order in orders):
        raise OrdersDamaged(
            _("{page_name} holds more than orders", page_name=page_name(batch, number))
        )
    try:
        tuple(map(waits_of, orders))
        return Page(terms, number, orders, dict(header["addresses"]))
    except (KeyError, TypeError, ValueError) as error:
        name = page_name(batch, number)
        raise OrdersDamaged(_("{name}: {error}", name=name, error=error)) from error


def is_answer(order: Purchase, other: Purchase) -> bool:
    """True if what another execution claimed is this order: the same body at the same gateway, or
    one that was given up before its body was final. Otherwise the order is stale, and its shot is
    planned again.
    """
    is_same_body = other.fingerprint in ("", order.fingerprint)
    return is_same_body and (order.uid, order.origin) == (other.uid, other.origin)


def withdrawn(
    order: Purchase, *, host: str, nonce: str, at: str, why: str = "", left_out: str = ""
) -> Purchase:
    """Return the claim of an order that nobody is to buy any more. The claim itself says that it is
    not used: after a death no answer is waited for. `why` is what a host says that cannot send it,
    `left_out` the cap that had no room for it.
    """
    failure = Failure("not_sent", WITHDRAWN, left_out or _("withdrawn before it was bought"))
    if why:
        failure = Failure("not_sent", UNSENDABLE, why)
    return advance(_claimed_now(order, host, nonce, at), "unsent", at, error=failure)


def unused(claim: Purchase, at: str) -> Purchase:
    """Return the answer to a claim whose host died before it had sent anything: certainly not
    bought, so another try follows.
    """
    said = _("its host died before it was sent")
    return advance(claim, "unsent", at, error=Failure("not_sent", "", said))


def unreadable(claim: Purchase, until: str | None) -> Purchase:
    """Return the doubt about a claim of which the store says something that nobody can read."""
    said = _("what the store has of it is damaged")
    doubtful = doubt(claim, until)
    evidence = {**(doubtful.evidence or {}), **saying("received", said)}
    return replace(doubtful, error=Failure("unknown", "damaged", said), evidence=evidence)


def given_up(order: Purchase, *, host: str, nonce: str, at: str) -> Purchase:
    """Return the claim of an order that a person gives up before anybody has claimed it: certainly
    not charged, and not bought again by itself.
    """
    said = _("given up by `klingflow resolve` before it was bought")
    failure = Failure("unknown", "given_up", said)
    doubtful = advance(_claimed_now(order, host, nonce, at), "doubted", at)
    return advance(doubtful, "not_charged", at, error=failure)


def _claimed_now(order: Purchase, host: str, nonce: str, at: str) -> Purchase:
    told = (order.evidence or {}).get(CLUSTER)
    times = {"intent": at, "updated": at}
    begun = replace(order, state="intent", times=times, evidence={CLUSTER: told})
    return claimed(begun, host=host, nonce=nonce)


def is_tried_again(answer: Purchase) -> bool:
    """True if a try certainly bought nothing for a reason that is not the shot's, so that another
    try follows: a limit passes, and a person sees to a key or a balance.
    """
    if answer.state != "rejected" or answer.error is None:
        return False
    if answer.error.kind == "not_sent":
        return not is_withdrawn(answer)
    return kind_of(answer.error).of_the_request


def following(answer: Purchase, order: Purchase | None = None) -> Purchase | None:
    """Return the intent that follows `answer`, because hosts go on with the `order`: of another
    try, or of another attempt where its task has failed. By default it is the order that the answer
    itself names. None where no host goes on.

    It is the same for whoever makes it, so that all followers write one line.
    """
    if (further := bought_again(answer)) is not None:
        return _retried(answer, further)
    store = store_of(order or answer)
    uid = next_try(answer.uid) if store and is_tried_again(answer) else None
    if uid is None:
        return None
    at, told = answer.times["updated"], (order or answer).evidence or {}
    times = {"intent": at, "updated": at}
    evidence = {CLUSTER: told[CLUSTER]}
    return replace(answer, uid=uid, state="intent", error=None, times=times, evidence=evidence)


def _retried(failed: Purchase, uid: str) -> Purchase:
    """Return the intent of the attempt that follows a failed one."""
    begun = begun_as(failed, failed.times["updated"])
    attempt, evidence = failed.attempt + 1, failed.evidence
    intent = replace(begun, uid=uid, attempt=attempt, evidence=evidence)
    return as_retry(intent, retry_of(failed) + 1)

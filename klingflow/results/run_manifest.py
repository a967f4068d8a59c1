"""PURE. The record of a run for people and programs: every shot with what was bought for it, and
totals by billed tier.

Its form is schemas/run-manifest.schema.json. Nothing here is remembered: it is made again from
manifest and ledger.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import chain

from klingflow.decide.picks import takes_of, verdicts
from klingflow.decide.select import NEW
from klingflow.decide.spending import added, share, spending
from klingflow.ledger.answers import last_answer
from klingflow.ledger.book import Book, in_order
from klingflow.ledger.lifecycle import PAID
from klingflow.ledger.records import as_json
from klingflow.manifest.meaning import Meaning, meaning
from klingflow.model import (
    NO_PICKS,
    Json,
    Manifest,
    Media,
    Picks,
    Prices,
    Purchase,
    Request,
    Share,
    Shot,
    Sum,
    Verdict,
    key_of,
    split_key,
)
from klingflow.results.account import account, shares
from klingflow.results.arrived import shown

# Returns what the video of this SHA-256 is; None if nobody has looked at it.
Known = Callable[[str | None], Media | None]

UNKNOWN_TIER = "unknown"  # where the gateway has not said yet what it bills
# Fields of an attempt that stand elsewhere, or are too long.
_LEFT_OUT = frozenset({"shot", "take", "body"})
_OF_THE_SHOT = (
    "was",
    "task_id",
    "billed_tier",
    "predicted_tier",
    "seconds",
    "price",
    "times",
    "error",
    "sha256",
)


def build(
    manifest: Manifest,
    book: Book,
    *,
    gateway: str,
    generated_at: str,
    selected: Set[str] | None = None,
    picks: Picks = NO_PICKS,
    media: Known = lambda sha256: None,
    beside: Mapping[Share, Sum] | None = None,
) -> dict[str, Json]:
    """Return the record as JSON. `gateway` is the run's address, `generated_at` UTC in ISO 8601.
    `picks` are the picks file as it was held against the ledger, `media` returns what videos are.
    `beside` is what has become of the money in the film's other ledgers.

    `selected` are the keys of the shots that are meant. None means all; then the record also has
    what was bought for shots that are no longer in the manifest, pruned or not: it was paid for.
    """
    shots: list[dict[str, Json]] = []
    bought: list[Sequence[Purchase]] = []
    for shot, request in manifest:
        if selected is None or shot.key in selected:
            purchases = book.of(shot.id, shot.take)
            bought.append(purchases)
            shots.append(_shot(shot, request, purchases, media))
    _add_picks(shots, manifest, book, picks)
    orphans, pruned = _no_longer_wanted(manifest, book) if selected is None else ([], [])
    record = {
        **_head(manifest, gateway, generated_at),
        "shots": shots,
        "orphans": [_orphan(purchases, media) for purchases in orphans],
    }
    if pruned:
        record["pruned"] = [_orphan(purchases, media) for purchases in pruned]
    everything = chain.from_iterable([*bought, *orphans, *pruned])
    sums = added([spending([book.everything()], manifest.prices), beside or {}])
    totals = _totals(shots, everything, manifest.prices)
    return {**record, "totals": totals, "money": account(manifest, sums)}


def _head(manifest: Manifest, gateway: str, generated_at: str) -> dict[str, Json]:
    return {
        "klingflow_run_manifest": 1,
        "name": manifest.name,
        "manifest": manifest.path,
        "profile": manifest.profile or None,
        "generated_at": generated_at,
        "gateway": gateway,
    }


def as_bytes(record: Mapping[str, Json]) -> bytes:
    """Return the record as a file in UTF-8, one line per shot."""
    try:
        return _text(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair in a server's words
        return _text(record, ensure_ascii=True).encode()


def _text(record: Mapping[str, Json], *, ensure_ascii: bool) -> str:
    # Indented by one line per shot only: the encoder that indents is not the fast one.
    encode = json.JSONEncoder(ensure_ascii=ensure_ascii).encode
    shots = ",\n".join(map(encode, record["shots"]))
    around = json.dumps({**record, "shots": []}, ensure_ascii=ensure_ascii, indent=1)
    before, after = around.split('"shots": []', 1)
    return f'{before}"shots": [\n{shots}\n ]{after}\n'


def serving(purchases: Sequence[Purchase], output: str | None = None) -> Purchase | None:
    """Return the purchase of a take's video: the last that was paid for, otherwise the last.

    Of several delivered ones the last at the take's `output` counts: an earlier body may have come
    back.
    """
    paid = [p for p in purchases if p.state in PAID]
    last = next(reversed(paid or purchases), None)
    if last is None or last.state != "done":
        return last
    for purchase in reversed(paid):
        if purchase.state == "done" and purchase.output == output:
            return purchase
    return last


def _add_picks(
    shots: Sequence[dict[str, Json]], manifest: Manifest, book: Book, picks: Picks
) -> None:
    """Write into the entries of takes which of them people have picked, and which stand for their
    shots.
    """
    outputs = {shot.key: shot.output for shot in manifest.shots}

    def present(key: str) -> str:
        now = serving(book.bought(*split_key(key)), outputs.get(key))
        return now.uid if now else ""

    takes = takes_of(manifest)
    said = verdicts(picks, book, takes, present)
    for entry in shots:
        id, key = entry["id"], key_of(entry["id"], entry["take"])
        is_first = takes.get(id, (id,))[0] == key
        verdict = said.get(key, Verdict(counts=is_first))
        entry["pick"] = verdict.word
        entry["counts"] = verdict.counts
        if verdict.note:
            entry["pick_note"] = verdict.note
        if verdict.earlier != "open":
            entry["pick_of_an_earlier_version"] = verdict.earlier


def _no_longer_wanted(
    manifest: Manifest, book: Book
) -> tuple[list[Sequence[Purchase]], list[Sequence[Purchase]]]:
    """Return what was bought for shots that are not in the manifest: by take, and what was
    pruned.
    """
    takes = sorted(set(book.takes()) - manifest.takes)
    orphans: list[Sequence[Purchase]] = [book.of(*take) for take in takes if book.bought(*take)]
    return orphans, [[p] for p in in_order(book.pruned.values())]


def _orphan(purchases: Sequence[Purchase], media: Known) -> dict[str, Json]:
    return _bought({"id": purchases[0].shot, "take": purchases[0].take}, purchases, media)


def _shot(
    shot: Shot, request: Request, purchases: Sequence[Purchase], media: Known
) -> dict[str, Json]:
    entry: dict[str, Json] = {
        "id": shot.id,
        "take": shot.take,
        "kind": shot.kind,
        "tags": list(shot.tags),
        **_about(shot),
    }
    return _bought(entry, purchases, media, shot.output, request.body)


def _bought(
    entry: dict[str, Json],
    purchases: Sequence[Purchase],
    media: Known,
    output: str | None = None,
    body: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """Return the entry of one take, with what the ledger knows of it. `body` is what the manifest
    wants now, which counts while nothing was bought.
    """
    purchase = serving(purchases, output)
    # What a lock holds is no dictionary yet.
    what = meaning(dict(purchase.body if purchase else body or {}))
    entry |= _meant(what)
    if purchase is None:
        return {**entry, "state": NEW, "attempts": []}
    told = {p.uid: _plain(p) for p in purchases}
    facts = told[purchase.uid]
    entry["state"] = purchase.state
    entry |= {name: facts[name] for name in _OF_THE_SHOT if name in facts}
    entry |= _of_its_state(purchase, what, media)
    entry["attempts"] = [_attempt(facts) for facts in told.values()]
    return entry


def _plain(purchase: Purchase) -> dict[str, Json]:
    """Return a purchase as JSON, its error without what only a ledger keeps of it."""
    facts = as_json(purchase)
    if purchase.error is not None:
        facts["error"] = {n: text for n, text in facts["error"].items() if n != "words"}
    return facts


def _of_its_state(purchase: Purchase, what: Meaning, media: Known) -> dict[str, Json]:
    """Return the gateway's last answer about a parked purchase, and the video of a delivered
    one.
    """
    if purchase.state == "parked":
        answer = last_answer(purchase)
        return {} if answer is None else {"last_answer": answer._asdict()}
    if purchase.state != "done":
        return {}
    video: dict[str, Json] = {"file": purchase.output, "bytes": purchase.size_bytes}
    if found := media(purchase.sha256):
        video["media"] = shown(found, purchase, what)
    return video


def _about(shot: Shot) -> dict[str, Json]:
    """Return what the author wrote for people: text, and for the dialogue also a list."""
    kinds = {"dialogue": (str, list)}
    return {n: value for n, value in shot.about.items() if isinstance(value, kinds.get(n, str))}


def _meant(what: Meaning) -> dict[str, Json]:
    """Return the parts of a body that an editor wants to read beside the video."""
    said = {"model": what.model, "prompt": what.words, "ratio": what.aspect_ratio}
    return {name: value for name, value in said.items() if isinstance(value, str) and value}


def _attempt(facts: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in facts.items() if name not in _LEFT_OUT}


def _totals(
    shots: Iterable[Mapping[str, Json]], purchases: Iterable[Purchase], prices: Prices | None
) -> dict[str, Json]:
    """Return sums over the purchases of these shots. The sums by tier are over every purchase that
    was accepted; a failed one is counted apart, unless failed tasks are charged.
    """
    states = Counter(shot["state"] for shot in shots)
    purchases = [*purchases]
    tiers: defaultdict[str, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        if purchase.task_id:
            tiers[purchase.billed_tier or UNKNOWN_TIER].append(purchase)
    accepted = chain.from_iterable(tiers.values())
    return {
        "shots": states.total(),
        "by_state": dict(sorted(states.items())),
        "by_tier": {name: _tier(tier, prices) for name, tier in sorted(tiers.items())},
        "money": shares(spending([purchases], prices)),
        "differences": [_difference(p) for p in accepted if _differs(p)],
    }


def _tier(purchases: Sequence[Purchase], prices: Prices | None) -> dict[str, Json]:
    charged = [p for p in purchases if _is_charged(p, prices)]
    money = shares(spending([charged], prices)).get("spent", _NOTHING)
    total: dict[str, Json] = {
        "tasks": len(charged),
        "seconds": sum(p.seconds for p in charged),
        "amounts": money["amounts"],
        "unpriced": money["unpriced"],
    }
    if failed := len(purchases) - len(charged):
        total["failed"] = failed
    return total


_NOTHING: Mapping[str, Json] = {"amounts": {}, "unpriced": 0}


def _is_charged(purchase: Purchase, prices: Prices | None) -> bool:
    return share(purchase, prices.failed_tasks if prices else None) == "spent"


def _differs(purchase: Purchase) -> bool:
    """Return True if both tiers are known and are not the same."""
    known = {purchase.billed_tier, purchase.predicted_tier} - {None, ""}
    return len(known) > 1


def _difference(purchase: Purchase) -> dict[str, Json]:
    return {
        "shot": purchase.key,
        "task_id": purchase.task_id,
        "predicted": purchase.predicted_tier,
        "billed": purchase.billed_tier,
    }

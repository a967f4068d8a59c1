"""What the ledger says of the shots of a manifest, and why one of them counts as changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from klingflow.api.films import spent_beside
from klingflow.api.planning import as_known, book_of, selected_keys, standing_with_picks
from klingflow.api.site import Wish, now, site_for
from klingflow.decide.filing import fact_of
from klingflow.decide.picks import NOTHING_SAID
from klingflow.decide.plan import make_plan
from klingflow.decide.select import select as select_keys
from klingflow.errors import UsageError
from klingflow.ledger import files
from klingflow.ledger.book import Book, alike, in_order, same_video
from klingflow.ledger.places import Site
from klingflow.ledger.problems import worded
from klingflow.media.kept import Kept
from klingflow.model import FileFact, Json, Manifest, Picks, Purchase
from klingflow.results import run_manifest
from klingflow.results.doubts import doubts
from klingflow.results.undelivered import undelivered, ways_out
from klingflow.results.versions import versions
from klingflow.results.why import explain
from klingflow.words import _


def status(manifest: Manifest, wish: Wish) -> dict[str, Json]:
    """Return what the ledger says of the selected shots, in the shape of the run manifest; of each
    take also its videos, those that were replaced among them; what is in doubt; and what else there
    is for videos that cannot be downloaded.
    """
    site = site_for(manifest, wish)
    return status_by(manifest, book_of(manifest, site), wish, site)


def status_by(manifest: Manifest, book: Book, wish: Wish, site: Site) -> dict[str, Json]:
    """Return what `status` does, by a book that is read already."""
    manifest = as_known(manifest, book)
    book, terms = standing_with_picks(manifest, book, site)
    keys = selected_keys(manifest, book, wish, site)
    record = run_manifest.build(
        site.placed(manifest),
        book,
        gateway=site.origin,
        generated_at=now(),
        selected=keys,
        picks=terms.picks,
        media=Kept(site.media).get,
        beside=spent_beside(manifest, site),
    )
    facts = _facts(book, site)
    for entry in (*record["shots"], *record["orphans"]):
        entry["versions"] = versions(book.of(entry["id"], entry["take"]), facts)
    meant = [p for p in in_order(book.purchases.values()) if keys is None or p.key in keys]
    problems = [*book.problems, *map(same_video, alike(meant))]
    missing = [p for p in undelivered(meant) if facts.get(p.output or "") != fact_of(p)]
    return {
        **record,
        "doubts": doubts(_as_written(manifest, meant), site.command),
        "ways_out": ways_out(missing, site.named),
        "problems": [worded(problem) for problem in problems],
        "picks_astray": [str(doubt) for doubt in terms.picks.doubts],
    }


def only_tried(manifest: Manifest, record: Mapping[str, Json], wish: Wish) -> bool:
    """True if nothing of this record was ever bought, but something in the sandbox, which the user
    perhaps means.
    """
    is_bought = bool(record["orphans"]) or any(shot["attempts"] for shot in record["shots"])
    if wish.sandbox or is_bought:
        return False
    return site_for(manifest, replace(wish, sandbox=True)).paths.lock.exists()


def _as_written(manifest: Manifest, purchases: Sequence[Purchase]) -> list[Purchase]:
    """Sort purchases as the manifest has their takes; what is no longer in it comes last."""
    rows = {shot.key: row for row, shot in enumerate(manifest.shots)}
    return sorted(purchases, key=lambda p: rows.get(p.key, len(rows)))


def _facts(book: Book, site: Site) -> dict[str, FileFact]:
    """Return size and hash of every video that the ledger has a place for and that is here."""
    outputs = {p.output for p in book.purchases.values() if p.output and p.sha256}
    return files.facts(site.folder, outputs, site.facts)


def why(manifest: Manifest, key: str, wish: Wish) -> dict[str, Json]:
    """Return why one take counts as changed (`klingflow.results.why.explain`). Raises
    NothingSelected, and UsageError where `key` means several takes.
    """
    site = site_for(manifest, wish)
    book, terms = standing_with_picks(manifest, book_of(manifest, site), site)
    # `opening` is also what every table calls the first take, so here it means that one.
    exact = {shot.key for shot in manifest.shots if shot.key == key}
    keys = exact or select_keys(manifest.shots, book, [key], [])
    wanted, lines = as_known(manifest, book), terms.picks.lines
    made = make_plan(wanted, book, {}, selected=keys, picks=lines)
    take_of = partial(_take_of, book, terms.picks)
    answers = [
        explain(a.shot, a.request, a.purchase, take_of)
        for a in made.actions
        if a.shot and a.request
    ]
    if len(answers) != 1:
        raise UsageError(
            _("{key!r} means {answers} takes; name one", key=key, answers=len(answers))
        )
    return answers[0]


def _take_of(book: Book, picks: Picks, uid: str) -> str:
    """Return what to call the take that a purchase belongs to, and what is said of it."""
    purchase = book.purchases.get(uid) or book.pruned.get(uid)
    if purchase is None:
        return _("a video that is not in the ledger any more")
    said = picks.said.get(uid, NOTHING_SAID)
    words = _("picked") if said.picked else _("rejected") if said.rejected else ""
    return _("{key} ({words})", key=purchase.key, words=words) if words else purchase.key

"""PURE. Whether a take whose task has failed is left to the hosts of a cluster: it was ordered, and
they buy it again, or have not said yet that they do not.
"""

from __future__ import annotations

from collections.abc import Set

from klingflow.gateway.failures import kind_of
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import bought_again, is_undecided
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.model import Purchase
from klingflow.words import _


def why_with_hosts(failed: Purchase, book: Book, again: Set[str]) -> str:
    """Return why a failed take is held for its hosts; "" where they are through with it. `again`
    are the keys of takes that the user has bought all the same.

    What hosts buy again stands at the take that they know, also where the film has moved the failed
    purchase since.
    """
    last, passed = failed, {failed.uid}
    while (uid := bought_again(last)) is not None and uid not in passed:
        known = book.purchases.get(uid) or book.pruned.get(uid)
        if known is None or any(p.state in IN_DOUBT for p in book.of(known.shot, known.take)):
            return _(
                "its task has failed, and the hosts of its cluster buy it again;"
                " `run --cluster` follows them"
            )
        passed.add(uid)
        last = known
    if failed.key in again or not _may_follow(last):
        return ""
    return _(
        "its task has failed, and the hosts of its cluster may have bought it again: `run"
        " --cluster`, or KLINGFLOW_CLAIMS set to their store, tells; --rerun failed --buy-again -s"
        " {key} does not wait for that",
        key=failed.key,
    )


def _may_follow(last: Purchase) -> bool:
    """True if hosts may buy a take again without having told this ledger."""
    if last.state != "failed" or last.error is None:
        return False
    return kind_of(last.error).retried and is_undecided(last)

"""PURE. What a desk knows of how orders end: what has ended, whose video is on its way, and what
stands for an order since its first task failed.

An order is called by what the uids of all tries of its first attempt have in common. Everything
goes into plain JSON and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Self

from klingflow.cluster import versions
from klingflow.cluster.queued import attempt_or_uid
from klingflow.model import Json
from klingflow.words import _

# So many orders that have ended are remembered.
_KEPT: Final = 200


@dataclass(slots=True)
class Ends:
    """`well` has the last orders that ended, and whether with a video; `coming` those whose tasks
    are over and whose videos are on their way, each with the attempt that was bought; `unsure` the
    orders that are waited for and that nobody here works on, by uid; `bought_for` the orders for
    which further attempts are bought, by attempt.
    """

    well: dict[str, bool] = field(default_factory=dict)
    coming: dict[str, str] = field(default_factory=dict)
    unsure: dict[str, bool] = field(default_factory=dict)
    bought_for: dict[str, str] = field(default_factory=dict)

    def order_of(self, uid: str) -> str:
        """Return which order a try, or an attempt, is of."""
        attempt = attempt_or_uid(uid)
        return self.bought_for.get(attempt, attempt)

    def again(self, uid: str, order: str) -> None:
        """Note that the try `uid` of a further attempt is bought for an order."""
        self.bought_for[attempt_or_uid(uid)] = order

    def comes(self, uid: str) -> None:
        """Note that the video of a try is on its way."""
        self.coming[self.order_of(uid)] = attempt_or_uid(uid)

    def note(self, order: str, *, well: bool) -> None:
        """Note how an order has ended."""
        self.forget(order)
        self.coming.pop(order, None)
        self.unsure = {uid: True for uid in self.unsure if attempt_or_uid(uid) != order}
        self.bought_for = {one: of for one, of in self.bought_for.items() if of != order}
        self.well[order] = well
        while len(self.well) > _KEPT:
            del self.well[next(iter(self.well))]

    def forget(self, order: str) -> None:
        """Forget how an order ended: it begins again."""
        self.well.pop(order, None)

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON; what is in order stays so."""
        return {**asdict(self), "well": [[*one] for one in self.well.items()]}

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return what `state` was made of."""
        what = _("the state of a desk")
        with versions.reading(what):
            well = dict(versions.listed(state["well"]))
        return versions.read(cls, state, what, exact=True, well=well)

"""Which shots the picks of drafts approve."""

from __future__ import annotations

import pytest

from klingflow.decide.approved import Approved, approved_in
from klingflow.errors import Mark
from klingflow.model import PickLine, Plan
from tests.planned import OTHER, SAME, THERE, shot
from tests.planned import plan as plan_of
from tests.purchases import done

AT = Mark("film.draft.picks.yaml", 1, 3)


def plan(*lines: PickLine, body: str = SAME, files: object = THERE) -> Plan:
    """A plan of drafts: `a` is bought for `body`, `b` is not bought."""
    bought = [done("a", uid="u1", fingerprint=body)]
    return plan_of(bought, shot("a"), shot("b"), files=files, picks=lines)


PICKED = PickLine("a", 1, False, "", "u1", AT)


@pytest.mark.parametrize(
    ("lines", "more", "expected"),
    [
        ([PICKED], {}, Approved(frozenset({"a"}), ())),
        ([], {}, Approved(frozenset(), ())),
        ([PICKED._replace(rejects=True)], {}, Approved(frozenset(), ())),
        ([PICKED, PICKED._replace(rejects=True)], {}, Approved(frozenset(), ())),
        ([PICKED], {"body": OTHER}, Approved(frozenset(), ("a",))),
        ([PICKED], {"files": {}}, Approved(frozenset(), ("a",))),
        ([PickLine("b", 1, False, "", "", AT)], {}, Approved(frozenset(), ())),
    ],
    ids=["picked", "open", "rejected", "disputed", "changed", "not here", "never bought"],
)
def test_a_picked_draft_counts_while_it_is_kept(
    lines: list[PickLine], more: dict[str, object], expected: Approved
) -> None:
    """Bought for today's body, and here to be looked at; another one is named."""
    assert approved_in(plan(*lines, **more)) == expected  # type: ignore[arg-type]  # by its case

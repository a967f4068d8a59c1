"""PURE. The records that flow through klingflow: manifest → plan → run → ledger → results. Frozen
data, no rules.

A Shot is what the manifest wants, a Request what would be sent for it, a Purchase what the ledger
knows of one attempt to buy it, an Action what the plan means to do next, and a Manifest or a Plan
the whole of them.

nodes.py (values with their places), keys.py (what takes are called), wanted.py (the manifest),
bought.py (the ledger), sayings.py (sentences in a ledger), arrived.py (the videos), picked.py (the
picks file), planned.py (the plan).
"""

from __future__ import annotations

from klingflow.model.arrived import UNREADABLE, Label, Media, RemarkName, Sound
from klingflow.model.bought import (
    Bought,
    Event,
    Failure,
    FailureKind,
    FileFact,
    Move,
    Place,
    Problem,
    ProblemKind,
    Purchase,
    State,
    Unread,
)
from klingflow.model.keys import composed, key_of, split_key, task_named
from klingflow.model.nodes import Json, Node, Pending, Reference
from klingflow.model.picked import NO_PICKS, PickLine, Picks, PickWord, Said, Verdict
from klingflow.model.planned import (
    NOWHERE_ELSE,
    Action,
    Bound,
    CapName,
    Elsewhere,
    ElsewhereKind,
    Elsewheres,
    Filing,
    Forecast,
    History,
    LeftOut,
    Plan,
    Share,
    Step,
    Sum,
    Terms,
    Verb,
)
from klingflow.model.wanted import (
    AssetSettings,
    FailedTasks,
    GatewaySettings,
    Limits,
    LocalFile,
    Manifest,
    More,
    Price,
    PriceRow,
    Prices,
    Rate,
    Request,
    Shot,
)

__all__ = [
    "NOWHERE_ELSE",
    "NO_PICKS",
    "UNREADABLE",
    "Action",
    "AssetSettings",
    "Bought",
    "Bound",
    "CapName",
    "Elsewhere",
    "ElsewhereKind",
    "Elsewheres",
    "Event",
    "FailedTasks",
    "Failure",
    "FailureKind",
    "FileFact",
    "Filing",
    "Forecast",
    "GatewaySettings",
    "History",
    "Json",
    "Label",
    "LeftOut",
    "Limits",
    "LocalFile",
    "Manifest",
    "Media",
    "More",
    "Move",
    "Node",
    "Pending",
    "PickLine",
    "PickWord",
    "Picks",
    "Place",
    "Plan",
    "Price",
    "PriceRow",
    "Prices",
    "Problem",
    "ProblemKind",
    "Purchase",
    "Rate",
    "Reference",
    "RemarkName",
    "Request",
    "Said",
    "Share",
    "Shot",
    "Sound",
    "State",
    "Step",
    "Sum",
    "Terms",
    "Unread",
    "Verb",
    "Verdict",
    "composed",
    "key_of",
    "split_key",
    "task_named",
]

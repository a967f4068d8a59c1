"""klingflow: a purchase ledger with a runner around it, for batches of AI video.

A manifest says what is wanted, the ledger says what was bought, a plan is the difference, and a run
closes it:

    manifest/   what is wanted: YAML with positions → shots, bodies, tiers, prices
    gateway/    what is said to a gateway, and what its words mean
    ledger/     what was bought, and how it is kept so that nothing of it is lost
    decide/     what to do next: plan, limits, polling
    results/    what came of it: the record of a run
    runner/     the only room where deciding meets doing
    sandbox/    the simulated gateway, for trying without a key and without money
    api/        what may be asked of a manifest; returns values, prints nothing
    terminal/   what a person types and sees

Three functions are the whole of it for programs:

    manifest = klingflow.load("neon.yaml")
    plan = klingflow.plan(manifest, klingflow.Wish(select=["tag:act1"]))
    result = klingflow.run([manifest], base_url="https://gateway.example.com", key=key)
"""

from __future__ import annotations

from importlib import import_module

# Not from typing: what is imported here comes before the command line can hear of Ctrl-C. Type
# checkers take this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from klingflow.api.clusters import Cluster
    from klingflow.api.loading import load
    from klingflow.api.planning import plan
    from klingflow.api.running import Result, run
    from klingflow.api.site import Wish
    from klingflow.errors import (
        ClusterAway,
        Diagnostic,
        ExitCode,
        KlingflowError,
        LedgerBroken,
        LedgerError,
        LedgerHeld,
        ManifestError,
        Mark,
        NothingSelected,
        StoreAway,
        UsageError,
    )
    from klingflow.model import Action, Manifest, Plan, Price, Purchase, Request, Shot

__version__ = "0.1.0"

__all__ = [
    "Action",
    "Cluster",
    "ClusterAway",
    "Diagnostic",
    "ExitCode",
    "KlingflowError",
    "LedgerBroken",
    "LedgerError",
    "LedgerHeld",
    "Manifest",
    "ManifestError",
    "Mark",
    "NothingSelected",
    "Plan",
    "Price",
    "Purchase",
    "Request",
    "Result",
    "Shot",
    "StoreAway",
    "UsageError",
    "Wish",
    "load",
    "plan",
    "run",
]

# Imported on first use: `klingflow --help` must not pay for YAML, JSON Schema and HTTP.
_HOMES = {
    "Cluster": "klingflow.api.clusters",
    "Wish": "klingflow.api.site",
    "load": "klingflow.api.loading",
    "plan": "klingflow.api.planning",
    **dict.fromkeys(("Result", "run"), "klingflow.api.running"),
    **dict.fromkeys(
        ("Action", "Manifest", "Plan", "Price", "Purchase", "Request", "Shot"), "klingflow.model"
    ),
    **dict.fromkeys(
        (
            *("Diagnostic", "ExitCode", "KlingflowError", "LedgerBroken", "LedgerError"),
            *("LedgerHeld", "ManifestError", "Mark", "NothingSelected", "UsageError"),
            *("ClusterAway", "StoreAway"),
        ),
        "klingflow.errors",
    ),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'klingflow' has no attribute {name!r}")

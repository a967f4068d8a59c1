"""klingflow: a purchase ledger with a runner around it, for batches of AI video.

A manifest says what is wanted, the ledger says what was bought, a plan is the difference, and a run closes it:

    manifest/   PURE   what the file says: YAML with positions → shots, bodies, tiers, prices
    decide/     PURE   what to do next: plan, lifecycle, pace, polling, replies
    effects/    I/O    one module per outside thing: ledger, gateway, download, files
    results/    PURE   what came of it: the run manifest
    sandbox/           the gateway's double, for trying without a key and without money
    runner/            the only room where deciding meets doing
    api.py             load, plan and what else is asked without changing anything
    batch.py           run: ledgers held, the runner started, an exit code
    settle.py          what a person writes into a ledger
    console.py, commands.py, cli.py   what a terminal shows and takes

Three functions are the whole of it for programs:

    manifest = klingflow.load("neon.yaml")
    plan = klingflow.plan(manifest, klingflow.Wish(select=["tag:act1"]))
    result = klingflow.run([manifest], base_url="https://gateway.example.com", key=key)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from klingflow.errors import (
    Diagnostic,
    ExitCode,
    KlingflowError,
    LedgerBroken,
    LedgerError,
    LedgerHeld,
    ManifestError,
    Mark,
    NothingSelected,
    UsageError,
)

if TYPE_CHECKING:
    from klingflow.api import Wish, load, plan
    from klingflow.batch import Result, run
    from klingflow.model import Action, Manifest, Plan, Price, Purchase, Request, Shot

__version__ = "0.1.0"

__all__ = [
    "Action",
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
    "UsageError",
    "Wish",
    "load",
    "plan",
    "run",
]

# Imported on first use: `klingflow --help` must not pay for YAML, JSON Schema and HTTP.
_HOMES = {
    **dict.fromkeys(("Wish", "load", "plan"), "klingflow.api"),
    **dict.fromkeys(("Result", "run"), "klingflow.batch"),
    **dict.fromkeys(
        ("Action", "Manifest", "Plan", "Price", "Purchase", "Request", "Shot"), "klingflow.model"
    ),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'klingflow' has no attribute {name!r}")

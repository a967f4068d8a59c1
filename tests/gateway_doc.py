"""What the gateway's document shows: the fourteen example bodies of its section 6, verbatim."""

from __future__ import annotations

import json
from pathlib import Path

from klingflow.model import Json

_DATA = Path(__file__).parent / "data" / "gateway-examples.json"


def example_bodies() -> dict[str, Json]:
    """The bodies by their heading's number: `6.1` to `6.14`."""
    return {
        heading.split()[0]: body for heading, body in json.loads(_DATA.read_text("utf-8")).items()
    }

"""The user's state folder, which holds the black boxes and what the user approved, as the
environment chooses it.
"""

from __future__ import annotations

import os
from pathlib import Path

from klingflow.ledger.boxplaces import STATE_DIR, state_folder


def chosen_state() -> Path:
    """Return the state folder of this process. Raises UsageError as `state_folder`."""
    return state_folder(os.environ.get(STATE_DIR))

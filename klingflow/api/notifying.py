"""The notification at the end of a run: one POST to an address of the user's own. The address lets
anybody who knows it write there, so it is in no message of ours and in no file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from klingflow.errors import KlingflowError, UsageError
from klingflow.gateway.origin import is_plain
from klingflow.results.notice import Form, Notice, body_of, form_of, refusal
from klingflow.words import _

VARIABLE: Final = "KLINGFLOW_NOTIFY"
_LIMIT_S: Final = 10.0


def chosen(given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return the address that the command or the environment names, "" for none. Raises UsageError
    for a text that is no address, which it does not repeat.
    """
    address = (given or environ.get(VARIABLE) or "").strip()
    source = "--notify" if given else VARIABLE
    if address and not _is_address(address):
        raise UsageError(
            _("{source} must be an http(s) address; nothing was bought", source=source)
        )
    return address


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _unused = parts.port  # raises ValueError for a port that is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain(text)


def notify(address: str, notice: Notice, form: Form | None = None) -> str:
    """Send a notice, in the form that its host takes unless `form` is given. Return why that
    failed, "" where it did not; never raises.
    """
    import anyio  # for start-up

    from klingflow.gateway.http import post  # for start-up
    from klingflow.gateway.outcomes import NoReply  # for start-up

    form = form or form_of(urlsplit(address).hostname or "")
    try:
        answer = anyio.run(post, address, body_of(notice, form), _LIMIT_S)
    except KeyboardInterrupt:
        return _("it was interrupted")
    except KlingflowError as error:  # of a proxy, or of certificates
        return str(error)
    except Exception as error:  # its text may hold the address
        return _("an internal error came up ({name})", name=type(error).__name__)
    if isinstance(answer, NoReply):
        return answer.reason
    return refusal(answer.status, answer.body, form)

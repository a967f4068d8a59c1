"""Keeps the key out of the debug log of the HTTP library."""

from __future__ import annotations

import logging

from klingflow.gateway.secret import Secret

_LOGGERS = tuple(f"httpcore.{name}" for name in ("connection", "http11", "http2", "proxy", "socks"))


class Unlogged(logging.Filter):
    """Takes the key out of httpcore's debug log, which holds the heads of replies as they came."""

    def __init__(self, secret: Secret) -> None:
        super().__init__()
        self._secret = secret
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a record."""
        record.msg, record.args = self._secret.clean_text(record.getMessage()), ()
        return True

    def end(self) -> None:
        """Leave the loggers as they were."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)

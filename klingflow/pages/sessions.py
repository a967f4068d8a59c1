"""Who may see the page: whoever came with the address that the terminal shows, while the page is
open.

The address holds a ticket that opens one session. A ticket that was read over a shoulder or in a
browser's history later opens nothing, and what a page knows is worth nothing once it was closed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hmac import compare_digest

# A page that is loaded again, or loses its connection, is back within this time.
GRACE_S = 30.0


def _secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(slots=True)
class Sessions:
    """The one session that there is at a time. Times are seconds of any steady clock.

    `ticket` opens the next one. `token` is said by the page with every question, `media` stands in
    the addresses of its videos and images; both are "" while there is no session.
    """

    ticket: str = field(default_factory=_secret)
    token: str = ""
    media: str = ""
    _open: int = 0  # pages that follow the film now
    _last_s: float = 0.0

    def begin(self, ticket: str, now_s: float) -> bool:
        """Begin a session if the ticket is the present one, which it then is no more."""
        if not same(ticket, self.ticket):
            return False
        self.token, self.media, self.ticket = _secret(), _secret(), _secret()
        self._open, self._last_s = 0, now_s
        return True

    def may_ask(self, token: str) -> bool:
        """True for the token of the session."""
        return same(token, self.token)

    def may_see(self, media: str) -> bool:
        """True for the word that stands in the addresses of videos and images."""
        return same(media, self.media)

    def opened(self) -> None:
        """Count a page that follows the film."""
        self._open += 1

    def closed(self, token: str, now_s: float) -> None:
        """Count one less, if it was of this session."""
        if self.may_ask(token):
            self._open, self._last_s = self._open - 1, now_s

    def over(self, now_s: float) -> bool:
        """End the session if no page has followed the film for GRACE_S; True if it ended now."""
        if not self.token or self._open > 0 or now_s - self._last_s < GRACE_S:
            return False
        self.token = self.media = ""
        return True


def same(said: str, secret: str) -> bool:
    """True for a secret that is said right; nothing is right while there is none."""
    return bool(secret) and compare_digest(said.encode("utf-8", "replace"), secret.encode())

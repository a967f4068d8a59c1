"""PURE. An error in a reply, and what it means once the shot's own texts are taken out of it.

What was said is kept for people in full. Where it is doubtful whether words are the gateway's or a
quote, a create stays in doubt and a task is asked after again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from klingflow.gateway.failures import (
    classify_refusal,
    classify_task,
    kind_of,
    says_body_was_lost,
    says_model_is_not_offered,
    says_no_such_task,
    says_way_was_lost,
)
from klingflow.gateway.payload import Said
from klingflow.gateway.quotes import own_words
from klingflow.model import Failure, Json
from klingflow.words import _

# What was sent for a shot, as the ledger has it; nothing where that is unknown.
Body = Mapping[str, Json]
NO_BODY: Body = {}


@dataclass(frozen=True, slots=True)
class Wording:
    """An error as it was said, and its message in the gateway's `own` words."""

    said: Said
    own: str

    @classmethod
    def of(cls, said: Said, body: Body) -> Self:
        """`body` holds the shot's own texts, which an error may quote."""
        return cls(said, own_words(said.message, body))

    @property
    def text(self) -> str:
        """The message, or the code where there is none."""
        return self.said.text

    def refusal(self, status: int) -> Failure:
        """Return the failure where a request was refused so."""
        kind = classify_refusal(status, self.said.code, self.own)
        return Failure(kind, *self.said)

    def of_the_task(self) -> Failure:
        """Return the failure where the task itself failed so."""
        return Failure(classify_task(self.said.code, self.own), *self.said)

    def says_no_such_task(self) -> bool:
        """True if the error is about an id that the gateway does not know."""
        return says_no_such_task(self.said.code, self.own)

    def says_model_is_not_offered(self) -> bool:
        """True if there was nobody to pass the request on to."""
        return says_model_is_not_offered(self.said.code, self.own) and not self.says_way_was_lost()

    def says_body_was_lost(self) -> bool:
        """True if the error may be about a body that did not arrive, or not whole."""
        return self._may_say(says_body_was_lost)

    def says_way_was_lost(self) -> bool:
        """True if the error may be about the connection onward from the gateway."""
        return self._may_say(says_way_was_lost)

    def is_of_the_request(self) -> bool:
        """True if the error may as well be about the query as about its task: the key, a limit, a
        lost connection.
        """
        return self.says_way_was_lost() or kind_of(self.of_the_task()).of_the_request

    def _may_say(self, says: Callable[[str, str], bool]) -> bool:
        """True if the gateway's own words say so. So do words that the shot has too, unless what is
        left without them says what is wrong: a prompt of 连接超时 makes no lost answer a refusal.
        """
        if says(self.said.code, self.own):
            return True
        is_explained = classify_task(self.said.code, self.own) != "unknown"
        return says(*self.said) and not is_explained


def worded(error: Said | None, body: Body) -> Wording | None:
    """Return the wording of an error in the reply to a request about `body`; None for none."""
    return None if error is None else Wording.of(error, body)


def refusal_of(status: int, error: Wording | None) -> Failure:
    """Return the failure where a request was refused with a status; where no words came with it,
    the status stands for them.
    """
    failure = (error or Wording(Said("", ""), "")).refusal(status)
    code, message = (
        failure.code or f"http_{status}",
        failure.message or _("HTTP {status}", status=status),
    )
    return Failure(failure.kind, code, message)

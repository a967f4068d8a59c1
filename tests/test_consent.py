"""Who may let a run buy: the user, in the command or on the terminal, and nobody else."""

from __future__ import annotations

import pytest

from klingflow.decide.consent import Consent, Word, consent, without_purchases
from klingflow.model import Limits


@pytest.mark.parametrize(
    ("wanted", "word", "expected"),
    [
        (3, Word(), "missing"),
        (3, Word(capped=True), "given"),
        (3, Word(yes=True), "given"),
        (3, Word(sandbox=True), "given"),
        (3, Word(terminal=True), "ask"),
        (3, Word(terminal=True, capped=True), "ask"),
        (3, Word(terminal=True, yes=True), "given"),
        (3, Word(terminal=True, sandbox=True), "given"),
        (0, Word(), "idle"),
        (0, Word(terminal=True), "idle"),
        (0, Word(capped=True), "idle"),
        (0, Word(yes=True), "given"),
    ],
)
def test_only_the_users_word_in_this_command_counts(
    wanted: int, word: Word, expected: Consent
) -> None:
    """A terminal is asked unless -y was said; a cap counts where there is nobody to ask."""
    assert consent(wanted, word) == expected


def test_without_a_word_nothing_is_bought() -> None:
    """A task that fails is not bought again, whatever `retries` the manifest has."""
    limits = without_purchases(Limits(retries=5, max_tasks=100, max_running=7))
    assert limits == Limits(retries=0, max_tasks=0, max_running=7)

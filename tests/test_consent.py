"""Who may let a run buy: the user, in the command or on the terminal, and nobody else."""

from __future__ import annotations

import pytest

from klingflow.decide.consent import Consent, Word, consent, covers_uncounted, without_purchases
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


@pytest.mark.parametrize(
    ("word", "saved", "expected"),
    [
        (Word(yes=True, terminal=True), False, True),
        (Word(sandbox=True, terminal=True), False, True),
        (Word(capped=True), False, True),
        (Word(terminal=True), False, False),
        (Word(terminal=True, capped=True), False, False),
        (Word(yes=True), True, False),
    ],
)
def test_who_agreed_to_a_number_agreed_to_nothing_beside_it(
    word: Word, saved: bool, expected: bool
) -> None:
    """A lock may name orders that no plan counts."""
    assert covers_uncounted(word, saved=saved) is expected


def test_without_a_word_nothing_is_bought() -> None:
    """A task that fails is not bought again, whatever `retries` the manifest has."""
    limits = without_purchases(Limits(retries=5, max_tasks=100, max_running=7))
    assert limits == Limits(retries=0, max_tasks=0, max_running=7)

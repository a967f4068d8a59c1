"""The limits of an account: kept in the store, each time under the next number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from klingflow.cluster import accounts
from klingflow.cluster.account import Said, Settings
from klingflow.cluster.store import FolderStore
from klingflow.errors import UsageError
from klingflow.model import Rate

ALL = {"submit": [60, 60.0], "max_running": 40, "max_spend": "500", "stopped": False}
LIMITS = Settings(Rate(60, 60.0), 40, Decimal(500))


def numbered(said: Said | None) -> tuple[int, Settings] | None:
    """What was said, without the word that nobody else has."""
    return said and (said.number, said.settings)


def test_what_was_said_last_counts(store: FolderStore) -> None:
    """What is not given stays, and another account is another's."""
    assert accounts.last_said(store, "film") is None
    assert numbered(accounts.say(store, "film", ALL)) == (1, LIMITS)
    after = Settings(Rate(60, 60.0), 8, Decimal(500))
    said = accounts.say(store, "film", {"max_running": 8})
    assert numbered(said) == (2, after)
    assert accounts.last_said(store, "film") == said
    assert accounts.last_said(store, "other") is None


def test_two_who_speak_at_once_are_both_heard(store: FolderStore) -> None:
    """Who comes second builds on what the first has said."""

    class Meanwhile(FolderStore):
        said = False

        def put(self, name: str, data: bytes) -> bool:
            """Let somebody else speak first, once."""
            if not self.said:
                self.said = True
                accounts.say(self, "film", {"max_running": 8})
            return super().put(name, data)

    said = accounts.say(Meanwhile(store.folder), "film", {"max_spend": "9"})
    assert numbered(said) == (2, Settings(max_running=8, max_spend=Decimal(9)))


def test_each_word_names_the_one_before(store: FolderStore) -> None:
    """So a store that was put back from a backup is told by what follows there."""
    words = [accounts.say(store, "film", {"stopped": stopped}) for stopped in (True, False)]
    assert [said.after for said in words] == ["", words[0].word]
    assert words[0].word != words[1].word
    assert [said.settings.stopped for said in words] == [True, False]


def test_no_limit_is_a_word_too(store: FolderStore) -> None:
    """It lifts what was said before."""
    accounts.say(store, "film", ALL)
    assert accounts.say(store, "film", {"max_spend": None}).settings.max_spend is None


@pytest.mark.parametrize("damaged", [b"", b"{}", b"00000000 {}\n"])
def test_limits_that_nobody_can_read_are_said_again(store: FolderStore, damaged: bytes) -> None:
    """All of them: until then nothing is known, and nothing is guessed."""
    accounts.say(store, "film", ALL)
    (store.folder / "accounts" / "film" / "000001.json").write_bytes(damaged)
    with pytest.raises(UsageError, match="say all of them again"):
        accounts.last_said(store, "film")
    with pytest.raises(UsageError, match="say all of them again"):
        accounts.say(store, "film", {"max_running": 8})
    assert numbered(accounts.say(store, "film", ALL)) == (2, LIMITS)

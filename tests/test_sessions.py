"""Who may see the page."""

from __future__ import annotations

from klingflow.pages.sessions import GRACE_S, Sessions, same


def begun() -> Sessions:
    """A session that began at 0."""
    sessions = Sessions()
    assert sessions.begin(sessions.ticket, 0.0)
    return sessions


def test_a_ticket_opens_one_session() -> None:
    """Whoever reads it later opens nothing."""
    sessions = Sessions()
    ticket = sessions.ticket
    assert sessions.begin(ticket, 0.0)
    assert not sessions.begin(ticket, 1.0)


def test_nothing_is_right_while_there_is_no_session() -> None:
    """An empty word is no secret."""
    sessions = Sessions()
    assert not sessions.may_ask("")
    assert not sessions.may_see("")
    assert not sessions.begin("", 0.0)


def test_the_words_of_a_session_differ() -> None:
    """What stands in the address of a video opens nothing else."""
    sessions = begun()
    assert len({sessions.token, sessions.media, sessions.ticket}) == 3
    assert not sessions.may_ask(sessions.media)
    assert not sessions.may_see(sessions.token)


def test_a_page_that_was_closed_ends_its_session() -> None:
    """After a while, because a page that is loaded again is back at once."""
    sessions = begun()
    token = sessions.token
    sessions.opened()
    assert not sessions.over(10 * GRACE_S)
    sessions.closed(token, 100.0)
    assert not sessions.over(100.0 + GRACE_S - 1)
    assert sessions.over(100.0 + GRACE_S)
    assert not sessions.may_ask(token)
    assert not sessions.over(1000.0)


def test_a_page_of_an_earlier_session_ends_no_later_one() -> None:
    """Its connection may be noticed as gone late."""
    sessions = begun()
    old = sessions.token
    sessions.opened()
    assert sessions.begin(sessions.ticket, 5.0)
    sessions.opened()
    sessions.closed(old, 6.0)
    assert not sessions.over(6.0 + GRACE_S)


def test_a_secret_is_compared_as_it_is_said() -> None:
    """Half a character is no error."""
    assert same("é", "é")
    assert not same("\ud800", "é")

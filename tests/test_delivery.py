"""A finished video is fetched again and again, from the address that is likeliest to have it."""

from __future__ import annotations

import pytest

from klingflow.decide.delivery import (
    FROM_AN_EARLIER_RUN,
    LONGEST_PAUSE_S,
    STALE_AFTER,
    TRIES,
    Delivery,
    most_bytes,
)

FROM_THE_START = Delivery()
OWN, CONTENT = "https://cdn.example.com/a.mp4", "https://gateway.example.com/v1/videos/t/content"


def after(number: int, delivery: Delivery = FROM_THE_START) -> Delivery:
    """After so many tries that brought nothing."""
    for _ in range(number):
        delivery = delivery.failed(0)
    return delivery


def test_tries_take_the_two_addresses_in_turn() -> None:
    """The result's own first."""
    assert [after(n).address(OWN, CONTENT) for n in range(4)] == [OWN, CONTENT, OWN, CONTENT]


def test_an_address_from_an_earlier_run_is_not_tried_first() -> None:
    """It may have expired, and the gateway's own route has not."""
    addresses = [after(n, FROM_AN_EARLIER_RUN).address(OWN, CONTENT) for n in range(2)]
    assert addresses == [CONTENT, OWN]


@pytest.mark.parametrize("own", [None, ""])
@pytest.mark.parametrize("number", [0, 1])
def test_without_an_address_of_its_own_the_gateway_s_route_is_taken(
    own: str | None, number: int
) -> None:
    """Every time."""
    assert after(number).address(own, CONTENT) == CONTENT


def test_a_stale_address_is_renewed_once() -> None:
    """After the second failure, and after the first where the address is from an earlier run."""
    assert [n for n in range(TRIES) if after(n).is_stale] == [STALE_AFTER] == [2]
    assert [n for n in range(TRIES) if after(n, FROM_AN_EARLIER_RUN).is_stale] == [1]


def test_eight_tries_that_brought_nothing_are_enough() -> None:
    """For this run; `fetch` or the next run tries again."""
    assert [n for n in range(10) if after(n).is_over] == [8, 9]


def test_the_pauses_double() -> None:
    """About a minute in all."""
    pauses = [after(n).pause_s(None) for n in range(1, TRIES)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


@pytest.mark.parametrize(
    ("asked_s", "pause_s"), [(0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (60.0, 60.0), (1e9, 60.0)]
)
def test_a_server_that_asks_for_a_pause_gets_it(asked_s: float, pause_s: float) -> None:
    """Up to a minute, and never less than our own."""
    assert after(2).pause_s(asked_s) == pause_s <= LONGEST_PAUSE_S


def test_a_try_that_got_further_is_the_first_again() -> None:
    """A slow server is not a dead one."""
    cut = after(5).failed(100_000)
    assert cut == Delivery(1, 100_000)
    assert cut.failed(200_000) == Delivery(1, 200_000)


@pytest.mark.parametrize("received_bytes", [0, 999, 1000, 1001, 66_535])
def test_a_try_that_got_hardly_further_counts(received_bytes: int) -> None:
    """Also one that had to start over: it brought too little."""
    assert Delivery(1, 1000).failed(received_bytes) == Delivery(2, 1000)


@pytest.mark.parametrize("step_bytes", [1, 1000, 60_000, 65_536, 1_000_000])
@pytest.mark.parametrize("here_bytes", [0, 10_000_000])
def test_a_dripping_server_is_given_up(here_bytes: int, step_bytes: int) -> None:
    """Whatever it sends at each try, there is an end: each further sixteenth counts once."""
    delivery, tries = Delivery(1, here_bytes), 0
    while not delivery.is_over:
        tries += 1
        delivery = delivery.failed(here_bytes + tries * step_bytes)
    assert tries < 400


def test_little_by_little_is_progress_too() -> None:
    """Tries are measured from where the count began."""
    delivery = Delivery(1, 0)
    for received in (30_000, 60_000, 90_000):
        delivery = delivery.failed(received)
    assert delivery == Delivery(1, 90_000)


@pytest.mark.parametrize(("seconds", "mebibytes"), [(0, 256), (5, 416), (15, 736)])
def test_the_most_of_a_video_grows_with_its_seconds(seconds: int, mebibytes: int) -> None:
    """Generously: 1080P has 1 to 3 MB a second."""
    assert most_bytes(seconds) == mebibytes * 1024**2

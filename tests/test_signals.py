"""What ends a process ends it in good order, wherever it stands."""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from klingflow.runner import signals
from tests.harness import pipeline_at

if sys.platform == "win32":
    pytest.skip("Windows has no such signals", allow_module_level=True)

ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _handlers_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDS}
    # A script's `&` starts pytest with Ctrl-C ignored, and `nohup` with the closed terminal; every
    # child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDS)
def test_what_is_begun_is_finished_first(number: signal.Signals) -> None:
    """The first signal is heard once the block is done."""
    signals.as_ctrl_c()
    done = []
    with pytest.raises(KeyboardInterrupt), signals.held_off():
        os.kill(os.getpid(), number)
        done.append(number)
    assert done == [number]


def test_the_second_signal_does_not_wait() -> None:
    """Whoever asks twice leaves at once, and afterwards a signal is what it was before."""
    signals.as_ctrl_c()
    done = []
    with pytest.raises(KeyboardInterrupt), signals.held_off():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        done.append("never")
    assert done == []
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", ENDS)
def test_each_of_them_is_heard_as_ctrl_c(number: signal.Signals) -> None:
    """Ctrl-C by itself, the others once it is asked for."""
    signals.as_ctrl_c()
    handler = signal.getsignal(number)
    assert callable(handler)
    with pytest.raises(KeyboardInterrupt):
        handler(number, None)


@pytest.mark.parametrize(
    ("heard", "body", "broke"),
    [
        (True, "raise TypeError('expected a message argument')", True),
        (False, "raise TypeError('expected a message argument')", False),
        (True, "pass", False),
    ],
)
def test_what_a_signal_leaves_of_an_import_is_an_interruption(
    tmp_path: Path, heard: bool, body: str, broke: bool
) -> None:
    """Python raises TypeError there in place of KeyboardInterrupt; any other error is our own."""
    signals.as_ctrl_c()
    if heard:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    (tmp_path / "broken.py").write_text(body)
    with pytest.raises(TypeError) as raised:
        runpy.run_path(str(tmp_path / "broken.py"))
        raise TypeError("of our own")
    assert signals.broke_off_an_import(raised.value) is broke


def test_when_all_is_done_none_of_them_is_heard() -> None:
    """The exit code is given, whoever sends what meanwhile."""
    signals.ignored()
    assert {signal.getsignal(number) for number in ENDS} == {signal.SIG_IGN}


def test_nohup_means_what_it_says() -> None:
    """A closed terminal that is ignored stays ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.as_ctrl_c()
    with signals.held_off():
        os.kill(os.getpid(), signal.SIGHUP)


def test_a_program_s_own_handlers_outlive_an_event_loop_that_listened() -> None:
    """asyncio puts the system's default in their place, which ends the process."""
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))

    async def listen() -> None:
        with signals.kept(), anyio.open_signal_receiver(*signals.ends()):
            pass

    anyio.run(listen)
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def lacking(*_: object) -> None:
    raise NotImplementedError


@pytest.mark.parametrize("system", ["POSIX", "Windows"])
@pytest.mark.parametrize("number", ENDS)
def test_a_run_hears_a_signal_whatever_its_event_loop_can_do(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, system: str
) -> None:
    """The loop of Windows has no signal handlers; afterwards a signal is what it was before."""
    before = signal.getsignal(number)

    async def listen() -> list[signal.Signals]:
        loop = asyncio.get_running_loop()
        if system == "Windows":
            monkeypatch.setattr(loop, "add_signal_handler", lacking)
            monkeypatch.setattr(loop, "remove_signal_handler", lacking)
        with signals.heard() as received:
            os.kill(os.getpid(), number)
            first = await received.receive()
            os.kill(os.getpid(), number)
            return [first, await received.receive()]

    assert anyio.run(listen) == [number, number]
    assert signal.getsignal(number) is before


def test_in_another_thread_signals_are_the_program_s_business() -> None:
    """Python gives them to the main thread only."""
    done = []

    def work() -> None:
        with signals.held_off(), signals.kept():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert done == [True]


@pytest.mark.parametrize("number", ENDS)
def test_a_process_that_has_not_begun_yet_ends_with_130(
    tmp_path: Path, number: signal.Signals
) -> None:
    """While the manifest is being read, which a pipe holds up here."""
    film = pipeline_at(tmp_path)
    os.mkfifo(film.manifest)
    process = film.start("validate", "film.yaml")
    with film.manifest.open("wb"):  # open once klingflow opens it for reading
        # A signal between two steps of Python's is heard at the next one, and none follows here.
        for _ in range(60):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=1)
                break
    assert process.returncode == 130

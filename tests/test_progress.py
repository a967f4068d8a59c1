"""A run as lines, and as a log of events."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from klingflow import UsageError
from klingflow.model import Plan
from klingflow.runner.events import EVENTS, Event
from klingflow.terminal import progress
from klingflow.terminal.progress import Watch, line_of, prefixes_of, words
from tests.plans import action, plan_of

FAILURE = {"kind": "capacity", "code": "x", "message": "busy"}


def event(name: str, shot: str = "a", path: str = "film.yaml", **facts: Any) -> Event:
    return {"event": name, "manifest": "film", "path": path, "shot": shot, **facts}


SAID = [
    ("intent", {"uid": "u"}, "intent"),
    ("submitted", {"task_id": "t"}, "bought as t"),
    ("submitted", {"task_id": "t", "tier": "x", "predicted_tier": "x"}, "bought as t (x)"),
    (
        "submitted",
        {"task_id": "t", "tier": "y", "predicted_tier": "x"},
        "bought as t (y; predicted x)",
    ),
    ("spared", {"reason": "why"}, "not bought: why"),
    (
        "limited",
        {"failure": FAILURE, "pause_s": 90},
        "the gateway is busy: busy; again in 1m 30s",
    ),
    ("unsent", {"reason": "refused", "pause_s": 2}, "not sent: refused; again in 2s"),
    ("rejected", {"failure": FAILURE}, "refused, not bought: busy"),
    ("in_doubt", {"reason": "cut"}, "IN DOUBT: cut; klingflow resolve settles it"),
    ("poll", {"status": "running"}, "running"),
    ("poll", {"status": "running", "progress": 12.5}, "running 12.5 %"),
    ("poll", {"status": "unknown", "reason": "404", "progress": 0}, "unknown: 404"),
    ("blind", {"failure": FAILURE, "pause_s": 5}, "the gateway refuses to say (busy); again in 5s"),
    ("succeeded", {"after_s": 61.2}, "generated after about 1m 01s"),
    ("failed", {"failure": FAILURE, "retry": False}, "failed: busy"),
    ("failed", {"failure": FAILURE, "retry": True}, "failed: busy; buying it again (retries)"),
    ("failed", {"failure": FAILURE, "refunded": True}, "failed: busy; refunded by your prices"),
    ("parked", {"failure": FAILURE}, "parked: busy"),
    ("downloading", {}, "downloading"),
    ("download_retry", {"reason": "404", "pause_s": 1}, "not downloaded yet: 404; again in 1s"),
    ("download_retry", {"reason": "cut", "pause_s": 0.5}, "not downloaded yet: cut; again at once"),
    ("done", {"file": "outputs/a.mp4", "size_bytes": 1}, "done: outputs/a.mp4"),
    ("undelivered", {"reason": "404"}, "NOT downloaded: 404; klingflow fetch tries again"),
    ("remarked", {"remarks": [{"kind": "black"}]}, "look at it: black throughout"),
    ("looking", {"videos": 12}, "looking at 12 videos (Ctrl-C leaves that to the next run)"),
    ("uploading", {"file": "refs/a.png"}, "uploading refs/a.png"),
    ("uploaded", {"file": "refs/a.png", "size_bytes": 1}, "uploaded refs/a.png"),
    ("unsendable", {"reason": "403"}, "NOT sent, not bought: 403"),
    ("stopped", {"reason": "a cap"}, "buying has stopped: a cap"),
    ("leaving", {"reason": "interrupted"}, "leaving: interrupted"),
    ("handed_over", {"takes": 3}, "3 takes handed over to the hosts"),
    ("away", {"reason": "no store"}, "waiting: no store"),
    ("halted", {"reason": "no host"}, "a person is needed: no host"),
    ("given_back", {"reason": "3 of them"}, "the store had lost claims: 3 of them"),
    (
        "silent",
        {"host": "north"},
        "no word from north for a minute; other hosts go on with its work",
    ),
    ("submitted", {"task_id": "t", "host": "north"}, "bought as t by north"),
    ("end", {"exit_code": 3}, "ended with exit code 3"),
]


@pytest.mark.parametrize(("name", "facts", "said"), SAID)
def test_an_event_in_words(name: str, facts: Mapping[str, Any], said: str) -> None:
    assert words(event(name, **facts)) == said


def test_every_event_is_among_the_examples() -> None:
    assert {name for name, _, _ in SAID} == set(EVENTS)


def test_what_a_server_says_is_no_template() -> None:
    """Braces in it are text."""
    assert words(event("parked", failure={"message": "{status} {0}"})) == "parked: {status} {0}"


def test_a_line_has_the_time_the_shot_and_what_happened() -> None:
    """In columns; an event of the whole run has no shot."""
    time, line = line_of(event("parked", reason="x"), {}, 4).split("  ", 1)
    assert (len(time), line) == (8, "a     parked: x")
    assert line_of({"event": "stopped", "reason": "x"}, {}, 4)[8:] == "  buying has stopped: x"


def film(path: str, name: str = "film") -> Plan:
    return plan_of(action("create", "a"), path=path, name=name)


@pytest.mark.parametrize(
    ("plans", "prefixes"),
    [
        ([film("film.yaml")], {}),
        ([film("a.yaml", "a"), film("b.yaml", "b")], {"a.yaml": "a/", "b.yaml": "b/"}),
        (
            [film("a/film.yaml"), film("b/film.yaml"), film("c.yaml", "c")],
            {"a/film.yaml": "a/film.yaml/", "b/film.yaml": "b/film.yaml/", "c.yaml": "c/"},
        ),
    ],
)
def test_lines_tell_manifests_apart(plans: list[Plan], prefixes: Mapping[str, str]) -> None:
    """By name, or by path where two have one name; a manifest alone needs neither."""
    assert prefixes_of(plans) == prefixes
    line = line_of(event("parked", path=plans[0].manifest.path, reason="x"), prefixes)
    assert line[10:] == f"{prefixes.get(plans[0].manifest.path, '')}a  parked: x"


def shown(capsys: pytest.CaptureFixture[str], verbose: bool = False, quiet: bool = False) -> str:
    """What is printed of one event of each volume."""
    plans = [film("film.yaml")]
    with progress.watching(plans, log=None, quiet=quiet, verbose=verbose, plain=True) as watch:
        for name in ("intent", "submitted", "parked"):
            watch.emit(event(name, task_id="t", reason="x"))
    return " ".join(line.split()[2] for line in capsys.readouterr().out.splitlines())


def test_lines_leave_out_the_chatty_events(capsys: pytest.CaptureFixture[str]) -> None:
    """Except with -v; with -q there are none at all."""
    assert shown(capsys) == "bought parked:"
    assert shown(capsys, verbose=True) == "intent bought parked:"
    assert shown(capsys, quiet=True) == ""


def test_what_waits_for_a_person_is_said_with_q(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr: nobody would ever hear of it otherwise. Without -q it is one of the lines."""
    for quiet in (True, False):
        with progress.watching(
            [film("film.yaml")], log=None, quiet=quiet, verbose=False, plain=True
        ) as watch:
            watch.emit({"event": "halted", "reason": "no host"})
        said = capsys.readouterr()
        told, silent = (said.err, said.out) if quiet else (said.out, said.err)
        assert ("a person is needed: no host" in told, silent) == (True, "")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("term", "plain", "live"),
    [("xterm", False, True), ("xterm", True, False), ("dumb", False, False)],
)
def test_a_live_view_is_for_terminals_that_can(
    monkeypatch: pytest.MonkeyPatch, term: str, plain: bool, live: bool
) -> None:
    """Not for a dumb one, nor with --no-progress; it says only what is loud."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    with progress.watching(
        [film("film.yaml")], log=None, quiet=False, verbose=False, plain=plain
    ) as watch:
        watch.emit(event("submitted", task_id="t"))
        watch.emit(event("parked", reason="x"))
    assert ("bought as t" in terminal.getvalue()) is not live
    assert "parked: x" in terminal.getvalue()


def test_the_log_holds_every_event_and_what_was_there_before(tmp_path: Path) -> None:
    """A line of JSON for each, also with -q."""
    log = tmp_path / "run.jsonl"
    log.write_text('{"event": "old"}\n')
    events = [event("intent"), event("parked", reason="街道")]
    with progress.watching([], log=str(log), quiet=True, verbose=False, plain=True) as watch:
        for each in events:
            watch.emit(each)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"event": "old"}, *events]
    assert "街道" in lines[2]


@pytest.mark.parametrize(
    "there", [b"version: 1\n", b'{"klingflow_lock": 1}\n', b"\0\0\0\x18ftypisom", b"at event\n"]
)
def test_nothing_is_added_to_a_file_that_is_no_log(tmp_path: Path, there: bytes) -> None:
    """A slip of the pen would break a manifest, a ledger or a video that was paid for."""
    file = tmp_path / "film.yaml"
    file.write_bytes(there)
    with (
        pytest.raises(UsageError, match="no log"),
        progress.watching([], log=str(file), quiet=True, verbose=False, plain=True),
    ):
        pass
    assert file.read_bytes() == there


@pytest.mark.parametrize("there", [b"", b'cut off"}\n{"at": "2026", "event": "poll"}\n'])
def test_a_log_goes_on_where_it_is_empty_or_was_shortened(tmp_path: Path, there: bytes) -> None:
    log = tmp_path / "run.jsonl"
    log.write_bytes(there)
    with progress.watching([], log=str(log), quiet=True, verbose=False, plain=True) as watch:
        watch.emit({"at": "2026", "event": "limited"})
    assert log.read_bytes() == there + b'{"at": "2026", "event": "limited"}\n'


def test_a_log_that_cannot_be_opened_is_said_before_anything_is_bought(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="--log"),
        progress.watching([], log=str(tmp_path), quiet=True, verbose=False, plain=True),
    ):
        pass


@pytest.mark.parametrize("error", [OSError("no space left"), ValueError("closed file")])
def test_what_can_no_longer_be_written_is_given_up_and_said_at_the_end(error: Exception) -> None:
    """The others are told all the same."""
    watch, told = Watch(), list[Event]()

    def full(event: Event) -> None:
        raise error

    watch.sinks = {"--log x": full, "terminal": told.append}
    for name in ("intent", "done"):
        watch.emit(event(name))
    assert [each["event"] for each in told] == ["intent", "done"]
    assert watch.lost == [f"--log x could not be written to its end: {error}"]

"""The ledger on disk: durable before it answers, whole whatever happens to its files, held by one
process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from klingflow import disk
from klingflow.errors import LedgerBroken, LedgerError
from klingflow.ledger import emergency, lockfile, oslock
from klingflow.ledger import journal as journal_module
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.problems import worded
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Place
from tests.keeping import keep, now, write, write_one
from tests.purchases import AT, LATER, intent, submitted


def test_what_was_recorded_is_read_back_whole(paths: LedgerPaths) -> None:
    purchase = submitted("opening", prompt="航拍\u2028雨中 \ud800 半个")
    keep(paths, intent("opening", uid=purchase.uid, prompt="航拍\u2028雨中 \ud800 半个"), purchase)
    assert list(read(paths).purchases.values()) == [purchase]


def test_a_record_is_on_disk_before_record_returns(paths: LedgerPaths) -> None:
    with open_ledger(paths, now) as ledger:
        write(ledger, submitted("opening"))
        assert read(paths).task_ids.keys() == {"task_opening"}


def test_a_used_plan_is_in_the_lock_before_anything_else(paths: LedgerPaths) -> None:
    """Whatever happens to the process then, whoever reads the ledger knows."""
    with open_ledger(paths, now) as ledger:
        ledger.use_plan("p")
        assert read(paths).plans == {"p": LATER}
        write(ledger, submitted("opening"))
    assert read(paths).plans == {"p": LATER}


def test_a_lock_that_git_put_there_brings_its_used_plans(paths: LedgerPaths) -> None:
    """Two branches that used a plan each: both count, by git's union merge too."""
    with open_ledger(paths, now) as ledger:
        ledger.use_plan("a")
        theirs = paths.lock.read_bytes()
        paths.lock.write_bytes(theirs + lock_header("x", 9, 0, {"b": AT}))
        ledger.use_plan("c")
    assert read(paths).plans == {"a": LATER, "b": AT, "c": LATER}


def test_a_lock_names_the_newest_hundred_plans(paths: LedgerPaths) -> None:
    """An older one is stale, or would change nothing."""
    with open_ledger(paths, now) as ledger:
        ledger.book.plans = {f"old{n:03}": f"{AT[:-4]}{n:03}Z" for n in range(100)}
        ledger.use_plan("new")
    assert (len(read(paths).plans), "old000" in read(paths).plans) == (100, False)


def test_all_that_wait_share_one_fsync(paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    with open_ledger(paths, now) as ledger:
        monkeypatch.setattr(os, "fsync", calls.append)
        write(ledger, *(submitted(f"s{i}") for i in range(200)))
        assert len(calls) <= 3
        assert len(read(paths).purchases) == 200


def test_the_lock_reads_well_in_a_diff(paths: LedgerPaths) -> None:
    """One line per purchase, by shot, take and attempt, without escapes."""
    keep(paths, submitted("b", prompt="雨"), submitted("a", take=2), submitted("a"))
    header, *lines = paths.lock.read_text(encoding="utf-8").splitlines()
    assert header.startswith('{"klingflow_lock":1,"lineage":"')
    assert [line[:20] for line in lines] == [
        '{"shot":"a","take":1',
        '{"shot":"a","take":2',
        '{"shot":"b","take":1',
    ]
    assert "雨" in lines[2]


def test_nothing_changed_means_nothing_is_written(paths: LedgerPaths) -> None:
    keep(paths, submitted("opening"))
    before = paths.lock.read_bytes(), paths.lock.stat().st_mtime_ns
    keep(paths)
    assert (paths.lock.read_bytes(), paths.lock.stat().st_mtime_ns) == before


def test_an_intent_without_an_outcome_is_in_doubt(paths: LedgerPaths) -> None:
    keep(paths, intent("opening"))
    assert read(paths).latest("opening", 1).state == "in_doubt"  # type: ignore[union-attr]
    with open_ledger(paths, now) as ledger:
        doubt = ledger.book.latest("opening", 1)
    assert doubt and doubt.state == "in_doubt"
    assert doubt.evidence and (doubt.evidence["from"], doubt.evidence["to"]) == (AT, LATER)


def test_only_the_last_refusal_is_kept(paths: LedgerPaths) -> None:
    refused = [advance(intent("opening"), "refused", AT) for _ in range(3)]
    keep(paths, *refused, advance(intent("door"), "refused", AT), submitted("door", attempt=1))
    book = read(paths)
    assert [p.uid for p in book.of("opening", 1)] == [max(p.uid for p in refused)]
    assert [p.state for p in book.of("door", 1)] == ["submitted"]


@pytest.mark.parametrize("notices", ["record", "fold"])
def test_a_runner_that_lost_its_hold_saves_all_that_is_not_in_the_lock(
    paths: LedgerPaths, notices: str
) -> None:
    """And the one that took over takes it in, whenever it was saved, and deletes nothing unread."""
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"), intent("b"))
    shutil.rmtree(paths.hidden)
    other = open_ledger(paths, now)
    with pytest.raises(LedgerBroken):
        anyio.run(ledger.fold) if notices == "fold" else write_one(ledger, submitted("c"))
    assert {p.task_id for p in ledger.unwritten} == {"task_a", "task_c"} - (
        {"task_c"} if notices == "fold" else set()
    )
    ledger.close()
    write(other, submitted("d"))
    anyio.run(other.fold)
    assert {"task_a", "task_d"} <= other.book.task_ids.keys()
    assert not any(place.exists() for place in emergency.places(paths.journal))
    emergency.save(paths.journal, journal_line(submitted("e")))
    other.close()
    assert {p.shot for p in read(paths).purchases.values()} >= {"a", "b", "d", "e"}


def test_an_older_lock_from_git_and_a_kill_lose_nothing_that_was_folded(paths: LedgerPaths) -> None:
    keep(paths, submitted("before"))
    older = paths.lock.read_bytes()
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"))
    anyio.run(ledger.fold)
    disk.atomic_write(paths.lock, older)
    os.close(ledger.journal._fd)  # killed
    assert read(paths).task_ids.keys() == {"task_before", "task_a"}
    keep(paths)
    assert b"task_a" in paths.lock.read_bytes()
    assert not paths.folded.exists()


def test_an_older_lock_from_git_and_a_kill_lose_nothing_where_there_was_nothing_to_fold(
    paths: LedgerPaths,
) -> None:
    keep(paths, submitted("before"))
    older = paths.lock.read_bytes()
    keep(paths, submitted("a"))
    ledger = open_ledger(paths, now)
    disk.atomic_write(paths.lock, older)
    os.close(ledger.journal._fd)  # killed
    assert read(paths).task_ids.keys() == {"task_before", "task_a"}


@pytest.mark.parametrize("text", ["version = 1\nrevision = 3\n", "{}\n", "\0" * 64])
def test_a_lock_of_another_program_is_never_written_over(paths: LedgerPaths, text: str) -> None:
    """uv.yaml beside uv.lock."""
    paths.lock.write_text(text)
    with pytest.raises(LedgerError, match="is not klingflow's; rename the manifest"):
        open_ledger(paths, now)
    with pytest.raises(LedgerError):
        read(paths)
    assert paths.lock.read_text() == text


def test_a_lock_deleted_during_a_run_comes_back(paths: LedgerPaths) -> None:
    with open_ledger(paths, now) as ledger:
        write(ledger, submitted("a"))
        anyio.run(ledger.fold)
        paths.lock.unlink()
    assert read(paths).task_ids.keys() == {"task_a"}


def test_a_lock_that_git_replaced_during_a_run_is_merged(
    paths: LedgerPaths, tmp_path: Path
) -> None:
    elsewhere = ledger_paths(tmp_path / "other.yaml")
    keep(elsewhere, submitted("theirs"), intent("ours", uid="20260608-ours"))
    with open_ledger(paths, now) as ledger:
        write(ledger, submitted("ours", uid="20260608-ours"))
        anyio.run(ledger.fold)
        paths.lock.write_bytes(elsewhere.lock.read_bytes())
        anyio.run(ledger.fold)
        assert ledger.book.task_ids.keys() == {"task_ours", "task_theirs"}
    assert {p.shot: p.state for p in read(paths).purchases.values()} == {
        "ours": "submitted",
        "theirs": "submitted",
    }


def test_two_branches_merged_by_union_are_one_ledger(paths: LedgerPaths, tmp_path: Path) -> None:
    other = ledger_paths(tmp_path / "other.yaml")
    keep(paths, submitted("opening", uid="20260608-a", task_id="task_1"))
    keep(other, submitted("opening", uid="20260608-b", task_id="task_2"))
    union = (
        b"<<<<<<< HEAD\n"
        + paths.lock.read_bytes()
        + b"=======\n"
        + other.lock.read_bytes()
        + b">>>>>>> b\n"
    )
    paths.lock.write_bytes(union)
    book = read(paths)
    assert book.task_ids.keys() == {"task_1", "task_2"}
    assert "opening was paid for twice: task_1 and task_2; both are kept" in [
        *map(worded, book.problems)
    ]
    keep(paths)
    assert b"<<<" not in paths.lock.read_bytes()
    assert read(paths).task_ids.keys() == {"task_1", "task_2"}


def test_a_damaged_line_is_set_aside_and_its_take_is_held(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"), submitted("b"))
    paths.lock.write_bytes(paths.lock.read_bytes().replace(b"task_a", b"task_A"))
    with open_ledger(paths, now) as ledger:
        assert {p.shot: (p.state, p.task_id) for p in ledger.book.purchases.values()} == {
            "a": ("in_doubt", None),
            "b": ("submitted", "task_b"),
        }
        assert [p.place for p in ledger.book.problems] == [Place("film.lock", 2)]
    assert b"task_A" in paths.lock_damaged.read_bytes()


def test_a_line_that_is_being_written_is_waited_for(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks on reads all of it."""
    line = journal_line(submitted("b"))

    def write_the_rest(_: float) -> None:
        with paths.journal.open("ab") as file:
            file.write(line[200:])

    monkeypatch.setattr(time, "sleep", write_the_rest)
    with open_ledger(paths, lambda: LATER) as ledger:
        anyio.run(ledger.record, submitted("a"))
        with paths.journal.open("ab") as file:
            file.write(line[:200])
        book = read(paths)
        assert (sorted(p.shot for p in book.purchases.values()), book.problems) == (["a", "b"], [])


def test_reading_writes_nothing(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"))
    paths.lock.write_bytes(paths.lock.read_bytes()[:-9])
    before = sorted((p, p.read_bytes()) for p in paths.lock.parent.rglob("*") if p.is_file())
    assert read(paths).problems
    assert (
        sorted((p, p.read_bytes()) for p in paths.lock.parent.rglob("*") if p.is_file()) == before
    )


def test_a_lock_of_a_newer_klingflow_is_refused(paths: LedgerPaths) -> None:
    keep(paths, submitted("a"))
    head = b'{"klingflow_lock":2,"lineage":"x","serial":1'
    paths.lock.write_bytes(head + b',"crc":"%08x"}\n' % zlib.crc32(head))
    with pytest.raises(LedgerError, match="newer klingflow"):
        open_ledger(paths, now)
    open_after = oslock.acquire(paths.journal)
    assert open_after is not None
    os.close(open_after)


def full_disk(fd: int, data: bytes) -> None:
    raise OSError(28, "No space left on device")


def torn(fd: int, data: bytes) -> None:
    """A disk that takes half of what it is given, then nothing."""
    os.write(fd, data[: len(data) // 2])
    raise OSError(28, "No space left on device")


def broken(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("what", "fails"),
    [("write_all", full_disk), ("write_all", torn), ("fsync", broken)],
    ids=["full", "torn", "eio"],
)
def test_a_ledger_that_cannot_be_written_keeps_the_ids_elsewhere(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch, what: str, fails: Callable[..., object]
) -> None:
    """The descriptor is never used again; the id is in the emergency file, and the next start takes
    it in.
    """
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"))
    with monkeypatch.context() as patch:
        if what == "fsync":
            journal = ledger.journal._fd
            real = os.fsync
            patch.setattr(os, "fsync", lambda fd: broken() if fd == journal else real(fd))
        else:
            patch.setattr(journal_module, what, fails)
        with pytest.raises(LedgerBroken, match="emergency"):
            write_one(ledger, submitted("b"))
    for purchase in (submitted("c"), intent("d")):
        with pytest.raises(LedgerBroken):
            write_one(ledger, purchase)
    with pytest.raises(LedgerBroken):
        anyio.run(ledger.fold)
    assert [p.task_id for p in ledger.unwritten] == ["task_b", "task_c"]
    ledger.close()
    assert read(paths).task_ids.keys() == {"task_a", "task_b", "task_c"}
    keep(paths)
    assert read(paths).task_ids.keys() == {"task_a", "task_b", "task_c"}
    assert not any(place.exists() for place in emergency.places(paths.journal))


def test_an_intent_that_could_not_be_written_leaves_no_doubt(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender was told not to send it."""
    ledger = open_ledger(paths, now)
    journal, real = ledger.journal._fd, os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: broken() if fd == journal else real(fd))
    with pytest.raises(LedgerBroken):
        write_one(ledger, intent("a"))
    assert [p.state for p in ledger.book.purchases.values()] == ["rejected"]
    ledger.close()
    assert read(paths).latest("a", 1).state == "rejected"  # type: ignore[union-attr]


def test_without_room_beside_the_journal_the_temporary_folder_serves(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("tmp")
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    ledger = open_ledger(paths, now)
    emergency.places(paths.journal)[0].mkdir()
    monkeypatch.setattr(journal_module, "write_all", full_disk)
    with pytest.raises(LedgerBroken, match=str(elsewhere)):
        write_one(ledger, submitted("a"))
    ledger.close()
    monkeypatch.undo()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    emergency.places(paths.journal)[0].rmdir()
    keep(paths)
    assert read(paths).task_ids.keys() == {"task_a"}


def test_the_reserve_makes_room_for_the_last_ids(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    ledger = open_ledger(paths, now)
    reserve = paths.journal.with_suffix(".reserve")
    assert reserve.stat().st_blocks * 512 >= emergency.RESERVE_BYTES
    monkeypatch.setattr(journal_module, "write_all", full_disk)
    with pytest.raises(LedgerBroken):
        write_one(ledger, submitted("a"))
    assert not reserve.exists()
    ledger.close()


def test_a_fold_that_fails_stops_buying_but_outcomes_are_still_kept(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"))
    monkeypatch.setattr(lockfile, "atomic_write", broken)
    with pytest.raises(LedgerBroken):
        anyio.run(ledger.fold)
    with pytest.raises(LedgerBroken):
        write_one(ledger, intent("b"))
    write_one(ledger, submitted("c"))
    ledger.close()
    assert read(paths).task_ids.keys() == {"task_a", "task_c"}


def test_a_fold_cut_off_anywhere_loses_nothing(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lock first, journal after: dying in between leaves both."""
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"))
    monkeypatch.setattr(os, "ftruncate", broken)
    with pytest.raises(LedgerBroken):
        anyio.run(ledger.fold)
    ledger.close()
    monkeypatch.undo()
    book = read(paths)
    assert (list(book.task_ids), book.problems) == (["task_a"], [])


def test_a_cancelled_record_is_written_all_the_same(paths: LedgerPaths) -> None:
    async def main(ledger: Ledger) -> None:
        async with anyio.create_task_group() as group:
            for i in range(20):
                group.start_soon(ledger.record, submitted(f"s{i}"))
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    with open_ledger(paths, now) as ledger:
        anyio.run(main, ledger)
        assert len(read(paths).purchases) == len(ledger.book.purchases) == 20


def test_a_read_only_folder_is_one_clear_error(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(LedgerError, match="the ledger cannot be opened"):
        open_ledger(paths, now)


WRITER = """
import sys, anyio
from klingflow.ledger.places import ledger_paths
from klingflow.ledger.store import open_ledger
from tests.purchases import submitted

async def main(ledger):
    async def one(i):
        await ledger.record(submitted(f"s{start}-{i}", uid=f"20260608-{start}-{i}"))
        print(f"task_s{start}-{i}", flush=True)
    for i in range(0, 4000, 8):
        async with anyio.create_task_group() as group:
            for k in range(8):
                group.start_soon(one, i + k)
        if i % 40 == 0:
            await ledger.fold()

start = sys.argv[2]
with open_ledger(ledger_paths(sys.argv[1]), lambda: "2026-06-08T06:53:00.000Z") as ledger:
    anyio.run(main, ledger)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    manifest, promised = tmp_path / "film.yaml", set[str]()
    for turn in range(6):
        command = [sys.executable, "-c", WRITER, str(manifest), str(turn)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
        ) as writer:
            assert writer.stdout
            promised.add(writer.stdout.readline().decode().strip())
            time.sleep(0.013 * turn)
            writer.send_signal(signal.SIGKILL)
            promised |= {line.decode().strip() for line in writer.stdout if line.endswith(b"\n")}
        book = read(ledger_paths(manifest))
        assert promised <= book.task_ids.keys()
        assert all(f"task_{p.shot}" == p.task_id for p in book.purchases.values() if p.task_id)


def test_one_torn_purchase_is_completed_by_its_other_account(paths: LedgerPaths) -> None:
    """The journal's later lines leave out the body; the first has it."""
    first = intent("opening")
    keep(paths, first, advance(first, "accepted", LATER, task_id="t1"))
    assert read(paths).latest("opening", 1).body == first.body  # type: ignore[union-attr]

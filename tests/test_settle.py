"""Files follow the ledger: recorded first, then renamed, over nothing; and what cuts that off loses
nothing.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klingflow import disk
from klingflow.api.settling import settle as settled
from klingflow.decide import filing
from klingflow.decide.file_names import is_name_of_ours
from klingflow.errors import LedgerBroken
from klingflow.ledger import files
from klingflow.ledger.places import Site, site_at
from klingflow.model import FileFact, Filing, Purchase, Step
from klingflow.runner import settle
from tests.purchases import done, submitted
from tests.runs import Run, a_run

pytestmark = pytest.mark.anyio

A, B = "outputs/film/shot001.mp4", "outputs/film/shot002.mp4"


def put(folder: Path, **files: bytes) -> None:
    """Write videos, long ago."""
    for name, content in files.items():
        path = folder / "outputs/film" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_600_000_000, 1_600_000_000))


def fact(content: bytes) -> FileFact:
    return FileFact(len(content), hashlib.sha256(content).hexdigest())


def bought(shot: str, content: bytes, output: str) -> Purchase:
    """A delivered purchase of this content."""
    known = fact(content)
    return replace(done(shot), sha256=known.sha256, size_bytes=known.size_bytes, output=output)


def there(folder: Path) -> dict[str, bytes]:
    """All videos, by their names."""
    found = (folder / "outputs").rglob("*.mp4*")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_at(tmp_path / "film.yaml")


def swap(one: bytes = b"one", two: bytes = b"two") -> Filing:
    """Two videos that change places."""
    return Filing({}, (Step("1", A, B, fact(one)), Step("2", B, A, fact(two))))


async def test_files_that_change_places_do_so_before_the_run(tmp_path: Path) -> None:
    """The ledger says so, the plan is made again, and nothing is left to do."""
    put(tmp_path, shot001=b"one", shot002=b"two")
    swapped = bought("shot001", b"two", B), bought("shot002", b"one", A)
    with a_run(tmp_path, shots=2, bought=swapped) as run:
        assert len(run.job.plan.filing.steps) == 2
        assert await settled(run.job) == []
        assert [p.output for p in run.purchases] == [A, B]
        assert all("placed" in p.times for p in run.purchases)
        assert not run.job.plan.filing
        assert [a.verb for a in run.job.plan.actions] == ["changed", "changed"]
        assert await settled(run.job) == []
    assert there(tmp_path) == {A: b"two", B: b"one"}


async def test_nothing_is_renamed_before_it_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that cannot be written leaves every file where it is."""

    async def broken(purchase: Purchase) -> None:
        raise LedgerBroken("full")

    put(tmp_path, old=b"one")
    with a_run(tmp_path, bought=[bought("shot001", b"one", "outputs/film/old.mp4")]) as run:
        monkeypatch.setattr(run.job.ledger, "record", broken)
        with pytest.raises(LedgerBroken, match="full"):
            await settled(run.job)
    assert there(tmp_path) == {"outputs/film/old.mp4": b"one"}


@pytest.mark.parametrize("last", range(5))
async def test_a_kill_loses_no_video_whose_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """Where the ledger names a new folder already, and the video lies in the old one; also if the
    next run names a third one, and is killed before it renames anything.
    """
    put(tmp_path, shot001=b"one", shot002=b"two")
    bought_ones = [bought("shot001", b"one", A), bought("shot002", b"two", B)]
    all_of_them = filing.operations
    for top, number in (("clips", last), ("reel", 0)):
        with a_run(
            tmp_path, shots=2, bought=bought_ones, top={"output": f"{top}/{{shot}}.mp4"}
        ) as run:
            with monkeypatch.context() as cut:
                cut.setattr(settle, "operations", lambda *args, n=number: all_of_them(*args)[:n])
                await settled(run.job)
            bought_ones = []
    with a_run(tmp_path, shots=2, top={"output": "last/{shot}.mp4"}) as run:
        assert [a.verb for a in run.job.plan.actions] == ["changed", "changed"]
        assert await settled(run.job) == []
    assert (tmp_path / "last/shot001.mp4").read_bytes() == b"one"
    assert (tmp_path / "last/shot002.mp4").read_bytes() == b"two"
    assert not run.job.site.facts.exists() or A not in run.job.site.facts.read_text()


async def test_no_file_moves_where_its_old_name_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill would lose it then."""

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    put(tmp_path, shot001=b"one")
    monkeypatch.setattr(files, "note", full)
    with a_run(
        tmp_path, bought=[bought("shot001", b"one", A)], top={"output": "clips/{shot}.mp4"}
    ) as run:
        (trouble,) = await settled(run.job)
        assert run.purchases[0].output == A
    assert trouble.endswith("cannot be written, so no file was moved: No space left on device")
    assert there(tmp_path) == {A: b"one"}


@pytest.mark.parametrize("last", range(5))
async def test_a_kill_between_two_renames_loses_no_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """The next run finds each by its content, and ends where this one would have."""
    put(tmp_path, shot001=b"one", shot002=b"two")
    swapped = bought("shot001", b"two", B), bought("shot002", b"one", A)
    all_of_them = filing.operations
    with a_run(tmp_path, shots=2, bought=swapped) as run, monkeypatch.context() as cut:
        cut.setattr(settle, "operations", lambda *args: all_of_them(*args)[:last])
        await settled(run.job)
    assert sorted(p.read_bytes() for p in (tmp_path / "outputs/film").iterdir()) == [b"one", b"two"]
    with a_run(tmp_path, shots=2) as run:
        assert [a.verb for a in run.job.plan.actions] == ["changed", "changed"]
        assert await settled(run.job) == []
        assert not run.job.plan.filing
    assert there(tmp_path) == {A: b"two", B: b"one"}


def test_what_is_in_the_way_goes_aside_and_over_nothing(site: Site) -> None:
    """A person may have edited the video, more than once."""
    put(site.folder, shot001=b"mine", old=b"one")
    (site.folder / f"{A}.bak").write_bytes(b"mine, earlier")
    step = Step("1", "outputs/film/old.mp4", A, fact(b"one"))
    assert settle.carry_out(site, Filing({}, (step,))) == []
    assert there(site.folder) == {A: b"one", f"{A}.bak": b"mine, earlier", f"{A}.bak2": b"mine"}


def test_what_another_purchase_needs_is_copied(site: Site) -> None:
    """By a second name, where the file system has them; folders are made."""
    put(site.folder, shot001=b"one")
    step = Step("1", A, "new/a.mp4", fact(b"one"), stays=True)
    assert settle.carry_out(site, Filing({}, (step,))) == []
    assert (site.folder / "new/a.mp4").samefile(site.folder / A)


def test_what_is_left_over_is_dropped_last(site: Site) -> None:
    """Unless anything went wrong: then it may be all that there is."""
    put(site.folder, shot001=b"one")
    part = site.folder / f"{A}.part"
    part.write_bytes(b"one")
    wrong = Step("1", "outputs/film/gone.mp4", B, fact(b"two"))
    assert len(settle.carry_out(site, Filing({}, (wrong,), (f"{A}.part",)))) == 1
    assert part.exists()
    assert settle.carry_out(site, Filing(spare=(f"{A}.part",))) == []
    assert there(site.folder) == {A: b"one"}


def linked(folder: Path) -> None:
    (folder / A).rename(folder / "elsewhere.mp4")
    (folder / A).symlink_to(folder / "elsewhere.mp4")


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda folder: (folder / A).unlink(), f"{A} could not be moved to "),
        (lambda folder: (folder / A).write_bytes(b"longer"), f"{A} has changed meanwhile"),
        (linked, f"{A} is no plain file, and was not moved to "),
    ],
    ids=["gone", "edited", "a link"],
)
def test_a_file_that_cannot_be_moved_is_a_trouble_of_its_own(
    site: Site, happens: object, said: str
) -> None:
    """The others still change their names."""
    put(site.folder, shot001=b"one", shot002=b"two")
    assert callable(happens)
    happens(site.folder)
    steps = (Step("1", A, "c.mp4", fact(b"one")), Step("2", B, "d.mp4", fact(b"two")))
    (trouble,) = settle.carry_out(site, Filing({}, steps))
    assert trouble.startswith(said)
    assert (site.folder / "d.mp4").read_bytes() == b"two"


def test_a_file_that_another_program_uses_is_said_to_be(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a player may keep it."""

    def used(source: Path, target: Path) -> None:
        error: Any = PermissionError(13, "The process cannot access the file")
        error.winerror = 32  # as Windows sets it
        raise error

    put(site.folder, shot001=b"one", shot002=b"two")
    monkeypatch.setattr(disk, "rename_new", used)
    troubles = settle.carry_out(site, swap())
    assert [t.partition(": ")[2] for t in troubles] == [
        "is in use by another program; close it and run again"
    ] * 2
    assert there(site.folder) == {A: b"one", B: b"two"}


def test_no_file_goes_or_comes_through_a_link(site: Site) -> None:
    """Below the first folder a link may lead into another project."""
    put(site.folder, shot001=b"one")
    (site.folder / "other").mkdir()
    (site.folder / "outputs/link").symlink_to(site.folder / "other")
    (site.folder / "other/x.mp4").write_bytes(b"two")
    out = Step("1", A, "outputs/link/a.mp4", fact(b"one"))
    into = Step("2", "outputs/link/x.mp4", B, fact(b"two"))
    troubles = settle.carry_out(site, Filing({}, (out, into)))
    assert len(troubles) == 2
    assert there(site.folder) == {A: b"one"}
    assert [p.name for p in (site.folder / "other").iterdir()] == ["x.mp4"]


def test_a_file_that_got_another_name_is_not_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new name changes its times, but not what is in it."""
    put(site.folder, shot001=b"one", shot002=b"two")
    site.paths.hidden.mkdir()
    settle.carry_out(site, swap())
    monkeypatch.setattr("klingflow.ledger.files._sha256", lambda path: pytest.fail("was read"))
    facts = files.facts(site.folder, [A, B], site.facts)
    assert facts == {A: fact(b"two"), B: fact(b"one")}


# ---------------------------------------------------------------- downloads


async def delivered(run: Run, content: bytes) -> list[str]:
    """A video that was just downloaded, whole, gets its place."""
    (folder := run.job.site.folder / "outputs/film").mkdir(parents=True, exist_ok=True)
    (folder / "shot001.mp4.part").write_bytes(content)
    flight = await run.flight()
    return await settle.deliver(
        run.job.ledger, run.job.site, flight.purchase, fact(content), run.context.now
    )


async def test_a_download_replaces_no_video(tmp_path: Path) -> None:
    """What the take had goes to `earlier/`, and the ledger knows."""
    put(tmp_path, shot001=b"one")
    old = bought("shot001", b"one", A)
    with a_run(tmp_path, bought=[old]) as run:
        assert await delivered(run, b"two") == []
        away = run.job.ledger.book.purchases[old.uid].output
    assert away == f"outputs/film/earlier/shot001.1-{old.uid.rpartition('-')[2][:8]}.mp4"
    assert there(tmp_path) == {A: b"two", away: b"one"}


async def test_edits_of_a_delivered_video_are_all_kept(tmp_path: Path) -> None:
    """Each is somebody's work."""
    with a_run(tmp_path) as run:
        for edit in (b"first", b"second"):
            put(tmp_path, shot001=edit)
            assert await delivered(run, b"bought") == []
    assert there(tmp_path) == {A: b"bought", f"{A}.bak": b"first", f"{A}.bak2": b"second"}


async def test_a_video_that_a_dead_run_named_is_taken_as_it_is(tmp_path: Path) -> None:
    """It died before it could write that down; nothing goes aside, nothing is left over."""
    put(tmp_path, shot001=b"bought")
    with a_run(tmp_path) as run:
        assert await delivered(run, b"bought") == []
    assert there(tmp_path) == {A: b"bought"}


def test_videos_are_found_by_what_a_manifest_and_its_ledger_say(site: Site) -> None:
    """A name that came with the folder, in a cache that anybody may have written, leads nowhere."""
    (outside := site.folder.parent / "outside.mp4").write_bytes(b"one")
    site.paths.hidden.mkdir()
    site.facts.write_text(f'{{"../{outside.name}": [3, 0, 0, 0, "{fact(b"one").sha256}"]}}')
    lost = files.search(site, {fact(b"one")}, [A], is_name_of_ours)
    assert lost == {}


async def test_moves_are_on_the_disk_before_a_file_is_renamed(tmp_path: Path) -> None:
    """Whatever cuts a run off after that, the next one finds each video by its hash."""
    with a_run(tmp_path) as run:
        request = run.job.plan.actions[0].request
        assert request
        await run.job.ledger.record(submitted("old", fingerprint=str(request.fingerprint)))
        run.job.plan = run.job.plan_again()
        assert await settled(run.job) == []
        journal = run.job.ledger.paths.journal.read_bytes()
        assert b'"shot":"shot001"' in journal and b'"was":{"shot":"old","take":1}' in journal
        assert run.job.plan_again().moves == ()

"""The last resort of a ledger: files that are ours alone, and room kept for them."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow.ledger import emergency
from klingflow.ledger.lines import journal_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from tests.purchases import submitted

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and owners as POSIX has them"
)


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    folder = tmp_path / "film"
    folder.mkdir()
    return ledger_paths(folder / "film.yaml")


def plant_link(place: Path, precious: Path) -> None:
    place.symlink_to(precious)


def plant_second_name(place: Path, precious: Path) -> None:
    place.hardlink_to(precious)


def plant_pipe(place: Path, precious: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(place)


@pytest.mark.parametrize("plant", [plant_link, plant_second_name, plant_pipe])
def test_what_somebody_put_in_the_place_of_an_emergency_file_is_not_written_to(
    paths: LedgerPaths, precious: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Its name can be foretold, and the temporary folder is everybody's: the next place is taken,
    or none.
    """
    first, second = emergency.places(paths.journal)
    first.parent.mkdir()
    try:
        plant(first, precious)
        assert emergency.save(paths.journal, journal_line(submitted("a"))) == second
        assert second.stat().st_mode & 0o077 == 0
        second.unlink()
        plant(second, precious)
        assert emergency.save(paths.journal, journal_line(submitted("a"))) is None
    finally:
        second.unlink(missing_ok=True)
    assert precious.read_text() == "mine"


@pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() != 0, reason="only root can make a file another's"
)
def test_another_users_file_takes_and_gives_no_ids(paths: LedgerPaths) -> None:
    """What we wrote there its owner could read, and we would not believe it again; nor do we
    believe what is there.
    """
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    first, _ = places = emergency.places(paths.journal)
    first.parent.mkdir()
    first.write_bytes(theirs := journal_line(submitted("a")))
    os.chown(first, 12345, -1)
    assert emergency.read(first) == b""
    where = emergency.save(paths.journal, journal_line(submitted("b")))
    try:
        assert where == places[1]
    finally:
        places[1].unlink(missing_ok=True)
    assert first.read_bytes() == theirs


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def journal(paths: LedgerPaths) -> Path:
    paths.hidden.mkdir()
    return paths.journal


def test_each_journal_has_places_of_its_own(tmp_path: Path, elsewhere: Path) -> None:
    """In the temporary folder too, where the journals of all folders meet; a link to a folder
    makes no other journal.
    """
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    beside, of_a = emergency.places(tmp_path / "a" / "film.journal")
    assert beside == tmp_path / "a" / "film.emergency.jsonl"
    assert of_a.parent == elsewhere
    assert emergency.places(tmp_path / "b" / "film.journal")[1] != of_a
    assert emergency.places(tmp_path / "link" / "film.journal")[1] == of_a


@pytest.mark.parametrize("named", ["", "tmp", "{0}/absent", "{0}/file"])
def test_the_temporary_folder_is_known_although_no_file_can_be_written(
    tmp_path: Path, named: str
) -> None:
    """A ledger on a full disk can be read. The working folder is no place either, since the next
    run may have another one; nor is what a variable names where there is no such folder.
    """
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        " from pathlib import Path; from klingflow.ledger import emergency;"
        " print(emergency.places(Path('film.journal').absolute())[1].parent)"
    )
    environ = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), named.format(tmp_path))}
    command = [sys.executable, "-c", program]
    said = subprocess.check_output(command, cwd=tmp_path, env=environ, text=True)
    assert said == "/tmp\n"


def test_the_reserve_is_room_that_no_file_system_can_save(journal: Path) -> None:
    """Noise, durable, kept from run to run, and made again where it was cut short."""
    reserve = journal.with_suffix(".reserve")
    emergency.reserve(journal)
    kept = reserve.read_bytes()
    assert len(kept) == 64 * 1024 <= len(zlib.compress(kept))
    emergency.reserve(journal)
    assert reserve.read_bytes() == kept
    reserve.write_bytes(kept[:-1])
    emergency.reserve(journal)
    assert reserve.stat().st_size == 64 * 1024


def test_the_reserve_is_written_to_the_disk(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may promise room that it does not have until then."""
    sizes: list[int] = []
    monkeypatch.setattr(emergency, "sync", lambda fd: sizes.append(os.fstat(fd).st_size))
    emergency.reserve(journal)
    assert sizes == [64 * 1024]


def test_without_room_for_the_reserve_nothing_begins(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is an error before anything is bought."""

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(emergency, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        emergency.reserve(journal)


def test_the_reserve_is_made_through_no_link(journal: Path, precious: Path) -> None:
    """The file that a link leads to is neither emptied nor filled."""
    journal.with_suffix(".reserve").symlink_to(precious)
    with pytest.raises(OSError):
        emergency.reserve(journal)
    assert precious.read_text() == "mine"


def test_what_is_saved_is_read_again_below_what_was_torn(journal: Path) -> None:
    """Beside the journal first; the reserve makes room for it."""
    emergency.reserve(journal)
    beside = emergency.places(journal)[0]
    beside.write_bytes(b"torn")
    for line in (b"a\n", b"b\n"):
        assert emergency.save(journal, line) == beside
    assert emergency.read(beside) == b"torn\na\n\nb\n"
    assert not journal.with_suffix(".reserve").exists()


def test_what_is_saved_is_durable_with_its_name(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines first, and then the folder that names them."""
    beside, seen = emergency.places(journal)[0], list[bytes | Path]()
    monkeypatch.setattr(emergency, "sync", lambda fd: seen.append(beside.read_bytes()))
    monkeypatch.setattr(emergency, "sync_folder", seen.append)
    emergency.save(journal, b"a\n")
    assert seen == [b"\na\n", journal.parent]


def test_a_file_that_is_taken_in_meanwhile_is_not_the_place(
    journal: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another runner read and deleted it before the lines were there: they go to the next place."""
    beside, second = emergency.places(journal)
    monkeypatch.setattr(emergency, "sync", lambda fd: beside.unlink(missing_ok=True))
    assert emergency.save(journal, b"a\n") == second
    assert second.read_bytes() == b"\na\n"


@pytest.mark.parametrize("plant", [plant_link, plant_second_name, plant_pipe])
def test_what_is_not_ours_is_not_believed(
    tmp_path: Path, precious: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Nor is there anything to read where there is no file."""
    plant(tmp_path / "place", precious)
    assert emergency.read(tmp_path / "place") == b""
    assert emergency.read(tmp_path / "absent") == b""


def test_what_was_taken_in_is_forgotten(tmp_path: Path) -> None:
    """What is gone already, or cannot be deleted, keeps none of the others."""
    (tmp_path / "folder").mkdir()
    places = [tmp_path / name for name in ("absent", "folder", "place")]
    places[2].write_bytes(b"a\n")
    emergency.clear(places)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_reserve_that_cannot_be_freed_keeps_nothing_from_being_saved(journal: Path) -> None:
    """There may be room without it."""
    journal.with_suffix(".reserve").mkdir()
    assert emergency.save(journal, b"a\n") == emergency.places(journal)[0]


def test_a_journal_whose_folder_is_gone_has_the_places_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path leads nowhere once the working folder is deleted."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    known = (Path("film.emergency.jsonl"), tmp_path / "elsewhere")
    assert emergency.save(Path("film.journal"), b"a\n", known) == known[1]
    assert known[1].read_bytes() == b"\na\n"

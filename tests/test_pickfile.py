"""The file of picks on disk: changed by one writer at a time, whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from klingflow.api.links import check_ledger
from klingflow.errors import LinksRefused, ManifestError, UsageError
from klingflow.ledger.pickfile import change, lines_of
from klingflow.ledger.places import LedgerPaths, ledger_paths, site_at
from klingflow.manifest.amending import Change
from klingflow.model import PickLine


def adding(*shots: str) -> Change:
    """A change that adds lines about these shots."""
    return Change(add=tuple(PickLine(shot, 1) for shot in shots))


def shots_in(paths: LedgerPaths) -> list[str]:
    return [line.shot for line in lines_of(paths)]


def test_a_first_line_makes_the_file(paths: LedgerPaths) -> None:
    """And the folder for its lock, which git ignores."""
    assert lines_of(paths) == ()
    assert change(paths, lambda lines: adding("a"))
    assert paths.picks.read_bytes() == b"- { shot: a, take: 1 }\n"
    assert (paths.hidden / ".gitignore").read_bytes() == b"*\n"


def test_nothing_to_do_writes_nothing(paths: LedgerPaths) -> None:
    """Not even an empty file."""
    assert not change(paths, lambda lines: Change())
    assert not paths.picks.exists()


def test_what_an_editor_saves_meanwhile_is_kept(paths: LedgerPaths) -> None:
    """It takes no lock, so the file is looked at again before it is replaced."""

    def decide(lines: Sequence[PickLine]) -> Change:
        if not lines:
            paths.picks.write_text("- { shot: z, take: 1 }  # saved meanwhile\n", "utf-8")
        return adding("a")

    change(paths, decide)
    assert shots_in(paths) == ["z", "a"]


def test_writers_wait_for_each_other(paths: LedgerPaths) -> None:
    """No word of any is lost."""
    names = [f"s{number}" for number in range(8)]

    def write(name: str) -> None:
        change(paths, lambda lines: adding(name))

    writers = [threading.Thread(target=write, args=(name,)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(shots_in(paths)) == names


def test_a_file_keeps_its_mode(paths: LedgerPaths) -> None:
    """Whoever may read it today may read it tomorrow."""
    paths.picks.write_text("", "utf-8")
    paths.picks.chmod(0o640)
    change(paths, lambda lines: adding("a"))
    assert paths.picks.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_wrong_is_not_touched(paths: LedgerPaths) -> None:
    """Its mistakes are told, with the text that they are in."""
    paths.picks.write_text("- { shot: a }\n", "utf-8")
    with pytest.raises(ManifestError) as caught:
        change(paths, lambda lines: adding("b"))
    assert caught.value.sources == {str(paths.picks): "- { shot: a }\n"}
    assert paths.picks.read_text("utf-8") == "- { shot: a }\n"


@pytest.mark.parametrize("data", [b"\xff\xfe-\x00", b"- { shot: \xb4\xf3, take: 1 }\n"])
def test_a_file_in_another_encoding_is_told(paths: LedgerPaths, data: bytes) -> None:
    """UTF-16 and GBK, as editors save them."""
    paths.picks.write_bytes(data)
    with pytest.raises(UsageError, match="is not UTF-8"):
        lines_of(paths)


def test_a_folder_in_its_place_is_told(paths: LedgerPaths) -> None:
    """Nothing is put there."""
    paths.picks.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        lines_of(paths)


def test_a_link_is_followed_only_on_the_users_word(tmp_path: Path) -> None:
    """A folder from elsewhere may lead to the picks of another film."""
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "film.picks.yaml").symlink_to(other / "film.picks.yaml")
    with pytest.raises(LinksRefused, match=r"film\.picks\.yaml is a link to"):
        check_ledger(site_at(tmp_path / "film" / "film.yaml"))


def test_the_sandboxs_picks_lie_apart(tmp_path: Path) -> None:
    """What it sold is no video of the film."""
    paths = ledger_paths(tmp_path / "film.yaml", sandbox=True)
    assert paths.picks == tmp_path / ".klingflow" / "sandbox" / "film.picks.yaml"

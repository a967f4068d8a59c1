"""Where the black boxes of a user lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.ledger.boxplaces import BoxPlace, state_folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_lineage_is_no_path(tmp_path: Path) -> None:
    """It comes out of a file that anybody may have written."""
    place = BoxPlace(tmp_path, tmp_path / "film.yaml")
    for lineage in ("../../etc", "/etc", "", "a/b", "..", "\ud800"):
        assert place.box(lineage).parent == tmp_path / "ledgers"
    assert place.box("0123abcd").name == "0123abcd"


def test_where_it_lies(tmp_path: Path) -> None:
    assert state_folder(str(tmp_path)) == tmp_path
    assert state_folder(None).name == "klingflow"
    assert state_folder("").name == "klingflow"


def test_a_home_that_nobody_knows_is_no_folder_here() -> None:
    with pytest.raises(UsageError, match="home folder that is unknown"):
        state_folder("~nobody-of-that-name/state")


def test_a_state_folder_is_the_same_wherever_klingflow_is_called() -> None:
    with pytest.raises(UsageError, match="another folder wherever klingflow is called"):
        state_folder("state")


def test_a_black_box_is_found_by_its_lineage_and_by_the_manifests_place(
    tmp_path: Path, state: Path
) -> None:
    """The place is that of the manifest itself, by whatever link it is reached."""
    (tmp_path / "link").symlink_to(tmp_path)
    box, other = (BoxPlace(state, tmp_path / name) for name in ("film.yaml", "other.yaml"))
    assert box.folder("0123") == state / "ledgers" / "0123" / "places" / box.name
    assert box.name == BoxPlace(state, tmp_path / "link" / "film.yaml").name
    assert box.name != other.name


def test_a_state_folder_may_be_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` means it, as in a shell."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert state_folder("~/state") == tmp_path / "state"

"""Where the files of a ledger lie, and where its manifest's videos and record go."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.ledger.places import SANDBOX, BoxPlace, ledger_paths, site_at, state_folder
from tests.one_shot import manifest_of
from tests.purchases import ORIGIN


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_two_manifests_that_would_share_a_ledger_are_refused(tmp_path: Path) -> None:
    for name in ("film.yaml", "film.yml", "other.yml"):
        (tmp_path / name).touch()
    for name in ("film.yaml", "film.yml"):
        with pytest.raises(UsageError, match=r"share the ledger film\.lock"):
            ledger_paths(tmp_path / name)
    assert ledger_paths(tmp_path / "other.yml").lock == tmp_path / "other.lock"


def test_a_link_to_a_manifest_has_the_manifests_ledger(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "film.yaml").touch()
    for link in ("link.yaml", "film.yml", "sub/film.yaml"):
        (tmp_path / link).symlink_to(tmp_path / "film.yaml")
        assert ledger_paths(tmp_path / link) == ledger_paths(tmp_path / "film.yaml")


def test_a_lineage_is_no_path(tmp_path: Path) -> None:
    """It comes out of a file that anybody may have written."""
    place = BoxPlace(tmp_path, tmp_path / "film.yaml")
    for lineage in ("../../etc", "/etc", "", "a/b", "..", "\ud800"):
        assert place.folder(lineage).parent == tmp_path / "ledgers"
    assert place.folder("0123abcd").name == "0123abcd"


def test_the_sandbox_has_none(tmp_path: Path, state: Path) -> None:
    assert ledger_paths(tmp_path / "film.yaml", sandbox=True, state=state).box is None


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


@pytest.mark.parametrize(
    ("output", "placed"),
    [
        ("outputs/film/a.mp4", "outputs/sandbox/film/a.mp4"),
        ("videos/a.mp4", "outputs/sandbox/videos/a.mp4"),
        ("outputs-2/a.mp4", "outputs/sandbox/outputs-2/a.mp4"),
    ],
)
def test_what_the_sandbox_makes_lies_in_a_folder_of_its_own(output: str, placed: str) -> None:
    """Its videos never take the place of bought ones."""
    assert site_at("film.yaml", origin=SANDBOX).place(output) == placed


def test_a_manifest_is_placed_with_all_its_shots() -> None:
    """The real site leaves it as it is."""
    manifest = manifest_of(model="kling-2.5", prompt="x")
    placed = site_at("m.yaml", origin=SANDBOX).placed(manifest)
    assert [shot.output for shot in placed.shots] == ["outputs/sandbox/m/s.mp4"]
    assert site_at("m.yaml").placed(manifest) is manifest


@pytest.mark.parametrize(("origin", "option"), [("", ""), (ORIGIN, ""), (SANDBOX, " --sandbox")])
def test_commands_name_the_manifest_as_a_shell_reads_it(origin: str, option: str) -> None:
    """And say --sandbox where that is meant."""
    site = site_at("my film.yaml", origin=origin)
    assert site.named == f"'my film.yaml'{option}"
    assert site.command("resolve", "a#2") == f"klingflow resolve 'my film.yaml' 'a#2'{option}"

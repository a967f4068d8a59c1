"""Where the files of a ledger lie, and where its manifest's videos and record go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.ledger.boxplaces import BoxPlace
from klingflow.ledger.places import (
    SANDBOX,
    LedgerPaths,
    Site,
    draft_of,
    film_of,
    ledger_paths,
    site_at,
)
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


def test_the_sandbox_has_none(tmp_path: Path, state: Path) -> None:
    assert ledger_paths(tmp_path / "film.yaml", sandbox=True, state=state).box is None


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


def test_commands_say_again_what_the_user_said() -> None:
    """As a shell reads it: blanks, quotes, Chinese."""
    site = replace(site_at("film.yaml", origin=SANDBOX), repeated=("--var", "hero=林 夏"))
    assert site.named == "film.yaml --var 'hero=林 夏' --sandbox"
    resolve = "klingflow resolve film.yaml a --var 'hero=林 夏' --sandbox"
    assert site.command("resolve", "a") == resolve


def test_a_ledger_lies_beside_its_manifest(tmp_path: Path, state: Path) -> None:
    """In a hidden folder, except for the lock and what is put away from it."""
    manifest, hidden = tmp_path / "film.yaml", tmp_path / ".klingflow"
    paths = ledger_paths(manifest, state=state)
    box = BoxPlace(state, manifest)
    assert paths == LedgerPaths(
        tmp_path / "film.lock",
        hidden / "film.journal",
        hidden,
        tmp_path / "film.picks.yaml",
        manifest,
        box,
    )
    assert paths.picks_held == hidden / "film.picking"
    assert paths.lock_damaged == tmp_path / "film.lock.damaged"
    assert paths.journal_damaged == hidden / "film.journal.damaged"
    assert paths.pruned == tmp_path / "film.pruned.jsonl"
    assert paths.folded == hidden / "film.folded"
    assert ledger_paths(manifest).box is None


def test_the_sandboxs_ledger_lies_apart(tmp_path: Path) -> None:
    """It locks no manifest, because it may be used beside the real one."""
    hidden = tmp_path / ".klingflow"
    folder = hidden / "sandbox"
    assert ledger_paths(tmp_path / "film.yaml", sandbox=True) == LedgerPaths(
        folder / "film.lock", folder / "film.journal", hidden, folder / "film.picks.yaml"
    )


def test_a_site_keeps_its_notes_in_the_hidden_folder(tmp_path: Path) -> None:
    """The facts of videos in one file; the sandbox's tasks in its own folder."""
    site, sandbox = (site_at(tmp_path / "film.yaml", origin=origin) for origin in ("", SANDBOX))
    assert site.facts == sandbox.facts == tmp_path / ".klingflow" / "files.json"
    assert sandbox.server == tmp_path / ".klingflow" / "sandbox" / "server.jsonl"
    assert (site.in_sandbox, sandbox.in_sandbox) == (False, True)


@pytest.mark.parametrize(
    ("origin", "record"),
    [
        (ORIGIN, "outputs/film/manifest.json"),
        (SANDBOX, "outputs/sandbox/film/manifest.json"),
    ],
)
def test_a_record_lies_with_the_videos(tmp_path: Path, origin: str, record: str) -> None:
    """Below the manifest's folder."""
    assert site_at(tmp_path / "film.yaml", origin=origin).record("film") == tmp_path / record


def test_a_site_has_the_ledger_of_its_manifest(tmp_path: Path, state: Path) -> None:
    """Its gateway is unknown until it is said."""
    file = tmp_path / "film.yaml"
    paths = ledger_paths(file, state=state)
    assert site_at(file, state=state) == Site(str(file), file, paths, "")


def test_a_manifest_that_is_no_link_is_named_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages show the user's own path."""
    monkeypatch.chdir(tmp_path)
    assert site_at("film.yaml").manifest == Path("film.yaml")


def test_drafts_have_the_ledger_of_a_manifest_called_so(tmp_path: Path, state: Path) -> None:
    """Without the lock on the manifest: drafts may be run beside the film itself."""
    film, hidden = tmp_path / "film.yaml", tmp_path / ".klingflow"
    assert ledger_paths(film, state=state, profile="draft") == LedgerPaths(
        tmp_path / "film.draft.lock",
        hidden / "film.draft.journal",
        hidden,
        tmp_path / "film.draft.picks.yaml",
        None,
        BoxPlace(state, tmp_path / "film.draft.yaml", profile="draft"),
        profile="draft",
    )
    sandbox = ledger_paths(film, sandbox=True, state=state, profile="draft")
    assert (sandbox.lock, sandbox.box) == (hidden / "sandbox" / "film.draft.lock", None)


@pytest.mark.parametrize("name", ["film.draft.yaml", "film.draft.yml"])
def test_a_manifest_that_has_the_ledger_of_drafts_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"film\.draft\.lock, which the drafts of profile 'draft'"):
        ledger_paths(tmp_path / "film.yaml", profile="draft")
    assert ledger_paths(tmp_path / "film.yaml", profile="rough").profile == "rough"


@pytest.mark.parametrize("name", ["film", "film.v2", "film.yaml"])
def test_drafts_have_no_file_of_the_films_ledger(tmp_path: Path, state: Path, name: str) -> None:
    """Whatever suffix the manifest has."""
    film, drafts = (
        ledger_paths(tmp_path / name, state=state, profile=profile) for profile in ("", "draft")
    )
    assert (drafts.lock.name, drafts.journal.name) == ("film.draft.lock", "film.draft.journal")
    assert {film.lock, film.journal, film.picks}.isdisjoint(
        {drafts.lock, drafts.journal, drafts.picks}
    )
    assert film.box and drafts.box and film.box.name != drafts.box.name


def test_commands_about_drafts_name_their_profile(tmp_path: Path) -> None:
    site = site_at("my film.yaml", profile="draft", origin=SANDBOX)
    assert site.named == "'my film.yaml' --profile draft --sandbox"
    assert site.lock_command("fork") == "klingflow lock fork 'my film.yaml' --profile draft"


@pytest.mark.parametrize("name", ["film.yaml", "a.b.yml"])
def test_the_film_of_a_draft_is_known_by_its_profile(name: str) -> None:
    draft = draft_of(Path(name), "draft")
    assert (film_of(draft, "draft"), film_of(draft, "rough")) == (Path(name), None)
    assert (draft_of(Path(name), ""), film_of(draft, "")) == (Path(name), None)


def test_a_place_is_called_by_where_its_folder_was_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is moved during a run does not become another place of its film."""
    (tmp_path / "film").mkdir()
    monkeypatch.chdir(tmp_path / "film")
    box = ledger_paths("film.yaml", state=tmp_path / "state").box
    assert box is not None
    before = box.name
    (tmp_path / "film").rename(tmp_path / "moved")
    assert box.name == before

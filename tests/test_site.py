"""Where a manifest's ledger, videos and record lie, and how commands name it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import klingflow
from klingflow import UsageError
from klingflow.api.site import Wish, now, site_of
from klingflow.ledger.headers import lock_header
from klingflow.ledger.places import SANDBOX

ORIGIN = "https://gateway.example.com"
IN_SANDBOX = Wish(sandbox=True)


@pytest.mark.parametrize("field", ["select", "exclude"])
def test_a_single_text_selects_nothing_by_its_letters(field: str) -> None:
    """`select="ab"` would mean the shots `a` and `b`, and buy them."""
    with pytest.raises(TypeError, match=rf"^{field} is a list of texts, not a text: \['ab'\]$"):
        Wish(**{field: "ab"})  # type: ignore[arg-type]  # one of several fields


def test_the_real_site_keeps_the_lock_beside_the_manifest(tmp_path: Path) -> None:
    """Outputs go where the manifest says, below its folder."""
    site = site_of(tmp_path / "film.yaml", Wish(), ORIGIN)
    assert site.paths.lock == tmp_path / "film.lock"
    assert site.paths.journal == tmp_path / ".klingflow" / "film.journal"
    assert (site.origin, site.in_sandbox, site.folder) == (ORIGIN, False, tmp_path)
    assert site.place("outputs/film/a.mp4") == "outputs/film/a.mp4"
    assert site.record("film") == tmp_path / "outputs" / "film" / "manifest.json"


def test_the_sandboxs_site_is_hidden_and_has_folders_of_its_own(tmp_path: Path) -> None:
    """Whatever address is at hand, its purchases are kept under the sandbox's origin."""
    site, hidden = site_of(tmp_path / "film.yaml", IN_SANDBOX, ORIGIN), tmp_path / ".klingflow"
    assert (site.origin, site.in_sandbox, site.folder) == (SANDBOX, True, tmp_path)
    assert site.paths.lock == hidden / "sandbox" / "film.lock"
    assert site.server == hidden / "sandbox" / "server.jsonl"
    assert site.record("film") == tmp_path / "outputs" / "sandbox" / "film" / "manifest.json"
    assert (site.paths.anchor, site.paths.box) == (None, None)


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_a_lock_means_the_manifest_beside_it(tmp_path: Path, suffix: str) -> None:
    """By whichever of its two endings it is there; without one, by the usual one."""
    (tmp_path / f"film{suffix}").touch()
    assert site_of(tmp_path / "film.lock", Wish()) == site_of(tmp_path / f"film{suffix}", Wish())
    assert site_of(tmp_path / "gone.lock", Wish()).file == str(tmp_path / "gone.yaml")


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_a_link_has_the_site_of_the_manifest_itself(tmp_path: Path) -> None:
    """Commands still name it as it was named."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "film.yaml").touch()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real" / "film.yaml")
    site = site_of(tmp_path / "link.yaml", Wish())
    assert (site.folder, site.paths.lock.name) == (tmp_path / "real", "film.lock")
    assert site.file == str(tmp_path / "link.yaml")


def test_only_a_wish_for_it_reads_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A black box lies there; the sandbox has none."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    box = site_of(tmp_path / "film.yaml", Wish()).paths.box
    assert box and box.state == tmp_path / "state"
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", "relative")
    for wish in (Wish(black_box=False), IN_SANDBOX):
        assert site_of(tmp_path / "film.yaml", wish).paths.box is None
    with pytest.raises(UsageError):
        site_of(tmp_path / "film.yaml", Wish())


def test_times_are_utc_with_milliseconds() -> None:
    """As the ledger writes them: `2026-01-01T00:00:00.000Z`."""
    assert (now()[10], now()[19], now()[23:]) == ("T", ".", "Z")


def test_a_lock_of_drafts_means_the_drafts(tmp_path: Path) -> None:
    (tmp_path / "film.yaml").touch()
    (tmp_path / "film.draft.lock").write_bytes(lock_header("l1", 1, 0, profile="draft"))
    drafts = site_of(tmp_path / "film.yaml", Wish(), profile="draft")
    assert site_of(tmp_path / "film.draft.lock", Wish()) == drafts
    assert drafts.named == f"{tmp_path / 'film.yaml'} --profile draft"


def test_a_manifest_whose_lock_is_of_anothers_drafts_is_refused(tmp_path: Path) -> None:
    """It would take drafts for its own purchases."""
    (tmp_path / "film.draft.yaml").touch()
    (tmp_path / "film.draft.lock").write_bytes(lock_header("l1", 1, 0, profile="draft"))
    assert site_of(tmp_path / "film.draft.yaml", Wish()).profile == ""
    (tmp_path / "film.yaml").touch()
    with pytest.raises(UsageError, match=r"drafts that profile 'draft' of film\.yaml made"):
        site_of(tmp_path / "film.draft.yaml", Wish())


def test_whoever_has_a_manifest_asks_for_its_site_by_it() -> None:
    """By its path alone it would be the film's, and drafts would be written into that ledger."""
    package = Path(klingflow.__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    by_path = re.compile(r"site_(?:of|at)\(\w*[.]?manifest[.]path|site_(?:of|at)\(m[.]path")
    found = {path.name for path, text in texts.items() if by_path.search(text)}
    assert found == {"site.py"}  # where `site_for` names the profile


@pytest.mark.parametrize("profile", ["../x", "a.b", "dra ft", "picks", "/etc/x", "-x"])
def test_a_name_that_no_profile_has_means_no_ledger(tmp_path: Path, profile: str) -> None:
    """Commands that need no manifest to be read would make one, wherever the name leads."""
    (tmp_path / "film.yaml").touch()
    with pytest.raises(UsageError, match=rf"^--profile {re.escape(profile)}: the "):
        site_of(tmp_path / "film.yaml", Wish(), profile=profile)

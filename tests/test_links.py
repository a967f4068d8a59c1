"""Links in a manifest's folder: nothing is written through one before the user's word, and none of
another project's files changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow.api import links
from klingflow.api.links import at_stake, check_outputs
from klingflow.api.site import Wish, site_of, unchecked_site
from klingflow.errors import LinksRefused, UsageError
from klingflow.ledger.approvals import approve
from klingflow.ledger.links import of_ledger, worded
from klingflow.ledger.places import Link
from tests.harness import Pipeline, pipeline_at, sandboxed
from tests.one_shot import manifest_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")

AT = "2026-07-01T10:00:00.000Z"
LEDGER = [".klingflow", "film.lock"]
NEVER = [
    ".klingflow/film.journal",
    ".klingflow/film.journal.damaged",
    ".klingflow/film.folded",
    ".klingflow/film.reserve",
    ".klingflow/film.emergency.jsonl",
    ".klingflow/files.json",
    ".klingflow/.gitignore",
    "film.lock.damaged",
    "film.pruned.jsonl",
    ".klingflow/posters",
]
SANDBOXED = [
    ".klingflow/sandbox/film.lock.damaged",
    ".klingflow/sandbox/film.journal",
    ".klingflow/sandbox/refs",
    ".klingflow/sandbox/server.jsonl",
]
LENGTHENED = [
    ".klingflow/film.journal",
    ".klingflow/film.journal.damaged",
    ".klingflow/film.emergency.jsonl",
    "film.lock.damaged",
    "film.pruned.jsonl",
]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest beside another project, and a state folder of its own."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("KLINGFLOW_WRITE_BELOW", raising=False)
    (tmp_path / "film").mkdir()
    (tmp_path / "other").mkdir()
    return tmp_path / "film" / "film.yaml"


def plant(film: Path, name: str) -> Path:
    """A link of that name in the manifest's folder, to a file or folder of the other project."""
    target = film.parent.parent / "other" / "target"
    place = film.parent / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    return target


@pytest.mark.parametrize("name", [*LEDGER, ".klingflow/sandbox", ".klingflow/sandbox/film.lock"])
def test_a_ledger_by_a_link_is_refused_until_it_is_allowed(
    film: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names link and target and both ways out; each of the two then works."""
    target, wish = plant(film, name), Wish(sandbox="sandbox" in name)
    with pytest.raises(LinksRefused) as refused:
        site_of(film, wish)
    for part in (f"{film.parent / name} is a link to {target}", "say yes", "KLINGFLOW_WRITE_BELOW"):
        assert part in str(refused.value)
    monkeypatch.setenv("KLINGFLOW_WRITE_BELOW", str(target.parent))
    assert site_of(film, wish).paths.followed
    monkeypatch.delenv("KLINGFLOW_WRITE_BELOW")
    links.approve(of_ledger(unchecked_site(film, wish))[0], AT)
    paths = site_of(film, wish).paths
    assert target in (paths.lock, paths.hidden, paths.journal.parent)


@pytest.mark.parametrize("name", [*NEVER, *SANDBOXED])
def test_a_link_among_the_files_of_a_ledger_is_never_followed(
    film: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also below a folder that is allowed: it has to be removed."""
    target, wish = plant(film, name), Wish(sandbox="sandbox" in name)
    monkeypatch.setenv("KLINGFLOW_WRITE_BELOW", str(target.parent))
    with pytest.raises(LinksRefused, match=f"{name} is a link to .*remove it"):
        site_of(film, wish)


@pytest.mark.parametrize("name", ["", "/temporal.db", "/host-a", "/store/purchases"])
def test_no_link_in_the_folder_of_a_cluster_on_trial_is_followed(film: Path, name: str) -> None:
    """Its server and its hosts write wherever a link leads."""
    folder = film.parent / ".klingflow" / "sandbox" / "cluster"
    links.check_below(folder)
    plant(film, f".klingflow/sandbox/cluster{name}")
    with pytest.raises(LinksRefused, match=r"is a link to .*remove it"):
        links.check_below(folder)


@pytest.mark.parametrize("name", LENGTHENED)
def test_a_file_that_grows_has_one_name(film: Path, name: str) -> None:
    """Lines that are added to a hard link would stand in the other project's file too."""
    precious = film.parent.parent / "other" / "precious"
    precious.write_text("mine")
    place = film.parent / name
    place.parent.mkdir(exist_ok=True)
    place.hardlink_to(precious)
    with pytest.raises(LinksRefused, match=r"hard link\).*cp .*mv "):
        site_of(film, Wish())


@pytest.mark.parametrize("top", ["outputs", "clips"])
def test_the_first_folder_of_an_output_is_the_users_to_allow(
    film: Path, top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record's folder counts like that of a video."""
    manifest = manifest_of(prompt="x", model="kling-2.5", output="clips/{shot}.mp4")
    site = site_of(film, Wish())
    assert check_outputs(site, manifest) == site
    target = plant(film, top)
    with pytest.raises(LinksRefused, match=f"{top} is a link to {target}"):
        check_outputs(site, manifest)
    monkeypatch.setenv("KLINGFLOW_WRITE_BELOW", str(target))
    allowed = check_outputs(site, manifest)
    assert allowed.tops == {top: target}
    target.mkdir()
    assert not allowed.leads_elsewhere(f"{top}/a.mp4") and site.leads_elsewhere(f"{top}/a.mp4")


def test_the_sandboxs_folder_is_no_link_to_real_videos(film: Path) -> None:
    """Not even to a folder beside it, where the real videos lie."""
    (film.parent / "outputs" / "film").mkdir(parents=True)
    (film.parent / "outputs" / "sandbox").symlink_to(film.parent / "outputs" / "film")
    manifest = manifest_of(prompt="x", model="kling-2.5")
    with pytest.raises(LinksRefused, match="outputs/sandbox is a link"):
        check_outputs(site_of(film, Wish(sandbox=True)), manifest)


def test_another_target_is_asked_about_again(film: Path) -> None:
    """A yes is for a link and its target."""
    plant(film, ".klingflow")
    links.approve(of_ledger(unchecked_site(film, Wish()))[0], AT)
    site_of(film, Wish())
    (film.parent / ".klingflow").unlink()
    (film.parent / ".klingflow").symlink_to(film.parent.parent / "another")
    with pytest.raises(LinksRefused, match="another"):
        site_of(film, Wish())


def test_what_a_folder_says_allows_nothing(film: Path) -> None:
    """Neither `.env` nor an approval of another link."""
    target = plant(film, ".klingflow")
    film.with_name(".env").write_text(f"KLINGFLOW_WRITE_BELOW={target}\n")
    state = Path(os.environ["KLINGFLOW_STATE_DIR"])
    approve(state, "link", str(film.parent / "outputs"), str(target), AT)
    approve(state, "address", str(film.parent / ".klingflow"), str(target), AT)
    with pytest.raises(LinksRefused):
        site_of(film, Wish())


def test_a_relative_folder_allows_nothing(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for KLINGFLOW_READ_BELOW; without a link nobody looks."""
    monkeypatch.setenv("KLINGFLOW_WRITE_BELOW", "other")
    site_of(film, Wish())
    plant(film, ".klingflow")
    with pytest.raises(UsageError, match="KLINGFLOW_WRITE_BELOW holds 'other'; name folders"):
        site_of(film, Wish())


def test_links_above_the_folder_are_the_users(film: Path) -> None:
    """A project may be reached by a link."""
    way = film.parent.parent / "way"
    way.symlink_to(film.parent)
    assert site_of(way / "film.yaml", Wish()).paths.followed == ()


def test_only_what_may_be_allowed_is_asked_about(film: Path) -> None:
    """A question that no answer could settle is an error instead."""
    target = plant(film, ".klingflow")
    manifest = manifest_of(prompt="x", model="kling-2.5")
    here = unchecked_site(film, Wish())
    assert at_stake(here, manifest) == [Link(film.parent / ".klingflow", target, True)]
    (film.parent / "film.lock.damaged").symlink_to(target)
    with pytest.raises(LinksRefused, match=r"film\.lock\.damaged"):
        at_stake(here, manifest)


def test_a_link_is_worded() -> None:
    """With its target; of a hard link nobody knows the other names."""
    assert worded(Link(Path("/a"), Path("/b"))) == "/a is a link to /b"
    assert worded(Link(Path("/a"), None)) == "/a is one of several names of a file (a hard link)"


# ---------------------------------------------------------------- as a user meets it


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def to_folder(film: Pipeline, other: Path, name: str) -> None:
    (film.folder / name).symlink_to(other / name)


def to_file(film: Pipeline, other: Path, name: str) -> None:
    target = other / name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        target.write_text("mine\n")
    (film.folder / name).parent.mkdir(exist_ok=True)
    (film.folder / name).symlink_to(target)


def to_hard_link(film: Pipeline, other: Path, name: str) -> None:
    (film.folder / name).parent.mkdir(exist_ok=True)
    (film.folder / name).hardlink_to(other / name)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (to_folder, ".klingflow"),
        (to_folder, "outputs"),
        (to_file, "film.lock"),
        (to_file, ".klingflow/film.journal"),
        (to_hard_link, ".klingflow/film.journal"),
    ],
)
def test_another_project_is_as_it_was(
    tmp_path: Path, make: Callable[[Pipeline, Path, str], None], name: str
) -> None:
    """run and fetch end with exit 2 before anything is bought or written, whatever the link is; the
    other project's ledger and videos are untouched.
    """
    with sandboxed(tmp_path / "other") as (other, sandbox):
        other.write(1)
        other.do("run", "film.yaml", "-y")
        before = tree(other.folder)
        film = pipeline_at(tmp_path / "film", sandbox.base_url)
        film.write(2)
        make(film, other.folder, name)
        for command in (("run", "film.yaml", "-y"), ("fetch", "film.yaml"), ("run", "film.yaml")):
            said = film.do(*command, code=2)
            assert name in said
        assert tree(other.folder) == before
        assert not list((tmp_path / "film").glob("film.lock")) or name == "film.lock"


def answered(film: Pipeline, answer: str, *arguments: str) -> tuple[int, str]:
    """Run klingflow on a terminal on which a person types `answer`. Returns exit code and words."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    import pty  # here: Windows has none

    main, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "klingflow", *arguments],
        cwd=film.folder,
        env=film.environ,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        os.write(main, answer.encode())
        said = b""
        while True:
            try:
                said += os.read(main, 4096)
            except OSError:  # the terminal's other end is closed
                break
        process.communicate()
    os.close(main)
    return process.returncode, said.decode()


def test_a_yes_on_a_terminal_is_asked_for_once(tmp_path: Path) -> None:
    """It is remembered, for runs without a terminal too; a no is not, and nothing is bought."""
    with sandboxed(tmp_path / "film") as (film, _):
        film.write(1)
        (tmp_path / "disk").mkdir()
        (film.folder / "outputs").symlink_to(tmp_path / "disk")
        assert "is a link" in film.do("plan", "film.yaml")
        code, said = answered(film, "n\n", "run", "film.yaml", "-y")
        assert (code, "Write there?" in said) == (2, True)
        code, said = answered(film, "y\n", "run", "film.yaml", "-y")
        assert (code, said.count("Write there?")) == (0, 1)
        assert [*(tmp_path / "disk").rglob("*.mp4")]
        assert "is a link" not in film.do("plan", "film.yaml")
        film.do("run", "film.yaml", "-y")

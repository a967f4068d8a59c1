"""Local files of a manifest as plans and runs meet them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api import stills
from klingflow.api.loading import load
from klingflow.api.planning import plan
from klingflow.api.reporting import why
from klingflow.api.site import Wish, site_of
from klingflow.errors import ManifestError, UsageError
from klingflow.model import Plan
from tests.harness import Pipeline, pipeline_at
from tests.keeping import keep
from tests.pictures import png
from tests.purchases import done


@pytest.fixture
def film(tmp_path: Path) -> Pipeline:
    """A manifest whose shot `a` begins at a still, which is there."""
    pipeline = pipeline_at(tmp_path)
    pipeline.write({"a": {"prompt": "x", "image": "refs/a.png"}, "b": {"prompt": "y"}})
    (pipeline.folder / "refs").mkdir()
    (pipeline.folder / "refs" / "a.png").write_bytes(png())
    return pipeline


def planned(film: Pipeline) -> Plan:
    return plan(load(film.manifest))


def verbs(film: Pipeline) -> dict[str, str]:
    return {action.key: action.verb for action in planned(film).actions}


def buy(film: Pipeline) -> None:
    """Put into the ledger what a run would put there for `a`."""
    manifest = load(film.manifest)
    request = manifest.requests[0]
    bought = done("a", fingerprint=str(request.fingerprint))
    keep(site_of(manifest.path, Wish()).paths, replace(bought, body=request.body))


def test_a_still_that_is_drawn_again_changes_its_shot(film: Pipeline) -> None:
    """A new name for the same content does not."""
    buy(film)
    assert verbs(film) == {"a": "download", "b": "create"}
    (film.folder / "refs" / "a.png").write_bytes(png(shade=9))
    told = why(load(film.manifest), "a", Wish())
    (change,) = told["changes"]
    assert told["says"].startswith("a has changed since it was bought")
    assert (change["field"], change["old"].split()[0]) == ("image", "refs/a.png")
    assert change["old"] != change["new"]


def test_a_clone_without_stills_plans_as_its_owner_does(film: Pipeline) -> None:
    """Only what is not bought needs them."""
    buy(film)
    (film.folder / "refs" / "a.png").unlink()
    assert verbs(film) == {"a": "download", "b": "create"}
    stills.check(planned(film), stored=False)


def test_nothing_is_bought_without_its_still(film: Pipeline) -> None:
    """The file and its place are named; other shots are not to blame."""
    (film.folder / "refs" / "a.png").rename(film.folder / "refs" / "A.png")
    with pytest.raises(ManifestError) as refused:
        stills.check(planned(film), stored=True)
    (said,) = refused.value.diagnostics
    assert (said.code, said.severity, said.subject) == ("no-such-file", "error", "shot 'a'")
    assert said.message.endswith("did you mean 'refs/A.png'?")


def test_nothing_is_bought_without_a_place_for_its_still(film: Pipeline) -> None:
    """The gateway reads no file of this disk."""
    with pytest.raises(ManifestError, match="no-store"):
        stills.check(planned(film), stored=False)
    stills.check(planned(film), stored=True)


def test_what_many_shots_lack_is_said_once(film: Pipeline) -> None:
    """At its first place, with the number of the shots: a film may have hundreds."""
    film.write({name: {"prompt": name, "image": "refs/a.png"} for name in ("a", "b", "c")})
    with pytest.raises(ManifestError) as refused:
        stills.check(planned(film), stored=False)
    (said,) = refused.value.diagnostics
    assert (said.code, said.subject) == ("no-store", "shot 'a' and 2 more")
    (warned,) = {w.mark for w in planned(film).manifest.warnings}
    assert said.mark == warned


@pytest.mark.parametrize("path", ["../secret.png", "refs/.hidden.png", "refs/link.png"])
def test_no_manifest_looks_at_files_elsewhere(film: Pipeline, path: str) -> None:
    """Neither by dots nor by a link, and at no hidden file."""
    (film.folder.parent / "secret.png").write_bytes(png())
    (film.folder / "refs" / ".hidden.png").write_bytes(png())
    (film.folder / "refs" / "link.png").symlink_to(film.folder.parent / "secret.png")
    film.write({"a": {"prompt": "x", "image": path}})
    with pytest.raises(ManifestError, match=r"path-outside|hidden files"):
        load(film.manifest)


def test_a_folder_that_the_user_allows_may_hold_stills(
    film: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As it may hold rows."""
    shared = tmp_path_factory.mktemp("shared")
    (shared / "a.png").write_bytes(png())
    path = f"../{'../' * len(film.folder.parts[1:-1])}{shared.relative_to('/')}/a.png"
    film.write({"a": {"prompt": "x", "image": path}})
    made = load(film.manifest, environ={"KLINGFLOW_READ_BELOW": str(shared)})
    assert [file.suffix for file in made.files.values()] == ["png"]


def test_hashes_are_remembered_only_in_a_state_folder_that_is_there(
    film: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who only looks at a folder makes no other."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    load(film.manifest)
    assert not (tmp_path / "state").exists()


# ---------------------------------------------------------------- frames of other shots' videos


@pytest.fixture
def chain(tmp_path: Path) -> Pipeline:
    """A manifest whose shot `b` begins with a frame of `a`, which is bought."""
    pipeline = pipeline_at(tmp_path)
    pipeline.write({"a": {"prompt": "x"}, "b": {"prompt": "y", "image": END}})
    manifest = load(pipeline.manifest)
    bought = done("a", fingerprint=str(manifest.requests[0].fingerprint))
    keep(site_of(manifest.path, Wish()).paths, bought)
    return pipeline


END = {"from": "a", "frame": "last"}


def test_no_frame_is_taken_without_a_place_for_it(chain: Pipeline) -> None:
    """The place that asks for it is named; a plan says so, too."""
    made = planned(chain)
    with pytest.raises(ManifestError) as refused:
        stills.check(made, stored=False)
    (said,), (warned,) = refused.value.diagnostics, made.manifest.warnings
    assert (said.code, said.severity, said.subject) == ("no-store", "error", "shot 'b'")
    assert said.mark == warned.mark and warned.severity == "warning"
    assert (said.message, warned.code) == (warned.message, "no-store")
    stills.check(made, stored=True)


def test_no_frame_is_taken_without_the_extra(
    chain: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what to install, before anything is bought."""
    made = planned(chain)
    stills.check_extra(made)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError) as refused:
        stills.check_extra(made)
    assert str(refused.value) == (
        f"{chain.manifest}: frames of videos need the media extra: pip install 'klingflow[media]'"
    )


def test_what_needs_no_frame_needs_no_extra(
    film: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor has a manifest without files and chains a store."""
    monkeypatch.setitem(sys.modules, "av", None)
    made = planned(film)
    stills.check_extra(made)
    assert stills.may_send(made.manifest)
    film.write({"a": {"prompt": "x"}})
    assert not stills.may_send(planned(film).manifest)

"""What the user has written takes no name that klingflow gives to another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.api import saving
from klingflow.api.own_names import refuse_own_name
from klingflow.errors import UsageError
from klingflow.ledger.places import SANDBOX, site_at
from klingflow.results.saved_plan import Words
from klingflow.terminal import progress

OURS = [
    "film.lock",
    "Film.LOCK",
    "films/film.lock.damaged",
    "film.picks.yaml",
    "film.pruned.jsonl",
    "film.draft.lock",
    "outputs/film/manifest.json",
    "outputs/film/one.mp4",
    "outputs/film/one.mp4.part",
    "outputs/film/one.mp4.bak2",
    "outputs/film/earlier/one.1-01234567.mp4",
    ".klingflow/film.journal",
    ".klingflow/sandbox/film.lock",
    ".klingflow/run.jsonl",
]


@pytest.mark.parametrize("name", OURS)
def test_a_log_takes_no_name_of_klingflows(tmp_path: Path, name: str) -> None:
    """Also where no such file is there yet: the run itself would look for its ledger there."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        pytest.raises(UsageError, match="klingflow gives such a name to another file"),
        progress.watching([], log=str(path), quiet=True, verbose=False, plain=True),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize("name", OURS)
def test_a_saved_plan_takes_no_name_of_klingflows(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"-o .*klingflow gives such a name to another file"):
        saving.save(str(tmp_path / name), [], Words(), "https://gateway.example.com")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["run.jsonl", "lock.jsonl", "film.lock.jsonl", "/dev/stderr"])
def test_any_other_name_is_the_users(name: str) -> None:
    refuse_own_name("--log", name)


@pytest.mark.parametrize("sandbox", [False, True])
def test_every_file_of_a_ledger_has_such_a_name(tmp_path: Path, sandbox: bool) -> None:
    """A file that a ledger gains has to be among them."""
    site = site_at(tmp_path / "film.yaml", origin=SANDBOX if sandbox else "")
    paths = site.paths
    ledger = (paths.lock, paths.picks, paths.journal, paths.pruned, paths.folded, paths.picks_held)
    damaged = (paths.lock_damaged, paths.journal_damaged)
    others = (site.facts, site.media, site.server, site.record("film"))
    for path in (*ledger, *damaged, *others):
        with pytest.raises(UsageError):
            refuse_own_name("--log", str(path))

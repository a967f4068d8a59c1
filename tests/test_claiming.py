"""The store of claims that the environment names: copies of one ledger buy each shot once, and know
of each other.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api.claiming import claims_of, fold_first, store_of
from klingflow.cluster.claims import Claims
from klingflow.errors import StoreAway, UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.places import SANDBOX, Site, site_at
from klingflow.model import Purchase
from tests.clusters import LINEAGE, a_store, order
from tests.harness import charges, sandboxed
from tests.purchases import LATER, ORIGIN

SOLD = advance(order("alley"), "accepted", LATER, task_id="task_1")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A film whose user has named a store, in which one purchase is known."""
    store = a_store(tmp_path / "store")
    store.put(f"purchases/{SOLD.uid}.answer", journal_line(SOLD))
    monkeypatch.setenv("KLINGFLOW_CLAIMS", str(store.folder))
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    return site_at(tmp_path / "film.yaml", origin=ORIGIN)


def test_a_store_is_of_the_environment(site: Site) -> None:
    """The sandbox has none, nor has anybody with a blank variable."""
    assert store_of(site) is not None
    assert isinstance(claims_of(site), Claims)
    assert store_of(site, {"KLINGFLOW_CLAIMS": " "}) is store_of(site, {}) is None
    assert claims_of(replace(site, origin=SANDBOX)) is None


def test_a_book_is_told_what_the_store_knows(site: Site) -> None:
    """A ledger that is written is told so, too; nothing is entered twice."""
    book, entered = Book(lineage=LINEAGE), list[Purchase]()
    for _ in range(2):
        fold_first(book, site, entered.extend)
    assert ([*book.purchases.values()], entered) == ([SOLD], [SOLD])


def unmounted(site: Site, how: str) -> None:
    """Let the store be away."""
    store = site.folder / "store"
    store.rename(site.folder / "elsewhere")
    if how == "an empty folder":
        store.mkdir()


@pytest.mark.parametrize("how", ["no folder", "an empty folder"])
def test_who_buys_nothing_does_without_a_store_that_is_away(site: Site, how: str) -> None:
    """The book says so in one line; a run ends with the reason."""
    fold_first(Book(lineage=LINEAGE), site, None)
    unmounted(site, how)
    book = Book(lineage=LINEAGE)
    fold_first(book, site, None, needed=False)
    assert [problem.kind for problem in book.problems] == ["store_away"]
    assert claims_of(site, buying=False) is None
    with pytest.raises((StoreAway, UsageError), match="store"):
        fold_first(book, site, None)
    with pytest.raises((StoreAway, UsageError), match="store"):
        claims_of(site)


def test_a_store_is_proved_by_those_who_buy(site: Site) -> None:
    """Looking and fetching leave nothing behind in it."""
    store = store_of(site)
    assert store and claims_of(site, buying=False)
    assert store.names("probes") == []


def test_fetch_goes_on_while_the_store_is_away(tmp_path: Path) -> None:
    """It brings what the ledger knows, says that the store is away, and succeeds; a run buys
    nothing.
    """
    store = tmp_path / "store"
    with sandboxed(tmp_path / "film") as (film, sandbox):
        store.mkdir()
        film.write(2)
        film = replace(film, environ={**film.environ, "KLINGFLOW_CLAIMS": str(store)})
        film.do("run", "film.yaml", "-y", "-q")
        store.rename(tmp_path / "away")
        film.videos()[0].unlink()
        assert "this is what the ledger alone knows" in film.do("fetch", "film.yaml")
        assert "is not there: mount its drive" in film.do("status", "film.yaml")
        assert len(film.videos()) == 2
        film.write(3)
        assert "is not there: mount its drive" in film.do("run", "film.yaml", "-y", code=2)
        assert len(charges(sandbox)) == 2


def test_two_copies_of_a_ledger_buy_each_shot_once(tmp_path: Path) -> None:
    """At the same moment, on hosts of their own; afterwards each brings all videos."""
    store = tmp_path / "store"
    store.mkdir()
    with sandboxed(tmp_path / "a", "create:slow=1,300ms") as (film, sandbox):
        film.write(6)
        film.do("run", "film.yaml", "-y", "-q", "--max-tasks", "1", code=8)
        first, second = (
            replace(film, folder=tmp_path / name, environ={
                **film.environ,
                "KLINGFLOW_CLAIMS": str(store),
                "KLINGFLOW_STATE_DIR": str(tmp_path / "states" / name),
            })
            for name in ("a", "b")
        )  # fmt: skip
        unshared = shutil.ignore_patterns(".klingflow", "outputs")
        shutil.copytree(first.folder, second.folder, ignore=unshared)
        for run in [copy.begin("run", "film.yaml", "-y", "-q") for copy in (first, second)]:
            run.communicate(timeout=240)
        for copy in (first, second):
            copy.do("run", "film.yaml", "-y", "-q")
            assert len(copy.videos()) == 6
        assert len({charge["prompt"] for charge in charges(sandbox)}) == len(charges(sandbox)) == 6


def test_a_folder_tells_the_store_nothing_before_its_user_has_agreed(tmp_path: Path) -> None:
    """Its lock may be from anywhere. Whose folder it is gives the store what it has lost."""
    store = tmp_path / "store"
    store.mkdir()
    with sandboxed(tmp_path / "film") as (film, _sandbox):
        film.write(2)
        film = replace(film, environ={**film.environ, "KLINGFLOW_CLAIMS": str(store)})
        film.do("run", "film.yaml", "-y", "-q")
        told = sorted(path.name for path in (store / "purchases").iterdir())
        for path in (store / "purchases").iterdir():
            path.unlink()
        elsewhere = replace(
            film,
            folder=tmp_path / "elsewhere",
            environ={**film.environ, "KLINGFLOW_STATE_DIR": str(tmp_path / "nobody")},
        )
        shutil.copytree(film.folder, elsewhere.folder)
        for command in ("run", "fetch"):
            elsewhere.do(command, "film.yaml")
            assert not [*(store / "purchases").iterdir()]
        film.do("fetch", "film.yaml")
        assert sorted(path.name for path in (store / "purchases").iterdir()) == told

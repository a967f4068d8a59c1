"""The store of claims: an object is made once, by whoever is first; a store that cannot be reached
says nothing about what it holds.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from klingflow import disk
from klingflow.cluster.store import FolderStore, PutOnce, copy_video, open_store, prove
from klingflow.errors import StoreAway, UsageError
from tests.buckets import Service, serving

NAME = "purchases/a-1.intent"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as POSIX has them")


def test_an_object_is_made_once(store: FolderStore) -> None:
    """The second put is refused, and changes nothing."""
    assert store.get(NAME) is None
    assert (store.put(NAME, b"first"), store.put(NAME, b"second")) == (True, False)
    assert store.get(NAME) == b"first"


@pytest.mark.parametrize("sha256", ["../../key", "a b", "", "0" * 200])
def test_what_is_no_hash_names_no_video(store: FolderStore, tmp_path: Path, sha256: str) -> None:
    """A ledger from elsewhere may say anything: nothing is read, and the run goes on."""
    assert copy_video(store, sha256, tmp_path / "video") is False
    assert not (tmp_path / "video").exists()


def test_of_many_at_once_one_makes_the_object(store: FolderStore) -> None:
    """Each host of its own opens the store, and they put at the same moment."""
    gate = threading.Barrier(8)

    def put(number: int) -> bool:
        host = FolderStore(store.folder)
        gate.wait()
        return host.put(NAME, b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(put, range(8))]
    assert sum(made) == 1
    assert store.get(NAME) == b"%d" % made.index(True)


def test_what_is_refused_is_durable(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made it may have failed to sync its name, and now finds its own claim."""
    store.put(NAME, b"first")
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    assert not store.put(NAME, b"second")
    assert synced == [store.folder / "purchases"]


def test_a_put_leaves_nothing_beside_the_object(store: FolderStore) -> None:
    """Neither one that succeeds nor one that is refused."""
    store.put(NAME, b"first")
    store.put(NAME, b"second")
    assert [*(store.folder / "scratch").iterdir()] == []


def test_names_are_sorted_and_of_one_folder(store: FolderStore) -> None:
    """A batch is a folder of its own below `orders`."""
    for name in ("orders/b/000001.jsonl", "orders/b/000000.jsonl", NAME, "orders/a/000000.jsonl"):
        store.put(name, b"x")
    orders = ["orders/a/000000.jsonl", "orders/b/000000.jsonl", "orders/b/000001.jsonl"]
    assert (store.names("orders"), store.names("purchases")) == (orders, [NAME])
    assert store.names("orders/never") == []


def test_only_the_names_that_begin_so_are_given(store: FolderStore) -> None:
    """Of a batch all its pages, of a film all that is told of its purchases."""
    films = [f"purchases/{film}-1.intent" for film in ("a", "b", "ba", "c")]
    for name in ("orders/b1/000000.jsonl", "orders/c/000000.jsonl", *films):
        store.put(name, b"x")
    assert store.names("orders", "b") == ["orders/b1/000000.jsonl"]
    assert store.names("purchases", "b-") == ["purchases/b-1.intent"]


def test_what_a_system_leaves_in_a_folder_is_no_object(store: FolderStore) -> None:
    """A look from the Finder, or a deleted file of a network drive, hides no order."""
    store.put("orders/b/000000.jsonl", b"x")
    for left in (".DS_Store", "b/.nfs0000000000000001"):
        (store.folder / "orders" / left).write_bytes(b"y")
    assert store.names("orders") == ["orders/b/000000.jsonl"]


@pytest.mark.parametrize(
    "name", ["a", "../a/b", "a/../b", "/a/b", "a/b/c/d", "a/.b", "a//b", "a/b\n"]
)
def test_a_name_never_leads_out_of_the_store(store: FolderStore, name: str) -> None:
    """Uids are made of plain signs, whatever a lock says; this is the second line."""
    with pytest.raises(ValueError, match="no name"):
        store.put(name, b"x")


def _gone(folder: Path) -> None:
    folder.rename(folder.with_name("unmounted"))


def _empty(folder: Path) -> None:
    """As a mount point looks without its drive."""
    _gone(folder)
    folder.mkdir()


def _linked(folder: Path) -> None:
    """As a hostile folder has it: purchases that lie elsewhere."""
    (folder / "purchases").rename(folder.with_name("elsewhere"))
    (folder / "purchases").symlink_to(folder.with_name("elsewhere"))


@POSIX
@pytest.mark.parametrize("away", [_gone, _empty, _linked])
@pytest.mark.parametrize("ask", [
    lambda store: store.put(NAME, b"x"),
    lambda store: store.get(NAME),
    lambda store: store.names("purchases"),
])  # fmt: skip
def test_a_store_that_is_away_says_nothing(
    store: FolderStore, away: Callable[[Path], None], ask: Callable[[PutOnce], object]
) -> None:
    """Least of all that there is no such object, or that it was made."""
    away(store.folder)
    with pytest.raises(StoreAway):
        ask(store)


@POSIX
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
def test_what_is_no_plain_file_is_no_object(store: FolderStore, kind: str, tmp_path: Path) -> None:
    """Nothing is read through it, and the claim is not free either."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    path = store.folder / NAME
    (tmp_path / "other").write_bytes(b"x")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("other" if kind == "link" else "nothing"))
    assert not store.put(NAME, b"x")
    with pytest.raises(StoreAway):
        store.get(NAME)


def test_a_store_is_found_again(store: FolderStore) -> None:
    """Its mark says which one it is."""
    assert FolderStore(store.folder).identity == store.identity
    other = store.folder.with_name("other")
    other.mkdir()
    assert FolderStore(other).identity != store.identity


def test_a_store_that_was_half_made_is_made(store: FolderStore) -> None:
    """By the next who opens it."""
    (store.folder / "store.json").unlink()
    shutil.rmtree(store.folder / "videos")
    assert FolderStore(store.folder).put(NAME, b"x")


@pytest.mark.parametrize(("address", "said"), [
    ("films/.store", "absolute path"),
    ("/nowhere/at/all", "mount it, or make it"),
    ("redis://host/1", "name a folder, or s3://"),
])  # fmt: skip
def test_an_address_that_is_no_store_is_refused(address: str, said: str) -> None:
    """With what to do instead."""
    with pytest.raises(UsageError, match=said):
        open_store(address, {}, None)


def test_a_store_does_not_begin_among_other_files(tmp_path: Path) -> None:
    """A slip of the address must not scatter objects through a project."""
    (tmp_path / "film.yaml").write_bytes(b"")
    with pytest.raises(UsageError, match="begins in an empty folder"):
        FolderStore(tmp_path)


@pytest.mark.parametrize("away", [_gone, _empty])
def test_a_known_store_that_is_not_there_is_missed(
    store: FolderStore, tmp_path: Path, away: Callable[[Path], None]
) -> None:
    """A drive that is not mounted leaves an empty folder, or none. Claims in a new store would bind
    nobody: none begins there, and nobody is told to make one.
    """
    address, state = str(store.folder), tmp_path / "state"
    assert open_store(address, {}, state).identity == store.identity
    away(store.folder)
    with pytest.raises(UsageError, match=r"is not there: mount its drive") as raised:
        open_store(address, {}, state)
    assert "mkdir" not in str(raised.value)
    assert not store.folder.exists() or [*store.folder.iterdir()] == []


@pytest.mark.parametrize("written", ["{0}/", "file://{0}", "{1}/./{2}", "{1}//{2}"])
def test_a_known_store_is_missed_however_its_address_is_written(
    store: FolderStore, tmp_path: Path, written: str
) -> None:
    """Whichever way was used before."""
    folder = store.folder
    address = written.format(folder, folder.parent, folder.name)
    for before, after in ((address, str(folder)), (str(folder), address)):
        state = tmp_path / f"state of {before == address}"
        open_store(before, {}, state)
        away = store.folder.rename(tmp_path / "away")
        with pytest.raises(UsageError, match=r"is not there: mount its drive"):
            open_store(after, {}, state)
        away.rename(store.folder)


@POSIX
@pytest.mark.parametrize("is_by_link", [False, True])
def test_a_known_store_is_missed_by_a_link_and_by_its_folder(
    store: FolderStore, tmp_path: Path, is_by_link: bool
) -> None:
    """Also where the link leads nowhere any more, or has become an empty folder."""
    state, link = tmp_path / "state", tmp_path / "link"
    link.symlink_to(store.folder)
    open_store(str(link if is_by_link else store.folder), {}, state)
    _empty(store.folder)
    for path in (link, store.folder):
        with pytest.raises(UsageError, match=r"is not there: mount its drive"):
            open_store(str(path), {}, state)
    if is_by_link:
        link.unlink()
        link.mkdir()
        with pytest.raises(UsageError, match=r"is not there: mount its drive"):
            open_store(str(link), {}, state)


def test_a_store_in_the_place_of_a_known_one_is_noticed(store: FolderStore, tmp_path: Path) -> None:
    """Another drive may be mounted there. Who means it deletes the note that is named."""
    address, state = str(store.folder), tmp_path / "state"
    open_store(address, {}, state)
    _empty(store.folder)
    other = FolderStore(store.folder).identity
    with pytest.raises(UsageError, match="another store than before: is its drive mounted"):
        open_store(address, {}, state)
    (note,) = (state / "stores").iterdir()
    note.unlink()
    assert open_store(address, {}, state).identity == other


def test_a_store_is_proved(store: FolderStore) -> None:
    """A folder refuses the second put. However often it is proved, one object is left."""
    for _ in range(3):
        prove(store)
    assert len(store.names("probes")) == 1


class Overwriting(FolderStore):
    """A store without conditional puts."""

    def put(self, name: str, data: bytes) -> bool:
        (self.folder / name).write_bytes(data)
        return True


class Refusing(FolderStore):
    """A store that says so, and overwrites all the same."""

    def put(self, name: str, data: bytes) -> bool:
        made = self.get(name) is None
        (self.folder / name).write_bytes(data)
        return made


@pytest.mark.parametrize("was_proved", [False, True])
@pytest.mark.parametrize("kind", [Overwriting, Refusing])
def test_a_store_that_lets_an_object_be_made_twice_is_refused(
    store: FolderStore, kind: type[FolderStore], was_proved: bool
) -> None:
    """By name: it would keep nobody from buying a shot twice. Also where it was better before."""
    if was_proved:
        prove(store)
    with pytest.raises(UsageError, match=f"{store.folder} lets an object be made twice"):
        prove(kind(store.folder))


# ---------------------------------------------------------------- a bucket


@pytest.fixture
def service() -> Iterator[Service]:
    """A service with conditional puts."""
    pytest.importorskip("obstore")
    with serving() as found:
        yield found


def test_an_object_of_a_bucket_is_made_once(service: Service) -> None:
    """The second put is refused, by whichever host; names are below the address."""
    host, other = (open_store("s3://films/store", service.environ, None) for _ in range(2))
    assert host.get(NAME) is None
    assert (host.put(NAME, b"first"), other.put(NAME, b"second")) == (True, False)
    assert (other.get(NAME), other.names("purchases")) == (b"first", [NAME])
    assert [*service.objects] == [f"/films/store/{NAME}"]
    again = open_store("s3://films//store/", service.environ, None)
    assert host.identity == other.identity == again.identity
    assert again.described == host.described
    prove(host)


def fill(service: Service, films: Sequence[str], number: int) -> None:
    """Let a bucket have so many purchases of each film."""
    for film in films:
        for one in range(number):
            service.objects[f"/films/store/purchases/{film}-{one:03}.intent"] = b"x"


def test_a_bucket_lists_no_more_than_is_asked_for(service: Service) -> None:
    """A film's names cost one page, however many other films are there, once the first page has
    shown that the service lists in order.
    """
    fill(service, ["a", "b", "ba", "c"], 60)
    bucket = open_store("s3://films/store", service.environ, None)
    for _ in range(2):
        assert bucket.names("purchases", "b-") == [f"purchases/b-{n:03}.intent" for n in range(60)]
    from_b = ("store/purchases/", "store/purchases/b-")
    assert service.listed == [("store/purchases/", ""), from_b, from_b]


@pytest.mark.parametrize("number", [1, 60])
def test_a_bucket_that_lists_in_no_order_lists_all(service: Service, number: int) -> None:
    """Of each film, however many names there are: a claim that is missed may be made again."""
    films = ["a", "b", "ba", "c"]
    fill(service, films, number)
    service.in_order = False
    bucket = open_store("s3://films/store", service.environ, None)
    for film in [*films, *films]:
        names = [f"purchases/{film}-{n:03}.intent" for n in range(number)]
        assert bucket.names("purchases", f"{film}-") == names
    assert len(bucket.names("purchases")) == 4 * number
    assert {after for _, after in service.listed} == {""}


def test_a_bucket_without_conditional_puts_is_refused(service: Service) -> None:
    """By name."""
    service.conditional = False
    bucket = open_store("s3://films/store", service.environ, None)
    with pytest.raises(UsageError, match=r"s3://films/store .* an object be made twice"):
        prove(bucket)


def test_a_bucket_that_cannot_be_reached_says_nothing(service: Service) -> None:
    """And shows no secret."""
    bucket = open_store("s3://films/store", service.environ | NOWHERE, None)
    for ask in (lambda: bucket.put(NAME, b"x"), lambda: bucket.get(NAME)):
        with pytest.raises(StoreAway) as raised:
            ask()
        where = "s3://films/store at http://127.0.0.1:9"
        assert str(raised.value) == f"the store {where} cannot be used now"
        assert raised.value.__cause__ is raised.value.__context__ is None


NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

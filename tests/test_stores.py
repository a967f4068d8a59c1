"""Which store local references go to, and what is copied for it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api import stores
from klingflow.api.loading import load
from klingflow.assets.stores import Snapshot, snapshot
from klingflow.errors import NotStored, UsageError
from klingflow.model import AssetSettings, Manifest
from tests.harness import pipeline_at
from tests.pictures import png

PUBLIC = "https://cdn.example.com/refs"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    film = pipeline_at(tmp_path / "film")
    film.write(1)
    return load(film.manifest)


def named(manifest: Manifest, store: str, **more: str) -> Manifest:
    settings = {"public_url": PUBLIC, **more}
    return replace(manifest, assets=AssetSettings(store, **settings))  # type: ignore[arg-type]  # texts


def test_nobody_has_named_a_store(manifest: Manifest) -> None:
    """Then there is none."""
    assert stores.of_user(manifest, {}) is None
    assert not stores.is_stored({}, sandbox=False) and stores.is_stored({}, sandbox=True)


def test_the_users_command_wins_over_the_manifest(manifest: Manifest, tmp_path: Path) -> None:
    """Only the environment may name a command."""
    found = stores.of_user(
        named(manifest, f"file://{tmp_path}/film/store"), {"KLINGFLOW_UPLOAD": "put {file}"}
    )
    assert found is not None and found.described == "the command put (KLINGFLOW_UPLOAD)"


def test_a_folder_below_the_manifest_is_its_own(manifest: Manifest, tmp_path: Path) -> None:
    """Names are appended to its public address."""
    found = stores.of_user(named(manifest, f"file://{tmp_path}/film/store"), {})
    assert found is not None and found.address("1.png") == f"{PUBLIC}/1.png"


def test_a_folder_elsewhere_is_for_the_user_to_allow(manifest: Manifest, tmp_path: Path) -> None:
    """A link out of the folder is elsewhere, too."""
    (tmp_path / "film" / "link").symlink_to(tmp_path)
    for store in (f"file://{tmp_path}/srv", f"file://{tmp_path}/film/link/srv"):
        with pytest.raises(UsageError, match=f"KLINGFLOW_WRITE_BELOW={tmp_path}/srv"):
            stores.of_user(named(manifest, store), {})
        assert stores.of_user(named(manifest, store), {"KLINGFLOW_WRITE_BELOW": str(tmp_path)})


def test_a_folder_needs_an_address(manifest: Manifest, tmp_path: Path) -> None:
    """Nothing signs one for it."""
    settings = AssetSettings(f"file://{tmp_path}/film/store")
    with pytest.raises(UsageError, match=r"needs assets\.public_url"):
        stores.of_user(replace(manifest, assets=settings), {})
    with pytest.raises(UsageError, match="a folder is written file:///srv/refs"):
        stores.of_user(named(manifest, "file://srv/refs"), {})


HOSTS = {
    "AWS_ACCESS_KEY_ID": "k",
    "AWS_SECRET_ACCESS_KEY": "s",
    "AWS_ENDPOINT_URL": "https://r2",
    "KLINGFLOW_BUCKETS": "s3://refs",
}


@pytest.mark.parametrize(("named", "store", "allowed"), [
    ("s3://films gs://others/refs", "s3://films/a/b", True),
    ("s3://films gs://others/refs", "gs://others/refs/", True),
    ("s3://films/refs/", "s3://films/refs", True),
    ("s3://films/refs", "s3://films", False),
    ("s3://films/refs", "s3://films/refs2", False),
    ("s3://films/refs", "s3://films/refs/../a", False),
    ("s3://films", "s3://films2", False),
    ("s3://films", "gs://films", False),
    ("s3://", "s3://films", False),
    ("", "s3://films", False),
])  # fmt: skip
def test_a_host_writes_to_the_buckets_that_its_operator_named(
    named: str, store: str, allowed: bool
) -> None:
    """A batch comes out of a file that others wrote; the right to write to a bucket does not."""
    pytest.importorskip("obstore")
    assets = AssetSettings(store, PUBLIC)
    environ = {**HOSTS, "KLINGFLOW_BUCKETS": named}
    if allowed:
        assert stores.of_host(assets, environ) is not None
        return
    with pytest.raises(UsageError, match=f"set KLINGFLOW_BUCKETS={store}"):
        stores.of_host(assets, environ)


@pytest.mark.parametrize(("store", "region"), [("ftp://a", None), ("s3://refs", "us.example.com/")])
def test_a_batch_says_no_more_than_a_manifest_may(store: str, region: str | None) -> None:
    """No manifest was checked on a host."""
    with pytest.raises(UsageError, match=r"assets\."):
        stores.of_host(AssetSettings(store, PUBLIC, region=region), HOSTS)


@pytest.mark.parametrize(("endpoint", "allowed"), [("https://r2/", True), ("https://x", False)])
def test_a_host_signs_for_the_service_of_its_own_environment(endpoint: str, allowed: bool) -> None:
    """Nobody was asked whether its key may go to another, which a batch names."""
    pytest.importorskip("obstore")
    assets = AssetSettings("s3://refs", PUBLIC, endpoint=endpoint)
    if allowed:
        assert stores.of_host(assets, HOSTS) is not None
        return
    for environ in (HOSTS, {**HOSTS, "AWS_ENDPOINT_URL": ""}):
        with pytest.raises(UsageError, match="does not name https://x"):
            stores.of_host(assets, environ)


def test_a_snapshot_is_a_copy_under_the_name_of_its_content(tmp_path: Path) -> None:
    """What happens to the original afterwards does not matter."""
    (tmp_path / "a.jpg").write_bytes(png())
    (tmp_path / "to").mkdir()
    sha256 = hashlib.sha256(png()).hexdigest()
    taken = snapshot(tmp_path / "a.jpg", "a.jpg", sha256, tmp_path / "to")
    (tmp_path / "a.jpg").write_bytes(b"")
    path = tmp_path / "to" / f"{sha256}.png"
    assert taken == Snapshot("a.jpg", path, path.name, len(png()), png()[:4096])
    assert path.read_bytes() == png()


@pytest.mark.parametrize("path", ["no", "folder"])
def test_what_cannot_be_read_is_not_stored(tmp_path: Path, path: str) -> None:
    """It is one file's trouble."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotStored) as raised:
        snapshot(tmp_path / path, path, "1", tmp_path)
    assert not raised.value.of_all

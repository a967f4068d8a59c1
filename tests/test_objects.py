"""Buckets, without a server: what is opened with what, and how trouble is told."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from klingflow.assets.objects import ObjectStore
from klingflow.assets.stores import Snapshot
from klingflow.errors import NotStored, UsageError
from klingflow.model import AssetSettings

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAKEY", "AWS_SECRET_ACCESS_KEY": "not-to-be-seen"}
NOBODY = "http://127.0.0.1:9"
NEON = AssetSettings("s3://neon/refs", endpoint=NOBODY, region="auto")


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(UsageError, match=r"pip install 'klingflow\[upload\]'"):
        ObjectStore(NEON, KEYS)


@pytest.fixture
def _there() -> None:
    pytest.importorskip("obstore")


@pytest.mark.usefixtures("_there")
class TestBucket:
    """With the extra installed."""

    def test_it_is_described_with_its_service(self) -> None:
        """A question before a run names both."""
        assert ObjectStore(NEON, KEYS).described == f"s3://neon/refs at {NOBODY}"

    def test_a_service_of_the_manifests_gets_no_more_than_a_key(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No session token, and no other endpoint than the one that the question names."""
        monkeypatch.setenv("AWS_SESSION_TOKEN", "TOKEN")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        address = ObjectStore(NEON, KEYS).address("1.png")
        assert address.startswith(f"{NOBODY}/neon/refs/1.png?X-Amz-Algorithm=")
        assert "TOKEN" not in address and "AKIAKEY%2F" in address and "%2Fauto%2F" in address
        assert "X-Amz-Expires=86400" in address

    def test_a_bucket_in_the_hosts_name_is_not_said_twice(self) -> None:
        """As OSS and COS want it."""
        settings = AssetSettings("s3://neon/refs", endpoint="https://neon.oss.example.com")
        address = ObjectStore(settings, KEYS).address("1.png")
        assert address.startswith("https://neon.oss.example.com/refs/1.png?")

    def test_a_public_address_is_not_signed(self) -> None:
        """Whoever has it may read it anyway."""
        settings = AssetSettings("s3://neon/refs", "https://cdn.example.com/refs/", NOBODY)
        assert ObjectStore(settings, KEYS).address("1.png") == "https://cdn.example.com/refs/1.png"

    def test_a_service_of_the_manifests_needs_keys_in_the_environment(self) -> None:
        """Nothing else is looked for: no profile, no instance."""
        with pytest.raises(UsageError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
            ObjectStore(NEON, {})

    def test_an_endpoint_is_for_s3_alone(self) -> None:
        """The others have one address each."""
        with pytest.raises(UsageError, match="s3://"):
            ObjectStore(AssetSettings("gs://neon", endpoint=NOBODY), KEYS)

    def test_a_store_that_does_not_answer_is_told_without_its_secrets(self, tmp_path: Path) -> None:
        """The library's own words may quote a request; nothing of them is in the traceback."""
        (tmp_path / "1.png").write_bytes(b"still")
        taken = Snapshot("a.png", tmp_path / "1.png", "1.png", 5, b"still")
        with pytest.raises(NotStored) as raised:
            anyio.run(ObjectStore(NEON, KEYS).keep, taken)
        assert str(raised.value) == f"s3://neon/refs at {NOBODY} cannot be reached"
        assert raised.value.of_all
        assert (raised.value.__cause__, raised.value.__context__) == (None, None)

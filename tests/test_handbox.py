"""A host's black box: each line is durable, and what an ended process left is found."""

from __future__ import annotations

import sys
from pathlib import Path
from stat import S_IMODE

import pytest

from klingflow.cluster.handbox import folder_of, left_behind, opened
from klingflow.errors import LedgerBroken, UsageError
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from tests.clusters import order
from tests.purchases import LATER

pytestmark = pytest.mark.anyio

STORE = "0" * 32
CLAIM = order("alley")
ANSWER = advance(CLAIM, "accepted", LATER, task_id="task_1")


@pytest.mark.parametrize("in_store", [True, False])
async def test_what_the_store_has_is_not_kept(tmp_path: Path, in_store: bool) -> None:
    """Anything else stays for the next process of this host."""
    with opened(tmp_path, STORE) as box:
        await box.keep(CLAIM)
        await box.keep(ANSWER)
        assert box.path.read_bytes() == journal_line(CLAIM) + journal_line(ANSWER)
        if in_store:
            box.is_in_store(ANSWER)
    with left_behind(tmp_path, STORE) as left:
        found = [(one.path, one.purchases, one.is_whole) for one in left]
    assert found == ([] if in_store else [(box.path, [ANSWER], True)])


async def test_a_live_process_keeps_its_own(tmp_path: Path) -> None:
    """Another process of this host leaves it alone; another store's boxes are not its business."""
    with opened(tmp_path, STORE) as box:
        await box.keep(ANSWER)
        with left_behind(tmp_path, STORE) as left:
            assert left == []
    with left_behind(tmp_path, "1" * 32) as left:
        assert left == []


async def test_a_torn_line_is_told(tmp_path: Path) -> None:
    """It may have named a task."""
    with opened(tmp_path, STORE) as box:
        await box.keep(CLAIM)
    box.path.write_bytes(box.path.read_bytes() + journal_line(ANSWER)[:40] + b"\n")
    with left_behind(tmp_path, STORE) as left:
        assert [one.is_whole for one in left] == [False]


async def test_a_box_that_broke_is_never_trusted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel still holds of it nobody knows."""

    def full(fd: int) -> None:
        raise OSError(28, "no space left on device")

    with opened(tmp_path, STORE) as box:
        with monkeypatch.context() as patch:
            patch.setattr("klingflow.disk.sync", full)
            with pytest.raises(LedgerBroken, match="No space left"):
                await box.keep(CLAIM)
        with pytest.raises(LedgerBroken, match="No space left"):
            await box.keep(CLAIM)
    assert box.path.exists()


def test_bodies_and_ids_are_for_this_user_alone(tmp_path: Path) -> None:
    """Other users of the host do not see them; a folder that cannot be made ends the worker."""
    if sys.platform == "win32":
        pytest.skip("folders have no such mode")
    with opened(tmp_path, STORE):
        assert S_IMODE(folder_of(tmp_path, STORE).stat().st_mode) == 0o700
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match="the black box cannot be written"),
        opened(tmp_path / "file", STORE),
    ):
        pass

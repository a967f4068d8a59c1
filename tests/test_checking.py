"""`lock check`: every flaw has its place and what to do, the exit code says how bad it is, and
nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klingflow import ExitCode
from klingflow.api.checking import Finding, check
from klingflow.api.site import Wish, site_of
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import lock_line
from klingflow.ledger.places import site_at
from klingflow.manifest.request import fingerprint
from klingflow.model import Purchase
from tests.boxes import film as mp4_bytes
from tests.harness import Pipeline, sandboxed
from tests.purchases import AT, LATER, done, intent, submitted


def right(purchase: Purchase) -> Purchase:
    """With the fingerprint of its body."""
    return replace(purchase, fingerprint=fingerprint(dict(purchase.body)))


def written(folder: Path, *purchases: Purchase, lines: bytes = b"") -> Path:
    """A manifest whose lock holds these purchases, and then `lines`."""
    lock = folder / "film.lock"
    lock.write_bytes(
        b"".join([lock_header("aa", 1, len(purchases)), *map(lock_line, purchases), lines])
    )
    return folder / "film.yaml"


def found(manifest: Path) -> list[Finding]:
    return [f for f in check(site_at(manifest)).findings if f.level != "note"]


def test_a_ledger_that_is_well_has_nothing_to_say(tmp_path: Path) -> None:
    manifest = written(tmp_path, right(submitted("a")), right(submitted("b")))
    assert check(site_at(manifest)).findings == ()
    assert site_of(tmp_path / "film.lock", Wish()).paths.lock == tmp_path / "film.lock"


@pytest.mark.parametrize(
    ("purchase", "level", "says"),
    [
        (right(advance(intent("b"), "doubted", AT, evidence={})), "unsettled", "in doubt"),
        (right(advance(submitted("b"), "parked", LATER)), "unsettled", "task_b took too long"),
        (submitted("b"), "damaged", "its body is not the one of its fingerprint"),
        (right(submitted("b", task_id="task_a")), "damaged", "task_a is also that of a"),
        (right(submitted("a", task_id="2")), "video", "paid for twice: task_a and task 2"),
        (right(done("b")), "video", "there is no such file"),
    ],
)
def test_a_purchases_flaw_is_told_with_its_line(
    tmp_path: Path, purchase: Purchase, level: str, says: str
) -> None:
    first = right(submitted("a", uid="20260608-0"))
    (flaw,) = found(written(tmp_path, first, purchase))
    assert (flaw.place, flaw.level, flaw.shot) == ("film.lock:3", level, purchase.key)
    assert says in flaw.message
    assert flaw.todo


def line_with(**changes: Any) -> bytes:
    """A lock line of another form, with the right sum."""
    plain = json.loads(lock_line(right(submitted("b"))))
    del plain["crc"]
    body = changes.pop("body", plain.pop("body"))
    head = json.dumps({**plain, **changes, "body": body}, separators=(",", ":"))[:-1].encode()
    return head + b',"crc":"%08x"}\n' % zlib.crc32(head)


def nested(depth: int) -> Any:
    """A value so many lists deep."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (line_with(take=0), "take: 0 is less than the minimum of 1"),
        (line_with(colour="red"), "'colour' was unexpected"),
        (line_with(colour=nested(700)), "'colour' was unexpected"),
        (
            line_with(times={"intent": LATER, "submitted": AT}),
            f"submitted at {AT}, before intent at {LATER}",
        ),
        (line_with(times={"intent": "yesterday"}), "times.intent cannot be 'yesterday'"),
        (line_with(state="in_doubt"), "in_doubt, but with task_b"),
        (line_with().replace(b"720p", b"721p"), "a damaged line of b"),
    ],
)
def test_a_line_of_a_wrong_form_is_told_with_its_number(
    tmp_path: Path, line: bytes, says: str
) -> None:
    flaws = found(written(tmp_path, right(submitted("a")), lines=line))
    assert says in next(f.message for f in flaws if f.place == "film.lock:3")
    assert flaws[0].level == "damaged"


def test_lines_that_are_missing_are_missed(tmp_path: Path) -> None:
    manifest = written(tmp_path, right(submitted("a")), right(submitted("b")))
    lock = tmp_path / "film.lock"
    lock.write_bytes(b"".join(lock.read_bytes().splitlines(keepends=True)[:2]))
    assert [f.message for f in found(manifest)] == ["1 purchases fewer than its header says"]
    lock.unlink()
    assert found(manifest) == []


def test_an_id_that_was_only_set_aside_is_not_forgotten(tmp_path: Path) -> None:
    manifest = written(tmp_path, right(submitted("a")))
    (tmp_path / "film.lock.damaged").write_bytes(
        lock_line(submitted("a", task_id="x")) + lock_line(submitted("a"))
    )
    assert [(f.place, f.message) for f in found(manifest)] == [
        ("film.lock.damaged:1", "task x is in no purchase of the ledger")
    ]


@pytest.mark.parametrize("fault", ["missing", "shorter", "other", "cut"])
def test_a_video_is_looked_at(tmp_path: Path, fault: str) -> None:
    """Its size, its hash, and its boxes."""
    data = mp4_bytes()[:-1] if fault == "cut" else mp4_bytes()
    bought = right(
        replace(done("a"), sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    )
    video = tmp_path / str(bought.output)
    video.parent.mkdir(parents=True)
    manifest = written(tmp_path, bought)
    contents = {"missing": None, "shorter": data[:-9], "other": b"x" * len(data), "cut": data}[
        fault
    ]
    if contents is not None:
        video.write_bytes(contents)
    (flaw,) = found(manifest)
    assert (flaw.level, flaw.todo) == ("video", f"klingflow fetch {manifest}")
    words = {
        "missing": "no such file",
        "shorter": "bytes, not",
        "other": "its hash is another",
        "cut": "cut short",
    }
    assert words[fault] in flaw.message
    if fault == "cut":
        video.write_bytes(mp4_bytes())
        assert "bytes, not" in found(manifest)[0].message


def test_a_video_is_read_again_whatever_is_remembered_of_it(tmp_path: Path) -> None:
    """A disk that forgets bits leaves size and times as they were; and nothing is written down."""
    data = mp4_bytes()
    bought = right(
        replace(done("a"), sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    )
    video = tmp_path / str(bought.output)
    video.parent.mkdir(parents=True)
    video.write_bytes(b"x" * len(data))
    manifest = written(tmp_path, bought)
    stat = video.stat()
    remembered = {
        bought.output: [
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_ino,
            bought.sha256,
        ]
    }
    cache = tmp_path / ".klingflow" / "files.json"
    cache.parent.mkdir()
    cache.write_text(json.dumps(remembered))
    assert ["its hash is another" in f.message for f in found(manifest)] == [True]
    assert json.loads(cache.read_text()) == remembered


def test_the_command_says_it_and_changes_nothing(tmp_path: Path) -> None:
    """A real ledger is well; without a video it is exit 3, with a flipped bit 1; its files stay as
    they are.
    """
    with sandboxed(tmp_path) as (film, _):
        film.write(2)
        film.do("run", "film.yaml", "-y")
        assert "2 purchases, 2 videos: all is well" in film.do("lock", "check", "film.yaml")
        film.videos()[0].unlink()
        assert "klingflow fetch film.yaml" in film.do(
            "lock", "check", "film.yaml", code=ExitCode.FAILED
        )
        lock = tmp_path / "film.lock"
        lock.write_bytes(lock.read_bytes().replace(b"720p", b"721p", 1))
        before = snapshot(film)
        said = film.do("lock", "check", "film.yaml", code=ExitCode.INTERNAL)
        assert "film.lock:2: damaged: shot001" in said or "film.lock:2: damaged" in said
        assert snapshot(film) == before


def snapshot(film: Pipeline) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in film.folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("content", "level"), [(None, "note"), (b"bad", "video")], ids=["removed", "damaged"]
)
def test_a_video_that_was_replaced_is_looked_at(
    tmp_path: Path, content: bytes | None, level: str
) -> None:
    """It was paid for. A person may have removed it for its room; bit rot is another matter."""
    data = mp4_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    away = "outputs/film/earlier/a.1-00000001.mp4"
    first, second = (
        right(replace(done("a", attempt=n, prompt=p), sha256=sha256, size_bytes=len(data)))
        for n, p in ((1, "one"), (2, "two"))
    )
    first = replace(first, output=away)
    (tmp_path / away).parent.mkdir(parents=True)
    (tmp_path / str(second.output)).write_bytes(data)
    if content is not None:
        (tmp_path / away).write_bytes(content)
    report = check(site_of(written(tmp_path, first, second), Wish(black_box=False)))
    flaws = [f for f in report.findings if away in f.message]
    assert [(f.level, f.todo) for f in flaws] == [
        (level, "another video replaced it, so nothing needs it unless its body comes back")
    ]

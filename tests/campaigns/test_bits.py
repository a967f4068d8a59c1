"""Damaged bytes: whatever becomes of a lock or a journal, no wrong task id is read, and nothing
vanishes unsaid.

A single flipped bit, and two in one line, are always seen by a line's CRC32; what fools it is
beyond the promise. A journal that ends early at the end of a line cannot be told from one that was
never longer: there the promise is that every whole line counts, and a line that was durable is not
cut off by a power loss (test_power.py).
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from klingflow.errors import LedgerError
from klingflow.ledger import lines, sums
from klingflow.model import Purchase
from tests.campaigns.figures import Report
from tests.campaigns.ledgers import JOURNAL, LOCK, MANIFEST, STATE, a_killed_run, open_twice
from tests.campaigns.powercut import Tree, tree_at


@dataclass
class Bench:
    """A ledger's files, what they say while whole, and what they said when damaged."""

    folder: Path
    whole: Tree
    truth: Mapping[str, Purchase]
    tried: int = 0
    refused: int = 0
    wrong_ids: list[str] = field(default_factory=list)
    freed: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    def lines(self, name: str) -> list[bytes]:
        """The lines of a file, each with its end."""
        return self.whole.files[name].splitlines(keepends=True)

    def damage(
        self,
        name: str,
        data: bytes,
        what: str,
        *,
        spared: Callable[[Purchase], bool],
        said: bool = True,
    ) -> None:
        """Open the ledger with `data` in the place of a file: all that is `spared` must be told as
        it was, the rest exactly, or as a doubt, or, unless it cannot be `said`, at least something
        must be reported.
        """
        self.tried += 1
        root = self.folder / "film"
        Tree(self.whole.folders, {**self.whole.files, name: data}).put(root)
        try:
            opened = open_twice(root)
        except Exception as error:
            return self._failed(root / name, data, f"{name}, {what}", error)
        else:
            kept = [
                line for file in root.rglob("*.damaged") for line in file.read_bytes().splitlines()
            ]
        finally:
            shutil.rmtree(root)
        self._judge(f"{name}, {what}", opened.purchases, bool(opened.problems) or not said, spared)
        if said and opened.purchases != self.truth and not (kept or opened.problems):
            self.freed.append(f"{name}, {what}: something is different, and nothing was said")
        if not kept and any("set aside" in problem for problem in opened.problems):
            self.freed.append(f"{name}, {what}: {opened.problems}, and nothing is in .damaged")
        for line in kept:
            if line not in data:
                self.wrong_ids.append(
                    f"{name}, {what}: set aside what was not in the file: {line!r}"
                )

    def _failed(self, path: Path, data: bytes, what: str, error: Exception) -> None:
        """A file without a trace of ours is refused, and stays as it is; all else is a crash."""
        if (
            isinstance(error, LedgerError)
            and "is not klingflow's" in str(error)
            and path.read_bytes() == data
        ):
            self.refused += 1
        else:
            self.crashed.append(f"{what}: {type(error).__name__}: {error}")

    def _judge(
        self,
        what: str,
        told: Mapping[str, Purchase],
        said: bool,
        spared: Callable[[Purchase], bool],
    ) -> None:
        for uid, got in told.items():
            true = self.truth.get(uid)
            if got.task_id is not None and (true is None or got.task_id != true.task_id):
                self.wrong_ids.append(f"{what}: {got.key} has {got.task_id}")
        takes = {(p.shot, p.take) for p in told.values() if p.state != "rejected"}
        for uid, true in self.truth.items():
            if true.state == "rejected" and uid not in told and (true.shot, true.take) in takes:
                # A damaged line may bear this take's name: what it may have bought came later.
                continue
            if spared(true) and told.get(uid) != true:
                self.freed.append(
                    f"{what}: {true.key} was not hit, and was {true.state}, is {told.get(uid)}"
                )
            elif true.state != "rejected" and (true.shot, true.take) not in takes and not said:
                self.freed.append(f"{what}: {true.key} is free, and nothing was said")

    def report(self, report: Report, name: str, **tried: int) -> None:
        """The figures: an id that is wrong or gone without a word, and what did not open."""
        lost = [*self.wrong_ids, *self.freed]
        found = "\n".join([*lost[:10], *self.crashed[:10]])
        counts = {"variants": self.tried, "refused whole": self.refused, **tried}
        report.add(
            name, counts, wrong={"ids lost": len(lost), "crashes": len(self.crashed)}, found=found
        )


def everything(_: Purchase) -> bool:
    return True


def nothing(_: Purchase) -> bool:
    return False


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Mapping[str, Purchase]]:
    """A lock with purchases in all states, and the journal of a run that was killed; and what they
    say.
    """
    root = tmp_path_factory.mktemp("bits") / "film"
    root.mkdir()
    (root / MANIFEST).touch()
    a_killed_run(root)
    (
        root / ".klingflow" / "film.folded"
    ).unlink()  # which would know better than a lock that is damaged
    whole = tree_at(root)
    return whole, open_twice(root).purchases


@pytest.fixture
def bench(made: tuple[Tree, Mapping[str, Purchase]], folder: Path) -> Bench:
    whole, truth = made
    return Bench(folder, whole, truth)


@pytest.fixture
def boxed(folder: Path) -> Bench:
    """The same with a black box, which knows everything once more."""
    root = folder / "film"
    (root / STATE).mkdir(parents=True)
    (root / MANIFEST).touch()
    a_killed_run(root)
    (root / ".klingflow" / "film.folded").unlink()
    whole, truth = tree_at(root), open_twice(root).purchases
    shutil.rmtree(root)
    return Bench(folder, whole, truth)


def about(lines: list[bytes], hit: set[int]) -> Callable[[Purchase], bool]:
    """Whether a purchase is told of by none of the lines that were hit."""

    def spared(purchase: Purchase) -> bool:
        return not any(purchase.uid.encode() in lines[n] for n in hit)

    return spared


def hit_by(lines: list[bytes], offset: int) -> set[int]:
    """The line of a byte, and the next one too where it is the end of a line."""
    for number, line in enumerate(lines):
        if offset < len(line):
            return (
                {number, min(number + 1, len(lines) - 1)} if offset == len(line) - 1 else {number}
            )
        offset -= len(line)
    raise ValueError("behind the end")


def flip(data: bytes, *bits: int) -> bytes:
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("name", [LOCK, JOURNAL])
def test_every_flipped_bit(name: str, bench: Bench, long: bool, report: Report) -> None:
    """One bit costs one line at most, or joins two that are read nevertheless; it is never taken
    for another id.
    """
    data, lines = bench.whole.files[name], bench.lines(name)
    chance = random.Random(f"flips {name}")
    bits = range(8 * len(data)) if long else sorted(chance.sample(range(8 * len(data)), 300))
    for bit in bits:
        spared = about(lines, hit_by(lines, bit // 8))
        bench.damage(name, flip(data, bit), f"bit {bit}", spared=spared)
    assert bench.refused == 0
    bench.report(report, f"a flipped bit, {Path(name).suffix[1:]}", bytes=len(data))


@pytest.mark.parametrize("name", [LOCK, JOURNAL])
def test_pairs_of_flipped_bits(name: str, bench: Bench, long: bool, report: Report) -> None:
    """Anywhere, and in one line, which its sum sees as surely as a single one."""
    data, lines = bench.whole.files[name], bench.lines(name)
    chance = random.Random(f"pairs {name}")
    for number in range(4000 if long else 150):
        first = chance.randrange(8 * len(data))
        near = chance.choice([8, 64, 8 * 200, 8 * len(data)]) if number % 2 else 8 * len(data)
        second = chance.randrange(max(0, first - near), min(8 * len(data), first + near))
        hit = hit_by(lines, first // 8) | hit_by(lines, second // 8)
        if first != second:
            bench.damage(
                name, flip(data, first, second), f"bits {first}, {second}", spared=about(lines, hit)
            )
    bench.report(report, f"two flipped bits, {Path(name).suffix[1:]}", bytes=len(data))


@pytest.mark.parametrize("name", [LOCK, JOURNAL])
def test_every_truncation(name: str, bench: Bench, long: bool, report: Report) -> None:
    """Every whole line counts. That a lock is too short is said, and so is a journal's last line
    where it is torn.
    """
    data, lines = bench.whole.files[name], bench.lines(name)
    chance = random.Random(f"cuts {name}")
    ends = {0, 1, *(sum(map(len, lines[:n])) for n in range(len(lines)))}
    ends |= {*range(len(data))} if long else {*chance.sample(range(len(data)), 150)}
    for end in sorted(ends):
        gone = {n for n in range(len(lines)) if sum(map(len, lines[: n + 1])) > end}
        unseen = name == JOURNAL and (end == 0 or data[:end].endswith((b"\n", b"}")))
        bench.damage(name, data[:end], f"cut to {end}", spared=about(lines, gone), said=not unseen)
    bench.report(report, f"cut short, {Path(name).suffix[1:]}", bytes=len(data))


def other_bytes(
    name: str, bench: Bench, chance: random.Random, rounds: int
) -> Iterator[tuple[str, bytes, set[int]]]:
    """What file systems and programs do to blocks and lines: what it is, the bytes, and the lines
    that it hits.
    """
    data, lines = bench.whole.files[name], bench.lines(name)
    foreign = bench.whole.files[LOCK if name == JOURNAL else JOURNAL]
    for size in (16, 512, 4096):
        starts = [*range(0, len(data), size)]
        for start in starts if len(starts) <= rounds else chance.sample(starts, rounds):
            end = min(start + size, len(data))
            hit = set().union(*(hit_by(lines, n) for n in range(start, end)))
            hit |= {max(0, min(hit) - 1)}  # whose end may now be another's beginning
            block = data[start:end]
            strange = (foreign * (1 + size // len(foreign)))[:size][: len(block)]
            yield f"zeros at {start}, {size}", data[:start] + bytes(len(block)) + data[end:], hit
            yield (
                f"another file's block at {start}, {size}",
                data[:start] + strange + data[end:],
                hit,
            )
            yield (
                f"noise at {start}, {size}",
                data[:start] + chance.randbytes(len(block)) + data[end:],
                hit,
            )
            yield f"a block twice at {start}, {size}", data[:end] + block + data[end:], hit
            if name == LOCK or end < len(data):  # a journal's last block: see the truncations
                yield f"a block gone at {start}, {size}", data[:start] + data[end:], hit
    for _ in range(rounds):
        mixed = chance.sample(lines, len(lines))
        yield "lines in another order", b"".join(mixed), set()
        a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
        yield (
            f"line {a} again behind {b}",
            b"".join([*lines[: b + 1], lines[a], *lines[b + 1 :]]),
            set(),
        )
        strange = chance.choice(foreign.splitlines(keepends=True))
        yield (
            f"a foreign line behind {b}",
            b"".join([*lines[: b + 1], strange, *lines[b + 1 :]]),
            set(),
        )
    yield "CRLF, as git's autocrlf makes it", data.replace(b"\n", b"\r\n"), set()
    yield "a byte order mark", b"\xef\xbb\xbf" + data, set()
    yield "both", b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"), set()
    yield "empty lines between", data.replace(b"\n", b"\n\n"), set()
    yield "no end of the last line", data.rstrip(b"\n"), set()
    yield "zeros behind the end", data + bytes(4096), set()
    yield "zeros before the beginning", bytes(512) + data, {0}
    yield "spaces at the ends of lines", data.replace(b"\n", b" \n"), {*range(len(lines))}
    yield "old Mac ends of lines", data.replace(b"\n", b"\r"), {*range(len(lines))}
    yield "nothing but zeros", bytes(len(data)), {*range(len(lines))}
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield f"as {encoding}", data.decode().encode(encoding), {*range(len(lines))}


@pytest.mark.parametrize("name", [LOCK, JOURNAL])
def test_blocks_lines_and_encodings(name: str, bench: Bench, long: bool, report: Report) -> None:
    """Blocks that are zeroed, doubled, lost or another file's; lines in another order; what editors
    and git make.
    """
    chance = random.Random(f"blocks {name}")
    lines = bench.lines(name)
    for what, data, hit in other_bytes(name, bench, chance, rounds=300 if long else 6):
        bench.damage(name, data, what, spared=about(lines, hit) if hit else everything)
    bench.report(report, f"blocks and lines, {Path(name).suffix[1:]}")


def damages(data: bytes, chance: random.Random, rounds: int) -> Iterator[tuple[str, bytes]]:
    """Flipped bits, cuts and blocks, anywhere; and zeros in the place of all."""
    for _ in range(rounds if data else 0):
        start, size = chance.randrange(len(data)), chance.choice([16, 512, 4096])
        bit = chance.randrange(8 * len(data))
        yield f"bit {bit}", flip(data, bit)
        yield f"cut to {start}", data[:start]
        yield f"zeros at {start}", (data[:start] + bytes(size) + data[start + size :])[: len(data)]
        yield (
            f"noise at {start}",
            (data[:start] + chance.randbytes(size) + data[start + size :])[: len(data)],
        )
    yield "zeros", bytes(len(data))
    yield "nothing", b""


def test_of_ledger_and_black_box_either_may_be_damaged(
    boxed: Bench, long: bool, report: Report
) -> None:
    """Each file in turn: what is damaged in one, the other tells, and nothing is different but for
    what is reported.
    """
    chance = random.Random("boxed")
    files = [
        name for name in boxed.whole.files if name in (LOCK, JOURNAL) or name.startswith(STATE)
    ]
    assert len(files) == 5  # lines, whose place it is, and who holds it
    for name in files:
        for what, data in damages(boxed.whole.files[name], chance, rounds=400 if long else 15):
            boxed.damage(name, data, what, spared=everything)
    boxed.report(report, "damaged bytes, boxed", files=len(files))


def test_the_campaign_sees_a_reader_without_sums(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes a flipped bit for another id."""
    careless = lines._JOURNAL._replace(unwrap=lambda raw: sums.document_in(raw[9:]))
    monkeypatch.setattr(lines, "_JOURNAL", careless)
    data = bench.whole.files[JOURNAL]
    for bit in range(8):
        bench.damage(JOURNAL, flip(data, 8 * data.index(b"task_k1") + bit), "", spared=nothing)
    assert bench.wrong_ids


def test_the_campaign_sees_a_reader_that_says_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which lets a damaged line go by."""
    monkeypatch.setattr(lines, "_set_aside", lambda parsed, raw, place: None)
    data = bench.whole.files[JOURNAL]
    bench.damage(JOURNAL, flip(data, 8 * data.index(b'"k3"') + 9), "", spared=nothing)
    assert bench.freed

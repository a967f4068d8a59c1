"""What a disk may hold after the power fails in the middle of recorded operations.

The rules are those of POSIX as ALICE and CrashMonkey read them, not one file system's habits: only
a sync of a file makes its content durable, only a sync of a folder the names in it, and nothing
orders one file or folder against another, or two operations on one that is not synced. A rename is
atomic. A write may be torn at any byte, or have grown the file without its bytes, which then read
as zeros. After a sync that failed, no later one can be believed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path, PurePosixPath

from tests.campaigns.recorder import Op

_DATA = frozenset({"write", "truncate"})
_NAMES = frozenset({"create", "link", "unlink", "rename", "mkdir", "rmdir"})
_EACH_BYTE_OF = 8192  # longer writes, of videos and of the reserve, are torn at some bytes only


@dataclass(frozen=True)
class Tree:
    """Folders, and files by name, as one start finds them."""

    folders: frozenset[str]
    files: Mapping[str, bytes]

    @property
    def digest(self) -> bytes:
        """The same for equal trees."""
        sums = hashlib.blake2b(digest_size=16)
        for name in sorted(self.folders):
            sums.update(b"d%b\0" % name.encode())
        for name, data in sorted(self.files.items()):
            sums.update(b"f%b\0%d\0" % (name.encode(), len(data)))
            sums.update(data)
        return sums.digest()

    def without(self, *tops: str) -> Tree:
        """The tree without these names in the topmost folder."""
        folders = frozenset(f for f in self.folders if f.split("/")[0] not in tops)
        return Tree(
            folders, {n: data for n, data in self.files.items() if n.split("/")[0] not in tops}
        )

    def put(self, root: Path) -> None:
        """Make it in the folder `root`, which is empty or not there."""
        root.mkdir(exist_ok=True)
        for name in sorted(self.folders):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (root / name).write_bytes(data)


def tree_at(root: Path) -> Tree:
    """What lies under `root`."""
    found = [(p.relative_to(root).as_posix(), p) for p in sorted(root.rglob("*"))]
    folders = frozenset(name for name, path in found if path.is_dir())
    return Tree(folders, {name: path.read_bytes() for name, path in found if path.is_file()})


@dataclass
class Disk:
    """What is durable by now, and the operations that may or may not be."""

    folders: set[str]
    names: dict[str, int]
    contents: dict[int, bytes]
    pending: list[Op] = field(default_factory=list)
    _distrusted: set[int] = field(
        default_factory=set
    )  # by id(): operations before a sync that failed

    def do(self, op: Op) -> None:
        """Take in the next operation."""
        if op.kind in _DATA | _NAMES:
            self.pending.append(op)
        elif op.kind == "taint":
            self._distrusted |= {
                id(p) for p in self.pending if p.kind in _DATA and p.file == op.file
            }
        elif op.kind == "sync":
            self._settle([p for p in self.pending if p.kind in _DATA and p.file == op.file])
        elif op.kind == "sync_folder":
            self._settle([p for p in self.pending if p.kind in _NAMES and _folder(p) == op.name])

    def _settle(self, ops: Sequence[Op]) -> None:
        sure = [op for op in ops if id(op) not in self._distrusted]
        settled = {id(op) for op in sure}
        # What a sync that failed had left behind is gone with the bytes, once they are cut off.
        emptied = {op.file for op in sure if op.kind == "truncate" and not op.offset}
        gone = settled | {
            id(op) for op in self.pending if op.file in emptied and id(op) in self._distrusted
        }
        self.pending = [op for op in self.pending if id(op) not in gone]
        _apply(self.folders, self.names, self.contents, sure)

    def after(self, kept: Iterable[Op]) -> Tree:
        """The tree if of all that is pending only `kept` had reached the disk."""
        folders, names, contents = set(self.folders), dict(self.names), dict(self.contents)
        _apply(folders, names, contents, kept)
        there = frozenset(f for f in folders if _reachable(f, folders))
        files = {n: contents.get(i, b"") for n, i in names.items() if _reachable(n, there)}
        return Tree(there, files)

    def after_names(self, kept: Iterable[Op]) -> dict[str, int]:
        """The numbers of the files of `after`, by name."""
        folders, names = set(self.folders), dict(self.names)
        _apply(folders, names, {}, kept)
        return {name: number for name, number in names.items() if _reachable(name, folders)}


def disk_with(tree: Tree, names: Mapping[str, int]) -> Disk:
    """A disk on which all of `tree` is durable; `names` are its files' numbers in the recording."""
    return Disk(
        set(tree.folders), dict(names), {names[name]: data for name, data in tree.files.items()}
    )


def _folder(op: Op) -> str:
    return str(PurePosixPath(op.name).parent)


def _reachable(name: str, folders: Iterable[str]) -> bool:
    above = PurePosixPath(name).parents
    return all(str(folder) in folders for folder in above if str(folder) != ".")


def _apply(
    folders: set[str], names: dict[str, int], contents: dict[int, bytes], ops: Iterable[Op]
) -> None:
    for op in ops:
        if op.kind == "write":
            old = contents.get(op.file, b"").ljust(op.offset, b"\0")
            contents[op.file] = old[: op.offset] + op.data + old[op.offset + len(op.data) :]
        elif op.kind == "truncate":
            contents[op.file] = contents.get(op.file, b"")[: op.offset].ljust(op.offset, b"\0")
        elif op.kind in ("create", "link"):
            names[op.name] = op.file
        elif op.kind == "unlink":
            names.pop(op.name, None)
        elif op.kind == "rename":
            if names.get(op.name) == op.file:
                del names[op.name]
            names[op.to] = op.file
        elif op.kind == "mkdir":
            folders.add(op.name)
        else:
            folders.discard(op.name)


def crashes(
    disk: Disk, chance: random.Random, *, thorough: bool, each_byte: bool = False
) -> Iterator[Tree]:
    """What the disk may hold if the power fails now: many of the ways, not all, which are
    exponentially many.

    `each_byte`: the newest write is torn after each byte. Not in a file that is renamed when it is
    whole, whose content nobody reads before, nor where it is a long one, as of a video.
    """
    pending = disk.pending
    newest, samples = (6, 12) if thorough else (2, 1)
    for kept in _subsets(pending, chance, newest, samples):
        yield disk.after(kept)
    if pending and pending[-1].kind == "write":
        before, last = pending[:-1], pending[-1]
        for torn in _torn(last, chance, some=12 if thorough else 1):
            yield disk.after([*before, torn])
            yield disk.after([torn])
        if (
            each_byte
            and len(last.data) <= _EACH_BYTE_OF
            and not last.name.endswith((".tmp", ".part"))
        ):
            for end in range(len(last.data)):
                yield disk.after([*before, last._replace(data=last.data[:end])])


def a_crash(disk: Disk, chance: random.Random) -> Tree:
    """One of the ways, at random: few or many of the pending operations, torn or whole."""
    share = chance.choice((0.0, 0.5, 0.9, 1.0))
    kept = [op for op in disk.pending if chance.random() < share]
    return disk.after([torn for op in kept for torn in _perhaps_torn(op, chance)])


def _subsets(
    pending: Sequence[Op], chance: random.Random, newest: int, samples: int
) -> Iterator[Sequence[Op]]:
    """All, none, all but one, only one; of the newest every choice, with all and with none of the
    older; and some at random, torn or whole.
    """
    yield pending
    yield ()
    for n in range(len(pending)):
        yield [*pending[:n], *pending[n + 1 :]]
        yield [pending[n]]
    old, new = pending[:-newest], pending[-newest:]
    for size in range(1, len(new)):
        for kept in combinations(new, size):
            yield kept
            yield [*old, *kept]
    for _ in range(samples):
        yield [
            torn for op in pending if chance.random() < 0.5 for torn in _perhaps_torn(op, chance)
        ]


def _perhaps_torn(op: Op, chance: random.Random) -> Iterator[Op]:
    if op.kind != "write" or chance.random() < 0.5:
        yield op
    else:
        yield from chance.choices([*_torn(op, chance, some=1)])


def _torn(write: Op, chance: random.Random, some: int) -> Iterator[Op]:
    """A write cut short after some bytes, alone or with zeros up to its end; and its end without
    its beginning.
    """
    length = len(write.data)
    for end in sorted(
        {0, length - 1, *(chance.randrange(length) for _ in range(some))} if length else ()
    ):
        yield write._replace(data=write.data[:end])
        yield write._replace(data=write.data[:end].ljust(length, b"\0"))
        if end:
            yield write._replace(offset=write.offset + end, data=write.data[end:])

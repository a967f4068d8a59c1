"""What `init` writes: a small pipeline, and the lines by which git keeps a ledger whole and a key
out.

A file that is there stays as it is, except that `.gitignore` and `.gitattributes` get the lines
that they lack, at their end. No link is followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from errno import EISDIR
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from klingflow import disk, plain_files
from klingflow.manifest.encodings import UTF16_MARKS
from klingflow.words import _

FILM = "film.yaml"
# Each file, and the one of the package that it is made from.
STARTER = {
    FILM: "film.yaml",
    "prices.yaml": "prices.yaml",
    ".gitignore": "gitignore",
    ".gitattributes": "gitattributes",
    ".env.example": "env.example",
}
_NAMES_OF_ENV = frozenset({".env", "/.env", "**/.env", ".env*", "*.env"})
_NAMES_OF_OUTPUTS = frozenset({"outputs", "/outputs", "**/outputs"})

Kind = Literal["wrote", "kept", "added", "left"]


class Begun(NamedTuple):
    """What became of one file: the lines that were added to it, or why it was left alone."""

    kind: Kind
    path: Path
    lines: tuple[str, ...] = ()
    why: str = ""


def begin(folder: Path, film: tuple[str, bytes] | None = None) -> Iterator[Begun]:
    """Write the files of a small pipeline into `folder`, which is made, and yield what became of
    each. `film` is the name and the content of another manifest than the starter's. Raises OSError,
    and IsADirectoryError before anything is written where a folder has the name of one of them.
    """
    files = {name: starter(name) for name in STARTER}
    if film:
        del files[FILM]
        files |= dict([film])  # the last one: a second `init --from` completes a first that died
    for name in files:
        if (folder / name).is_dir():
            raise IsADirectoryError(EISDIR, _("{name} is a folder; nothing was written", name=name))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        yield _begun(folder / name, content)


def starter(name: str) -> bytes:
    """Return the content that one of the files has in a new pipeline."""
    return (resources.files("klingflow") / "starter" / STARTER[name]).read_bytes()


def _begun(path: Path, starter: bytes) -> Begun:
    if disk.write_whole_new(path, starter):
        return Begun("wrote", path)
    if path.name not in (".gitignore", ".gitattributes"):
        return Begun("kept", path)
    if plain_files.is_link(path):
        return Begun("left", path, why=_("it is a link"))
    return _lengthened(path, starter)


def _lengthened(path: Path, starter: bytes) -> Begun:
    data = plain_files.read_whole(path)
    if data.startswith(UTF16_MARKS):
        return Begun("left", path, why=_("git does not read UTF-16; save it as UTF-8, then again"))
    wanted = [line for line in _lines(starter) if not line.startswith("#")]
    find = missing_patterns if path.name == ".gitignore" else missing_attributes
    lines = find(_lines(data), wanted)
    if not lines:
        return Begun("kept", path)
    mode = path.stat().st_mode & 0o777
    disk.atomic_write(path, with_lines(data, lines))
    path.chmod(mode)
    return Begun("added", path, tuple(lines))


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8-sig", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def with_lines(data: bytes, lines: Sequence[str]) -> bytes:
    """Return a text with lines at its end, with the line ends that the text has."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    whole = data if not data or data.endswith(b"\n") else data + end
    return whole + b"".join(line.encode() + end for line in lines)


def missing_patterns(lines: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return which of the patterns wanted in a `.gitignore` no line stands for.

    A later `!.env` would let the key in again: the last line about `.env` counts. Who wants
    `outputs/` committed has said so by any line about it.
    """
    env = [line for line in lines if line.removeprefix("!") in _NAMES_OF_ENV]
    outputs = [line for line in lines if _of_outputs(line) in _NAMES_OF_OUTPUTS]
    has = {".env": bool(env) and not env[-1].startswith("!"), "outputs/": bool(outputs)}
    return [pattern for pattern in wanted if not has[pattern]]


def _of_outputs(line: str) -> str:
    """Return a pattern without what may stand around a folder's name."""
    return line.removeprefix("!").removesuffix("/**").removesuffix("/*").removesuffix("/")


def missing_attributes(lines: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return which of the lines wanted in a `.gitattributes` are missing, or stand too early.

    The last line about a file counts in git, so an exception such as `uv.lock !merge` must come
    after the rule for `*.lock`.
    """
    places = {line: _last_place(lines, line) for line in wanted}
    rule = places["*.lock merge=union"]
    missing = []
    for line, place in places.items():
        is_exception = line.endswith(" !merge")
        if place is None or (is_exception and (rule is None or place < rule)):
            missing.append(line)
    return missing


def _last_place(lines: Sequence[str], wanted: str) -> int | None:
    """Return the index of the last line that says of a pattern what is wanted; of an exception, of
    the last that says anything about merging.
    """
    pattern, attribute = wanted.split()
    found = None
    for at, line in enumerate(lines):
        name, *said = line.split()
        says = _on_merging(said) if attribute == "!merge" else attribute in said
        if name == pattern and says:
            found = at
    return found


def _on_merging(said: Sequence[str]) -> bool:
    return any(word.lstrip("!-").partition("=")[0] in ("merge", "binary") for word in said)

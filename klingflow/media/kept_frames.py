"""Frames of videos on this disk: each is taken once and kept as PNG, below the hash of its video.

A frame's file is called `<words>.<SHA-256 of the PNG>.png`, so that its name says what it must
hold. A frame that is lost is taken again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream

from klingflow import disk, plain_files
from klingflow.media.process import bare_environ, command
from klingflow.words import _, cause

EXTRA: Final = _("pip install 'klingflow[media]'")
_LIMIT_S: Final = 90.0
_PNG_MOST: Final = 128 << 20  # bytes: the largest picture that opening.py lets through has 106 MB
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SAID_MOST: Final = 200


class Frame(NamedTuple):
    """A frame that is kept: its file, and the SHA-256 of its PNG."""

    path: Path
    sha256: str


class Untaken(Exception):
    """A frame that cannot be taken; the message says why, about "it", the video."""


async def kept_frame(video: Path, words: str, folder: Path) -> Frame:
    """Return a frame of a video from `folder`, which is for this content of a video alone; where
    the frame is not there yet, take it.

    Raises Untaken.
    """
    known = await anyio.to_thread.run_sync(_known, folder, words)
    if known is not None:
        return known
    png = await _taken(video, words)
    try:
        return await anyio.to_thread.run_sync(_keep, folder, words, png)
    except OSError as error:
        raise Untaken(
            _("{folder} cannot be written: {error}", folder=folder, error=cause(error))
        ) from error


def size_of(words: str, folder: Path) -> int | None:
    """Return the bytes of a frame that is kept in `folder`; None if it was not taken yet."""
    with suppress(OSError):
        for frame in _named(folder, words):
            return frame.path.stat().st_size
    return None


def _known(folder: Path, words: str) -> Frame | None:
    with suppress(OSError):
        for frame in _named(folder, words):
            if _sha256(frame.path) == frame.sha256:
                return frame
    return None


def _named(folder: Path, words: str) -> Iterator[Frame]:
    """Yield the files that have the name of a frame. Raises OSError where there is no folder."""
    name = re.compile(rf"{re.escape(words)}\.([0-9a-f]{{64}})\.png")
    for path in sorted(folder.iterdir()):
        if found := name.fullmatch(path.name):
            yield Frame(path, found[1])


def _sha256(path: Path) -> str:
    with suppress(OSError):
        return hashlib.sha256(plain_files.read_whole(path)).hexdigest()
    return ""


def _keep(folder: Path, words: str, png: bytes) -> Frame:
    if plain_files.is_link(folder):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(folder))
    sha256 = hashlib.sha256(png).hexdigest()
    path = folder / f"{words}.{sha256}.png"
    disk.make_folder(folder)
    disk.atomic_write(path, png)
    return Frame(path, sha256)


async def _taken(video: Path, words: str) -> bytes:
    try:
        with anyio.fail_after(_LIMIT_S):
            code, png, said = await _ended(command("frames", os.fspath(video), words))
    except TimeoutError as error:
        raise Untaken(_("it was not decoded within {limit_s:.0f} s", limit_s=_LIMIT_S)) from error
    except OSError as error:
        raise Untaken(_("nothing can decode it: {error}", error=cause(error))) from error
    if code == 1 and (why := _last(said)).startswith("it "):
        raise Untaken(why)
    if code or len(png) > _PNG_MOST or not png.startswith(_PNG):
        raise Untaken(
            _("it cannot be decoded: the decoder ended with {returncode}", returncode=code)
        )
    return png


async def _ended(command: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Run the decoder to its end; return its exit code and what it wrote. It is ended where it
    writes more than a frame has: a video may have taken it over, and our memory is the run's.
    """
    process = await anyio.open_process(
        command,
        stdin=subprocess.DEVNULL,
        env=bare_environ(),
        start_new_session=True,  # Ctrl-C in the terminal is for the run alone
    )
    png, said = bytearray(), bytearray()

    async def hear(stream: ByteReceiveStream | None, data: bytearray) -> None:
        assert stream, "it is a pipe"
        async for part in stream:
            data += part
            if len(data) > _PNG_MOST:
                process.kill()
                return

    async with process, anyio.create_task_group() as group:
        group.start_soon(hear, process.stdout, png)
        group.start_soon(hear, process.stderr, said)
        code = await process.wait()
    return code, bytes(png), bytes(said)


def _last(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:_SAID_MOST] if lines else ""

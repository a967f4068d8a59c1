"""A command of the user's that uploads a file and prints its address: KLINGFLOW_UPLOAD.

It is run without a shell, and without klingflow's own variables: the key is none of its business.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import anyio

from klingflow.assets.stores import UPLOAD, Snapshot
from klingflow.errors import NotStored, UsageError
from klingflow.gateway.payload import clean
from klingflow.manifest.addresses import is_address
from klingflow.model import AssetSettings
from klingflow.words import _, cause

# As long as a slow line needs.
_LEAST_S, _BYTES_PER_S = 120.0, 50_000


class CommandStore:
    """Files that `command` uploads: its arguments, with `{file}` and `{name}` in them."""

    def __init__(self, command: str) -> None:
        self._arguments = _split(command)
        self._addresses: dict[str, str] = {}

    @property
    def described(self) -> str:
        """The program."""
        return _("the command {arguments} ({upload})", arguments=self._arguments[0], upload=UPLOAD)

    @property
    def settings(self) -> AssetSettings:
        """Nothing: each machine has its own command."""
        return AssetSettings()

    async def keep(self, snapshot: Snapshot) -> None:
        """Run the command. Raises NotStored."""
        places = {"{file}": str(snapshot.path), "{name}": snapshot.name}
        arguments = [_filled(argument, places) for argument in self._arguments]
        arguments[0] = self._found(arguments[0])
        limit_s = _LEAST_S + snapshot.size_bytes / _BYTES_PER_S
        try:
            with anyio.fail_after(limit_s):
                done = await anyio.run_process(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    check=False,
                    env=_environ(),
                )
        except TimeoutError as error:
            raise NotStored(
                _(
                    "{described} took over {limit_s:.0f} s",
                    described=self.described,
                    limit_s=limit_s,
                )
            ) from error
        except OSError as error:
            why = cause(error)
            raise NotStored(
                _("{described} cannot be run: {why}", described=self.described, why=why),
                of_all=True,
            ) from error
        if done.returncode:
            said = clean(_last(done.stderr), 200) or _("it says nothing")
            raise NotStored(
                _(
                    "{described} failed with {returncode}: {said}",
                    described=self.described,
                    returncode=done.returncode,
                    said=said,
                )
            )
        address = _last(done.stdout)
        if not is_address(address):
            said = clean(address, 80) or _("nothing")
            raise NotStored(
                _(
                    "{described} must print an address in its last line, not {said}",
                    described=self.described,
                    said=said,
                )
            )
        self._addresses[snapshot.name] = address

    def _found(self, program: str) -> str:
        """Return where a program is that is named without a folder. Raises NotStored.

        Windows would take one of the current folder first, which may be the manifest's.
        """
        if Path(program).name != program:
            return program
        found = shutil.which(program)
        if found is None:
            raise NotStored(
                _("{described} cannot be run: it is not on PATH", described=self.described),
                of_all=True,
            )
        if not Path(found).is_absolute():
            why = _("it lies in the current folder; write its whole path")
            raise NotStored(
                _("{described} is not run: {why}", described=self.described, why=why), of_all=True
            )
        return found

    def address(self, name: str) -> str:
        """Return the address that the command printed."""
        return self._addresses[name]


def _split(command: str) -> Sequence[str]:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise UsageError(
            _("{upload} cannot be split into arguments: {error}", upload=UPLOAD, error=error)
        ) from error
    if not any("{file}" in argument for argument in arguments[1:]):
        raise UsageError(
            _(
                "{upload} must be a command with {{file}} in it, such as 'put {{file}}'",
                upload=UPLOAD,
            )
        )
    return arguments


def _filled(argument: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        argument = argument.replace(place, value)
    return argument


def _environ() -> dict[str, str]:
    ours = "KLINGFLOW_"
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _last(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""

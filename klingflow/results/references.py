"""PURE. The references of a manifest: each image and video that its shots name, where it is used,
and how it stands beside what the ledger knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from klingflow.manifest.addresses import addresses
from klingflow.manifest.held_files import records
from klingflow.model import Json, Manifest, Pending, Purchase

# An address; a file on this disk with which nothing was bought; one that was uploaded with this
# content; one whose content was another when it was last bought with; one that is not on this disk;
# one that no shot names any more.
State = Literal["remote", "local", "there", "changed", "missing", "unused"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One reference: a local file by its path, or an address. `shots` are ids."""

    name: str
    state: State
    shots: tuple[str, ...]
    size_bytes: int | None = None
    sha256: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Return what is known of it."""
        known = {"size_bytes": self.size_bytes, "sha256": self.sha256}
        told = {name: value for name, value in known.items() if value is not None}
        return {"name": self.name, "state": self.state, "shots": list(self.shots), **told}


def listed(
    manifest: Manifest, purchases: Iterable[Purchase], contents: Mapping[str, str]
) -> list[Listed]:
    """Return every reference: those of the manifest in its order, then those that only the ledger
    has. `contents` is what the ledger last had of each file (klingflow.decide.contents).
    """
    shots = _shots(manifest)
    found = [_listed(name, tuple(used), manifest, contents) for name, used in shots.items()]
    bought: dict[str, dict[str, None]] = {}
    for purchase in purchases:
        for _, record in records(purchase.body):
            bought.setdefault(record["file"], {})[purchase.shot] = None
    gone = {name: used for name, used in bought.items() if name not in shots}
    return found + [Listed(name, "unused", tuple(used)) for name, used in gone.items()]


def _shots(manifest: Manifest) -> dict[str, dict[str, None]]:
    """Return the ids of the shots that use each reference."""
    shots: dict[str, dict[str, None]] = {}
    for shot, request in manifest:
        for _, value in addresses(request.body):
            name = value.get("file") if type(value) is dict else value
            if isinstance(name, str) and not isinstance(name, Pending):
                shots.setdefault(name, {})[shot.id] = None
    return shots


def _listed(
    name: str, shots: tuple[str, ...], manifest: Manifest, contents: Mapping[str, str]
) -> Listed:
    file = manifest.files.get(name)
    if file is None:
        return Listed(name, "remote", shots)
    if not file.sha256:
        return Listed(name, "missing", shots, sha256=contents.get(name))
    known = contents.get(name, file.sha256)
    state: State = "changed" if known != file.sha256 else "local"
    if file.sha256 in contents.values():
        state = "there"
    return Listed(name, state, shots, file.size_bytes, file.sha256)

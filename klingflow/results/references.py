"""PURE. The references of a manifest: each image and video that its shots name, or take from the
video of another shot, where it is used, and how it stands beside what the ledger knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from klingflow.decide.filing import fact_of
from klingflow.decide.picks import present_of, source_of
from klingflow.manifest import chained
from klingflow.manifest.addresses import addresses
from klingflow.manifest.held_files import Record, records
from klingflow.model import FileFact, Json, Manifest, Pending, Plan, Purchase

# An address; a file on this disk with which nothing was bought; one that was uploaded with this
# content; one whose content was another when it was last bought with; one that is not on this disk;
# one that comes with a video that is not on this disk yet; one that no shot names any more.
State = Literal["remote", "local", "there", "changed", "missing", "later", "unused"]
# The bytes of a frame that is kept of a video, by its words; None if it was not taken yet.
SizeOf = Callable[[FileFact, str], int | None]


@dataclass(frozen=True, slots=True)
class Listed:
    """One reference: a local file by its path, an address, or what is taken from a video by what
    people call it. `shots` are ids.
    """

    name: str
    state: State
    shots: tuple[str, ...]
    size_bytes: int | None = None
    sha256: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Return what is known of it, as JSON."""
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


# ---------------------------------------------------------------- what is taken from videos


def from_videos(plan: Plan, purchases: Sequence[Purchase], size_of: SizeOf) -> list[Listed]:
    """Return what shots take from other shots' videos, in the manifest's order, then what only the
    ledger has.
    """
    used: dict[str, dict[str, None]] = {}
    wanted: dict[str, Record] = {}
    for shot, request in plan.manifest:
        for _, record in chained.chained(request.body):
            wanted[name := chained.named(record)] = record
            used.setdefault(name, {})[shot.id] = None
    bought: dict[str, dict[str, None]] = {}
    sent: set[tuple[str, str]] = set()
    for purchase in purchases:
        for _, record in chained.chained(purchase.body):
            sent.add((str(record.get("purchase")), str(record.get("frame", ""))))
            bought.setdefault(chained.named(record), {})[purchase.shot] = None
    found = [
        _from_video(record, tuple(used[name]), plan, sent, name in bought, size_of)
        for name, record in wanted.items()
    ]
    gone = {name: shots for name, shots in bought.items() if name not in wanted}
    return found + [Listed(name, "unused", tuple(shots)) for name, shots in gone.items()]


def _from_video(
    record: Record,
    shots: tuple[str, ...],
    plan: Plan,
    sent: set[tuple[str, str]],
    was_bought: bool,
    size_of: SizeOf,
) -> Listed:
    present, frame = partial(present_of, plan.by_key), str(record.get("frame", ""))
    source = plan.by_key.get(source_of(record["from"], plan.terms, present).key)
    purchase = source.purchase if source and present(source.key) else None
    here = _on_disk(purchase, plan)
    state: State = "later"
    if purchase and (purchase.uid, frame) in sent:
        state = "there"
    elif was_bought:
        state = "changed"
    elif here:
        state = "local"
    size = None
    if here:
        size = size_of(here, frame) if frame else here.size_bytes
    return Listed(chained.named(record), state, shots, size)


def _on_disk(purchase: Purchase | None, plan: Plan) -> FileFact | None:
    """Return the video of a purchase if it is on disk."""
    video = fact_of(purchase) if purchase else None
    return video if video in plan.terms.files.values() else None

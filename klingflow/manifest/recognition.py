"""PURE. Files that are not a manifest: a ledger, prices, picks, the record of a run, a table, a
request. Says what they are, and what to give instead.

A file is recognised by signs that no manifest has. Any other file is read as a manifest, and its
mistakes are reported.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final, Literal, NamedTuple

from klingflow.manifest.coerce import as_mapping
from klingflow.manifest.encodings import WORKBOOKS
from klingflow.manifest.sheets import SUFFIXES
from klingflow.model import Node
from klingflow.words import _, filled

Wanted = Literal["manifest", "include", "prices"]


class Found(NamedTuple):
    """What a file is, as a noun. `use` is how such a file is used; without it, the user has to give
    the manifest itself.
    """

    what: str
    use: str = ""


_LEDGER: Final = Found(_("the ledger of a manifest"))
_BEGINNINGS: Final[tuple[tuple[re.Pattern[str], Found], ...]] = (
    (re.compile(r'\{"klingflow_lock":'), _LEDGER),
    (re.compile(r'\{"shot":"'), _LEDGER),
    (re.compile(r"[0-9a-f]{8} \{"), Found(_("the journal of a ledger"))),
    (re.compile(r'\{"at": ?"[^"]*", ?"event": ?"'), Found(_("the log of a run"))),
    (
        re.compile(r"(export )?KLINGFLOW_[A-Z_]+="),
        Found(_("a file of settings for the environment")),
    ),
)
_MEDIA: Final = (
    ((".png", ".jpg", ".jpeg", ".webp", ".gif"), Found(_("a picture"))),
    ((".mp4", ".mov", ".webm", ".mkv", ".avi"), Found(_("a video"))),
    ((".doc", ".docx", ".pdf", ".pages", ".rtf"), Found(_("a document"))),
)
_TABLES: Final = (".csv", ".tsv", ".jsonl")
_TABLE: Final = _(
    "make a manifest of it by 'klingflow init --from {name}', or write 'foreach: {name}' in"
    " a shot, and give that manifest"
)
_PRICES: Final = Found(
    _("a file of prices"), _("write 'prices: {name}' in a manifest, and give that manifest")
)
_PICKS: Final = Found(_("a file of picks"))
_PICKS_END: Final = ".picks.yaml"
_BODY: Final = Found(
    _("the body of a request"),
    _("write it in a manifest as 'shots: {{ s01: {{ request: {{ … }} }} }}'"),
)
# What a wanted file holds.
_HOLDS: Final[dict[Wanted, str]] = {
    "manifest": _("a manifest has version: and shots:"),
    "include": _("an included file has vars:, presets: and shots:"),
    "prices": _("a file of prices has currency: and tiers:"),
}


def of_name(path: str) -> Found | None:
    """Return what a file is that holds no text; None if it may be text."""
    if path.lower().endswith(_PICKS_END):
        return _PICKS
    suffix = posixpath.splitext(path)[1].lower()
    if suffix in SUFFIXES:
        return Found(WORKBOOKS[suffix][0], _TABLE)
    if suffix in WORKBOOKS:
        kind, menu = WORKBOOKS[suffix]
        return Found(
            kind,
            _(
                "save it as CSV ({menu}), write 'foreach: …csv' in a shot, and give that manifest",
                menu=menu,
            ),
        )
    for suffixes, found in _MEDIA:
        if suffix in suffixes:
            return found
    return None


def of_text(path: str, text: str) -> Found | None:
    """Return what a text is by its beginning or its name; None if it may be YAML of ours."""
    start = text[:200].lstrip("\ufeff \r\n")
    for sign, found in _BEGINNINGS:
        if sign.match(start):
            return found
    is_table = posixpath.splitext(path)[1].lower() in _TABLES
    return Found(_("a table of rows"), _TABLE) if is_table else None


def of_tree(root: Node, wanted: Wanted) -> Found | None:
    """Return what a YAML or JSON document is; None if it may be what is wanted."""
    if isinstance(root.value, list):
        return _of_list(root.value)
    items = as_mapping(root.value)
    if items.keys() == {"shots"} and isinstance(items["shots"].value, list):
        return _of_list(items["shots"].value)
    found = _by_keys(set(items))
    if found in _MARKED:
        return found
    is_manifest = not items.keys().isdisjoint(_OF_A_MANIFEST)
    if wanted == "prices":
        return _other_than_prices(found, is_manifest=is_manifest)
    return None if is_manifest else found


def _by_keys(keys: set[str]) -> Found | None:
    for signs, found in _BY_KEYS:
        if signs <= keys:
            return found
    return None


def _other_than_prices(found: Found | None, *, is_manifest: bool) -> Found | None:
    if is_manifest:
        return _MANIFEST if found is None else None
    return None if found == _PRICES else found


_RENDERED: Final = Found(_("what `klingflow render` printed"))
_OF_A_MANIFEST: Final = frozenset({"version", "shots", "presets", "defaults", "include"})
_MANIFEST: Final = Found(_("a manifest"))
_RECORD: Final = Found(_("the record of a run"))
_PLAN: Final = Found(_("a saved plan"), _("run it by 'klingflow run --plan {name}'"))
# They have `shots` too.
_MARKED: Final = (_RECORD, _PLAN)
_BY_KEYS: Final[tuple[tuple[set[str], Found], ...]] = (
    ({"klingflow_run_manifest"}, _RECORD),
    ({"klingflow_plan"}, _PLAN),
    ({"$schema", "properties"}, Found(_("a JSON schema"))),
    ({"tiers"}, _PRICES),
    ({"model", "prompt"}, _BODY),
    ({"model", "content"}, _BODY),
    ({"model", "metadata"}, _BODY),
)


def _of_list(entries: list[Node]) -> Found | None:
    keys: set[str] = set()
    for node in entries:
        keys.update(as_mapping(node.value))
    if {"body", "fingerprint"} <= keys:
        return _RENDERED
    return _PICKS if {"shot", "take"} <= keys else None


def said(path: str, found: Found, wanted: Wanted) -> str:
    """Return what to say of a file that is not what is `wanted`: what it is, and what to do."""
    name = posixpath.basename(path)
    if wanted != "manifest":
        return _("{path} is {what}; {holds}", path=path, what=found.what, holds=_HOLDS[wanted])
    use = found.use and filled(found.use, {"name": name})
    return _(
        "{path} is {what}; {use}",
        path=path,
        what=found.what,
        use=use or _("give the manifest itself{named_after}", named_after=_named_after(name)),
    )


def _named_after(name: str) -> str:
    """Return the manifest of a lock, or of a picks file, by its name."""
    stem, end, rest = name.rpartition(_PICKS_END if name.endswith(_PICKS_END) else ".lock")
    return _(": {stem}.yaml", stem=stem) if end and not rest else ""

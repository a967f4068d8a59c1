"""PURE. What a shot is called, and where its video goes: names that mean the same on every file
system.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from klingflow.manifest.invisible import NOTHING, hidden, named, shown
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Json
from klingflow.words import _

MAX_KEY_CHARACTERS = 100
# File systems take names of 255 bytes; a download in progress adds `.part`.
MAX_FILE_NAME_BYTES = 250
PLACEHOLDERS = ("name", "shot", "take")

# "Naming Files, Paths, and Namespaces" of Windows: the superscripts are digits there too.
_DEVICES = frozenset(
    (
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{name}{n}" for name in ("com", "lpt") for n in "0123456789¹²³"),
    )
)
_KEPT = frozenset((".git", ".klingflow"))
# A folder of such a name would stand where a ledger, a manifest or a record has to be written.
_FILES = (".lock", ".damaged", ".jsonl", ".json", ".yaml", ".yml", ".env")
# What Windows also calls a file of a longer name.
_SHORT_NAME = re.compile(r"[^.]{1,6}~[0-9]+(?:\..{0,3})?")
_UNSAFE = re.compile(r"[^\w.-]")
_RATIO = re.compile(r"(?<=\d):(?=\d)")
_NEGATIVE = re.compile(r"-\.?\d")
# Signs that tell values apart (`C#`, `50%`, `really?`) but mean something to a file system, a shell
# or a glob: their wide forms mean nothing there.
_WIDE = str.maketrans("!#$%*<=>?^", "！＃＄％＊＜＝＞？＾")
# What an id keeps beside letters, digits and marks: the signs above, and what Unicode calls a
# symbol (emoji, ♀, €, ×), except for the ASCII ones that a shell reads otherwise.
_SIGNS = frozenset("+！＃％＊？")
_SHELL = frozenset("`|~")
# Says how the character before it is drawn: invisible, and often lost on the way.
_VARIANT = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Letters, marks and symbols of which nothing is seen; U+2800 is Braille's blank.
_NOTHING = re.compile(rf"[{NOTHING}\u2800]")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_UNSAFE_IN_PATH = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')


def key_fault(key: str) -> str | None:
    """Return what is wrong with a shot's key, if anything."""
    if bad := _bad_in(key):
        return _("an id has letters, digits, '.', '-' and '_', not {bad}", bad=shown(bad))
    if not key:
        return _("an id cannot be empty")
    if key[0] in ".-" or key[-1] == ".":
        return _("an id does not begin with '.' or '-', nor end with '.'")
    if len(key) > MAX_KEY_CHARACTERS:
        return _(
            "an id has at most {max_key_characters} characters, this one {length}",
            max_key_characters=MAX_KEY_CHARACTERS,
            length=len(key),
        )
    if is_device(key):
        return _("Windows keeps this name for a device; choose another id")
    return None


def _bad_in(key: str) -> str | None:
    """Return a character that an id cannot have; None if there is none."""
    at = hidden(key)
    if at is not None:
        return key[at]
    for found in _UNSAFE.finditer(key):
        if not _is_mark(found[0]):
            return found[0]
    return None


def cell(value: Json) -> str:
    """Return a scalar as a part of an id, made of what every file system takes.

    It depends on this value alone. `9:16` is `9x16`; signs and emoji stay (`-15`, `C++`, `C＃` for
    `C#`), since they tell values apart; blanks and other punctuation are `-`, and nothing at an
    end. Raises ExpressionError for a value that is not a scalar.
    """
    from klingflow.manifest.budget import as_text  # for start-up: it imports Jinja

    text = unicodedata.normalize("NFC", _VARIANT.sub("", as_text(value)))
    if text.isalnum() and hidden(text) is None:
        return text
    text = _NOTHING.sub(" ", text).translate(_WIDE)
    kept = _UNSAFE.sub(_kept_or_blank, _RATIO.sub("x", text))
    label = "-".join(kept.split()).strip("-.")
    return f"-{label}" if label and _NEGATIVE.match(text) else label


def _kept_or_blank(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SIGNS or _is_mark(character):
        return character
    is_symbol = unicodedata.category(character)[0] == "S" and character not in _SHELL
    return character if is_symbol else " "


def _is_mark(character: str) -> bool:
    """Return True for a character that belongs to the letter before it: accents written apart, the
    vowels of Thai and Hindi.
    """
    return unicodedata.category(character)[0] == "M"


def output_path(template: str, name: str, shot: str, take: int) -> str:
    """Return where a take's video goes, relative to the manifest. Raises ValueError, which says
    what is wrong.
    """
    is_same_place = _check_template(template, name)
    path = _filled(template, name, shot, take)
    if not is_same_place and (fault := _place_fault(path)):
        raise ValueError(_("output '{template}' {fault}", template=template, fault=fault))
    # No character has more than four bytes: most names need not be measured.
    if len(path) * 4 > MAX_FILE_NAME_BYTES:
        longest = max(len(part.encode()) for part in path.split("/"))
        if longest > MAX_FILE_NAME_BYTES:
            raise ValueError(
                _(
                    "output '{path}…' has a name of {longest} bytes, over the"
                    " {max_file_name_bytes} of a file; shorten the id, or add long texts by matrix"
                    " include:",
                    path=path[:60],
                    longest=longest,
                    max_file_name_bytes=MAX_FILE_NAME_BYTES,
                )
            )
    return path


def _filled(template: str, name: str, shot: str, take: int) -> str:
    path = template.replace("{name}", name) if "{name}" in template else template
    return path.replace("{shot}", shot).replace("{take}", "" if take == 1 else f"-{take}")


def is_device(part: str) -> bool:
    """Return True for a file name that Windows keeps for a device, whatever suffix follows it."""
    return part.split(".")[0].strip().lower() in _DEVICES


def _is_kept(part: str) -> bool:
    """Return True for a folder's name that git, klingflow, a shell or Windows gives a meaning."""
    if part.lower() in _KEPT or part.startswith("~") or _SHORT_NAME.fullmatch(part):
        return True
    # Windows ignores spaces and dots at an end.
    return is_device(part) or part.rstrip(". ") != part


def name_fault(name: str) -> str | None:
    """Return what is wrong with a manifest's name, if anything: it becomes a folder's."""
    if name in ("", ".", "..") or "/" in name:
        return _("the name becomes a folder's; write one without '/'")
    if not name.isprintable() or _UNSAFE_IN_PATH.search(name) or _is_kept(name):
        return _(
            "the name becomes a folder's, and {name!r} is not one that every file system takes;"
            " write another",
            name=name,
        )
    if len(name.encode()) > MAX_FILE_NAME_BYTES:
        most = MAX_FILE_NAME_BYTES
        return _(
            "the name becomes a folder's, which has at most {most} bytes; shorten it", most=most
        )
    return None


@functools.lru_cache(maxsize=256)
def _check_template(template: str, name: str) -> bool:
    """Raise ValueError for what is wrong with a template whatever the id: once for all shots.

    Return True if no id makes another place of it, because the id is all that the video's own name
    begins with. Elsewhere an id may complete a name: `.{shot}/x.mp4` with `git`.
    """
    for placeholder in _PLACEHOLDER.findall(template):
        if placeholder not in PLACEHOLDERS:
            hint = did_you_mean(placeholder, PLACEHOLDERS) or _(
                "; there are {name}, {shot} and {take}"
            )
            raise ValueError(
                _(
                    "output has no placeholder '{{{placeholder}}}'{hint}",
                    placeholder=placeholder,
                    hint=hint,
                )
            )
    if set(_PLACEHOLDER.sub("", template)) & set("{}"):
        raise ValueError(
            _(
                "output '{template}' has a brace too many; there are {{name}}, {{shot}} and"
                " {{take}}",
                template=template,
            )
        )
    for take in (1, 2):
        path = _filled(template, name, "id", take)
        fault = _character_fault(path) or _place_fault(path) or _video_fault(path)
        if fault:
            raise ValueError(_("output '{template}' {fault}", template=template, fault=fault))
    folders, _unused, video = template.rpartition("/")
    return "{shot}" not in folders and video in ("{shot}.mp4", "{shot}{take}.mp4")


def _character_fault(path: str) -> str | None:
    if unseen := next((c for c in path if not c.isprintable()), None):
        return _("holds {unseen}, which is invisible; delete it", unseen=named(unseen))
    if bad := _UNSAFE_IN_PATH.search(path):
        return _(
            "holds {bad!r}, which not every file system takes; use / between folders", bad=bad[0]
        )
    return None


def _place_fault(path: str) -> str | None:
    parts = path.split("/")
    if ".." in parts or path.startswith("/"):
        return _("leaves the manifest's folder; write a path below it")
    if kept := _kept_among(parts):
        return _("has a '{kept}', which is not a name for videos; choose another", kept=kept)
    return None


def _kept_among(parts: list[str]) -> str | None:
    for part in parts:
        if _is_kept(part):
            return part
    for folder in parts[:-1]:
        if folder.lower().endswith(_FILES):
            return folder
    return None


def _video_fault(path: str) -> str | None:
    parts = path.split("/")
    has_name = path.lower().endswith(".mp4") and parts[-1].lower() != ".mp4"
    if has_name and "" not in parts and "." not in parts:
        return None
    return _("is not the name of a video; write a path that ends in .mp4")

"""PURE. Sentences that people read: English text that can still be said in another language.

A `Text` is its English sentence, so what is compared, stored, logged or printed as JSON is English.
It also carries its template and values, by which klingflow.terminal.language translates it at the
moment when it is shown. This module knows no language and reads no catalogue.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

_NOTHING: Mapping[str, object] = MappingProxyType({})
_AS_THEY_ARE = (str, int, float, list)


class Text(str):
    """An English sentence, with the template and the values that it was made of.

    `template` is as for `str.format_map`, and taken as it stands where there are no `values`.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object] = _NOTHING) -> Self:
        """Return the sentence. Errors among the values are taken as their words."""
        if not values:
            made, values = super().__new__(cls, template), _NOTHING
        else:
            values = {name: _plain(value) for name, value in values.items()}
            made = super().__new__(cls, template.format_map(values))
        made.template = template
        made.values = values
        return made

    def __str__(self) -> Text:
        return self

    def __add__(self, other: str) -> str:
        return joined("", (self, other))

    def __radd__(self, other: str) -> str:
        return joined("", (other, self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.template, dict(self.values))

    def mapped(self, change: Callable[[str], str]) -> Text:
        """Return the sentence with `change` applied to the texts among its values."""
        values = {name: _changed(value, change) for name, value in self.values.items()}
        return type(self)(self.template, values)

    def said_by(self, translate: Callable[[str], str]) -> str:
        """Return the sentence by the templates that `translate` gives for the English ones."""
        template = self._translated(translate)
        if not self.values:
            return template
        return template.format_map(
            {name: _said(value, translate) for name, value in self.values.items()}
        )

    def _translated(self, translate: Callable[[str], str]) -> str:
        # gettext keeps a catalogue's own heading under "".
        return translate(self.template) if self.template else ""


class _Joined(Text):
    """Sentences in a row. The template holds places alone, the same in all languages."""

    __slots__ = ()

    def _translated(self, translate: Callable[[str], str]) -> str:
        return self.template


def _plain(value: object) -> object:
    if isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, OSError):
        return _with_file(value)
    said = str(value)  # a source of the key, say, is called by a sentence
    return said if isinstance(value, BaseException) or isinstance(said, Text) else value


def _changed(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, Text):
        return value.mapped(change)
    return change(value) if isinstance(value, str) else value


def _said(value: object, translate: Callable[[str], str]) -> object:
    if isinstance(value, list):
        return [_said(one, translate) for one in value]
    return value.said_by(translate) if isinstance(value, Text) else value


def _(template: str, /, **values: object) -> str:
    """Return the sentence of `template`, a literal, in which `values` fill the places by name."""
    return Text(template, values)


def many(number: float, one: str, several: str, /, **values: object) -> str:
    """Return the sentence about `number` things by `one` or `several`, literals in which {number}
    stands for it.
    """
    return Text(one if number == 1 else several, {"number": number, **values})


# What the operating system reports, by its number, in the words of Linux. Windows says the same in
# the language of its user, which may not be the language of klingflow.
_OF_THE_SYSTEM: Mapping[int, str] = {
    errno.EACCES: _("Permission denied"),
    errno.EADDRINUSE: _("Address already in use"),
    errno.EADDRNOTAVAIL: _("Cannot assign requested address"),
    errno.ECONNABORTED: _("Software caused connection abort"),
    errno.ECONNREFUSED: _("Connection refused"),
    errno.ECONNRESET: _("Connection reset by peer"),
    errno.EEXIST: _("File exists"),
    errno.EFBIG: _("File too large"),
    errno.EHOSTUNREACH: _("No route to host"),
    errno.EIO: _("Input/output error"),
    errno.EISDIR: _("Is a directory"),
    errno.ELOOP: _("Too many levels of symbolic links"),
    errno.EMFILE: _("Too many open files"),
    errno.ENAMETOOLONG: _("File name too long"),
    errno.ENETUNREACH: _("Network is unreachable"),
    errno.ENOENT: _("No such file or directory"),
    errno.ENOSPC: _("No space left on device"),
    errno.ENOTDIR: _("Not a directory"),
    errno.ENOTEMPTY: _("Directory not empty"),
    errno.EPERM: _("Operation not permitted"),
    errno.EPIPE: _("Broken pipe"),
    errno.EROFS: _("Read-only file system"),
    errno.ETIMEDOUT: _("Connection timed out"),
}


def cause(error: Exception) -> str:
    """Return what an error says without the file that it names: a sentence, where the operating
    system reported it or klingflow raised it.
    """
    said = getattr(error, "strerror", None) or str(error)
    # Modules such as ssl and socket have numbers of their own for their errors.
    if isinstance(said, Text) or type(error).__module__ != "builtins":
        return said
    return _OF_THE_SYSTEM.get(getattr(error, "errno", None) or 0, said)


def _with_file(error: OSError) -> str:
    said = cause(error)
    if error.filename is None or not error.strerror:
        return said
    return joined(": ", (said, repr(error.filename)))


def filled(of_a_table: str, values: Mapping[str, object]) -> str:
    """Return the sentence of a template that stands in a table, with its `values`. A list among
    them may hold sentences.
    """
    return Text(of_a_table, values)


def word(of_a_table: str, sense: str = "") -> str:
    """Return a word of a table, such as the name of a state, as a sentence of its own. `sense` says
    which one of several translations is meant, where there are several.
    """
    return _Meant(of_a_table, {"sense": sense}) if sense else Text(of_a_table)


SENSE_END = "\x04"  # between a sense and its word in catalogues, as gettext has it


class _Meant(Text):
    """A word in one of its senses."""

    __slots__ = ()

    def said_by(self, translate: Callable[[str], str]) -> str:
        """Return the word by its translation in this sense, otherwise by the usual one."""
        before = f"{self.values['sense']}{SENSE_END}"
        asked = before + self.template
        found = translate(asked)
        return translate(self.template) if found == asked else found.replace(before, "")


class _Inside(Text):
    """A sentence inside another: English begins it in lower case, and ends it without a dot."""

    __slots__ = ()

    def __new__(cls, template: str, values: Mapping[str, object] = _NOTHING) -> Self:
        whole = Text(template, values)
        made = str.__new__(cls, whole[:1].lower() + whole[1:].rstrip("."))
        made.template = template
        made.values = whole.values
        return made

    def said_by(self, translate: Callable[[str], str]) -> str:
        """Return the sentence without what ends it."""
        return super().said_by(translate).rstrip(".。")


def inside(sentence: str) -> str:
    """Return a sentence as it stands within another one, behind a colon."""
    if not isinstance(sentence, Text):
        return sentence[:1].lower() + sentence[1:].rstrip(".")
    return _Inside(sentence.template, sentence.values)


# ---------------------------------------------------------------- kept in files


_CLASSES: Mapping[str, type[Text]] = {
    "sentence": Text,
    "joined": _Joined,
    "meant": _Meant,
    "inside": _Inside,
}
_NAMES = {made: name for name, made in _CLASSES.items()}
# All that klingflow's own templates hold: values by name, or one of a list, never their attributes;
# and no width of two digits.
_FIELD = r"\{[a-zA-Z_]\w*(?:\[\d\])?(?:![rs])?(?::\+?(?:0?\d)?,?(?:\.\d{1,2})?[a-zA-Z%]?)?\}"
_LONGEST = 10_000  # characters of a sentence, and below of a template
_LONGEST_TEMPLATE = 1000
_TEMPLATE = re.compile(rf"(?:[^{{}}]|\{{\{{|\}}\}}|{_FIELD})*", re.ASCII)


def kept(sentence: str) -> dict[str, Any] | None:
    """Return what a file keeps of a sentence beside its English, as JSON: `read` makes it a
    sentence again. None for a text that is no sentence.
    """
    if not isinstance(sentence, Text):
        return None
    made: dict[str, Any] = {"template": sentence.template}
    if sentence.values:
        made["values"] = {name: _kept(value) for name, value in sentence.values.items()}
    if type(sentence) is not Text:
        made["as"] = _NAMES[type(sentence)]
    return made


def read(english: str, words: object) -> str:
    """Return the sentence of which a file has the English, and beside it its `words` by `kept`.

    A file may come from anywhere: where the words say anything else, the English alone counts.
    """
    try:
        made = _read(words, min(len(english), _LONGEST))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return english
    return made if isinstance(made, Text) and made == english else english


def _kept(value: object) -> object:
    if isinstance(value, list):
        return [_kept(one) for one in value]
    if isinstance(value, Text):
        return kept(value)
    return value if isinstance(value, str | int | float) else str(value)


def _read(value: Any, most: int) -> object:
    """Return a value as it was kept. Raises ValueError for a sentence of more than `most`
    characters, of which a small file could hold endless ones.
    """
    if isinstance(value, list):
        return [_read(one, most) for one in value]
    if not isinstance(value, Mapping):
        return value
    template = value["template"]
    if len(template) > _LONGEST_TEMPLATE or not _TEMPLATE.fullmatch(template):
        raise ValueError(template)
    values = {name: _read(one, most) for name, one in value.get("values", {}).items()}
    made = _CLASSES[value.get("as", "sentence")](template, values)
    if len(made) > most:
        raise ValueError(template)
    return made


_SEPARATORS = {", ": _(", "), "; ": _("; "), ": ": _(": ")}
_BETWEEN_NAMES = word(", ", "names")  # Chinese sets them apart by another comma than clauses


def joined(separator: str, parts: Iterable[str]) -> str:
    """Return `separator.join(parts)`, in which separator and parts can still be translated."""
    values: dict[str, object] = {f"part{number}": part for number, part in enumerate(parts)}
    template = "{separator}".join(f"{{{name}}}" for name in values)
    between = _SEPARATORS.get(separator, separator)
    if separator == ", " and not any(isinstance(part, Text) for part in values.values()):
        between = _BETWEEN_NAMES
    return _Joined(template, {"separator": between, **values})

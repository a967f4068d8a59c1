"""`--help`, usage and the errors of the command line in another language than English.

Imported only where such a language is spoken. click takes its own words from functions that it
imports by name, and their language from other variables than ours: those names are replaced.
"""

from __future__ import annotations

import copy
import gettext
import inspect
from typing import TypeVar

import click
from click import core, decorators, exceptions, formatting, parser, termui, types

from klingflow.terminal.language import spoken
from klingflow.terminal.layout import width, wrapped
from klingflow.words import word

CLICK = (core, decorators, exceptions, formatting, parser, termui, types)
_KEPT = "\b"  # the first line of a paragraph that keeps its line ends
_ENDS = ("。", ". ")  # of a sentence

C = TypeVar("C", bound=click.Command)


class _Template(str):
    """A sentence of click's, which may be filled in with one of ours."""

    __slots__ = ()

    def format(self, *parts: object, **named: object) -> str:
        """Return the sentence with all of it in the person's language."""
        if "number_type" in named:  # `integer`: click keeps its name in a variable
            named["number_type"] = word(str(named["number_type"]))
        said = {name: spoken(one) if isinstance(one, str) else one for name, one in named.items()}
        return super().format(*parts, **said)


def speaking(command: C) -> C:
    """Return the command, and the commands in it, with their help in the person's language."""
    _teach_click()
    return _translated(command)


def _teach_click() -> None:
    for module in CLICK:
        module.__dict__["_"] = lambda text: _Template(spoken(word(text)))
        module.__dict__["ngettext"] = _one_or_several
    formatting.__dict__["wrap_text"] = _wrapped
    formatting.__dict__["term_len"] = width


def _one_or_several(one: str, several: str, number: int) -> str:
    return _Template(spoken(word(gettext.ngettext(one, several, number))))


def _translated(command: C) -> C:
    made = copy.copy(command)
    made.help = _help(command.help)
    made.epilog = _help(command.epilog)
    made.short_help = _first_sentence(command.short_help or made.help or "")
    made.params = [_param(param) for param in command.params]
    if isinstance(made, click.Group):
        made.commands = {name: _translated(one) for name, one in made.commands.items()}
    return made


def _param(param: click.Parameter) -> click.Parameter:
    made = copy.copy(param)
    if isinstance(made, click.Option):
        made.help = _help(made.help)
    return made


def _help(text: str | None) -> str | None:
    return spoken(word(inspect.cleandoc(text))) if text else text


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    ends = [at for end in _ENDS if (at := paragraph.find(end)) >= 0]
    return paragraph[: min(ends)] if ends else paragraph.rstrip(".")


def _wrapped(
    text: str,
    width: int = 78,
    initial_indent: str = "",
    subsequent_indent: str = "",
    preserve_paragraphs: bool = False,
) -> str:
    """Wrap as `click.formatting.wrap_text`, in a language whose characters take two columns."""
    text = text.expandtabs()
    if not preserve_paragraphs:
        return "\n".join(wrapped(_flat(text), width, initial_indent, subsequent_indent))
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == _KEPT:
            paragraphs.append("\n".join(subsequent_indent + line for line in lines[1:]))
        else:
            said = wrapped(_flat(paragraph), width, initial_indent, subsequent_indent)
            paragraphs.append("\n".join(said))
    return "\n\n".join(paragraphs)


def _flat(text: str) -> str:
    return " ".join(text.split())

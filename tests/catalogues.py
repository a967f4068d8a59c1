"""The catalogues of klingflow/locale: what a person may read, and how it is translated.

`python -m tests.catalogues` adds what is new, drops what is gone, keeps what is translated and
compiles. A file holds what one room says; `help` is what --help shows, `click` what click says by
itself, and `tables` the words of tables that are looked up by name.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from klingflow.api.beginning import Kind
from klingflow.decide.select import NEW, Called
from klingflow.decide.verbs import Label
from klingflow.ledger.problems import Level
from klingflow.model import FailureKind, State
from klingflow.terminal import translated
from klingflow.terminal.cli import cli
from klingflow.words import SENSE_END

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "klingflow"
LOCALE = PACKAGE / "locale"
LANGUAGES = ("zh",)
# Functions whose literals are sentences, and where these stand.
SAYING = {"_": (0,), "many": (1, 2)}
WORDS: tuple[str, ...] = (
    *("error", "warning"),
    *get_args(Label),
    *get_args(Level),
    NEW,
    *get_args(State),
    *(state.replace("_", " ") for state in (*get_args(State), *get_args(Called))),
    f"names{SENSE_END}, ",
    f"purchase{SENSE_END}rejected",  # by the gateway; a take is rejected by a person
    *get_args(FailureKind),
    *get_args(Kind),
    *("required", "integer", "integer range"),  # of click, which has them in variables
)
_HEADING = r"""msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\n"
"Language: {language}\n"

"""
_PLACE = re.compile(r"\{(\w+(?:\[\w+\])?(?:![rsa])?(?::[^{}]*)?)\}")


class Sentence(NamedTuple):
    """A template, the room that says it, and where: `klingflow/errors.py:12`."""

    room: str
    template: str
    place: str


def sentences() -> Iterator[Sentence]:
    """Yield all that may be translated, each template once, by the first room that says it."""
    seen: set[str] = set()
    for one in (*_of_code(), *_of_help(), *_of_click(), *_of_tables()):
        if one.template not in seen:
            seen.add(one.template)
            yield one


def _of_code() -> Iterator[Sentence]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        room = parts[0] if parts[1:] else "errors"
        if room != "sandbox":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for line, template in said_in(tree):
                yield Sentence(room, template, f"{path.relative_to(ROOT).as_posix()}:{line}")


def said_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each literal that is a sentence, in the order of lines."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for number in SAYING.get(node.func.id, ()):
                for text in _literals(node.args[number : number + 1]):
                    found.append((node.lineno, text))
    yield from sorted(found)


def _literals(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _of_help() -> Iterator[Sentence]:
    for command, name in _commands(cli, "klingflow"):
        options = [p.help for p in command.params if isinstance(p, click.Option)]
        for text in (command.help, command.epilog, *options):
            if text:
                yield Sentence("help", inspect.cleandoc(text), name)


def _commands(command: click.Command, name: str) -> Iterator[tuple[click.Command, str]]:
    yield command, name
    if isinstance(command, click.Group):
        for sub, one in command.commands.items():
            yield from _commands(one, f"{name} {sub}")


def _of_click() -> Iterator[Sentence]:
    for module in translated.CLICK:
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "ngettext"):
                for text in _literals(node.args[:2]):
                    yield Sentence("click", text, module.__name__)


def _of_tables() -> Iterator[Sentence]:
    for word in WORDS:
        yield Sentence("tables", word, "tests/catalogues.py")


def places(template: str) -> set[str]:
    """Return the places of a template that values fill, as they are written."""
    return set(_PLACE.findall(template.replace("{{", "").replace("}}", "")))


def needs_translation(template: str) -> bool:
    """True unless the template holds nothing but places and signs."""
    return any(c.isalpha() for c in _PLACE.sub("", template))


def catalogue(language: str, room: str) -> Catalog:
    """Return what a room's file holds; empty where there is none."""
    path = LOCALE / language / f"{room}.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def template_of(message: Message) -> str:
    """Return what is looked up: the sentence, behind its sense where it has one."""
    return f"{message.context}{SENSE_END}{message.id}" if message.context else str(message.id)


def translations(language: str) -> dict[str, str]:
    """Return all that is translated, by the English templates."""
    rooms = sorted(path.stem for path in (LOCALE / language).glob("*.po"))
    return {
        template_of(message): str(message.string)
        for room in rooms
        for message in catalogue(language, room)
        if message.id and message.string and not message.fuzzy
    }


def update(language: str) -> None:
    """Write the files of a language: what is said now, with the translations that are known."""
    known = translations(language)
    rooms: dict[str, Catalog] = {}
    for room, template, place in sentences():
        made = rooms.setdefault(room, Catalog(locale=language))
        file = place.partition(":")[0]
        sense, _unused, sentence = template.rpartition(SENSE_END)
        known_as = known.get(template, "")
        message = made.add(sentence, known_as, locations=[(file, 0)], context=sense or None)
        message.flags.clear()
    for path in (LOCALE / language).glob("*.po"):
        path.unlink()
    for room, made in rooms.items():
        text = io.BytesIO()
        write_po(text, made, width=0, omit_header=True, include_lineno=False)
        heading = _HEADING.format(language=language).encode()
        (LOCALE / language / f"{room}.po").write_bytes(heading + text.getvalue().strip() + b"\n")


def main() -> None:
    """Update the files of all languages, and compile them."""
    for language in LANGUAGES:
        update(language)
    runpy.run_path(str(ROOT / "hatch_build.py"))["compile_catalogues"]()


if __name__ == "__main__":
    main()

"""The pages of the manual as tests see them: found, and cut into blocks, tables and links.

Which page a table or a file stands on is left to the pages: `rows` and `labelled` look through all
pages of a language.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LANGUAGES = ("en", "zh")
_READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
_FOLDERS = {"en": ROOT / "docs", "zh": ROOT / "docs" / "zh"}
_ENDS = {"&&", "||", ";", "|", ">", ">>"}  # what ends a command in a shell's line


class Block(NamedTuple):
    """A fenced block: its language, the comment before it (`tour`, `file: film.yaml`), its text."""

    language: str
    label: str
    text: str


def pages(language: str) -> list[Path]:
    """The README and every page of the language's folder."""
    return [_READMES[language], *sorted(_FOLDERS[language].glob("*.md"))]


def twin(page: Path) -> Path:
    """Where the Chinese page of an English one is."""
    return _READMES["zh"] if page == _READMES["en"] else _FOLDERS["zh"] / page.name


def named(page: Path) -> str:
    """`docs/ledger.md`: the page as messages name it."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def all_text(language: str) -> str:
    return "\n".join(text_of(page) for page in pages(language))


def blocks_of(page: Path) -> list[Block]:
    found = re.findall(r"(?:<!-- ([^>]+) -->\n)?^```(\w+)\n(.*?)^```$", text_of(page), re.M | re.S)
    return [Block(language, label, text) for label, language, text in found]


def blocks(language: str) -> list[Block]:
    return [block for page in pages(language) for block in blocks_of(page)]


def labelled(language: str, label: str) -> str:
    """The one block of that label, on whichever page."""
    (text,) = [block.text for block in blocks(language) if block.label == label]
    return text


def prose_of(page: Path) -> str:
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def cells(line: str) -> list[str]:
    """The cells of a table's line; `\\|` is a bar inside a cell."""
    inner = re.sub(r"^\||\|$", "", line.strip())
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def tables_of(page: Path) -> list[list[list[str]]]:
    """The bodies of all tables of the page, row by row, cell by cell."""
    found = re.findall(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n?)*)", prose_of(page), re.M)
    return [[cells(line) for line in body.splitlines()] for body in found]


def rows(language: str, table: str) -> list[list[str]]:
    """The body of the table after `<!-- table: … -->`, on whichever page."""
    _, after = all_text(language).split(f"<!-- table: {table} -->\n")
    return [cells(line) for line in after.split("\n\n", 1)[0].splitlines()[2:]]


def quoted(text: str) -> list[str]:
    """What stands in `backticks`."""
    return re.findall(r"`([^`]+)`", text)


def first_cells(language: str, table: str) -> list[str]:
    return [name for row in rows(language, table) for name in quoted(row[0])]


def without_comments(block: Block) -> list[str]:
    """The block's lines without what is said to people in another language."""
    if block.language == "text":
        return []
    lines = [re.sub(r"(^|\s)\s*#\s.*$", "", line).rstrip() for line in block.text.splitlines()]
    return [line for line in lines if line]


def headings_of(page: Path) -> list[tuple[int, str]]:
    """Level and words of each heading."""
    found = re.findall(r"^(#+) (.+)$", prose_of(page), re.M)
    return [(len(marks), words) for marks, words in found]


def anchors_of(page: Path) -> list[str]:
    """What a forge makes of the headings: `## Check, merge` is `#check-merge`."""
    return [
        re.sub(r"[^\w\- ]", "", words).strip().lower().replace(" ", "-")
        for _, words in headings_of(page)
    ]


def links_of(page: Path) -> list[str]:
    """The targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose_of(page))


def commands_of(page: Path, program: str) -> Iterator[list[str]]:
    """The arguments of each call of `program` in the page's shell blocks."""
    for block in blocks_of(page):
        for line in block.text.splitlines() if block.language in ("sh", "powershell") else ():
            yield from calls(line, program)


def calls(line: str, program: str) -> Iterator[list[str]]:
    """The arguments of each call of `program` in one line of a shell.

    The program may be named by a path.
    """
    simple: list[list[str]] = [[]]
    for word in shlex.split(line.replace("\\", "/"), comments=True):
        if word in _ENDS:
            simple.append([])
        else:
            simple[-1].append(word)
    for words in simple:
        while words and "=" in words[0]:  # a variable of this command alone
            words = words[1:]
        if words and Path(words[0]).name == program:
            yield words[1:]

"""The tour in a language that puts each sentence into brackets: no word stands outside of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from klingflow.terminal import cli, language

# What stands outside of sentences: a path, an id, an address, money, a key of the plan, a clock.
NAMES = re.compile(
    r"\S*[/.@#_:]\S*|kling-\S+|\b(?:opening|alley|ok|CNY|remote|[0-9]+ s)(?=[\s,]|$)"
)
WRONG = """\
version: 1
sots: {}
defaults: { model: kling-3.0-omni, seconds: 31, resolution: 4K }
shots:
  a b: { prompt: 夜, imgae: x.png, after: nobody }
  c: { prompt: "${{ vars.hero }}", takes: many }
"""
# `klingflow` and what is typed behind it, in order.
TOUR = (
    ("validate film.yaml", 0),
    ("validate wrong.yaml", 2),
    ("plan film.yaml", 0),
    ("plan film.yaml -s nobody", 5),
    ("run film.yaml", 2),
    ("run film.yaml --sandbox --no-progress --max-tasks 1", 8),
    ("run film.yaml --sandbox --no-progress", 0),
    ("status film.yaml --sandbox -v", 0),
    ("why film.yaml opening --sandbox", 0),
    ("pick film.yaml opening#2 --sandbox", 0),
    ("pick film.yaml opening --sandbox", 2),
    ("plan film.yaml --sandbox --rerun changed -v", 0),
    ("doctor film.yaml", 2),
    ("refs film.yaml", 0),
    ("lock check film.yaml --sandbox", 0),
    ("lock prune film.yaml --sandbox", 0),
    ("export film.yaml --sandbox --to csv", 0),
    ("resolve film.yaml opening --sandbox --abandon", 2),
)


@pytest.fixture(autouse=True)
def _marked() -> Iterator[None]:
    language.speak_by(lambda template: f"⟦{template}⟧")
    yield
    language.speak_by(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A film, and a manifest with mistakes."""
    assert cli.cli.main(["init", str(tmp_path)], standalone_mode=False) == 0
    (tmp_path / "wrong.yaml").write_text(WRONG, encoding="utf-8", newline="\n")
    return tmp_path


def outside(text: str) -> Iterator[str]:
    """Yield each line that has words outside of all brackets, after names are taken out. A source
    line below a mistake is the author's.
    """
    for line in text.splitlines():
        left, depth = "", 0
        for c in line:
            depth += (c == "⟦") - (c == "⟧")
            left += c if depth == 0 and c != "⟧" else ""
        if re.search("[A-Za-z]{2}", NAMES.sub("", left)) and not re.match(r" *\d* \|", line):
            yield line


def test_every_word_can_be_translated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command says is made of sentences, and its exit code is that of English."""
    monkeypatch.chdir(folder)
    capsys.readouterr()
    for typed, code in TOUR:
        assert cli._exit_code(typed.split()) == code, typed
        said = capsys.readouterr()
        assert [*outside(said.out + said.err)] == [], typed

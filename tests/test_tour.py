"""The tour in a language that puts each sentence into brackets: no word stands outside of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from klingflow.decide.patience import Patience
from klingflow.model import Failure, Limits
from klingflow.terminal import cli, language, lock_commands
from klingflow.terminal.doubt_views import all_at_once
from klingflow.words import Text
from tests.purchases import done

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
# What people may read beside Chinese: what the author wrote, commands, paths, codes, fields.
QUOTED = re.compile(
    r"'[^']*'|“[^”]*”|`[^`]*`|\[[a-z-]+\]|\S*[/.@_]\S*|\b(?:seconds|defaults|run)\b"
)
PLACE = re.compile(r"(\{\w+(?:\[\w+\])?(?:![rsa])?(?::[^{}]*)?\})")
INSIDE = """\
version: 1
run: { max_tasks: many }
defaults: { model: kling-3.0-omni, seconds: 31, resolution: 4K }
presets:
  x: { imgae: a.png }
shots:
  a: { prompt: "", imgae: x.png }
  b: { prompt: [夜], images: [a.png, b.png, c.png, d.png, e.png, f.png, g.png, h.png, i.png] }
  c: { prompt: "${{ maxx(5) }} ${{ 5 | joinn }}", image: { from: a } }
  d: { prompt: 夜, audio: 7 }
  e: { foreach: [{ 货号: 1 }], key: "${{ row.货号 }}", prompt: "${{ row.图 }}" }
"""
SHOT_LIST = "镜号,画面,时长,负责人\n1,夜,5,安\n2,雨,三四秒,安\n"
# What holds sentences inside of sentences.
WITHIN = (
    "validate inside.yaml",
    "validate prices.yaml",
    "validate list.csv",
    "init --from list.csv made.yaml",
    "doctor --cluster",
)
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
    """A film, manifests with mistakes, and a shot list."""
    assert cli.cli.main(["init", str(tmp_path)], standalone_mode=False) == 0
    for name, text in {"wrong.yaml": WRONG, "inside.yaml": INSIDE, "list.csv": SHOT_LIST}.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="\n")
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


def without_letters(template: str) -> str:
    """Return a sentence in a language that has no words: only the values say something."""
    parts = PLACE.split(template)
    return "".join(re.sub("[A-Za-z\x04]", "", p) if n % 2 == 0 else p for n, p in enumerate(parts))


def words_in(text: str) -> Iterator[str]:
    """Yield each line with words in it that are no names; a line of a source is the author's."""
    for line in text.splitlines():
        is_source = re.match(r" *\d* \|", line)
        if not is_source and re.search("[A-Za-z]{3}", QUOTED.sub("", line)):
            yield line


@pytest.mark.parametrize("typed", WITHIN)
def test_a_sentence_inside_a_sentence_is_translated(
    typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose a mistake is, what a file is and what was left are said in the person's language."""
    monkeypatch.chdir(folder)
    for name in ("KLINGFLOW_API_KEY", "KLINGFLOW_CLAIMS", "KLINGFLOW_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    capsys.readouterr()
    language.speak_by(without_letters)
    cli._exit_code(typed.split())
    said = capsys.readouterr()
    assert [*words_in(said.out + said.err)] == []


def test_the_kind_of_a_refusal_is_translated() -> None:
    """What stands in brackets behind `refuses us` is a word of the person's language."""
    verdict = Patience(Limits()).refused(Failure("quota", "1102", "余额不足"), "opening")
    assert "(quota)" in verdict.reason
    assert "quota" not in cast("Text", verdict.reason).said_by(without_letters)


def test_how_to_settle_several_doubts_is_translated() -> None:
    """The same sentence stands by itself and behind another."""
    said = language.spoken(all_at_once(2, "film.yaml"))
    assert said.startswith("⟦`klingflow resolve film.yaml") and said.endswith("⟧")


def test_the_state_of_a_purchase_is_translated() -> None:
    """What is pruned or moved is listed with its state, a word of a table."""
    said = language.spoken(lock_commands._told(done("alley")))
    assert "⟦done⟧" in said

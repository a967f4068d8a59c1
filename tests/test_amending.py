"""A picks file that is changed: what is added, taken out or completed, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import UsageError
from klingflow.manifest.amending import Change, amended, written
from klingflow.manifest.picklist import parse
from klingflow.model import PickLine


def _amended(
    text: str,
    drop: Collection[int] = (),
    named: Mapping[int, str] | None = None,
    add: Sequence[PickLine] = (),
) -> str:
    return amended(text, "film.picks.yaml", Change(frozenset(drop), named or {}, tuple(add)))


_FILM = """\
# 剪辑：导演看片 2026-06-08
- { shot: alley, take: 1, reject: true, note: 手变形 }   # 导演说不行
- {shot: alley, take: 2,}

  # the block form, by hand
- shot: door
  take: 1
  note: "look at #3"
"""


def test_a_line_is_added_at_the_end() -> None:
    """All that was there stays as it is."""
    line = PickLine("opening", 2, rejects=True, note="too dark: again", purchase="u1")
    added = _amended(_FILM, add=[line])
    assert added == _FILM + (
        '- { shot: opening, take: 2, reject: true, note: "too dark: again", purchase: u1 }\n'
    )


def test_a_line_that_is_taken_out_leaves_its_comment() -> None:
    """A comment is somebody's word, and stays where it stood."""
    made = _amended(_FILM, drop=[0, 2])
    assert made == (
        "# 剪辑：导演看片 2026-06-08\n# 导演说不行\n- {shot: alley, take: 2,}\n\n"
        "  # the block form, by hand\n"
    )


def test_a_purchase_is_written_into_a_line() -> None:
    """In the form in which the line was written."""
    made = _amended(_FILM, named={0: "u0", 1: "u1", 2: "u2"})
    assert made.splitlines() == [
        "# 剪辑：导演看片 2026-06-08",
        "- { shot: alley, take: 1, reject: true, note: 手变形, purchase: u0 }   # 导演说不行",
        "- {shot: alley, take: 2, purchase: u1}",
        "",
        "  # the block form, by hand",
        "- shot: door",
        "  take: 1",
        '  note: "look at #3"',
        "  purchase: u2",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_as_the_files_lines_do(end: str) -> None:
    """Also where the last line has no end yet, and behind a byte order mark."""
    text = f"\ufeff- {{ shot: a, take: 1 }}{end}- {{ shot: b, take: 1 }}"
    made = _amended(text, add=[PickLine("c", 1)])
    assert made == f"{text}{end}- {{ shot: c, take: 1 }}{end}"


def test_a_list_keeps_its_indentation() -> None:
    """What is added stands below what is there."""
    made = _amended("  - { shot: a, take: 1 }\n", add=[PickLine("b", 1)])
    assert made == "  - { shot: a, take: 1 }\n  - { shot: b, take: 1 }\n"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_gets_its_first_line(text: str) -> None:
    """Comments of an empty file stay."""
    made = _amended(text, add=[PickLine("a", 1)])
    assert made == text + "- { shot: a, take: 1 }\n"


_UNSAFE = {
    "[{ shot: a, take: 1 }]\n": [0],
    "- &a { shot: a, take: 1 }\n- *a\n": [0],
    "- { shot: a,  # why\n    take: 1 }\n": [0],
    "-\n  shot: a\n  take: 1\n": [0],
    "- { shot: a, take: 1 }\n...\n": [],
}


@pytest.mark.parametrize("text", _UNSAFE)
def test_a_file_that_cannot_be_changed_safely_is_refused(text: str) -> None:
    """It is never rewritten: the author is told what form klingflow can change."""
    with pytest.raises(UsageError, match="Give each take a line of its own"):
        _amended(text, drop=_UNSAFE[text], add=[PickLine("b", 1)])


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(
    str.strip
)
_IDS = st.sampled_from(["alley", "opening", "门@上海", "12", "null", "a.b-c", "1e5"])
_LINES = st.builds(
    PickLine, _IDS, st.integers(1, 100), st.booleans(), st.just("") | _TEXTS, st.just("") | _IDS
)


@given(_LINES)
def test_what_is_written_is_read_again(line: PickLine) -> None:
    """Whatever a note holds: quotes, colours of a terminal, line ends, half of a smile."""
    (read,) = parse(written(line) + "\n", "film.picks.yaml")
    assert read[:-1] == line[:-1]


_BLOCK = "- shot: {shot}\n  take: {take}\n"
_OTHER = st.sampled_from(["", "# a word: - { shot: x }\n", "\n", "   # 中文\n", "#\n"])


@st.composite
def _files(draw: st.DrawFn) -> list[tuple[str, bool]]:
    """The lines of a picks file, each with whether it is an entry."""
    parts: list[tuple[str, bool]] = []
    for line in draw(st.lists(_LINES, max_size=6)):
        parts += [(draw(_OTHER), False)]
        is_block = draw(st.booleans()) and line.shot not in ("null", "12", "1e5")
        own = _BLOCK.format(shot=line.shot, take=line.take) if is_block else written(line) + "\n"
        parts.append((own, True))
    return [*parts, (draw(_OTHER), False)]


@given(_files(), st.data())
def test_every_other_line_stays(parts: list[tuple[str, bool]], data: st.DataObject) -> None:
    """Whatever is taken out and added: the other lines are equal byte for byte, in their order."""
    text = "".join(part for part, _ in parts)
    entries = [part for part, is_entry in parts if is_entry]
    drop = data.draw(st.sets(st.sampled_from(range(len(entries)))) if entries else st.just(set()))
    add = data.draw(st.lists(_LINES, max_size=2))
    made = _amended(text, drop=drop, add=add)
    numbers = iter(range(len(entries)))
    kept = [part for part, is_entry in parts if not is_entry or next(numbers) not in drop]
    assert made == "".join(kept) + "".join(written(line) + "\n" for line in add)

"""A picks file is read line by line, each mistake at its place."""

from __future__ import annotations

import pytest

from klingflow.errors import ManifestError, Mark
from klingflow.manifest.picklist import parse
from klingflow.model import PickLine

_TEXT = """\
# of the second screening
- { shot: alley, take: 1, reject: true, note: 手变形, purchase: u1 }
- shot: door
  take: 2
"""


def test_each_line_has_its_place() -> None:
    """In the file's order; what a line leaves out has its default."""
    assert parse(_TEXT, "f.yaml") == (
        PickLine("alley", 1, True, "手变形", "u1", Mark("f.yaml", 2, 3)),
        PickLine("door", 2, mark=Mark("f.yaml", 3, 3)),
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]\n"])
def test_a_file_may_hold_no_lines(text: str) -> None:
    """Who takes the last line out leaves a file that is read."""
    assert parse(text, "f.yaml") == ()


def test_an_id_is_read_in_one_form() -> None:
    """What a Mac writes as two characters is the same id."""
    assert parse("- { shot: cafe\u0301, take: 1 }\n", "f.yaml")[0].shot == "caf\u00e9"


_MISTAKES = {
    "alley: 1": (
        "1:1: error[wrong-type]: picks are a list; write one line a take, such as"
        " - { shot: alley, take: 1 }"
    ),
    "- alley": (
        "1:3: error[wrong-type]: this must be a line such as { shot: alley, take: 1 }, not 'alley'"
    ),
    "- { shot: a }": "1:3: error[missing-field]: 'take' is missing",
    "- { shot: a, take: 0 }": (
        "1:20: error[out-of-range]: 'take' must be a whole number, 1 or more, not 0"
    ),
    "- { shot: a, take: 1, rejected: true }": (
        "1:23: error[unknown-field]: unknown field 'rejected'; did you mean 'reject'?"
    ),
    "- { shot: 7, take: 1 }": "1:11: error[wrong-type]: 'shot' must be text, not 7",
}


@pytest.mark.parametrize("text", _MISTAKES)
def test_a_mistake_is_told_at_its_place(text: str) -> None:
    """As in a manifest: what was found, and what is to be written."""
    with pytest.raises(ManifestError) as caught:
        parse(text, "f.yaml")
    assert [str(found) for found in caught.value.diagnostics] == [f"f.yaml:{_MISTAKES[text]}"]


def test_all_mistakes_are_told_at_once() -> None:
    """In the file's order."""
    with pytest.raises(ManifestError) as caught:
        parse("- { shot: a }\n- { take: 1 }\n- { shot: b, take: 1 }\n", "f.yaml")
    assert [found.mark.line for found in caught.value.diagnostics] == [1, 2]

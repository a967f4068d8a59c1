"""Spelling: what a word was meant to be."""

from __future__ import annotations

import pytest

from klingflow.manifest.spelling import did_you_mean, near_id, nearest, nearest_file

NAMES = ("alley", "harbour", "rooftop")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("aley", "alley"), ("harbor", "harbour"), ("alley", "alley"), ("zebra", None), ("", None)],
)
def test_the_nearest_name_is_what_a_word_was_meant_to_be(word: str, meant: str | None) -> None:
    """A name is near by its letters; a word that is near none gets none."""
    assert nearest(word, NAMES) == meant


def test_a_name_that_cannot_be_printed_is_never_suggested() -> None:
    """A suggestion is copied by people: an invisible character in it would mislead them."""
    assert nearest("alley", ["alle\u200by"]) is None


@pytest.mark.parametrize(("word", "hint"), [("aley", "; did you mean 'alley'?"), ("zebra", "")])
def test_a_hint_completes_a_message_or_is_empty(word: str, hint: str) -> None:
    """A hint begins with its own punctuation, so that a message without one stays whole."""
    assert did_you_mean(word, NAMES) == hint


@pytest.mark.parametrize(
    ("word", "names"),
    [("sound", ["seconds"]), ("text", ["takes"]), ("ratio", ["audio"]), ("seed", ["seconds"])],
)
def test_a_word_of_other_letters_is_another_word(word: str, names: list[str]) -> None:
    """Row "no misleading did-you-mean": `sound` is not `seconds`."""
    assert nearest(word, names) is None


def test_a_very_long_word_is_near_none() -> None:
    """Comparing two of them would take minutes."""
    assert nearest("a" * 50_000, ["a" * 49_999]) is None


FILES = ("film.yaml", "film.lock", "act2.yml", "rows.csv", "rows.jsonl", "notes.yaml.txt", "b.mp4")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("film.yml", "film.yaml"),
        ("Film.YAML", "film.yaml"),
        ("film", "film.yaml"),
        ("flim.yaml", "film.yaml"),
        ("act2.yaml", "act2.yml"),
        ("notes.yaml", "notes.yaml.txt"),
        ("rows.json", "rows.csv"),
        ("rows.cvs", "rows.csv"),
        ("flim.lock", "film.lock"),
        ("rows.yaml", None),
        ("b.yaml", None),
        ("zebra.yaml", None),
        ("cafe\u0301.yaml", None),
    ],
)
def test_the_nearest_file_is_another_way_to_write_its_name(name: str, found: str | None) -> None:
    """Case, suffix, a suffix that the system hides, a slip; never a ledger or a video."""
    assert nearest_file(name, FILES) == found


def test_letters_composed_otherwise_are_the_same_name() -> None:
    """Macs write é as two characters."""
    assert nearest_file("caf\u00e9.yaml", ["cafe\u0301.yaml"]) == "cafe\u0301.yaml"


@pytest.mark.parametrize(
    ("word", "names", "hint"),
    [
        (
            "аlley",
            NAMES,
            "; did you mean 'alley'? Here stands U+0430 CYRILLIC SMALL LETTER A",
        ),
        (
            "\u3000\u3000alley",
            NAMES,
            "; did you mean 'alley'? Here stands U+3000 IDEOGRAPHIC SPACE",
        ),
        ("x", ["х"], "; did you mean 'х'? There stands U+0445 CYRILLIC SMALL LETTER HA"),
    ],
)
def test_names_that_look_the_same_are_told_apart_by_a_character(
    word: str, names: list[str], hint: str
) -> None:
    assert did_you_mean(word, names) == hint


NUMBERED = ("s01", "s02", "s20", "shot-3-a", "shot-7-a", "opening", "opening#2", "s\u200b9")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("s40", "; the last is 's20'"),
        ("s00", "; the first is 's01'"),
        ("s11", "; the nearest are 's02' and 's20'"),
        ("s1", "; did you mean 's01'?"),
        ("s10", "; did you mean 's01'?"),
        ("shot-5-a", "; the nearest are 'shot-3-a' and 'shot-7-a'"),
        ("shto-3-a", "; did you mean 'shot-3-a'?"),
        ("shto-4-a", ""),
        ("opening#3", "; the last is 'opening#2'"),
        ("openin", "; did you mean 'opening'?"),
        ("opening3", "; did you mean 'opening'?"),
        ("S20", "; did you mean 's20'?"),
        ("zebra", ""),
        ("1" * 5000, ""),
    ],
)
def test_an_id_of_another_number_is_another_shot(word: str, hint: str) -> None:
    """It is told, and not proposed: who types `s40` does not mean `s20`."""
    assert near_id(word, NUMBERED) == hint

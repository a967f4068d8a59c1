"""The catalogues: each sentence is in its file, and its translation says the same things."""

from __future__ import annotations

import re
import string

import pytest

from tests import catalogues

SENTENCES = tuple(catalogues.sentences())


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_the_files_hold_what_is_said_and_nothing_else(language: str) -> None:
    """After a message has changed: `python -m tests.catalogues`. click has other words in each of
    its versions.
    """
    rooms = {path.stem for path in (catalogues.LOCALE / language).glob("*.po")}
    held = {
        (room, catalogues.template_of(message))
        for room in rooms - {"click"}
        for message in catalogues.catalogue(language, room)
        if message.id
    }
    said = {(one.room, one.template): one.place for one in SENTENCES if one.room != "click"}
    known = catalogues.translations(
        language
    )  # of whatever file: a word of click's may be ours, too
    missing = [one for one in said.keys() - held if one[1] not in known]
    assert [f"{said[one]}: {one[1]}" for one in missing] == []
    of_click = {one.template for one in SENTENCES if one.room == "click"}
    assert {one for one in held - said.keys() if one[1] not in of_click} == set()


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    """A person who asked for a language reads no other."""
    known = catalogues.translations(language)
    missing = [
        f"{one.place}: {one.template}"
        for one in SENTENCES
        if one.room != "click"  # which has other words in each of its versions
        if catalogues.needs_translation(one.template)
        if one.template not in known
    ]
    assert missing == []


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_a_translation_names_the_same_values(language: str) -> None:
    """A value that is left out would be missed; one that is not there would end the command."""
    wrong = [
        (template, said)
        for template, said in catalogues.translations(language).items()
        if catalogues.places(template) != catalogues.places(said)
    ]
    assert wrong == []


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_a_translation_can_be_filled_in(language: str) -> None:
    """Braces that stand for themselves are doubled exactly where English doubles them."""
    for template, said in catalogues.translations(language).items():
        if catalogues.places(template):
            assert list(string.Formatter().parse(said)), said
        assert ("{{" in template) == ("{{" in said), said


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_nothing_is_fuzzy(language: str) -> None:
    """A guess of a tool is no translation."""
    rooms = (path.stem for path in (catalogues.LOCALE / language).glob("*.po"))
    assert not any(m.fuzzy for room in rooms for m in catalogues.catalogue(language, room) if m.id)


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_what_can_be_copied_is_left_as_it_is(language: str) -> None:
    """Commands in backquotes, options and variables are the same in every language."""
    names = re.compile(r"`klingflow[^`]*`|(?<![\w-])--[a-z][a-z-]+|KLINGFLOW_[A-Z_]+")
    wrong = [
        (template, said)
        for template, said in catalogues.translations(language).items()
        if not set(names.findall(template)) <= set(names.findall(said))
    ]
    assert wrong == []

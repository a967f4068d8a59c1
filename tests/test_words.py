"""Sentences: English as values, another language where they are shown."""

from __future__ import annotations

import copy
import errno
import json
import pickle
import re
import ssl
from collections.abc import Callable

import pytest

from klingflow.errors import Diagnostic, KlingflowError, LedgerHeld, Mark, UsageError
from klingflow.gateway.access import ENVIRONMENT
from klingflow.model import Json
from klingflow.words import Text, _, cause, filled, inside, joined, kept, many, read, word
from tests.catalogues import sentences


def shown(said: str) -> str:
    """What a person sees of a sentence in a language that puts each into brackets."""
    assert isinstance(said, Text)
    return said.said_by(marked)


def marked(template: str) -> str:
    """A language in which every sentence stands in brackets."""
    return f"⟦{template}⟧"


def test_a_sentence_is_its_english_text() -> None:
    """What compares, stores and prints as JSON sees a text like any other."""
    said = _("{n} of {name}", n=2, name="alley")
    assert said == "2 of alley" and hash(said) == hash("2 of alley")
    assert json.dumps({"said": said}) == '{"said": "2 of alley"}'


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(errno.EACCES, "words of Windows", "a.txt"), "⟦Permission denied⟧"),
        (OSError(errno.EINVAL, _("not a regular file"), "a.txt"), "⟦not a regular file⟧"),
        (OSError(_("it is no regular file")), "⟦it is no regular file⟧"),
        (UsageError(_("no gateway")), "⟦no gateway⟧"),
    ],
)
def test_why_something_failed_is_a_sentence(error: Exception, says: str) -> None:
    """By the number that the operating system gave, or in klingflow's own words."""
    assert shown(cause(error)) == says


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOTTY, "rare"), ssl.SSLError(1, "rare"), ValueError("rare")]
)
def test_what_is_rare_or_has_numbers_of_its_own_keeps_its_words(error: Exception) -> None:
    """OpenSSL's 1 is not the system's."""
    assert cause(error) == "rare"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            FileNotFoundError(errno.ENOENT, "x", "猫.txt"),
            "⟦⟦No such file or directory⟧⟦: ⟧'猫.txt'⟧",
        ),
        (OSError(errno.ENOSPC, "x"), "⟦⟦No space left on device⟧⟧"),
    ],
)
def test_an_error_in_a_sentence_is_translated_with_it(error: OSError, says: str) -> None:
    """With the file that it names."""
    assert shown(_("{error}", error=error)) == says


def test_braces_without_values_stand_for_themselves() -> None:
    """A sentence about placeholders is no template."""
    assert _("write {name}") == "write {name}"
    assert shown(_("write {name}")) == "⟦write {name}⟧"


def test_a_sentence_is_translated_with_the_sentences_in_it() -> None:
    """What is said of a thing may be a sentence of its own; what a user wrote stays."""
    inner = _("a picture of {name}", name="猫 {x}")
    said = _("{what} is missing", what=inner)
    assert shown(said) == "⟦⟦a picture of 猫 {x}⟧ is missing⟧"


@pytest.mark.parametrize(
    ("said", "english", "marks"),
    [
        (_("a") + "b", "ab", "⟦a⟧b"),
        ("a" + _("b"), "ab", "a⟦b⟧"),
        (joined(", ", ["a", _("b"), word("c")]), "a, b, c", "a⟦, ⟧⟦b⟧⟦, ⟧⟦c⟧"),
        (joined(_(" and "), ["a", "b"]), "a and b", "a⟦ and ⟧b"),
        (joined(", ", []), "", ""),
        (many(1, "{number} shot", "{number} shots"), "1 shot", "⟦1 shot⟧"),
        (many(2, "{number} shot", "{number} shots"), "2 shots", "⟦2 shots⟧"),
        (_("{a!r} {b:.1f}", a="x", b=2), "'x' 2.0", "⟦'x' 2.0⟧"),
    ],
)
def test_parts_stay_sentences(said: str, english: str, marks: str) -> None:
    """A sum and a list of sentences can still be translated."""
    assert said == english
    assert shown(said) == marks


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_the_same_sentence(again: Callable[[Text], Text]) -> None:
    """Records are copied, and handed to other processes."""
    said = _("{n} of {name}", n=2, name=_("alley"))
    assert isinstance(said, Text)
    made = again(said)
    assert (made, made.template, made.values) == (said, said.template, said.values)


def test_a_thing_is_called_by_its_sentence() -> None:
    """Where a key was found is said in the person's language too."""
    said = _("key from {source}", source=ENVIRONMENT)
    assert said == "key from the environment"
    assert shown(said) == "⟦key from ⟦the environment⟧⟧"


def test_an_error_gives_its_sentence_back() -> None:
    """What was raised is shown in the person's language, alone and inside another sentence."""
    error = KlingflowError(_("no key"))
    assert shown(_("{file}: {error}", file="x", error=error)) == "⟦x: ⟦no key⟧⟧"
    (line,) = LedgerHeld("film.lock", None, None).lines
    assert isinstance(line, Text) and line.values["who"] == "another process"


def test_what_is_invisible_is_escaped_in_the_values() -> None:
    """A diagnostic about a name with a control character is still a sentence."""
    found = Diagnostic(Mark("f", 1, 2), "x", _("no {name}", name="a\x1b"), subject="shot 'b'")
    assert str(found) == "f:1:2: error[x]: shot 'b': no a\\x1b"
    assert isinstance(found.text, Text)
    assert found.text.said_by(lambda t: t.replace("no", "没有")) == "shot 'b': 没有 a\\x1b"


CHINESE = {"rejected": "已弃用", "purchase\x04rejected": "被拒绝", ", ": "，", "names\x04, ": "、"}


def test_a_word_has_its_translation_by_its_sense() -> None:
    """A person rejects a take, the gateway a purchase; a sense without a translation has none."""
    words = (word("rejected"), word("rejected", "purchase"), word("rejected", "letter"))
    assert words == ("rejected",) * 3
    said = [one.said_by(lambda t: CHINESE.get(t, t)) for one in words if isinstance(one, Text)]
    assert said == ["已弃用", "被拒绝", "已弃用"]


def test_names_in_a_row_have_a_comma_of_their_own() -> None:
    """Chinese sets names apart by another comma than clauses; English has one."""
    names, clauses = joined(", ", ["a", "b"]), joined(", ", [_("x"), _("y")])
    assert (names, clauses) == ("a, b", "x, y")
    assert isinstance(names, Text) and isinstance(clauses, Text)
    assert names.said_by(lambda t: CHINESE.get(t, t)) == "a、b"
    assert clauses.said_by(lambda t: CHINESE.get(t, t)) == "x，y"


SENTENCES = [
    _("nothing bought"),
    _("{n} of {name}, {share:.1f} %", n=2, name="猫 {x}", share=2.5),
    _("{reason} ({detail!r})", reason=_("refused"), detail="a"),
    _("{names}", names=["a", _("b")]),
    _("a") + "b",
    joined(", ", ["a", _("b"), word("state", "purchase")]),
    _("failed: {why}", why=inside(_("The disk is full."))),
    many(2, "{number} shot", "{number} shots"),
]


@pytest.mark.parametrize("said", SENTENCES)
def test_a_file_gives_back_the_sentence_that_it_keeps(said: str) -> None:
    """A ledger says in each language what was written into it in another one."""
    words = json.loads(json.dumps(kept(said)))
    found = read(str.__str__(said), words)
    assert found == said
    assert shown(found) == shown(said)


def test_a_text_that_is_no_sentence_has_no_words() -> None:
    """What a gateway said stays as it was said."""
    assert kept("余额不足") is None
    assert not isinstance(read("余额不足", None), Text)


HUGE: Json = {"template": "{a}{a}{a}{a}{a}{a}{a}{a}", "values": {"a": "x" * 9_000}}
for _level in range(20):
    HUGE = {"template": "{a}{a}{a}{a}{a}{a}{a}{a}", "values": {"a": HUGE}}


@pytest.mark.parametrize(
    "words",
    [
        5, [], {}, {"template": 5}, {"template": "bought twice"}, {"template": "{a}"},
        {"template": "{a.__class__}", "values": {"a": "x"}},
        {"template": "{a[b]}", "values": {"a": {"b": "bought"}}},
        {"template": "{a:>999999999}", "values": {"a": "x"}},
        {"template": "{a:{a}}", "values": {"a": "bought"}},
        {"template": "bought", "as": "Text"}, {"template": "bought", "values": 5}, HUGE,
    ],
)  # fmt: skip
def test_words_that_say_anything_else_than_the_english_count_for_nothing(words: Json) -> None:
    """A ledger from elsewhere cannot make one language say what another does not, nor anything
    grow.
    """
    found = read("bought", words)
    assert found == "bought"
    assert not isinstance(found, Text)


def test_every_template_of_the_catalogues_can_be_read_back() -> None:
    """No sentence loses its translation on its way through a file."""
    of_code = [one.template for one in sentences() if one.place.partition(":")[0].endswith(".py")]
    with_values = [template for template in of_code if FIELD.search(template)]
    assert len(with_values) > 500
    assert [template for template in with_values if not again(template)] == []


FIELD = re.compile(r"\{(\w+)(\[\d\])?[!:}]")


def again(template: str) -> bool:
    """True if a sentence of the template, with numbers for its values, comes back as one."""
    values = {name: [7, 8] if listed else 7 for name, listed in FIELD.findall(template)}
    said = filled(template, values)
    return isinstance(read(str.__str__(said), kept(said)), Text)

"""What an error quotes of the request is told from what the gateway wrote."""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway.quotes import LONG_PART, MARKED_PART, MOST_READ, own_words

PROMPT = 'Neon rain: "余额不足", says the screen\n人们在雨中排队 & wait'


def own(message: str, prompt: str = PROMPT) -> str:
    return own_words(message, {"prompt": prompt}).replace("\0", "⟨⟩")


@pytest.mark.parametrize(
    "quoted",
    [
        PROMPT,
        PROMPT.upper(),
        PROMPT.lower(),
        " ".join(PROMPT.split()),
        PROMPT.replace(" ", ""),
        json.dumps(PROMPT)[1:-1],
        json.dumps(json.dumps(PROMPT))[1:-1],
        json.dumps(PROMPT, ensure_ascii=False)[1:-1],
        html.escape(PROMPT),
        "".join(f"&#{ord(c)};" for c in PROMPT),
        quote(PROMPT),
        repr(PROMPT)[1:-1],
        PROMPT.translate({n: n + 0xFEE0 for n in range(0x21, 0x7F)}),
        PROMPT.replace(",", "，").replace(":", "：").replace('"', "“"),
    ],
)
def test_a_text_is_found_whatever_was_done_to_it(quoted: str) -> None:
    """Escaped, in other letters' case, width or spacing."""
    assert own(f"bad ({quoted}) no").replace('"', "").replace("\\", "") == "bad (⟨⟩) no"


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ('bad: Neon rain: "余额不足", says…', "bad: ⟨⟩..."),
        ("bad: Neon…", "bad: ⟨⟩..."),
        ("bad: Neo…", "bad: Neo..."),
        ("bad: ...雨中排队 & wait", "bad: ...⟨⟩"),
        ("bad: 余额…", "bad: 余额..."),
        ("bad: 在雨中排队", "bad: 在雨中排队"),
        ("bad: 人们在雨中排队 ok", "bad: ⟨⟩ ok"),
        ("bad word '排队' ok", "bad word '⟨⟩' ok"),
        ("bad word 「排队」 ok", "bad word 「⟨⟩」 ok"),
        ("bad word 排队 ok", "bad word 排队 ok"),
        ("bad word '队' ok", "bad word '队' ok"),
    ],
)
def test_a_part_is_a_quote_where_it_is_long_or_marked(message: str, left: str) -> None:
    """By quotation marks, or by dots where the text was cut."""
    assert own(message) == left


def test_how_long_a_part_is() -> None:
    """In columns, of which a Chinese character takes two."""
    assert (LONG_PART, MARKED_PART) == (12, 4)
    assert own("bad abcdefghijkl", "x abcdefghijkl x") == "bad ⟨⟩"
    assert own("bad abcdefghijk", "x abcdefghijk x") == "bad abcdefghijk"
    assert own("bad 一二三四五六", "x一二三四五六x") == "bad ⟨⟩"
    assert own("bad 一二三四五", "x一二三四五x") == "bad 一二三四五"


@pytest.mark.parametrize(
    ("message", "prompt", "left"),
    [
        ("the queue is full", "queue", "the ⟨⟩ is full"),
        ("the queues are full", "queue", "the queues are full"),
        ("requeue", "queue", "requeue"),
        ("the fox", "fox", "the fox"),
        ("排队中", "排队", "⟨⟩中"),
        (
            "账户余额不足, 请充值 (屏幕上写着余额不足)",
            "屏幕上写着余额不足",
            "账户余额不足, 请充值 (⟨⟩)",
        ),
        ("余额不足: 余额不足", "不是别的", "余额不足: 余额不足"),
        ("", "anything", ""),
        ("anything", "", "anything"),
        ("anything", "🎬 …", "anything"),
    ],
)
def test_a_whole_text_is_taken_out_as_a_word(message: str, prompt: str, left: str) -> None:
    """What the gateway says beside it stays, a genuine word included."""
    assert own(message, prompt) == left


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a hall at full capacity"},
        {"messages": [{"content": [{"text": "a hall at full capacity"}]}]},
        {"ext_info": json.dumps({"a": json.dumps([{"prompt": "a hall at full capacity"}])})},
        {"metadata": {"note": "in a hall at full capacity we wait"}},
    ],
)
def test_texts_are_found_anywhere_in_a_body(body: dict[str, Any]) -> None:
    """Also in JSON within a text, as `ext_info` is."""
    assert own_words("bad: a hall at full capacity.", body) == "bad: \0."


def test_an_address_is_a_text() -> None:
    """Its words are its owner's."""
    body = {"images": ["https://c.example/a/余额不足/timeout.png"]}
    message = "cannot open https://c.example/a/%E4%BD%99%E9%A2%9D%E4%B8%8D%E8%B6%B3/timeout.png now"
    assert own_words(message, body) == "cannot open \0 now"


def test_names_of_the_document_are_no_texts() -> None:
    """The gateway says them, too."""
    body = {"model": "kling-3.0", "content": [{"type": "image_url", "role": "reference"}]}
    message = "kling-3.0: image_url of a reference"
    assert own_words(message, body) == message


def test_numbers_and_lists_without_texts_are_nothing() -> None:
    """Only texts can be quoted as words."""
    body = {"seconds": 5, "audio": True, "seed": None, "sizes": [1234567890123]}
    assert own_words("1234567890123 true", body) == "1234567890123 true"


def test_a_message_without_quotes_is_unescaped_all_the_same() -> None:
    """A relay's escapes hide the words of the service behind it."""
    assert own_words("\\u4f59\\u989d\\u4e0d\\u8db3 &lt;&#39;", {}) == "余额不足 <'"


def test_an_endless_body_is_looked_through_to_a_bound() -> None:
    """A refusal must not hold up the run."""
    body = {"prompt": "w" * MOST_READ, "note": "a hall at full capacity"}
    assert own_words("a hall at full capacity", body) in ("\0", "a hall at full capacity")
    deep: Any = "a hall at full capacity"
    for _ in range(5000):
        deep = [deep]
    assert own_words("a hall at full capacity", {"deep": deep}) == "\0"
    assert own_words("x", {"ext_info": "[" * 90_000}) == "x"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_breaks_the_reader(message: str, prompt: str) -> None:
    """Whatever stands in a message or a prompt."""
    own_words(message, {"prompt": prompt})


@given(st.text("ab 雨夜\\u&;%41\"'", max_size=40), st.text("xy…", max_size=5))
def test_a_long_quote_never_survives(prompt: str, around: str) -> None:
    """Wherever it stands."""
    prompt = f"begin {prompt} end of it"
    left = own_words(f"{around} {prompt} {around}", {"prompt": prompt})
    assert "begin" not in left and "end of it" not in left

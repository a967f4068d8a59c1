"""The key is taken out of what a server says, however it is spelt there, and nothing else is."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.decide.secret import Secret

KEY = "sk-0123456789/abc+DEF="
# What a bearer token is made of (RFC 6750, section 2.1).
TOKEN = st.text("abcxuXYZ0123456789-._~+/=", min_size=16, max_size=60)


def spellings(key: str) -> list[str]:
    """How servers repeat a text that they were sent."""
    points = [ord(c) for c in key]
    escaped = "".join(f"\\u{p:04X}" for p in points)
    once = json.dumps(key)[1:-1]
    return [
        key,
        once,
        once.replace("/", r"\/"),
        escaped,
        json.dumps(json.dumps(escaped)),
        json.dumps(json.dumps(key)),
        "".join(f"\\x{p:02x}" for p in points),
        quote(key, safe=""),
        quote(quote(key, safe=""), safe=""),
        "".join(f"%{p:02x}" for p in points),
        "".join(f"&#{p};" for p in points),
        html.escape("".join(f"&#x{p:x};" for p in points)),
        "".join(f"&#{p}" for p in points),
        key[:5] + "".join(f"\\u{p:04x}" for p in points[5:]),
    ]


@given(TOKEN)
def test_every_spelling_of_any_key_is_found(key: str) -> None:
    """Plain, JSON once and again, per cent, HTML, and a mixture of them."""
    secret = Secret(key)
    for spelt in spellings(key):
        assert secret.clean_text(f"a {spelt} b, {spelt}\n").count("[the key]") == 2


def test_an_odd_key_is_found_too() -> None:
    """What no bearer token holds, but a user may type."""
    key = r"pass\word\\%41&\"with' signs"
    for spelt in (key, json.dumps(key), json.dumps(json.dumps(key))):
        assert "sign" not in Secret(key).clean_text(f"a {spelt} b")


def test_what_surrounds_the_key_stays_as_it_came() -> None:
    """JSON stays JSON, with its other escapes."""
    body = json.dumps({"error": f"令牌 {KEY}\n无效", "url": "https://h/%2f?a&b"})
    assert json.loads(Secret(KEY).clean(body.encode())) == {
        "error": "令牌 [the key]\n无效",
        "url": "https://h/%2f?a&b",
    }


@given(st.binary(max_size=300))
def test_bytes_without_the_key_are_not_touched(data: bytes) -> None:
    """Whatever else they hold."""
    assert Secret(KEY).clean(data) == data


@pytest.mark.parametrize(
    ("key", "text", "cleaned"),
    [
        ("abcd1234", "bad token abcd1234", "bad token [the key]"),
        ("abcd1234", "task_abcd1234", "task_abcd1234"),
        ("5", '"seconds":"5", Bearer 5', '"seconds":"5", [the key]'),
        ("any", r"company, Bearer\u0020any", "company, [the key]"),
    ],
)
def test_a_short_key_is_not_taken_out_of_other_words(key: str, text: str, cleaned: str) -> None:
    """Nobody's task id is spoilt by a key like `test`."""
    assert Secret(key).clean_text(text) == cleaned


def test_the_key_is_not_shown_by_what_hides_it() -> None:
    """Its representation names no key."""
    assert KEY not in repr(Secret(KEY))

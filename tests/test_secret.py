"""The key is taken out of what a server says, however it is spelt there, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway.secret import MARK, Secret, key_holder
from tests.planned import manifest, request, shot

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


@given(TOKEN)
def test_each_of_several_texts_is_cleaned_as_it_would_be_alone(key: str) -> None:
    """Whatever stands beside it, also a piece of the key, or its beginning at a text's end."""
    secret = Secret(key)
    for found in (*spellings(key), key[: len(key) // 2 + 1], key[-len(key) // 2 - 1 :], key[:8]):
        texts = [b"no key", f"a {found}".encode(), b"nothing"]
        assert secret.clean_each(texts) == [secret.clean_words(text) for text in texts]
    assert secret.clean_each([b"no", b"key"]) == [b"no", b"key"]


def test_an_odd_key_is_found_too() -> None:
    """What no bearer token holds, but a user may type."""
    key = r"pass\word\\%41&\"with' signs"
    for spelt in (key, json.dumps(key), json.dumps(json.dumps(key)), quote(key, safe="")):
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


@given(TOKEN, st.binary(max_size=20), st.binary(max_size=20))
def test_the_key_in_base64_and_hexadecimal_is_found(key: str, before: bytes, after: bytes) -> None:
    """With whatever was packed together with it, in either alphabet, with PHP's slashes and over
    lines.
    """
    packed = base64.b64encode(before + key.encode() + after)
    safe = packed.replace(b"+", b"-").replace(b"/", b"_")
    first, last = len(before) + 4, len(before) + len(key) - 4
    for alphabet in (packed, safe):
        middle = alphabet[8 * first // 6 : 8 * last // 6]
        lines = b"\r\n".join(alphabet[at : at + 10] for at in range(0, len(packed), 10))
        for said in (alphabet, alphabet.replace(b"/", rb"\/"), quote(alphabet).encode(), lines):
            cleaned = Secret(key).clean(b'"%b"' % said)
            assert MARK in cleaned
            assert middle not in cleaned.replace(b"\r\n", b"").replace(rb"\/", b"/")
    for said in (
        (before + key.encode() + after).hex().encode(),
        key.encode().hex().upper().encode(),
    ):
        assert key.encode().hex() not in Secret(key).clean(said).decode().lower()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n    ", r"\n", r"\r\n", r"\\n", r"\r\n  "])
def test_a_key_broken_over_lines_is_found(end: str) -> None:
    """As a log or a message of limited width prints it, and as JSON holds that."""
    for at in range(1, len(KEY)):
        assert Secret(KEY).clean_text(f"a {KEY[:at]}{end}{KEY[at:]} b") == "a [the key] b"


@pytest.mark.parametrize("spelt", spellings(KEY))
def test_a_key_that_the_end_cuts_off_is_found(spelt: str) -> None:
    """A reply that breaks off, or a bound of ours, leaves eight characters of it at most."""
    for at in range(1, len(spelt)):
        left = Secret(KEY).clean(f"bad token {spelt[:at]}".encode())
        assert KEY[:9] not in unquote(html.unescape(left.decode()))
        plain = re.sub(r"\\+(?:u00|x)(..)", lambda found: chr(int(found[1], 16)), left.decode())
        assert KEY[:9] not in plain.replace("\\", "")


@pytest.mark.parametrize("before", ["", "x", f"{KEY[:9]} ", f"{KEY[:8]}"])
def test_what_stands_before_a_key_that_the_end_cuts_off_hides_it_not(before: str) -> None:
    """Nothing, a letter, or another beginning of the key that goes on otherwise."""
    assert Secret(KEY).clean(f"{before}{KEY[:10]}".encode()) == before.encode() + MARK


def test_both_alphabets_of_base64_are_known() -> None:
    """`/` in the one is `_` in the other."""
    key = "key-of-a-test???????"
    for packed in (base64.b64encode(key.encode()), base64.urlsafe_b64encode(key.encode())):
        assert MARK in Secret(key).clean(packed) and b"Pz8" not in Secret(key).clean(packed)


def test_a_piece_of_the_key_is_found_where_only_words_are() -> None:
    """A message cut to a length, at either side of the key; less than half of it is nothing to
    anybody.
    """
    secret, half = Secret(KEY), len(KEY) // 2
    for piece in (
        KEY[: half + 1],
        KEY[-half - 1 :],
        KEY[3 : 4 + half],
        KEY[1:],
        base64.b64encode(KEY.encode())[4:26],
    ):
        text = piece if isinstance(piece, str) else piece.decode()
        assert (
            secret.clean_words(f'{{"e":"bad {text}, sorry"}}'.encode())
            == b'{"e":"bad [the key], sorry"}'
        )
    assert secret.clean_words(f'"{KEY[:half]}"'.encode()) == f'"{KEY[:half]}"'.encode()


@pytest.mark.parametrize("key", [KEY, f"{KEY}q"])
def test_every_piece_of_more_than_half_is_found_wherever_it_stands(key: str) -> None:
    """At the beginning of the words and again within them, and nothing beside it."""
    secret, least = Secret(key), len(key) // 2 + 1
    for begin in range(len(key) - least + 1):
        for end in range(begin + least, len(key) + 1):
            piece = key[begin:end]
            assert secret.clean_text(f'{piece} and "{piece}".') == '[the key] and "[the key]".'
        short = f'"{key[begin : begin + least - 1]}".'
        assert secret.clean_text(short) == short


def test_half_a_character_in_a_text_is_no_mistake() -> None:
    """A server's JSON may hold half a surrogate pair, which no UTF-8 can."""
    assert Secret(KEY).clean_text(f"\ud800 {KEY}") == "? [the key]"


def test_an_address_that_begins_like_the_key_stays() -> None:
    """All tokens of one kind begin alike, and keys hold the name of an account, as its videos'
    addresses may.
    """
    key = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.0123456789abcdef0123456789abcdef"
    body = f'{{"video_url":"https://c.example/v?token={key[:60]}zzz"}}'.encode()
    assert Secret(key).clean(body) == body


def test_an_endless_echo_is_cleaned_in_time() -> None:
    """What a server may send at most, full of the key's pieces, keeps nobody waiting."""
    secret = Secret(KEY)
    for part in (KEY, KEY[:12], KEY[5:17] + "\n", r"\u0073\u006b", "\\", "&#", "%25"):
        secret.clean_words((part * (400_000 // len(part))).encode())


def test_the_key_is_not_shown_by_what_hides_it() -> None:
    """Its representation names no key."""
    assert KEY not in repr(Secret(KEY))


@pytest.mark.parametrize(
    ("changes", "holder"),
    [
        ({}, None),
        ({"id": f"a-{KEY}"}, "a shot's id"),
        ({"output": f"outputs/{KEY}/a.mp4"}, "shot 'a'"),
        ({"about": {"note": f"with {KEY}"}}, "shot 'a'"),
        ({"tags": ("night", KEY)}, "shot 'a'"),
        ({"about": MappingProxyType({"note": KEY})}, "shot 'a'"),
        ({"about": {"length": Decimal(5)}}, None),
    ],
)
def test_a_shot_that_holds_the_key_is_named(changes: dict[str, Any], holder: str | None) -> None:
    """It would write the key down; an id that holds the key is not shown."""
    assert key_holder(manifest(shot("b"), replace(shot("a"), **changes)), KEY) == holder


@pytest.mark.parametrize("key", [KEY, r"pass\word\\%41&\"with' signs"])
def test_a_body_that_holds_the_key_is_named(key: str) -> None:
    """However deep, and whatever JSON makes of the key's signs."""
    body = {"model": "m", "images": [{"url": f"https://h/{key}"}]}
    wanted = manifest(shot("b"), (shot("a"), replace(request(), body=body)))
    assert key_holder(wanted, key) == "shot 'a'"


def test_the_name_of_a_take_is_looked_at_too() -> None:
    """It is longer than the shot's id."""
    take = shot("0123456789abcdef", take=2)
    assert key_holder(manifest(take), take.key) == "shot '0123456789abcdef'"


def test_a_file_that_holds_the_key_is_named() -> None:
    """Its text is shown in messages."""
    wanted = replace(manifest(shot("a")), sources={"film.yaml": "shots:", "rows.csv": f"1,{KEY}"})
    assert key_holder(wanted, KEY) == "rows.csv"


@pytest.mark.parametrize(("length", "holder"), [(15, None), (16, "film.yaml")])
def test_a_short_key_is_looked_for_in_no_manifest(length: int, holder: str | None) -> None:
    """It could be any word."""
    wanted = replace(manifest(shot("a")), sources={"film.yaml": "k" * 20})
    assert key_holder(wanted, "k" * length) == holder


@pytest.mark.parametrize(
    ("key", "said", "cleaned"),
    [
        ("1234567", "1234567 Bearer 1234567", "1234567 [the key]"),
        ("12345678", "12345678 Bearer 12345678", "[the key] Bearer [the key]"),
        ("123456789012345", "x123456789012345", "x123456789012345"),
        ("1234567890123456", "x1234567890123456", "x[the key]"),
    ],
)
def test_the_length_of_a_key_says_where_it_is_found(key: str, said: str, cleaned: str) -> None:
    """Behind `Bearer`, as a whole word, or within any other."""
    assert Secret(key).clean_text(said) == cleaned


def test_what_is_between_two_places_of_the_key_stays() -> None:
    """Escaped and plain, at the beginning and at the end."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    assert (
        Secret(KEY).clean_text(f"{escaped}\\n-{escaped}, {KEY}")
        == "[the key]\\n-[the key], [the key]"
    )

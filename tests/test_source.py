"""YAML text → Nodes."""

from __future__ import annotations

import gc
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import ManifestError, Mark
from klingflow.manifest.source import parse, parse_in_spite, read_in_spite
from klingflow.manifest.values import content_of
from klingflow.model import Json, Node


def codes(text: str) -> list[tuple[str, int, int]]:
    """The diagnostics of a text that must be refused: code, line, column."""
    with pytest.raises(ManifestError) as refused:
        parse(text, "f.yaml")
    return [(d.code, d.mark.line, d.mark.column) for d in refused.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("nUll", "nUll"),
        ("TRUE", True),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("12", 12),
        ("+12", 12),
        ("-0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("16:9", "16:9"),
        ("12:30:45", "12:30:45"),
        ("2026-01-31", "2026-01-31"),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("0.5", 0.5),
        ("'012'", "012"),
        ("!!str 012", "012"),
        ('!!int "5"', 5),
        ("!!float 5", 5.0),
        ("! 5", "5"),
        ("- a\n- [b, {c: d}]", ["a", ["b", {"c": "d"}]]),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("a: &x 1\nb: *x", {"a": 1, "b": 1}),
        ("a: &x {k: 1, l: 2}\nb: {l: 3, <<: *x}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("a: {<<: [{k: 1}, {k: 2, l: 2}], m: 3}", {"a": {"k": 1, "l": 2, "m": 3}}),
        ('{"<<": 1}', {"<<": 1}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: Json) -> None:
    found = content_of(parse(text, "f.yaml"))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["00", "012", "-01", "007.5", "0123e4"])
def test_a_number_with_a_leading_zero_is_neither_number_nor_text(text: str) -> None:
    assert codes(f"a: {text}") == [("ambiguous-number", 1, 4)]


def test_every_mistake_that_leaves_the_rest_readable_is_found() -> None:
    text = "a: 1\na: 2\nb: 012\nc: !x y\nd: { e, f: .nan }\n"
    assert codes(text) == [
        ("duplicate-key", 2, 1),
        ("ambiguous-number", 3, 4),
        ("unknown-tag", 4, 4),
        ("empty-value", 5, 6),
        ("number-range", 5, 12),
    ]


def test_a_duplicate_key_has_both_places() -> None:
    with pytest.raises(ManifestError) as refused:
        parse("a:\n  b: 1\n  b: 2\n", "f.yaml")
    (found,) = refused.value.diagnostics
    assert (found.mark, found.related) == (Mark("f.yaml", 3, 3), Mark("f.yaml", 2, 3))


def test_places_count_characters_from_one() -> None:
    root = parse("\ufeff雨: 夜\r\n😀: [ '雾', x ]\r\n", "f.yaml")
    assert root.at("雨").mark == Mark("f.yaml", 1, 4)
    assert root.at("😀").key_mark == Mark("f.yaml", 2, 1)
    assert root.at("😀", 1).mark == Mark("f.yaml", 2, 11)


@pytest.mark.parametrize(
    ("text", "plain", "inset"),
    [
        ("a: one two", True, 0),
        ("a: 'one two'", True, 1),
        ('a: "one two"', True, 1),
        ("a: 'it''s'", False, 0),
        ('a: "\\x41"', False, 0),
        ("a: one\n  two", False, 0),
        ("a: |\n  one", False, 0),
        ("a: &x one\nb: *x", False, 0),
    ],
)
def test_a_scalar_knows_whether_offsets_in_it_are_columns(
    text: str, plain: bool, inset: int
) -> None:
    node = parse(text, "f.yaml").at("a")
    assert (node.plain, node.inset) == (plain, inset)


def test_merged_keys_keep_the_places_where_they_were_written() -> None:
    root = parse("a: &x { k: 1 }\nb: { <<: *x }\n", "f.yaml")
    assert root.at("b", "k").mark == Mark("f.yaml", 1, 12)


BOMBS = {
    "lists": "[" * 100_000,
    "maps": "{a: " * 50_000,
    "blocks": "- " * 100_000,
    "keys": "? " * 50_000,
    "aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 200)),
    "merges": "m: &m {"
    + ", ".join(f"k{i}: 1" for i in range(1000))
    + "}\nn: {<<: ["
    + "*m, " * 50_000
    + "*m]}\n",
    "merged merges": "a0: &a0 {k: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 3000)),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_at_once(bomb: str) -> None:
    began = time.process_time()
    found = codes(bomb)
    assert [code for code, _, _ in found] in (["too-deep"], ["key-not-text"], ["alias-bomb"])
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"k{n}: a word  # what it is for\n" for n in range(10_000)),
        "k: v\n" + "# a shot that was taken out\n" * 40_000 + "l: v\n",
        "k: |\n" + "  a tag #night #rain\n" * 40_000,
    ],
    ids=["behind values", "in lines of their own", "in a block text"],
)
def test_the_time_for_comments_grows_as_the_file_does(text: str) -> None:
    """No `#` looks at all that stands before it."""
    began = time.process_time()
    assert parse(text, "f.yaml").at("k" if text.startswith("k:") else "k9999")
    assert time.process_time() - began < 6


def test_many_shots_may_share_one_anchor() -> None:
    text = "a: &a { k: 1, l: [1, 2, 3] }\nb:\n" + "  - *a\n" * 10_000
    assert len(parse(text, "f.yaml").at("b").value) == 10_000


@given(st.text())
def test_any_text_is_a_value_or_a_manifest_error(text: str) -> None:
    """And nothing else comes out of the loader."""
    try:
        assert isinstance(parse(text, "f.yaml"), Node)
    except ManifestError as error:
        assert error.diagnostics


YAML_WORDS = (
    *(
        "a",
        "b",
        ": ",
        ":\n  ",
        "\n",
        "- ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!x ",
    ),
    *(
        "'",
        '"',
        "|\n ",
        "#",
        "---\n",
        "012",
        "16:9",
        "~",
        "\\",
        "\t",
        "\ufeff",
        "\x85",
        "%YAML 1.2\n",
    ),
)


@given(st.lists(st.sampled_from(YAML_WORDS), max_size=25).map("".join))
def test_anything_like_yaml_is_a_value_or_a_manifest_error(text: str) -> None:
    """And every diagnostic is one line at a place in the file."""
    try:
        assert isinstance(parse(text, "f.yaml"), Node)
    except ManifestError as error:
        assert all(
            d.mark >= Mark("f.yaml", 1, 1) and "\n" not in d.message for d in error.diagnostics
        )


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab雨 :,'\"{}-#", max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab雨", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_json_is_read_as_json_reads_it(value: Json) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert content_of(parse(text, "f.yaml")) == json.loads(text)


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**30])
def test_a_number_of_more_than_64_bits_is_refused_at_its_place(number: int) -> None:
    """2**63 - 1 is the largest that is read."""
    assert codes(f"a: {number}") == [("number-range", 1, 4)]
    assert content_of(parse(f"a: {2**63 - 1}", "f.yaml")) == {"a": 2**63 - 1}


@pytest.mark.parametrize(("entry", "found"), [("*m", []), ("{<<: *m}", ["alias-bomb"])])
def test_what_a_merge_adds_is_counted_beside_its_alias(entry: str, found: list[str]) -> None:
    """150 aliases of 1,000 values are few enough; merging them makes as many values again."""
    keys = ", ".join(f"k{n}: 1" for n in range(1_000))
    text = f"m: &m {{{keys}}}\n" + "".join(f"n{n}: {entry}\n" for n in range(150))
    _, mistakes = parse_in_spite(text, "f.yaml")
    assert [mistake.code for mistake in mistakes] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a: "雨夜"#特写', [("yaml-syntax", 1, 8)]),
        ("a: '雨夜'#特写", [("yaml-syntax", 1, 8)]),
        ("a: [a]#b", [("yaml-syntax", 1, 7)]),
        ("a: {b: c}#d", [("yaml-syntax", 1, 10)]),
        ("a: [a,#b\n  c]", [("yaml-syntax", 1, 7)]),
        ("a: |#x\n  text", [("yaml-syntax", 1, 5)]),
        ("a: >-#x\n  text", [("yaml-syntax", 1, 6)]),
        ("a: &9:16 x", [("unused-anchor", 1, 4)]),
        ("a: &Rain in the city", [("unused-anchor", 1, 4)]),
        ("a: &Rain", [("unused-anchor", 1, 4)]),
        ("a: *Rain", [("unknown-alias", 1, 4)]),
        ("a: {?x: 1}", [("key-not-text", 1, 6)]),
        ("a: ! rain", [("unknown-tag", 1, 4)]),
        ("a: !important rain", [("unknown-tag", 1, 4)]),
        ("a: 1\n\u3000\u3000b: 2", [("odd-blank", 2, 1)]),
        ("a:\n\u00a0\u00a0b: 2", [("odd-blank", 2, 1)]),
        ("a: 1\nb: 2\n\u200bc: 3", [("odd-blank", 3, 1)]),
    ],
)
def test_what_only_libyaml_lets_pass_is_refused(
    text: str, found: list[tuple[str, int, int]]
) -> None:
    """It would drop a part of what was written, or take a blank for a letter, without a word."""
    assert codes(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "a: b#c",
        "a: '# x'",
        "a: |  # how\n  text #1",
        "a: [b, # first\n  c]  # rest",
        "# all\na: # below\n  b: c\n#",
        "a: &x one\nb: *x",
        "a: &x { k: one }",
        "a: {? x : 1}",
        'a: "b"\t# c\r\n# d\r\nb: 1',
    ],
)
def test_a_comment_that_yaml_knows_is_no_mistake(text: str) -> None:
    """Nor is a # inside of a text, nor an anchor that an alias uses or that holds a map."""
    read = read_in_spite(text, "f.yaml")
    assert (read.mistakes, read.doubts) == ([], [])


@pytest.mark.parametrize(
    ("text", "apart", "glued"),
    [
        ("a: 雨夜 #特写", False, True),
        ("a: 雨夜 # 特写", False, False),
        ("a: 雨夜  # 特写", True, False),
        ("a: 雨夜  #特写", False, True),
        ("a: 雨夜\t# 特写", True, False),
        ("a: one\n  two #three", False, True),
        ("{a: one #two\n}", False, True),
        ("a: one #", False, False),
    ],
)
def test_a_comment_behind_an_unquoted_value_is_known(text: str, apart: bool, glued: bool) -> None:
    """By the value's place, with how it stands off from the value."""
    read = read_in_spite(text, "f.yaml")
    assert read.root is not None
    comment = read.comments[read.root.at("a").mark]
    assert (comment.apart, comment.glued) == (apart, glued)


@pytest.mark.parametrize("text", ["a: #雨夜\nb: 1", "- #雨夜", "a:\n  - b\n  - #c"])
def test_a_comment_in_the_place_of_a_value_is_doubtful(text: str) -> None:
    assert [doubt.code for doubt in read_in_spite(text, "f.yaml").doubts] == ["comment-in-text"]


@given(JSON | st.text())
def test_json_with_escapes_is_read_as_json_reads_it(value: Json) -> None:
    """`json.dumps` writes 🎬 as two halves."""
    assert content_of(parse(json.dumps(value), "f.yaml")) == value


def test_both_halves_of_a_character_are_one_and_the_rest_keeps_its_place() -> None:
    text = '{"a": "\\ud83c\\udfac x", "b": "\\\\ud83c", "c": \\ud83c}'
    root = parse(text, "f.yaml")
    assert content_of(root) == {"a": "🎬 x", "b": "\\ud83c", "c": "\\ud83c"}
    assert root.at("b").mark == Mark("f.yaml", 1, text.index('"b"') + 6)


def test_half_of_a_character_is_an_error_at_its_place() -> None:
    assert codes('a: "x \\ud83c y"') == [("half-character", 1, 7)]


def test_a_tree_that_nobody_needs_any_more_is_gone() -> None:
    """Without the collector, which is off while a manifest is read: a long one is large."""
    text = "".join(f"k{n}: {{ a: {n} }}\n" for n in range(1000))
    gc.collect()
    gc.disable()
    try:
        before = _nodes()
        parse(text, "x.yaml")
        assert _nodes() == before
    finally:
        gc.enable()


def _nodes() -> int:
    return sum(type(made) is Node for made in gc.get_objects())

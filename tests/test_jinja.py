"""Expressions against Jinja2 itself: the same value wherever the manual names no difference.

The expressions are those of Jinja2's own tests (test_filters.py, test_tests.py, test_lexnparse.py)
for what the language has, and their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2.exceptions import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from klingflow.manifest.budget import Budget, ExpressionError
from klingflow.manifest.expressions import Language, Meanings
from tests import pages

_VARS: Any = {
    "given": "yes",
    "foo": {"bar": 42},
    "trimmed": "  ..stays..",
    "rows": [{"value": 3}, {"value": 2}, {"value": 4}, {"value": 1}, {"value": 2}],
    "pairs": [
        {"value1": [3], "value2": [1]},
        {"value1": [2], "value2": [2]},
        {"value1": [2], "value2": [1]},
        {"value1": [2], "value2": [5]},
    ],
    "users": [{"username": "foo"}, {"username": "bar"}],
    "ten": list(range(10)),
    "number": 5,
    "text": "a text",
}
ERROR = "error"

_FILTERS = """
vars.missing | default('no')
false | default('no')
false | default('no', true)
vars.given | default('no')
'' | default('no', true)
'' | default('no', boolean=true)
vars.missing | default(default_value='no')
vars.missing | default
vars.missing | default(none)
0 | default(7, true)
vars.trimmed | trim
vars.trimmed | trim(none)
vars.trimmed | trim('.')
vars.trimmed | trim(' .')
vars.trimmed | trim(chars=' .')
5 | trim
vars.ten | first
vars.ten | last
'hello' | first
'hello' | last
[] | first
[] | last
'' | first
[] | first | default('none')
'42' | float
'32.32' | float
'abc' | float(default=1.0)
'abc' | float(1)
'1e3' | float
'.5' | float
' 7 ' | float
7 | float
true | float
none | float(2.5)
'42' | int
'32.32' | int
32.9 | int
-32.9 | int
'-7' | int
'+7' | int
'５' | int
true | int
'abc' | int(default=1)
'abc' | int(1)
none | int(3)
[] | int(3)
'0x4d32' | int(base=16)
'0x4d32' | int(0, 16)
'011' | int(base=8)
'011' | int(base=0)
'0x33Z' | int(0, base=16)
'0b101' | int(base=2)
'zz' | int(base=36)
[1, 2, 3] | join('|')
[1, 2, 3] | join
[1, 2, 3] | join(d='-')
[1, 2.5, 'a'] | join(0)
vars.users | join(', ', 'username')
vars.users | join(', ', attribute='username')
[[1, 2], [3, 4]] | join('', attribute=1)
[[1, 2], [3, 4]] | join('', attribute='1')
vars.users | join(', ', 'name')
'hello world' | length
[1, 2] | length
{'a': 1} | length
5 | length
'FOO' | lower
true | lower
4.5 | lower
'foo' | upper
'straße' | upper
5 | upper
2.1 | round | int
2.5 | round(0) | int
2.1234 | round(3, 'floor')
2.1 | round(0, 'ceil') | int
21.3 | round(-1, 'ceil') | int
21.3 | round(-1) | int
21 | round(-1, 'floor') | int
42.55 | round(1, 'floor')
42.55 | round(1, method='floor')
42.55 | round(precision=1)
2.675 | round(2)
1234 | round(-2)
5 | round(16, 'sideways')
[2, 3, 1] | sort
[2, 3, 1] | sort(true)
['c', 'A', 'b', 'D'] | sort
['foo', 'Bar', 'blah'] | sort
['foo', 'Bar', 'blah'] | sort(case_sensitive=true)
['c', 'A', 'b', 'D'] | sort(reverse=true, case_sensitive=true)
vars.rows | sort(attribute='value')
vars.rows | sort(true, false, 'value')
vars.pairs | sort(attribute='value1,value2')
vars.pairs | sort(attribute='value2,value1')
vars.pairs | sort(attribute='value1.0,value2.0')
[[2, 'b'], [1, 'a']] | sort(attribute=0)
[1, 'a'] | sort
vars.rows | sort(attribute='vlaue')
['b', 'A', 'a', 'b'] | unique
['b', 'A', 'a', 'b'] | unique(true)
['b', 'A', 'a', 'b'] | unique(case_sensitive=true)
vars.rows | unique(attribute='value')
vars.users | unique(attribute='username')
'<foo>' | replace('o', 42)
'<foo>' | replace('<', 42)
'aaaaargh' | replace('a', 'doh, ', 2)
'aaaaargh' | replace('a', 'b', count=1)
'aaa' | replace(old='a', new='b')
'aaa' | replace('a', 'b', -1)
'aaa' | replace('a', 'b', 0)
'ab' | replace('', '-')
123 | replace(2, 0)
{'foo': 'bar'} | tojson
{'b': 1, 'a': [1, 2.5, true, none]} | tojson
[1, 2] | tojson(indent=2)
'text' | tojson(2)
-1 | round
'foo' | lower(1)
'foo' | nothing
"""
_TESTS = """
vars.missing is defined
true is defined
vars.missing is undefined
none is none
false is none
42 is none
none is boolean
false is boolean
true is boolean
0 is boolean
1.0 is boolean
none is number
false is number
true is number
42 is number
3.14159 is number
none is string
true is string
42 is string
"foo" is string
none is sequence
false is sequence
42 is sequence
"foo" is sequence
[] is sequence
[1, 2, 3] is sequence
{} is sequence
none is mapping
42 is mapping
"foo" is mapping
[] is mapping
{} is mapping
12 is eq 12
12 is eq 0
12 is eq (3 * 4)
"baz" is eq "baz"
"baz" is eq ("ba" + "z")
2 is not eq 3
"o" is in "foo"
"foo" is in "foo"
"b" is in "foo"
1 is in ((1, 2))
3 is in ((1, 2))
1 is in [1, 2]
3 is in [1, 2]
"foo" is in {"foo": 1}
"baz" is in {"bar": 1}
1 is in "foo"
1 is in 5
42 is string or 42 is number
vars.foo is string is sequence
1 is nothing
"""
_SYNTAX = """
{'foo': 'bar'}.foo
[1, 2, 3][:]
[1, 2, 3][::-1]
'text'[1:3]
vars.foo.bar
vars.foo['bar']
vars.ten[0]
vars.ten[-1]
'text'[0]
'text'[9]
()
(1,)
(1, 2)
(1 + 1 * 2) - 3 / 2
2**3
2**-1
3 // 2
3 / 2
3 % 2
-7 // 2
-7 % 3
+3
-3
1 > 0
1 >= 1
2 < 3
4 == 4
4 != 5
'a' < 'b'
[1, 2] < [1, 3]
4 < 2 < 3
4 > 2 > 3
4 > 2 < 3
1 in [1, 2, 3]
1 not in [1, 2, 3]
not 42 in vars.ten
[]
{}
12_34_56
3_4.5_6
1e0
2.5e+100
25.6e-10
1_2.3_4e5_6
0b1001_1111
0o1_23
0x12_3abc
true and false
false or true
not false
(true and false) or (false and true) and not false
1 and 'a' or 'b'
[1, 2, 3].0
[[1]].0.0
0 if true else 1
0 if false else 1
"foo"|upper + "bar"|upper
"foo" "bar" "baz"
"a" ~ 1 ~ 2.5
'a' + 'b'
[1] + [2]
'a' + 1
1 + none
1 < 'a'
2 * 3 + 4 % 2 + 1 - 2
{1: 2,}[1]
[1, 2,]
-vars.foo["bar"]
none is defined
True
None
1 +
1 2
vars.foo.nothing
vars.ten[10]
1 / 0
vars.number[1:2]
vars.foo[1:2]
'a'['b':]
range(3) | join
range(1, 4) | join
range(3, 0, -1) | join
"""
CASES = [line for block in (_FILTERS, _TESTS, _SYNTAX) for line in block.strip().splitlines()]


def ours(text: str) -> Any:
    """The value as the language makes it; ERROR where it refuses."""
    language = Language(Budget(1_000_000))
    try:
        names = {"vars": _VARS}
        return language.to_json(language.compile(text).run(Meanings(names, language)))
    except ExpressionError:
        return ERROR


def jinjas(text: str) -> Any:
    """The value as Jinja2 makes it, as JSON would hold it; ERROR where it refuses."""
    environment = SandboxedEnvironment(undefined=StrictUndefined)
    try:
        made = environment.compile_expression(text, undefined_to_none=False)(vars=_VARS)
        return _plain(made)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError):
        return ERROR


def _plain(value: Any) -> Any:
    if isinstance(value, StrictUndefined) or callable(value):
        return ERROR
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, range, Iterator)):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def same(one: Any, other: Any) -> bool:
    """Equal, and not 1 for true or 2.0 for 2."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("text", CASES)
def test_an_expression_means_what_it_means_in_jinja(text: str) -> None:
    """Values and their types are equal; what Jinja refuses is refused."""
    assert same(ours(text), jinjas(text)), (ours(text), jinjas(text))


@pytest.mark.parametrize("language", pages.LANGUAGES)
def test_each_difference_is_in_the_manual_as_it_is(language: str) -> None:
    """The table's expressions give here and in Jinja2 what it says; each has its reason."""
    for expression, here, there, why in pages.rows(language, "jinja"):
        (text,) = pages.quoted(expression)
        assert same(ours(text), _shown(here)), text
        assert same(jinjas(text), _shown(there)), text
        assert why.endswith((".", "。"))


def _shown(cell: str) -> Any:
    """The value that a cell shows, as an expression writes it."""
    return jinjas(cell.strip("`")) if cell.startswith("`") else ERROR


def test_both_languages_have_the_same_differences() -> None:
    """Only the words differ."""
    values = [
        [[cell for cell in row[:3] if "`" in cell] for row in pages.rows(language, "jinja")]
        for language in pages.LANGUAGES
    ]
    assert values[0] == values[1]

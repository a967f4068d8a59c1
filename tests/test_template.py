"""`${{ }}`: what expressions give, and what they may not do."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.source import parse
from klingflow.manifest.template import Renderer, Scope
from klingflow.model import Json, Node, Pending, Reference

VARS = """
hero: 林夏
n: 5
half: 0.5
yes: true
nothing: null
deep: { list: [1, 2, { b: x }], "a b": spaced }
door: ${{ vars.hero }}的门
first: ${{ shots.a.video_url }}
mixed: ["${{ shots.a.video_url }}", x]
sku: ${{ row.sku }}!
a: ${{ vars.b }}
b: ${{ vars.a }}
"""


def renderer() -> Renderer:
    variables = parse(VARS, "vars.yaml").value
    return Renderer(variables, {"typed": "${{ raw }}"})


def rendered(text: str, **names: Any) -> tuple[Json, Scope]:
    scope = Scope(**names)
    return renderer().render(Node(text, Mark("f", 1, 1), None, True), scope), scope


def value(text: str, **names: Any) -> Json:
    """What a text renders to, without a mistake."""
    made, scope = rendered(text, **names)
    assert not scope.diagnostics
    return made


def problem(text: str, **names: Any) -> Diagnostic:
    """The one mistake in a text."""
    made, scope = rendered(text, **names)
    assert made is None
    (found,) = scope.diagnostics
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain } text {{ }} ${ }", "plain } text {{ }} ${ }"),
        ("${{ vars.n }}", 5),
        ("${{vars.n}}", 5),
        (" ${{ vars.n }}", " 5"),
        ("${{ vars.yes }}/${{ vars.half }}", "true/0.5"),
        ("${{ vars.deep.list }}", [1, 2, {"b": "x"}]),
        ("${{ vars.deep.list[2].b }}", "x"),
        ("${{ vars.deep['a b'] }}", "spaced"),
        ("${{ vars.nothing }}", None),
        ("${{ vars['he' ~ 'ro'] }}", "林夏"),
        ("${{ vars.door }}", "林夏的门"),
        ("$${{ vars.n }}", "${{ vars.n }}"),
        ("$$${{ vars.n }}", "$${{ vars.n }}"),
        ("$${{ a }} ${{ 1 }}", "${{ a }} 1"),
        ("${{ '}}' }}", "}}"),
        ("${{ {'a': {'b': 1}}['a']['b'] }}", 1),
        ("${{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ('${{ "a\\"}}" }}', 'a"}}'),
        ("${{ (1, 2) }}", [1, 2]),
        ("${{ vars.n + 1 }}", 6),
        ("${{ 'a' + 'b' }}", "ab"),
        ("${{ [1] + [2] }}", [1, 2]),
        ("${{ 7 // 2 * 2 ** 3 % 5 - -1 }}", 5),
        ("${{ vars.n ~ vars.yes ~ 1.5 }}", "5true1.5"),
        ("${{ vars.hero[0:1] }}", "林"),
        ("${{ 'x' if vars.n > 3 and not vars.nothing else 'y' }}", "x"),
        ("${{ 2 in vars.deep.list }}", True),
        ("${{ vars.none | default('d') }}", "d"),
        ("${{ vars.none.deeper | default(3) }}", 3),
        ("${{ '' | default('d', true) }}", "d"),
        ("${{ vars.none is defined }}", False),
        ("${{ vars.nothing is none }}", True),
        ("${{ vars.typed }}", "${{ raw }}"),
        ("${{ 'AbC' | lower }}${{ 'a' | upper }}${{ ' x ' | trim }}", "abcAx"),
        ("${{ 'aXb' | replace('X', '-') }}", "a-b"),
        ("${{ 'a,b' | split(',') | join(' ') }}", "a b"),
        ("${{ 'Hello, 世界!' | slug }}", "hello-世界"),
        ("${{ ' 7 ' | int }}", 7),
        ("${{ '7.0' | int }}", 7),
        ("${{ 'x' | int(3) }}", 3),
        ("${{ '1.5' | float }}", 1.5),
        ("${{ 2.6 | round }}", 3),
        ("${{ 2.1 | round(0, 'ceil') }}", 3),
        ("${{ 2.345 | round(2, 'floor') }}", 2.34),
        ("${{ {'a': '雨'} | tojson }}", '{"a": "雨"}'),
        ("${{ [3, 1, 3] | unique | sort | first }}", 1),
        ("${{ [3, 1] | sort(reverse=true) | last }}", 1),
        ("${{ vars.hero | length }}", 2),
        ("${{ 7 | pad(3) }}${{ 'x' | pad(2, '.') }}", "007.x"),
        ("${{ range(1, 4) }}", [1, 2, 3]),
        ("${{ zip([1, 2], ['a', 'b']) }}", [[1, "a"], [2, "b"]]),
        ("${{ min(3, 2) + max([1, 4]) }}", 6),
    ],
)
def test_an_expression_keeps_its_type_and_text_takes_text(text: str, expected: Json) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("${{ vars.hro }}", "undefined", "'vars.hro' is undefined; did you mean 'hero'?"),
        ("${{ vars.deep.lst }}", "undefined", "'lst' is undefined; did you mean 'list'?"),
        ("${{ vars.deep.list[9] }}", "undefined", "[9] is undefined: the list has 3 items"),
        ("${{ vars.n.x }}", "undefined", "a number has no 'x'"),
        ("${{ hero }}", "undefined", "'hero' is undefined; did you mean vars.hero?"),
        ("${{ var.hero }}", "undefined", "'var' is undefined; did you mean 'vars'?"),
        ("${{ [vars.zz] }}", "undefined", "'vars.zz' is undefined"),
        ("${{ vars.zz | upper }}", "undefined", "'vars.zz' is undefined"),
        ("${{ vars.zz == 1 }}", "undefined", "'vars.zz' is undefined"),
        ("${{ [] | first }}", "undefined", "the list is empty"),
        ("${{ row.x }}", "undefined", "'row' is only there in a shot with foreach:"),
        ("${{ shot.id }}", "undefined", "'shot' is only there in a shot's own fields"),
        (
            "${{ env.HOME | default('x') }}",
            "no-environment",
            "no expression reads the environment; declare HOME in vars:, write ${{ vars.HOME }},"
            " and hand it in: KLINGFLOW_VAR_HOME=…, or --var HOME=…",
        ),
        ("a ${{ vars.nothing }}", "expression", "null cannot stand inside text"),
        ("a ${{ vars.deep }}", "expression", "a map cannot stand inside text"),
        ("${{ vars.nothing ~ 'x' }}", "expression", "null cannot stand inside text"),
        ("${{ 1 + 'a' }}", "expression", "'+' cannot take a number and text; use ~ to join text"),
        ("${{ 'a' * 3 }}", "expression", "'*' cannot take text and a number"),
        ("${{ '%s' % 3 }}", "expression", "'%' cannot take text and a number"),
        (
            "${{ true + 1 }}",
            "expression",
            "'+' cannot take true or false and a number; use ~ to join text",
        ),
        ("${{ 1 / 0 }}", "expression", "division by zero"),
        ("${{ 1 < 'a' }}", "expression", "'<' cannot compare a number with text"),
        ("${{ 'x' | int }}", "expression", "int: cannot read 'x' as a whole number"),
        ("${{ '' | int }}", "expression", "int: cannot read '' as a whole number"),
        ("${{ 'inf' | float }}", "expression", "float: cannot read 'inf' as a number"),
        ("${{ none | upper }}", "expression", "upper: null cannot stand inside text"),
        ("${{ zip([1], []) }}", "expression", "zip: the lists have 1, 0 items; make them as long"),
        (
            "${{ vars }}",
            "expression",
            "'vars' is not a value; name what you want of it, such as vars.name",
        ),
        ("${{ range }}", "expression", "a function is not a value; call it"),
        ("${{ 1 if true }}", "expression-syntax", "an 'if' needs its 'else'"),
        ("${{ 1 2 }}", "expression-syntax", "'2' is not expected here"),
        ("${{ }}", "expression-syntax", "the expression is empty; write one such as vars.name"),
        ("${{ 'a' | map('x') | list }}", "expression-syntax", None),
        ("${{ 1 is odd }}", "expression-syntax", None),
        (
            "${{ cycler() }}",
            "expression-syntax",
            "no function 'cycler'; there are max, min, range, zip",
        ),
        ("${{ vars.a }}", "vars-cycle", "the variable needs itself: a → b → a"),
    ],
)
def test_a_mistake_says_what_was_found_and_what_to_do(
    text: str, code: str, message: str | None
) -> None:
    found = problem(text)
    assert (found.code, found.message) == (code, message or found.message)


@pytest.mark.parametrize(
    "text",
    [
        "${{ ''.__class__ }}",
        "${{ ''['__class__'] }}",
        "${{ [].__class__.__mro__ }}",
        "${{ vars.__class__ }}",
        "${{ vars.get('hero') }}",
        "${{ vars.deep.keys() }}",
        "${{ 'a'.format(1) }}",
        "${{ range.__globals__ }}",
        "${{ (1).__add__(1) }}",
        "${{ shots.a.__init__ }}",
        "${{ self }}",
        "${{ lipsum.__globals__ }}",
        "${{ 'a' | attr('__class__') }}",
        "${{ min(*[1]) }}",
        "${{ (range)(3).__class__ }}",
    ],
)
def test_nothing_of_python_can_be_reached(text: str) -> None:
    assert problem(text).code in ("undefined", "expression", "expression-syntax")


@pytest.mark.parametrize(
    "text",
    [
        "${{ 9 ** 9 ** 9 }}",
        "${{ 2 ** 64 }}",
        "${{ 9223372036854775807 + 1 }}",
        "${{ 1e999 }}",
        "${{ (-8) ** 0.5 }}",
        "${{ range(1000000000000) }}",
        "${{ range(10001) }}",
        "${{ 'a' | pad(1000000000) }}",
        "${{ 'a' | pad(10000) | replace('0', 'x' | pad(10000)) }}",
        "${{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "${{ " + "-" * 1900 + "1 }}",
        "${{ " + "not " * 400 + "1 }}",
        "${{ " + "[" * 900 + "]" * 900 + " }}",
        "${{ " + "1" * 2001 + " }}",
        "${{ " + " ~ ".join(["'x' | pad(9999)"] * 20) + " }}",
    ],
)
def test_no_expression_can_hang_or_fill_the_machine(text: str) -> None:
    began = time.process_time()
    assert problem(text).code in ("expression", "expression-syntax")
    assert time.process_time() - began < 10


def test_lists_that_hold_each_other_twice_end_in_an_error() -> None:
    """Thirty lines are a thousand million items, unless somebody counts."""
    lines = [
        "v0: [x, x]",
        *(f"v{i}: '${{{{ [vars.v{i - 1}, vars.v{i - 1}] }}}}'" for i in range(1, 30)),
    ]
    renderer = Renderer(parse("\n".join(lines), "v").value, {})
    scope = Scope()
    renderer.render(Node("${{ vars.v29 | length }}", Mark("f", 1, 1)), scope)
    assert [p.message for p in scope.diagnostics] == ["a value of over 50,000 parts"]


def test_variables_that_double_each_other_end_in_an_error() -> None:
    text = (
        "v0: '"
        + "x" * 1000
        + "'\n"
        + "".join(f"v{i}: ${{{{ vars.v{i - 1} ~ vars.v{i - 1} }}}}\n" for i in range(1, 20))
    )
    renderer = Renderer(parse(text, "v").value, {})
    scope = Scope()
    renderer.render(Node("${{ vars.v19 }}", Mark("f", 1, 1)), scope)
    assert [p.message for p in scope.diagnostics] == ["a text of over 100,000 characters"]


def shots_that_use(expression: str, variables: str, number: int) -> tuple[set[str], list[Json]]:
    """The codes of what is wrong with so many shots of one expression, and what became of each."""
    renderer = Renderer(parse(variables, "v").value, {})
    node, made, codes = Node(expression, Mark("f", 1, 1)), [], set()
    for cell in range(number):
        scope = Scope(own={"own": Node(cell, Mark("f", 1, 1))}, matrix={"n": cell})
        made.append(renderer.render(node, scope))
        codes |= {p.code for p in scope.diagnostics}
    return codes, made


@pytest.mark.parametrize(
    "expression", ["${{ [matrix.n, vars.big] }}", "${{ vars.big | length + matrix.n }}"]
)
def test_a_small_manifest_of_many_shots_cannot_make_without_end(expression: str) -> None:
    """A list of 40,000 in each of 10,000 shots took all memory. Once the budget is used up, all
    else ends at once.
    """
    codes, made = shots_that_use(expression, f"big: [{','.join('1' * 40_000)}]", 10_000)
    assert codes == {"budget"}
    assert 4 < sum(value is not None for value in made) < 150


def test_a_text_made_of_many_expressions_is_no_longer_than_one_of_one() -> None:
    codes, made = shots_that_use("${{ vars.text }}" * 1000, f"text: {'x' * 30_000}", 1)
    assert (codes, made) == ({"expression"}, [None])


def test_a_large_manifest_of_ordinary_shots_has_no_budget() -> None:
    codes, made = shots_that_use(
        "${{ vars.prompt | upper | trim }} ${{ matrix.n }}", f"prompt: {'x' * 2_500}", 20_000
    )
    assert codes == set()
    assert made[-1] == "X" * 2_500 + " 19999"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("${{ shots.a.video_url }}", (Reference("a", "video_url"),)),
        ("${{ shots['a@' ~ row.sku].task_id }}", (Reference("a@S1", "task_id"),)),
        ("${{ vars.first }}", (Reference("a", "video_url"),)),
        ("${{ vars.mixed[0] }}", (Reference("a", "video_url"),)),
        ("${{ shots.a.video_url }}?x=${{ 1 }}", (Reference("a", "video_url"), "?x=", "1")),
    ],
)
def test_what_the_run_makes_is_pending_and_makes_a_dependency(
    text: str, parts: tuple[str | Reference, ...]
) -> None:
    made, scope = rendered(text, row={"sku": "S1"})
    assert isinstance(made, Pending) and made.parts == parts
    assert scope.references == [(parts[0], Mark("f", 1, 1))]


@pytest.mark.parametrize(
    "text",
    [
        "${{ shots.a.video_url ~ 'x' }}",
        "${{ shots.a.video_url | upper }}",
        "${{ shots.a.video_url == 'x' }}",
        "${{ 'x' in shots.a.video_url }}",
        "${{ 'a' if shots.a.video_url else 'b' }}",
        "${{ not shots.a.video_url }}",
        "${{ shots.a.video_url[0:3] }}",
        "${{ shots.a.video_url is string }}",
        "${{ vars.first ~ 'x' }}",
        "${{ vars.mixed | join(',') }}",
        "${{ vars.mixed[0] | length }}",
        "${{ vars.mixed | tojson }}",
        "${{ shots.a }}",
        "${{ shots.a.url }}",
        "${{ shots }}",
    ],
)
def test_what_the_run_makes_cannot_be_looked_into(text: str) -> None:
    assert problem(text).code in ("expression", "undefined")


def test_what_a_row_holds_is_data() -> None:
    assert (
        value("${{ row.x }} ${{ row.y }}", row={"x": "${{ env.HOME }}", "y": "}}"})
        == "${{ env.HOME }} }}"
    )


def test_a_mistake_in_a_variable_is_told_at_the_variable() -> None:
    found = problem("${{ vars.sku }}")
    assert (found.mark, found.subject) == (Mark("vars.yaml", 11, 6), "vars.sku")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a: x ${{ no }}", 6),
        ("a: 'x ${{ no }}'", 7),
        ('a: "x ${{ no }}"', 7),
        ('a: "\\x41 ${{ no }}"', 4),
    ],
)
def test_a_mistake_is_placed_at_its_expression_where_columns_can_be_told(
    text: str, column: int
) -> None:
    renderer = Renderer({}, {})
    scope = Scope()
    renderer.render(parse(text, "f").at("a"), scope)
    assert [p.mark for p in scope.diagnostics] == [Mark("f", 1, column)]


def test_what_depends_on_no_shot_is_rendered_once() -> None:
    renderer = Renderer(parse("who: Lin", "v").value, {})
    node = parse("a: { list: ['${{ vars.who }}', x] }\nb: '${{ row.x }}'", "f")
    one, two = Scope(row={"x": 1}), Scope(row={"x": 2})
    assert renderer.render(node.at("a"), one) is renderer.render(node.at("a"), two)
    assert [renderer.render(node.at("b"), scope) for scope in (one, two)] == [1, 2]


def test_what_only_one_shot_has_is_let_go_once_it_is_made() -> None:
    """What it shares with others is rendered once all the same."""
    tree = parse("own: [{ a: b }]\nshared: [c]", "x.yaml").value
    made, scope = renderer(), Scope()
    first = [made.render(tree[name], scope) for name in ("own", "shared")]
    made.let_go(tree["own"])
    again = [made.render(tree[name], scope) for name in ("own", "shared")]
    assert first == again
    assert [a is b for a, b in zip(first, again, strict=True)] == [False, True]


def test_a_shot_overrides_what_other_variables_are_made_of() -> None:
    own = parse("hero: Bo", "f").value
    renderer_ = renderer()
    node = Node("${{ vars.door }}", Mark("f", 1, 1))
    assert [renderer_.render(node, Scope(own)), renderer_.render(node, Scope())] == [
        "Bo的门",
        "林夏的门",
    ]


@given(st.text("${}' \"abc.|[]()~+1,:vars", max_size=40))
def test_any_text_renders_or_is_a_problem(text: str) -> None:
    """And nothing else comes out of the renderer."""
    scope = Scope()
    made = renderer().render(Node("${{" + text, Mark("f", 1, 1), None, True), scope)
    assert made is None or not scope.diagnostics


@pytest.mark.parametrize(
    "text", ["${{ '\\ud800' }}", "x${{ row.half }}", "${{ row }}", "${{ row.half | tojson }}"]
)
def test_half_a_character_is_refused_where_it_is_used(text: str) -> None:
    """JSON can say it, and neither a file nor a request can hold it."""
    assert "U+D800, half of a character" in problem(text, row={"half": "a\ud800"}).message


@pytest.mark.parametrize("text", ["${{ [1, 2][:, :2] }}", "${{ [1, 2][0, 1:] }}"])
def test_a_subscript_is_one_index_or_one_slice(text: str) -> None:
    assert problem(text).message == "a list takes one index or one slice"


def test_a_name_that_cannot_be_printed_is_not_proposed() -> None:
    assert "did you mean" not in problem("${{ {'\\na': 1}.b }}").message

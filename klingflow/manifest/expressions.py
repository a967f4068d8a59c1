"""PURE. The language inside `${{ }}`: Jinja2's expression grammar in a locked sandbox. Knows no
names but its functions.

The syntax tree may hold only what `_SYNTAX` lists, attributes are lookups in data, and operators
are checked before they run. What is left cannot reach Python, hang, or fill the machine.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from klingflow.manifest.functions import (
    FILTERS,
    FUNCTIONS,
    MAX_ITEMS,
    TESTS,
    ExpressionError,
    Missing,
    Opaque,
    as_text,
    checked,
    join_text,
    kind_of,
    number,
    spend,
)
from klingflow.manifest.source import did_you_mean
from klingflow.model import Json, Pending

MAX_CHARACTERS = 2_000
MAX_DEPTH = 32
MAX_PARTS = 50_000  # of one value: the items of its lists and maps, at every depth
ROOTS = ("vars", "env", "matrix", "row", "shot", "shots")

_SYNTAX: tuple[type[nodes.Node], ...] = (
    nodes.Const,
    nodes.Name,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
    nodes.BinExpr,
    nodes.UnaryExpr,
)
_PLAIN_PATH = re.compile(r"\s*([a-z]+)((?:\.[^\W\d]\w*|\[\s*(?:'[^'\\]*'|\"[^\"\\]*\")\s*\])+)\s*")
_STEP = re.compile(r"\.(\w+)|\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


class Names(Opaque):
    """A namespace such as `vars`: its members are looked up, it is no value itself."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        super().__init__(f"'{label}' is no value; name what you want of it, such as {label}.name")
        self.label = label

    def get(self, key: str) -> Any:
        raise NotImplementedError


class Later(Opaque):
    """A Pending inside an expression: it may become the result, and nothing may be made of it."""

    __slots__ = ("pending",)

    def __init__(self, pending: Pending) -> None:
        super().__init__(
            "what another shot makes is known at run time only; use it unchanged, as the whole expression"
        )
        self.pending = pending


class Meanings:
    """What the roots mean for the expressions of one shot."""

    __slots__ = ("_context", "names")

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self._context: Context | None = None

    def context(self) -> Context:
        """The names as Jinja wants them, made when first asked for: plain paths need none."""
        if self._context is None:
            self._context = Context(_SANDBOX, {**FUNCTIONS, **self.names}, None, {})
        return self._context


class Expression(NamedTuple):
    """A compiled expression: `roots` are the names it starts from, `run` takes what they mean."""

    roots: frozenset[str]
    run: Callable[[Meanings], Any]


class UnknownName(ExpressionError):
    """A bare `name` that is no root. `homes` are the roots that have a member of this name, as far
    as known.
    """

    def __init__(self, name: str, homes: Sequence[str] = ()) -> None:
        near = "" if homes else did_you_mean(name, (*ROOTS, *FUNCTIONS))
        hint = near or f"; did you mean {homes[0] if homes else 'vars'}.{name}?"
        super().__init__(f"'{name}' is undefined{hint}", "undefined")
        self.name = name


def lookup(holder: Any, key: Any) -> Any:
    """`holder.key` and `holder[key]`: a member of data, or a Missing that says what was meant."""
    if isinstance(holder, Names) and isinstance(key, str):
        return holder.get(key)
    if isinstance(holder, Missing):
        return holder
    if isinstance(holder, Opaque):
        raise ExpressionError(holder.advice)
    if isinstance(holder, dict) and isinstance(key, str):
        if key not in holder:
            return Missing(hint=f"'{key}' is undefined{did_you_mean(key, holder)}")
        found = holder[key]
        return Later(found) if isinstance(found, Pending) else found
    if isinstance(holder, (list, tuple)) and type(key) is int:
        if not -len(holder) <= key < len(holder):
            return Missing(hint=f"[{key}] is undefined: the list has {len(holder)} items")
        found = holder[key]
        return Later(found) if isinstance(found, Pending) else found
    raise ExpressionError(f"{kind_of(holder)} has no '{checked(key)}'", "undefined")


class _Generator(CodeGenerator):
    """Jinja's, with `~` made ours: Python's str() would turn true into True and null into None."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.join_text((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment in which expressions run."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(_ARITHMETIC)
    intercepted_unops = frozenset("+-")
    join_text = staticmethod(join_text)

    def __init__(self) -> None:
        super().__init__(undefined=Missing, optimized=False, cache_size=0)
        self.globals = dict(FUNCTIONS)
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return lookup(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return lookup(obj, argument)

    def is_safe_callable(self, obj: Any) -> bool:
        return obj in FUNCTIONS.values()

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        checked(left), checked(right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return checked(left + right)
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            if len(left) + len(right) > MAX_ITEMS:
                raise ExpressionError(f"a list of over {MAX_ITEMS:,} items")
            return left + right
        if type(left) not in (int, float) or type(right) not in (int, float):
            hint = "; use ~ to join text" if operator == "+" else ""
            raise ExpressionError(
                f"'{operator}' cannot take {kind_of(left)} and {kind_of(right)}{hint}"
            )
        # Bounded before it runs: 9**9**9 has 370 million digits.
        if operator == "**" and abs(left) > 1 and abs(right) * math.log2(abs(left)) > 64:
            raise ExpressionError("the result is too large a number")
        return number(_ARITHMETIC[operator](left, right))

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        if type(checked(arg)) not in (int, float):
            raise ExpressionError(f"'{operator}' takes a number, not {kind_of(arg)}")
        return -arg if operator == "-" else arg


_SANDBOX = Sandbox()


def compile_expression(text: str) -> Expression:
    """The expression between `${{` and `}}`. Raises ExpressionError."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            f"an expression of over {MAX_CHARACTERS:,} characters; use vars", "expression-syntax"
        )
    if not text.strip():
        raise ExpressionError(
            "the expression is empty; write one such as vars.name", "expression-syntax"
        )
    if (path := _PLAIN_PATH.fullmatch(text)) and path[1] in ROOTS:
        return _path(path[1], path[2])
    try:
        parser = Parser(_SANDBOX, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(
                f"'{parser.stream.current.value}' is not expected here", "expression-syntax"
            )
        roots = _inspect(tree, text)
        compiled = _SANDBOX.compile_expression(text, undefined_to_none=False)
    except (TemplateSyntaxError, OverflowError, ValueError) as error:
        raise ExpressionError(_syntax(error), "expression-syntax") from None
    except RecursionError:
        raise ExpressionError("nested too deep; use vars", "expression-syntax") from None
    return Expression(roots, lambda meanings: _run(compiled._template, meanings.context()))


def to_json(value: Any) -> Json:
    """The result of an expression as data; a Later becomes its Pending. Raises ExpressionError."""
    spend(0)
    room = iter(range(MAX_PARTS))
    made = _data(value, room)
    spend(next(room, MAX_PARTS))
    return made


def _data(value: Any, room: Iterator[int]) -> Json:
    """`room` is what may still be made: lists that hold one list twice, many times over, are short
    to write.
    """
    if next(room, None) is None:
        raise ExpressionError(f"a value of over {MAX_PARTS:,} parts")
    if isinstance(value, Later):
        return value.pending
    if isinstance(value, Missing):
        raise ExpressionError(value.message, "undefined")
    if isinstance(value, Opaque):
        raise ExpressionError(value.advice)
    if isinstance(value, (list, tuple)):
        return [_data(part, room) for part in value]
    if isinstance(value, dict):
        return {as_text(key): _data(part, room) for key, part in value.items()}
    if type(value) in (int, float):
        return number(value)
    if value is None or isinstance(value, (Pending, bool)):
        return value
    if not isinstance(value, str):
        raise ExpressionError("a function is no value; call it")
    return checked(value)


def _path(root: str, steps: str) -> Expression:
    """`vars.a.b` needs no compiler, and most are like it: 10,000 different ones cost 7 s otherwise."""
    keys = [name or single or double for name, single, double in _STEP.findall(steps)]

    def run(meanings: Meanings) -> Any:
        value = meanings.names[root]
        for key in keys:
            value = lookup(value, key)
        return value

    return Expression(frozenset((root,)), run)


def _run(template: Template, context: Context) -> Any:
    """As jinja2's TemplateExpression, but in a context that all expressions of a shot share: it is
    half the cost.
    """
    try:
        for _ in template.root_render_func(context):
            pass
        return context.vars["result"]
    except UndefinedError as error:
        raise ExpressionError(str(error), "undefined") from None
    except TypeError as error:
        compared = re.match(
            r"'(\S+)' not supported between instances of '(\w+)' and '(\w+)'", str(error)
        )
        raise ExpressionError(
            "'{}' cannot compare {} with {}".format(*compared.groups()) if compared else str(error)
        ) from None
    except (ValueError, ArithmeticError) as error:
        raise ExpressionError(str(error)) from None


def _syntax(error: Exception) -> str:
    message = str(getattr(error, "message", None) or error)
    if "end of template" in message:
        return "the expression breaks off; something is missing before its end"
    return message.splitlines()[0][:200] if message else "not an expression"


def _inspect(tree: nodes.Node, text: str) -> frozenset[str]:
    """Refuse what is not in the language; the root names of what is."""
    roots = set()
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.name not in FUNCTIONS:
            _check_root(node.name, text)
            roots.add(node.name)
        elif isinstance(node, nodes.Filter):
            _check_known("filter", node.name, FILTERS)
        elif isinstance(node, nodes.Test):
            _check_known("test", node.name, TESTS)
        elif isinstance(node, nodes.Call) and not isinstance(node.node, nodes.Name):
            raise ExpressionError(
                f"only {', '.join(FUNCTIONS)} can be called; write | and a filter",
                "expression-syntax",
            )
        elif isinstance(node, nodes.Call):
            assert isinstance(node.node, nodes.Name)
            _check_known("function", node.node.name, FUNCTIONS)
        elif isinstance(node, nodes.Getitem) and any(
            isinstance(part, nodes.Slice) for part in node.arg.iter_child_nodes()
        ):
            raise ExpressionError("a list takes one index or one slice", "expression-syntax")
        elif isinstance(node, nodes.CondExpr) and node.expr2 is None:
            raise ExpressionError("an 'if' needs its 'else'", "expression-syntax")
        elif isinstance(node, nodes.Const) and isinstance(node.value, (int, float)):
            number(node.value)
        if (
            not isinstance(node, _SYNTAX)
            or getattr(node, "dyn_args", None)
            or getattr(node, "dyn_kwargs", None)
        ):
            raise ExpressionError(
                f"{type(node).__name__} is not part of the language", "expression-syntax"
            )
    return frozenset(roots)


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    todo = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise ExpressionError("nested too deep; use vars", "expression-syntax")
        yield node
        todo.extend((child, depth + 1) for child in node.iter_child_nodes())


def _check_known(what: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
        raise ExpressionError(f"no {what} '{name}'{hint}", "expression-syntax")


def _check_root(name: str, text: str) -> None:
    if name in ROOTS:
        return
    if re.search(rf"shots\.[\w.-]*-{re.escape(name)}\b", text):
        raise ExpressionError(
            "an id with '-' is written in brackets: shots['a-b'].video_url", "undefined"
        )
    raise UnknownName(name)

"""PURE. An expression's text → a value: compiled once, run in a locked sandbox.

The syntax tree holds only what grammar.py allows, attributes are lookups in data (names.py), and
operators are checked before they run. So no expression reaches Python, hangs, or fills the machine.
What the expressions of one manifest make together is counted by the Budget that is handed in.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from jinja2 import Template, UndefinedError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from klingflow.manifest.budget import (
    MAX_ITEMS,
    Budget,
    ExpressionError,
    Missing,
    Opaque,
    as_text,
    check_room,
    checked,
    kind_of,
    number,
)
from klingflow.manifest.complaints import NO_SLICE, in_words
from klingflow.manifest.functions import FILTERS, FUNCTIONS, TESTS
from klingflow.manifest.grammar import check_length, roots_of, syntax_errors
from klingflow.manifest.guarded import bounded
from klingflow.manifest.names import ROOTS, Later, lookup
from klingflow.model import Json, Pending
from klingflow.words import _

MAX_PARTS = 50_000  # of one value: the items of its lists and maps, at every depth
_POWER_BITS = 64

_PLAIN_PATH = re.compile(r"\s*([a-z]+)((?:\.[^\W\d]\w*|\[\s*(?:'[^'\\]*'|\"[^\"\\]*\")\s*\])+)\s*")
_STEP = re.compile(r"\.(\w+)|\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")

_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


class Meanings:
    """What the roots mean for the expressions of one shot."""

    __slots__ = ("_context", "_language", "names")

    def __init__(self, names: Mapping[str, Any], language: Language) -> None:
        self.names: Mapping[str, Any] = names
        self._language = language
        self._context: Context | None = None

    def context(self) -> Context:
        """Return the names as Jinja wants them. They are made at the first call: paths
        need none.
        """
        if self._context is None:
            self._context = self._language.context(self.names)
        return self._context


class Expression(NamedTuple):
    """A compiled expression: `roots` are the names it starts from, `run` takes what they mean."""

    roots: frozenset[str]
    run: Callable[[Meanings], Any]


class Language:
    """Compiles and runs the expressions of one manifest, whose Budget they share."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._sandbox = _Sandbox(budget)

    def context(self, names: Mapping[str, Any]) -> Context:
        """Return the names beside the functions, as Jinja wants them."""
        return Context(self._sandbox, {**self._sandbox.globals, **names}, None, {})

    def compile(self, text: str) -> Expression:
        """Return the expression between `${{` and `}}`. Raises ExpressionError."""
        check_length(text)
        if (path := _PLAIN_PATH.fullmatch(text)) and path[1] in ROOTS:
            return _path(path[1], path[2])
        with syntax_errors():
            roots = roots_of(text, self._sandbox)
            template = self._sandbox.compile_expression(text, undefined_to_none=False)._template
        return Expression(roots, lambda meanings: _run(template, meanings.context()))

    def to_json(self, value: Any) -> Json:
        """Return the result of an expression as data; a Later becomes its Pending.

        Raises ExpressionError.
        """
        self.budget.spend(0)  # raises at once where the budget is used up
        room = iter(range(MAX_PARTS))
        made = self._data(value, room)
        self.budget.spend(next(room, MAX_PARTS))
        return made

    def _data(self, value: Any, room: Iterator[int]) -> Json:
        """Return a value as data. `room` has one item for each part that may still be made: a list
        that holds one list twice, many times over, is short to write.
        """
        if next(room, None) is None:
            raise ExpressionError(_("a value of over {max_parts:,} parts", max_parts=MAX_PARTS))
        if isinstance(value, (list, tuple)):
            return [self._data(part, room) for part in value]
        if isinstance(value, dict):
            return {
                as_text(key, self.budget): self._data(part, room) for key, part in value.items()
            }
        if isinstance(value, (Missing, Opaque)):
            return _pending(value)
        return self._scalar(value)

    def _scalar(self, value: Any) -> Json:
        if type(value) in (int, float):
            return number(value)
        if value is None or isinstance(value, (Pending, bool)):
            return value
        if not isinstance(value, str):
            raise ExpressionError(_("a function is not a value; call it"))
        return checked(value, self.budget)


def _pending(value: Missing | Opaque) -> Pending:
    if isinstance(value, Later):
        return value.pending
    if isinstance(value, Missing):
        raise ExpressionError(value.message, "undefined")
    raise ExpressionError(value.advice)


class _Generator(CodeGenerator):
    """Jinja's, with `~` made ours: Python's str() would turn true into True and null into None."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.join_text((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Sandbox(ImmutableSandboxedEnvironment):
    """The environment in which expressions run."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(_ARITHMETIC)
    intercepted_unops = frozenset("+-")

    def __init__(self, budget: Budget) -> None:
        super().__init__(undefined=Missing, optimized=False, cache_size=0)
        self.budget = budget
        self.globals = {**bounded(FUNCTIONS, budget)}
        self.filters = bounded(FILTERS, budget)
        self.tests = {**bounded(TESTS, budget)}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return lookup(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return lookup(obj, argument)

    def is_safe_callable(self, obj: Any) -> bool:
        return obj in self.globals.values()

    def join_text(self, values: tuple[Any, ...]) -> str:
        """Return what the operator `~` makes."""
        parts = [as_text(value, self.budget) for value in values]
        check_room(sum(map(len, parts)))
        return "".join(parts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        checked(left, self.budget), checked(right, self.budget)
        kinds = (type(left), type(right))
        if operator == "+" and kinds == (str, str):
            return checked(left + right, self.budget)
        if operator == "+" and {*kinds} <= {list, tuple}:
            return _joined([*left], [*right])
        _check_numbers(operator, left, right)
        if operator == "**":
            _check_power(left, right)
        return number(_ARITHMETIC[operator](left, right))

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        if type(checked(arg, self.budget)) not in (int, float):
            raise ExpressionError(
                _("'{operator}' takes a number, not {kind}", operator=operator, kind=kind_of(arg))
            )
        return -arg if operator == "-" else arg


def _joined(left: list[Any], right: list[Any]) -> list[Any]:
    if len(left) + len(right) > MAX_ITEMS:
        raise ExpressionError(_("a list of over {max_items:,} items", max_items=MAX_ITEMS))
    return left + right


def _check_numbers(operator: str, left: Any, right: Any) -> None:
    if {type(left), type(right)} <= {int, float}:
        return
    hint = _("; use ~ to join text") if operator == "+" else ""
    raise ExpressionError(
        _(
            "'{operator}' cannot take {kind} and {kind_of_right}{hint}",
            operator=operator,
            kind=kind_of(left),
            kind_of_right=kind_of(right),
            hint=hint,
        )
    )


def _check_power(base: float, exponent: float) -> None:
    """Raise ExpressionError before a power runs that would be huge: 9**9**9 has 370
    million digits.
    """
    if abs(base) > 1 and abs(exponent) * math.log2(abs(base)) > _POWER_BITS:
        raise ExpressionError(_("the result is too large a number"))


def _path(root: str, steps: str) -> Expression:
    """Return a path such as `vars.a.b`, which needs no compiler: most expressions are paths, and
    compiling 10,000 takes 7 s.
    """
    keys = [name or single or double for name, single, double in _STEP.findall(steps)]

    def run(meanings: Meanings) -> Any:
        value = meanings.names[root]
        for key in keys:
            value = lookup(value, key)
        return value

    return Expression(frozenset((root,)), run)


def _run(template: Template, context: Context) -> Any:
    """Run a compiled expression as jinja2's TemplateExpression does, but in a context that all
    expressions of a shot share: making one is half the cost.
    """
    try:
        for _unused in template.root_render_func(context):
            pass
        return context.vars["result"]
    except UndefinedError as error:
        raise ExpressionError(str(error), "undefined") from None
    except TypeError as error:
        raise ExpressionError(in_words(error)) from None
    except LookupError:  # Python 3.12 and later look a slice up in a map
        raise ExpressionError(NO_SLICE) from None
    except (ValueError, ArithmeticError) as error:
        raise ExpressionError(str(error)) from None

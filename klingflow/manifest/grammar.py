"""PURE. What may stand inside `${{ }}`: Jinja2's expression grammar, less what `_GRAMMAR` lacks.

Nothing runs here: a text becomes a syntax tree, and each of its nodes is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from klingflow.manifest.budget import ExpressionError, number
from klingflow.manifest.functions import FILTERS, FUNCTIONS, TESTS
from klingflow.manifest.handed import NO_ENVIRONMENT, no_environment_in
from klingflow.manifest.names import ROOTS
from klingflow.manifest.spelling import did_you_mean
from klingflow.words import _, joined

MAX_CHARACTERS = 2_000
MAX_DEPTH = 32
_SYNTAX = "expression-syntax"


class UnknownName(ExpressionError):
    """A bare `name` that is no root. `homes` are the known roots that have a member of
    this name.
    """

    def __init__(self, name: str, homes: Sequence[str] = ()) -> None:
        if homes:
            hint = _("; did you mean {home}.{name}?", home=homes[0], name=name)
        else:
            hint = did_you_mean(name, (*ROOTS, *FUNCTIONS)) or _(
                "; did you mean vars.{name}?", name=name
            )
        super().__init__(_("'{name}' is undefined{hint}", name=name, hint=hint), "undefined")
        self.name = name


def check_length(text: str) -> None:
    """Raise ExpressionError for an expression that is too long or empty."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            _(
                "an expression of over {max_characters:,} characters; use vars",
                max_characters=MAX_CHARACTERS,
            ),
            _SYNTAX,
        )
    if not text.strip():
        raise ExpressionError(_("the expression is empty; write one such as vars.name"), _SYNTAX)


@contextmanager
def syntax_errors() -> Iterator[None]:
    """Raise ExpressionError in place of what Jinja raises while it parses or compiles."""
    try:
        yield
    except (TemplateSyntaxError, OverflowError, ValueError) as error:
        raise ExpressionError(_in_our_words(error), _SYNTAX) from None
    except RecursionError:
        raise ExpressionError(_("nested too deep; use vars"), _SYNTAX) from None


def roots_of(text: str, environment: Environment) -> frozenset[str]:
    """Return the root names of an expression.

    Raises ExpressionError for what is not in the language, and what Jinja raises for bad syntax.
    """
    parser = Parser(environment, text, state="variable")
    tree = parser.parse_expression()
    if not parser.stream.eos:
        raise ExpressionError(
            _("'{value}' is not expected here", value=parser.stream.current.value), _SYNTAX
        )
    names = set()
    for node in _walk(tree):
        check = _check_of(node)
        check(node, text)
        if _unpacks(node):
            _refuse(node, text)
        if isinstance(node, nodes.Name):
            names.add(node.name)
    return frozenset(names - FUNCTIONS.keys())


def _in_our_words(error: Exception) -> str:
    message = str(getattr(error, "message", None) or error)
    if "end of template" in message:
        return _("the expression breaks off; something is missing before its end")
    return message.splitlines()[0][:200] if message else _("not an expression")


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    todo = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise ExpressionError(_("nested too deep; use vars"), _SYNTAX)
        yield node
        todo.extend((child, depth + 1) for child in node.iter_child_nodes())


def _unpacks(node: nodes.Node) -> bool:
    """Return True for a call with `*arguments` or `**arguments`."""
    return bool(getattr(node, "dyn_args", None) or getattr(node, "dyn_kwargs", None))


def _check_name(node: nodes.Name, text: str) -> None:
    name = node.name
    if name in ROOTS or name in FUNCTIONS:
        return
    if name == "env" and (advice := no_environment_in(text)):
        raise ExpressionError(advice, NO_ENVIRONMENT)
    if re.search(rf"shots\.[\w.-]*-{re.escape(name)}\b", text):
        raise ExpressionError(
            _("an id with '-' is written in brackets: shots['a-b'].video_url"), "undefined"
        )
    raise UnknownName(name)


def _check_filter(node: nodes.Filter, _unused: str) -> None:
    _check_known(_("filter"), node.name, FILTERS)


def _check_test(node: nodes.Test, _unused: str) -> None:
    _check_known(_("test"), node.name, TESTS)


def _check_call(node: nodes.Call, _unused: str) -> None:
    if not isinstance(node.node, nodes.Name):
        raise ExpressionError(
            _(
                "only {functions} can be called; write | and a filter",
                functions=joined(", ", FUNCTIONS),
            ),
            _SYNTAX,
        )
    _check_known(_("function"), node.node.name, FUNCTIONS)


def _check_known(what: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or _(
            "; there are {known}", known=joined(", ", sorted(known))
        )
        raise ExpressionError(
            _("no {what} '{name}'{hint}", what=what, name=name, hint=hint), _SYNTAX
        )


def _check_item(node: nodes.Getitem, _unused: str) -> None:
    if any(isinstance(part, nodes.Slice) for part in node.arg.iter_child_nodes()):
        raise ExpressionError(_("a list takes one index or one slice"), _SYNTAX)


def _check_condition(node: nodes.CondExpr, _unused: str) -> None:
    if node.expr2 is None:
        raise ExpressionError(_("an 'if' needs its 'else'"), _SYNTAX)


def _check_constant(node: nodes.Const, _: str) -> None:
    if isinstance(node.value, (int, float)):
        number(node.value)


def _allow(_node: nodes.Node, _text: str) -> None:
    """Accept a node of which nothing can be wrong."""


def _refuse(node: nodes.Node, _text: str) -> NoReturn:
    raise ExpressionError(
        _("{name} is not part of the language", name=type(node).__name__), _SYNTAX
    )


def _check_of(node: nodes.Node) -> Callable[[Any, str], None]:
    """Return the check of the node's type, or of the nearest type above it."""
    return next((_GRAMMAR[kind] for kind in type(node).__mro__ if kind in _GRAMMAR), _refuse)


_GRAMMAR: Final[dict[type, Callable[[Any, str], None]]] = {
    nodes.Const: _check_constant,
    nodes.Name: _check_name,
    nodes.Getitem: _check_item,
    nodes.Filter: _check_filter,
    nodes.Test: _check_test,
    nodes.Call: _check_call,
    nodes.CondExpr: _check_condition,
    nodes.List: _allow,
    nodes.Tuple: _allow,
    nodes.Dict: _allow,
    nodes.Pair: _allow,
    nodes.Keyword: _allow,
    nodes.Getattr: _allow,
    nodes.Slice: _allow,
    nodes.Compare: _allow,
    nodes.Operand: _allow,
    nodes.Concat: _allow,
    nodes.BinExpr: _allow,
    nodes.UnaryExpr: _allow,
}

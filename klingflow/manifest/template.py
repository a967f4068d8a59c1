"""PURE. `${{ … }}` in Nodes → values, with every mistake at its place. Knows what the names mean,
nothing of shots' fields.

One pass: what an expression gives is data and never looked at again. What does not depend on a shot
is rendered once and shared by all. What only the run knows (`shots.x.video_url`) comes out as a
Pending.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from klingflow.errors import Mark
from klingflow.manifest.expressions import (
    Expression,
    Later,
    Meanings,
    Names,
    UnknownName,
    compile_expression,
    to_json,
)
from klingflow.manifest.functions import (
    FREE_PARTS,
    MAX_WORK,
    METER,
    ExpressionError,
    Meter,
    Missing,
    as_text,
    check_room,
)
from klingflow.manifest.source import did_you_mean
from klingflow.model import Json, Node, Pending, Reference

MAX_VARS_CHAIN = 32
ATTRIBUTES = ("video_url", "task_id")

_BEGIN = re.compile(r"\$?\$\{\{")
_INSIDE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\}\}|[][(){}]""", re.DOTALL)
# Names whose meaning differs from shot to shot: what uses one cannot be shared.
_OF_A_SHOT = frozenset(("matrix", "row", "shot", "shots"))
_ABSENT = {
    "matrix": "'matrix' is only there in a shot with matrix:",
    "row": "'row' is only there in a shot with foreach:",
    "shot": "'shot' is only there in a shot's own fields",
}


class Problem(NamedTuple):
    """A mistake in an expression. `subject` is whose it is (`vars.hero`), if not the shot's."""

    mark: Mark
    code: str
    message: str
    subject: str | None = None


class _Broken(Exception):
    """A variable that cannot be rendered: carries its first Problem to whoever uses it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Piece(NamedTuple):
    """An expression within a text: its source, and where its `${{` begins."""

    source: str
    offset: int


class _Env(Names):
    """`env`: only what the manifest allows, so that no manifest can read a secret it does not name."""

    __slots__ = ("allowed", "environ")

    def __init__(self, allowed: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__("env")
        self.allowed, self.environ = allowed, environ

    def get(self, key: str) -> Any:
        if key not in self.allowed:
            hint = (
                did_you_mean(key, self.allowed)
                or f"; add it to env: [{', '.join([*self.allowed, key])}]"
            )
            raise ExpressionError(
                f"the variable {key} is not allowed here{hint}",
                "env-not-allowed",
            )
        if key not in self.environ:
            return Missing(hint=f"the environment variable {key} is not set")
        return self.environ[key]


class _Shots(Names):
    """`shots`: every id leads to a handle; whether the shot exists is known when all are expanded."""

    __slots__ = ()

    def get(self, key: str) -> Any:
        return _Handle(key)


class _Handle(Names):
    """`shots.<id>`."""

    __slots__ = ()

    def __init__(self, shot: str) -> None:
        super().__init__(shot)
        self.advice = f"shots['{shot}'] is no value; write shots['{shot}'].video_url"

    def get(self, key: str) -> Any:
        if key not in ATTRIBUTES:
            hint = did_you_mean(key, ATTRIBUTES) or f"; there are {' and '.join(ATTRIBUTES)}"
            raise ExpressionError(f"a shot has no '{key}'{hint}", "undefined")
        return Later(Pending((Reference(self.label, key),)))


class _Vars(Names):
    """`vars`: rendered when asked for, in the scope that asks."""

    __slots__ = ("variable",)

    def __init__(self, variable: Callable[[str], Any]) -> None:
        super().__init__("vars")
        self.variable = variable

    def get(self, key: str) -> Any:
        return self.variable(key)


class Scope:
    """What the names mean for one shot, and what was found while rendering it.

    `own` are the variables that the shot overrides. `used` are the root names of all that was
    rendered; `references` the shots that it waits for, each with the place that names it.
    """

    __slots__ = ("meanings", "names", "own", "problems", "references", "used")

    def __init__(self, own: Mapping[str, Node] | None = None, **names: Any) -> None:
        self.own = own or {}
        self.names = names
        self.meanings: Meanings | None = None  # made for the first expression
        self.problems: list[Problem] = []
        self.references: list[tuple[Reference, Mark]] = []
        self.used: set[str] = set()


class Renderer:
    """Renders the Nodes of one manifest.

    `variables` are the manifest's `vars`; `fixed` those of the command line, which win and are
    data.
    """

    def __init__(
        self,
        variables: Mapping[str, Node],
        fixed: Mapping[str, Json],
        allowed: Sequence[str],
        environ: Mapping[str, str],
    ) -> None:
        self.variables = variables
        self.fixed = fixed
        self.names: dict[str, Any] = {
            **{name: Missing(hint=hint) for name, hint in _ABSENT.items()},
            "env": _Env(allowed, environ),
            "shots": _Shots("shots"),
            "vars": _Vars(self._variable),
        }
        self._cuts: dict[str, list[str | _Piece]] = {}
        self._expressions: dict[str, Expression | ExpressionError] = {}
        # By the Node's id(): the Node (alive, so that no other takes its id), its value, the names
        # used.
        self._shared: dict[int, tuple[Node, Json, frozenset[str]]] = {}
        self._chain: list[str] = []
        self._scope = Scope()
        self._meter = Meter(MAX_WORK)

    def render(self, node: Node, scope: Scope) -> Json:
        """The value of `node` in `scope`. Mistakes go to `scope.problems`, None in their place."""
        value = node.value
        if type(value) is str:
            if "${{" not in value:
                return value
        elif type(value) is not dict and type(value) is not list:
            return value
        # What uses no variable is the same also where a shot has its own.
        if (shared := self._shared.get(id(node))) and not (scope.own and "vars" in shared[2]):
            scope.used |= shared[2]
            return shared[1]
        before, scope.used, mistakes = scope.used, set(), len(scope.problems)
        made = self._make(node, scope)
        own = scope.own and "vars" in scope.used
        if not own and mistakes == len(scope.problems) and scope.used.isdisjoint(_OF_A_SHOT):
            self._shared[id(node)] = (node, made, frozenset(scope.used))
        scope.used |= before
        return made

    def check(self, node: Node, problems: list[Problem]) -> None:
        """Find what is no expression in a tree that may never be rendered."""
        todo = [node]
        while todo:
            part = todo.pop()
            if type(part.value) is dict:
                todo.extend(part.value.values())
            elif type(part.value) is list:
                todo.extend(part.value)
            elif type(part.value) is str and "${{" in part.value:
                try:
                    for piece in self._cut(part):
                        if isinstance(piece, _Piece):
                            self._compiled(piece, part)
                except _Broken as error:
                    problems.append(error.problem)

    def _variable(self, key: str) -> Any:
        """`vars.<key>` in the scope that is being rendered; a Missing if there is none.

        Raises _Broken and ExpressionError.
        """
        scope = self._scope
        if key in self.fixed:
            return self.fixed[key]
        node = scope.own.get(key) or self.variables.get(key)
        if node is None:
            return Missing(
                hint=f"'vars.{key}' is undefined{did_you_mean(key, {**self.variables, **scope.own})}"
            )
        if key in self._chain:
            chain = " → ".join([*self._chain[self._chain.index(key) :], key])
            raise ExpressionError(f"the variable needs itself: {chain}", "vars-cycle")
        if len(self._chain) == MAX_VARS_CHAIN:
            raise ExpressionError(
                f"variables refer to each other over {MAX_VARS_CHAIN} deep", "vars-cycle"
            )
        mistakes = len(scope.problems)
        self._chain.append(key)
        try:
            value = self.render(node, scope)
        finally:
            self._chain.pop()
        if len(scope.problems) > mistakes:
            problem = scope.problems.pop()
            del scope.problems[mistakes:]
            raise _Broken(problem if problem.subject else problem._replace(subject=f"vars.{key}"))
        return Later(value) if isinstance(value, Pending) else value

    def _make(self, node: Node, scope: Scope) -> Json:
        if type(node.value) is dict:
            return {key: self.render(part, scope) for key, part in node.value.items()}
        if type(node.value) is list:
            return [self.render(part, scope) for part in node.value]
        left, outer = self._meter.left, METER.set(self._meter)
        try:
            return self._text(node, scope)
        except _Broken as error:
            scope.problems.append(error.problem)
            return None
        finally:
            METER.reset(outer)
            self._meter.left = min(left, self._meter.left)

    def _text(self, node: Node, scope: Scope) -> Json:
        """A scalar with expressions in it. Raises _Broken."""
        pieces = self._cut(node)
        self._meter.left += FREE_PARTS * len(pieces)
        if len(pieces) == 1 and isinstance(pieces[0], _Piece):
            return self._value(pieces[0], node, scope)
        parts: list[str | Reference] = []
        characters = 0
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            value = self._value(piece, node, scope)
            try:
                if isinstance(value, Pending):
                    parts.extend(value.parts)
                else:
                    parts.append(text := as_text(value))
                    check_room(characters := characters + len(text))
            except ExpressionError as error:
                raise _broken(node, piece.offset, error) from None
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
        return Pending(parts)

    def _cut(self, node: Node) -> list[str | _Piece]:
        """Raises _Broken."""
        text = node.value
        try:
            if text not in self._cuts:
                self._cuts[text] = list(_pieces(text))
            return self._cuts[text]
        except _Unclosed as error:
            raise _broken(
                node, error.offset, ExpressionError(str(error), "expression-syntax")
            ) from None

    def _value(self, piece: _Piece, node: Node, scope: Scope) -> Json:
        expression = self._compiled(piece, node, scope)
        scope.used |= expression.roots
        if scope.meanings is None:
            scope.meanings = Meanings({**self.names, **scope.names})
        self._scope = scope
        try:
            made = to_json(expression.run(scope.meanings))
        except ExpressionError as error:
            raise _broken(node, piece.offset, error) from None
        if "shots" in scope.used and not self._chain:
            place = _place(node, piece.offset)
            scope.references.extend((reference, place) for reference in _references(made))
        return made

    def _compiled(self, piece: _Piece, node: Node, scope: Scope | None = None) -> Expression:
        """Each text is compiled once. Raises _Broken."""
        known = self._expressions.get(piece.source)
        if known is None:
            try:
                known = compile_expression(piece.source)
            except ExpressionError as error:
                known = error
            self._expressions[piece.source] = known
        if isinstance(known, UnknownName) and scope:
            known = UnknownName(known.name, self._homes(known.name, scope))
        if isinstance(known, ExpressionError):
            raise _broken(node, piece.offset, known)
        return known

    def _homes(self, name: str, scope: Scope) -> list[str]:
        """The roots that have a member of this name in a scope."""
        spaces = {"vars": {**self.variables, **scope.own}, **scope.names}
        return [root for root, space in spaces.items() if isinstance(space, dict) and name in space]


class _Unclosed(Exception):
    """A `${{` without its `}}`, at `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__("'${{' has no '}}'; close it, or write '$${{' for the text itself")
        self.offset = offset


def _pieces(text: str) -> Iterator[str | _Piece]:
    """`text` cut into what stands as it is and the expressions in it. Raises _Unclosed."""
    at = 0
    while begin := _BEGIN.search(text, at):
        if begin.start() > at:
            yield text[at : begin.start()]
        if begin[0] == "$${{":
            yield "${{"
            at = begin.end()
        else:
            end = _end(text, begin)
            yield _Piece(text[begin.end() : end], begin.start())
            at = end + 2
    if at < len(text):
        yield text[at:]


def _end(text: str, begin: re.Match[str]) -> int:
    """Where the `}}` stands that closes the expression; one in quotes or in a map of its own does
    not.
    """
    open_brackets, at = 0, begin.end()
    while token := _INSIDE.search(text, at):
        if token[0] == "}}" and not open_brackets:
            return token.start()
        at = token.end()
        if token[0] in ("(", "[", "{"):
            open_brackets += 1
        elif token[0][0] in ")]}":
            open_brackets = max(0, open_brackets - 1)
            at = token.start() + 1
    raise _Unclosed(begin.start())


def _place(node: Node, offset: int) -> Mark:
    """The place of the character at `offset`, where that can be told; else where the scalar begins."""
    return (
        node.mark._replace(column=node.mark.column + node.inset + offset)
        if node.plain
        else node.mark
    )


def _broken(node: Node, offset: int, error: ExpressionError) -> _Broken:
    return _Broken(Problem(_place(node, offset), error.code, str(error)))


def _references(value: Json) -> Iterator[Reference]:
    if isinstance(value, Pending):
        yield from (part for part in value.parts if isinstance(part, Reference))
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _references(part)

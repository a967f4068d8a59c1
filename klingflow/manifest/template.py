"""PURE. `${{ … }}` in Nodes → values, with every mistake at its place. Knows what the names mean,
nothing of shots' fields.

One pass: the value of an expression is data and never looked at again. What does not depend on a
shot is rendered once and shared by all. What only the run knows (`shots.x.video_url`) comes out as
a Pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.budget import (
    FREE_PARTS,
    MAX_WORK,
    Budget,
    ExpressionError,
    Missing,
    as_text,
    check_room,
)
from klingflow.manifest.cells import at_cell, in_brackets, last_read, no_column, of_empty_cell
from klingflow.manifest.expressions import Expression, Language, Meanings
from klingflow.manifest.grammar import UnknownName
from klingflow.manifest.names import Shots, Vars, opened
from klingflow.manifest.offsets import place_in
from klingflow.manifest.pieces import BEGIN, Piece, Unclosed, pieces_of
from klingflow.manifest.rows import RowPlace
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Json, Node, Pending, Reference
from klingflow.words import _

MAX_VARS_CHAIN = 32

# Names whose meaning differs from shot to shot: what uses one cannot be shared.
_OF_A_SHOT = frozenset(("matrix", "row", "shot", "shots"))
_ABSENT = {
    "matrix": _("'matrix' is only there in a shot with matrix:"),
    "row": _("'row' is only there in a shot with foreach:"),
    "shot": _("'shot' is only there in a shot's own fields"),
}


class _Broken(Exception):
    """A text that cannot be rendered, with the Diagnostic that says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Scope:
    """What the names mean for one shot, and what was found while rendering it.

    `own` are the variables that the shot overrides; `subject` is whose mistakes these are, such as
    `shot 'opening'`; `place` is where its row stands. `used` are the root names of all that was
    rendered; `references` the shots that it waits for, each with the place that names it.
    """

    __slots__ = (
        "diagnostics",
        "meanings",
        "names",
        "own",
        "place",
        "references",
        "subject",
        "used",
    )

    def __init__(
        self,
        own: Mapping[str, Node] | None = None,
        subject: str = "",
        place: RowPlace | None = None,
        **names: Mapping[str, Json],
    ) -> None:
        self.own: Mapping[str, Node] = own or {}
        self.subject: str = subject
        self.place: RowPlace | None = place
        self.names: dict[str, Mapping[str, Json]] = names
        self.meanings: Meanings | None = None  # made for the first expression
        self.diagnostics: list[Diagnostic] = []
        self.references: list[tuple[Reference, Mark]] = []
        self.used: set[str] = set()


class Renderer:
    """Renders the Nodes of one manifest.

    `variables` are the manifest's `vars`; `fixed` are the values handed in, which win and are
    data. `sources` are the texts of the files, for places in texts of several lines.
    """

    def __init__(
        self,
        variables: Mapping[str, Node],
        fixed: Mapping[str, Json],
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self.variables = variables
        self.sources: Mapping[str, str] = {} if sources is None else sources
        self.fixed = fixed
        self.names: dict[str, Any] = {
            **{name: Missing(hint=hint) for name, hint in _ABSENT.items()},
            "shots": Shots(),
            "vars": Vars(self._variable),
        }
        self._budget = Budget(MAX_WORK)
        self._language = Language(self._budget)
        self._cuts: dict[str, list[str | Piece]] = {}
        self._expressions: dict[str, Expression | ExpressionError] = {}
        # By the Node's id(): the Node (kept alive, so that no other takes its id), its value, the
        # names used.
        self._shared: dict[int, tuple[Node, Json, frozenset[str]]] = {}
        self._chain: list[str] = []  # the variables that are being rendered
        self._scope = Scope()

    def render(self, node: Node, scope: Scope) -> Json:
        """Return the value of `node` in `scope`. Mistakes go to `scope.diagnostics`, with None in
        their place.
        """
        value = node.value
        if type(value) is str:
            if "${{" not in value:
                return value
        elif type(value) is not dict and type(value) is not list:
            return value
        # A value that uses no variable is the same even if a shot has variables of its own.
        if (shared := self._shared.get(id(node))) and not (scope.own and "vars" in shared[2]):
            scope.used |= shared[2]
            return shared[1]
        if type(value) is list and (texts := _plain_texts(value)):
            self._shared[id(node)] = (node, texts, frozenset())
            return texts
        return self._rendered(node, scope)

    def _rendered(self, node: Node, scope: Scope) -> Json:
        """Render a node and share the result where no shot changes it."""
        before, scope.used, mistakes = scope.used, set(), len(scope.diagnostics)
        made = self._make(node, scope)
        own = scope.own and "vars" in scope.used
        if not own and mistakes == len(scope.diagnostics) and scope.used.isdisjoint(_OF_A_SHOT):
            self._shared[id(node)] = (node, made, frozenset(scope.used))
        scope.used |= before
        return made

    def let_go(self, node: Node) -> None:
        """Forget what was rendered of a tree that no other shot shares."""
        for part in _parts(node):
            self._shared.pop(id(part), None)

    def check(self, node: Node, scope: Scope) -> None:
        """Report what is not an expression in a tree that may never be rendered."""
        for part in _parts(node):
            if type(part.value) is str and "${{" in part.value:
                self._check_text(part, scope)

    def _check_text(self, node: Node, scope: Scope) -> None:
        try:
            for piece in self._cut(node, scope):
                if isinstance(piece, str):
                    continue
                known = self._compiled(piece.source)
                if isinstance(known, ExpressionError):
                    raise self._broken(node, piece.offset, known, scope)
        except _Broken as error:
            scope.diagnostics.append(error.diagnostic)

    def _variable(self, key: str) -> Any:
        """Return `vars.<key>` in the scope that is being rendered; a Missing if there is none.

        Raises _Broken and ExpressionError.
        """
        scope = self._scope
        if key in self.fixed:
            return self.fixed[key]
        node = scope.own.get(key) or self.variables.get(key)
        if node is None:
            hint = did_you_mean(key, {**self.variables, **scope.own})
            return Missing(hint=_("'vars.{key}' is undefined{hint}", key=key, hint=hint))
        self._check_chain(key)
        mistakes = len(scope.diagnostics)
        self._chain.append(key)
        try:
            value = self.render(node, scope)
        finally:
            self._chain.pop()
        if len(scope.diagnostics) > mistakes:
            last = scope.diagnostics[-1]
            del scope.diagnostics[mistakes:]
            raise _Broken(last)
        return opened(value)

    def _check_chain(self, key: str) -> None:
        if key in self._chain:
            chain = " → ".join([*self._chain[self._chain.index(key) :], key])
            raise ExpressionError(
                _("the variable needs itself: {chain}", chain=chain), "vars-cycle"
            )
        if len(self._chain) == MAX_VARS_CHAIN:
            raise ExpressionError(
                _(
                    "variables refer to each other over {max_vars_chain} deep",
                    max_vars_chain=MAX_VARS_CHAIN,
                ),
                "vars-cycle",
            )

    def _make(self, node: Node, scope: Scope) -> Json:
        if type(node.value) is dict:
            return {key: self.render(part, scope) for key, part in node.value.items()}
        if type(node.value) is list:
            return [self.render(part, scope) for part in node.value]
        left = self._budget.left
        try:
            return self._text(node, scope)
        except _Broken as error:
            scope.diagnostics.append(error.diagnostic)
            return None
        finally:
            # Parts that were free for these expressions are not left for others.
            self._budget.left = min(left, self._budget.left)

    def _text(self, node: Node, scope: Scope) -> Json:
        """Return the value of a scalar with expressions in it. Raises _Broken."""
        pieces = self._cut(node, scope)
        self._budget.left += FREE_PARTS * len(pieces)
        if len(pieces) == 1 and isinstance(pieces[0], Piece):
            return self._value(pieces[0], node, scope)
        parts: list[str | Reference] = []
        characters = 0
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            value = self._value(piece, node, scope)
            if isinstance(value, Pending):
                parts.extend(value.parts)
                continue
            try:
                text = as_text(value, self._budget)
                characters += len(text)
                check_room(characters)
            except ExpressionError as error:
                raise self._failed(piece, node, error, scope) from None
            parts.append(text)
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
        return Pending(parts)

    def _cut(self, node: Node, scope: Scope) -> list[str | Piece]:
        """Return the pieces of a text, which is cut only once. Raises _Broken."""
        text = node.value
        known = self._cuts.get(text)
        if known is None:
            try:
                known = self._cuts[text] = list(pieces_of(text))
            except Unclosed as error:
                raise self._broken(node, error.offset, error, scope) from None
        return known

    def _value(self, piece: Piece, node: Node, scope: Scope) -> Json:
        """Return the value of one expression. Raises _Broken."""
        expression = self._expression(piece, node, scope)
        scope.used |= expression.roots
        if scope.meanings is None:
            scope.meanings = Meanings({**self.names, **scope.names}, self._language)
        self._scope = scope
        try:
            made = self._language.to_json(expression.run(scope.meanings))
        except ExpressionError as error:
            raise self._failed(piece, node, error, scope) from None
        if "shots" in scope.used and not self._chain:
            place = place_in(node, piece.offset, BEGIN, self.sources)
            scope.references.extend((reference, place) for reference in _references(made))
        return made

    def _expression(self, piece: Piece, node: Node, scope: Scope) -> Expression:
        known = self._compiled(piece.source)
        if isinstance(known, UnknownName):
            known = UnknownName(known.name, self._homes(known.name, scope))
        if isinstance(known, ExpressionError):
            raise self._broken(node, piece.offset, self._spelt(piece, known, scope), scope)
        return known

    def _spelt(self, piece: Piece, error: ExpressionError, scope: Scope) -> ExpressionError:
        """Return the mistake of an expression, or better advice if the expression names a column
        after a point although the column's name is not one word.
        """
        advice = in_brackets(piece.source, scope.names.get("row", ())) if scope.place else None
        return ExpressionError(advice, error.code) if advice else error

    def _compiled(self, source: str) -> Expression | ExpressionError:
        """Return the expression of a text, which is compiled only once, or why it is not an
        expression.
        """
        known = self._expressions.get(source)
        if known is None:
            try:
                known = self._language.compile(source)
            except ExpressionError as error:
                known = error
            self._expressions[source] = known
        return known

    def _homes(self, name: str, scope: Scope) -> list[str]:
        """Return the roots that have a member of this name in a scope."""
        spaces = {"vars": {**self.variables, **scope.own}, **scope.names}
        return [root for root, space in spaces.items() if name in space]

    def _failed(self, piece: Piece, node: Node, error: ExpressionError, scope: Scope) -> _Broken:
        """Return the mistake of an expression without a value: at the cell of a row that it read
        last, if there is one.
        """
        broken = self._broken(node, piece.offset, self._spelt(piece, error, scope), scope)
        if scope.place is None or "row" not in scope.used:
            return broken
        column = self._column_read(piece, scope)
        if column is None:
            told = broken.diagnostic._replace(related=scope.place.mark)
        elif column in scope.names["row"]:
            found = of_empty_cell(broken.diagnostic, column, scope.names["row"][column])
            told = at_cell(found, scope.place, column)
        else:
            told = no_column(broken.diagnostic, scope.place, column, scope.names["row"])
        return _Broken(told)

    def _column_read(self, piece: Piece, scope: Scope) -> str | None:
        """Return the column that an expression reads last; None if it reads none by itself."""
        expression = self._compiled(piece.source)
        if isinstance(expression, ExpressionError):
            return None
        with suppress(_Broken):  # one of its variables is to blame
            return last_read(expression, {**self.names, **scope.names}, self._language)
        return None

    def _broken(self, node: Node, offset: int, error: ExpressionError, scope: Scope) -> _Broken:
        """Return the mistake of the variable that is being rendered, otherwise of the scope."""
        subject = f"vars.{self._chain[-1]}" if self._chain else scope.subject
        mark = place_in(node, offset, BEGIN, self.sources)
        return _Broken(Diagnostic(mark, error.code, str(error), subject=subject))


def _plain_texts(nodes: list[Node]) -> list[Json]:
    """Return the texts of a list that holds only texts without expressions; otherwise an empty
    list.
    """
    values = [node.value for node in nodes]
    is_plain = set(map(type, values)) == {str} and "${{" not in "".join(values)
    return values if is_plain else []


def _parts(node: Node) -> Iterator[Node]:
    """Yield a tree's Nodes, each before those in it."""
    todo = [node]
    while todo:
        part = todo.pop()
        yield part
        if type(part.value) is dict:
            todo.extend(part.value.values())
        elif type(part.value) is list:
            todo.extend(part.value)


def _references(value: Json) -> Iterator[Reference]:
    if isinstance(value, Pending):
        yield from (part for part in value.parts if isinstance(part, Reference))
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _references(part)

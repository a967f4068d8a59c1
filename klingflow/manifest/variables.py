"""PURE. The manifest's `vars`, with what a user hands in for them.

handed.py says what may be handed in. This module fixes it for the variables that are declared, and
notes what no variable takes.
"""

from __future__ import annotations

from collections.abc import Mapping

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.handed import OPTION, Handed, WrongKind, checked, from_environment
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.template import Renderer, Scope
from klingflow.model import Json, Node
from klingflow.words import _, joined


class Variables:
    """The variables of a manifest. `declared` grows while files are included; `fixed` are the
    values handed in, which win. Mistakes go to `diagnostics`.
    """

    def __init__(
        self,
        declared: Mapping[str, Node],
        given: Mapping[str, Json],
        environ: Mapping[str, str],
        diagnostics: list[Diagnostic],
    ) -> None:
        self.declared = declared
        self.fixed: dict[str, Json] = {}
        self._given = {name: Handed(value, OPTION) for name, value in given.items()}
        self._environ = environ
        self._handed: dict[str, Handed] = {}
        self._diagnostics = diagnostics

    def hand_in(self) -> None:
        """Fix what the user handed in for the variables that are declared by now."""
        found = from_environment(self._environ, self.declared)
        self._handed = {**found.handed, **self._given}
        for name in self._handed.keys() & self.declared.keys() - self.fixed.keys():
            self._fix(name, self._handed[name])

    def _fix(self, name: str, handed: Handed) -> None:
        """Let a value handed in stand for a variable, if the value is of the declared kind."""
        node = self.declared[name]

        def declared() -> Json:
            return Renderer(self.declared, {}).render(node, Scope())

        try:
            self.fixed[name] = checked(name, handed, declared)
        except WrongKind as error:
            mark = Mark(handed.source, 1, 1)
            self._diagnostics.append(Diagnostic(mark, "wrong-type", str(error)))

    def environment(self) -> tuple[str, ...]:
        """Return the variables of the environment that set something."""
        sources = {handed.source for handed in self._handed.values()}
        return tuple(sorted(sources - {OPTION}))

    def check(self) -> None:
        """Note what was handed in for variables that the manifest does not have."""
        self._diagnostics += from_environment(self._environ, self.declared).diagnostics
        there_are = _("; add it to vars: first")
        if self.declared:
            there_are = _("; there are {known}", known=joined(", ", self.declared))
        for name in self._given:
            if name in self.declared:
                continue
            message = _(
                "there is no variable '{name}'{did_you_mean}",
                name=name,
                did_you_mean=did_you_mean(name, self.declared) or there_are,
            )
            self._diagnostics.append(Diagnostic(Mark("--var", 1, 1), "unknown-variable", message))

"""PURE. What a user hands in for the manifest's `vars`: `--var name=value`, or a variable
`KLINGFLOW_VAR_<name>` of the environment.

A value is data and never evaluated. It has to be of the kind that the manifest declares; a text
stays what was typed, character by character. No expression reads the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple

from klingflow.errors import Diagnostic, ManifestError, Mark, shortened
from klingflow.manifest.source import parse
from klingflow.manifest.spelling import nearest
from klingflow.manifest.syntax import unfit
from klingflow.manifest.values import content_of
from klingflow.model import Json
from klingflow.words import _, joined

PREFIX: Final = "KLINGFLOW_VAR_"
OPTION: Final = "--var"

# What a declared value and the value handed in for it may be; a text takes every text.
_KINDS: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    (_("true or false"), (bool,)),
    (_("a number"), (int, float)),
    (_("text"), (str,)),
    (_("a list"), (list,)),
    (_("a map"), (dict,)),
)
_ANY: Final = (_("text"), tuple(kind for _, kinds in _KINDS for kind in kinds))

NO_ENVIRONMENT: Final = "no-environment"  # the code of the error
_MEMBER = re.compile(r"""\benv\s*(?:\.\s*([^\W\d]\w*)|\[\s*["']([^"']+)["']\s*\])""")


class Handed(NamedTuple):
    """A value for one of `vars`, and where it came from: `--var`, or a variable's name."""

    value: Json
    source: str


class Found(NamedTuple):
    """What the environment holds for the declared names, and what is doubtful about it."""

    handed: dict[str, Handed]
    diagnostics: list[Diagnostic]


def no_environment(name: str) -> str:
    """Return what to say about a manifest that tries to read the environment variable `name`."""
    member, ways = f"vars['{name}']", f"{OPTION} {name}=…"
    if name.isidentifier():  # otherwise no shell sets such a variable
        member, ways = (
            f"vars.{name}",
            _("{prefix}{name}=…, or {ways}", prefix=PREFIX, name=name, ways=ways),
        )
    return _(
        "no expression reads the environment; declare {name} in vars:, write"
        " ${{{{ {member} }}}}, and hand it in: {ways}",
        name=name,
        member=member,
        ways=ways,
    )


def no_environment_in(expression: str) -> str | None:
    """Return that text for the first member of `env` that an expression names; None if it names
    none.
    """
    found = _MEMBER.search(expression)
    return no_environment(found[1] or found[2]) if found else None


# ---------------------------------------------------------------- the environment


def from_environment(environ: Mapping[str, str], declared: Collection[str]) -> Found:
    """Return what variables `KLINGFLOW_VAR_<name>` give, for the names that `vars:` declares.

    The exact name counts first; otherwise case does not matter, since Windows ignores it. A
    variable that could mean two names, and two variables for one name, are errors. A variable whose
    name is near a declared one gives a warning; others are for other manifests.
    """
    found = Found({}, [])
    rest: dict[str, str] = {}  # variable → the name in it
    for variable in sorted(environ):
        if variable.upper().startswith(PREFIX):
            rest[variable] = variable[len(PREFIX) :]
    exact = {name: PREFIX + name for name in declared if PREFIX + name in environ}
    for name, variable in exact.items():
        found.handed[name] = Handed(environ[variable], variable)
        del rest[variable]
    for variable, typed in rest.items():
        _take(variable, typed, environ[variable], declared, exact, found)
    return found


def _take(
    variable: str,
    typed: str,
    value: str,
    declared: Collection[str],
    exact: Collection[str],
    found: Found,
) -> None:
    """Take over a variable that has no declared name exactly."""
    meant = [name for name in declared if name.upper() == typed.upper()]
    if len(meant) > 1:
        message = _("could mean {meant}; write one of them exactly", meant=joined(_(" or "), meant))
        found.diagnostics.append(_note(variable, "ambiguous-variable", message))
    elif not meant:
        found.diagnostics.extend(_near(variable, typed, declared))
    elif meant[0] not in exact:
        _only(meant[0], Handed(value, variable), found)


def _only(name: str, handed: Handed, found: Found) -> None:
    first = found.handed.setdefault(name, handed)
    if first.value != handed.value:
        message = _(
            "sets '{name}' to another value than {source}; unset one of them",
            name=name,
            source=first.source,
        )
        found.diagnostics.append(_note(handed.source, "ambiguous-variable", message))


def _near(variable: str, typed: str, declared: Collection[str]) -> Iterator[Diagnostic]:
    by_case = {name.upper(): name for name in declared}
    if meant := nearest(typed.upper(), by_case):
        message = _(
            "sets nothing here; did you mean {prefix}{by_case}?",
            prefix=PREFIX,
            by_case=by_case[meant],
        )
        yield _note(variable, "unknown-variable", message, "warning")


def _note(source: str, code: str, message: str, severity: str = "error") -> Diagnostic:
    return Diagnostic(Mark(source, 1, 1), code, message, severity)


# ---------------------------------------------------------------- values


class WrongKind(Exception):
    """A value that is not of the kind that `vars:` declares; its text says what is wrong."""


def checked(name: str, given: Handed, declared: Callable[[], Json]) -> Json:
    """Return the value handed in for the variable `name`.

    `declared` returns the value that the manifest has for it. A text for a declared text (or null)
    is taken as it is, a text for anything else is read as YAML. Raises WrongKind.
    """
    kind, types = _kind_of(declared())
    value = given.value
    if isinstance(value, str):
        value = _text(name, value) if str in types else _read(name, value, kind)
    if type(value) not in types:
        raise WrongKind(
            _(
                "'{name}' is {kind} in vars:, and {value} is not",
                name=name,
                kind=kind,
                value=_shown(given.value),
            )
        )
    return value


def _kind_of(declared: Json) -> tuple[str, tuple[type, ...]]:
    for kind, types in _KINDS:
        if type(declared) in types:
            return kind, types
    return _ANY  # null, and what only a shot or the run knows


def _text(name: str, text: str) -> str:
    """Return the text, if a manifest could hold it. Raises WrongKind."""
    for wrong in unfit(text, OPTION):
        raise WrongKind(_("'{name}': {message}", name=name, message=wrong.message))
    return text


def _read(name: str, text: str, kind: str) -> Json:
    try:
        return content_of(parse(text, OPTION))
    except ManifestError as error:
        unlike = _(
            "'{name}' is {kind} in vars:, and {text} is not",
            name=name,
            kind=kind,
            text=_shown(text),
        )
        raise WrongKind(
            _("{unlike}: {message}", unlike=unlike, message=error.diagnostics[0].message)
        ) from error


def _shown(value: Json) -> str:
    text = " ".join(str(value).split())
    return f"'{shortened(text)}'"

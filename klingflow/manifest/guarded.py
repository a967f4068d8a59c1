"""PURE. Calls as an expression sees them: what they take and make is checked and counted, and a
complaint says in the language's words what is wrong.

functions.py has the calls themselves.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, Final

from klingflow.manifest.budget import Budget, ExpressionError, Missing, checked
from klingflow.manifest.complaints import in_words
from klingflow.manifest.functions import NO_DEFAULT, Call
from klingflow.words import _, joined


def bounded(calls: Mapping[str, Call], budget: Budget) -> dict[str, Call]:
    """Return the calls as an expression sees them: what they take and make is checked and counted,
    and their complaints begin with their names.

    Only `default`, `defined` and `undefined` may look at what is missing.
    """
    return {
        name: _guarded(name, call, None if name in _TAKE_MISSING else budget)
        for name, call in calls.items()
    }


def _guarded(name: str, call: Call, budget: Budget | None) -> Call:
    """Return a call in its guard. Without a budget nothing is checked."""

    def guarded(*values: Any, **options: Any) -> Any:
        if budget:
            for value in (*values, *options.values()):
                checked(value, budget)
        try:
            result = call(*values, **options)
        except ExpressionError as error:
            raise ExpressionError(
                _("{name}: {error}", name=name, error=error), error.code
            ) from None
        except (TypeError, ValueError, OverflowError) as error:
            complaint = _complaint(error, call, values, options)
            raise ExpressionError(
                _("{name}: {complaint}", name=name, complaint=complaint)
            ) from None
        if budget is None or isinstance(result, Missing):
            return result
        return checked(result, budget)

    return guarded


def _complaint(
    error: Exception, call: Call, values: tuple[Any, ...], options: dict[str, Any]
) -> str:
    """Return what a call takes if the arguments were wrong, otherwise what Python said."""
    signature = inspect.signature(call)
    try:
        signature.bind(*values, **options)
    except TypeError:
        wanted = arguments(call)
        return _("takes {arguments}", arguments=wanted) if wanted else _("takes no arguments")
    return in_words(error)


def arguments(call: Call) -> str:
    """Return what a call takes behind the value, as people write it: `old, new, count=none`."""
    value, *others = inspect.signature(call).parameters.values()
    if value.kind is value.VAR_POSITIONAL:
        return _("values without names")
    return joined(", ", map(_written, others))


def _written(argument: inspect.Parameter) -> str:
    if argument.default is argument.empty:
        return argument.name
    if argument.default is NO_DEFAULT:
        return f"{argument.name}=…"
    shown = json.dumps(argument.default).replace("null", "none").replace('"', "'")
    return f"{argument.name}={shown}"


_TAKE_MISSING: Final = frozenset(("default", "defined", "undefined"))

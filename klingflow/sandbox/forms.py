"""PURE. A multipart body as the JSON that it stands for, in the spellings of OpenAI's SDKs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

_MOST_DEEP = 8
# A form holds only text; the document wants other types for these fields.
_NOT_TEXT: dict[str, Callable[[str], Any]] = {
    "duration": int,
    "class_id": int,
    "audio": {"true": True, "false": False}.__getitem__,
}


def body_of(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return nested JSON of fields such as `metadata[output_config][resolution]=720P`.

    Other spellings are `images[]=…` and `metadata={…}`.

    Raises ValueError for a name or a JSON text that cannot be read.
    """
    body: dict[str, Any] = {}
    for name, text in fields:
        head, *steps = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)
        if len(steps) > _MOST_DEEP or name != head + "".join(f"[{step}]" for step in steps):
            raise ValueError(f"{name!r} is not a field's name")
        value = _value(steps[-1] if steps else head, text, whole=not steps)
        _put(body, [head, *steps], value)
    return body


def _value(name: str, text: str, whole: bool) -> Any:
    if whole and text[:1] in ("{", "["):
        return json.loads(text)
    convert = _NOT_TEXT.get(name)
    if convert is None or (whole and name == "duration"):
        return text
    try:
        return convert(text)
    except (ValueError, KeyError):
        return text


def _put(body: dict[str, Any], steps: list[str], value: Any) -> None:
    holder: Any = body
    for step, following in pairwise(steps):
        empty: Any = [] if following == "" or following.isdigit() else {}
        holder = _enter(holder, step, empty)
    last = steps[-1]
    if isinstance(holder, list):
        holder.append(value)
    elif isinstance(holder, dict) and last not in holder:
        holder[last] = value
    else:
        raise ValueError(f"{last!r} comes twice")


def _enter(holder: Any, step: str, empty: Any) -> Any:
    if isinstance(holder, dict):
        return holder.setdefault(step, empty)
    if not isinstance(holder, list):
        raise ValueError(f"{step!r} is inside a text")
    # `files[][type]=…&files[][url]=…` is one object; `files[0][type]` names its object.
    index = int(step) if step.isdigit() else len(holder) - 1
    if step == "" and (not holder or not isinstance(holder[-1], dict)):
        index = len(holder)
    if index >= len(holder):
        holder.append(empty)
        index = len(holder) - 1
    return holder[index]

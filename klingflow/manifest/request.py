"""PURE. From a shot's rendered fields to what would be sent for it: body, fingerprint, predicted
tier and price.

The body holds what the author wrote, placed by the field table, and nothing else; only `seconds` is
always accompanied by an equal `output_config.duration`. A body with another shot's result in it is
final once the run knows that result (`finish`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from klingflow.errors import Mark
from klingflow.manifest import chained, held_files
from klingflow.manifest.addresses import addresses
from klingflow.manifest.fields import (
    KIND_OF_FIELD,
    KINDS,
    METADATA,
    OUTPUT_CONFIG,
    SCENE_TYPE,
    SHOT,
    Path,
)
from klingflow.manifest.held_files import put
from klingflow.manifest.meaning import Meaning, meaning
from klingflow.manifest.prices import price
from klingflow.manifest.tier import predict
from klingflow.model import Json, Pending, Prices, Reference, Request, Shot


def infer_kind(fields: Mapping[str, Json]) -> str:
    """Return the kind that a shot names, or that its fields mean."""
    named = fields.get("kind")
    if isinstance(named, str) and named in KINDS and "request" not in fields:
        return named
    return next((kind for name, kind in KIND_OF_FIELD.items() if name in fields), "text")


class Sendable(NamedTuple):
    """A body and what it means."""

    body: dict[str, Json]
    meaning: Meaning


def sendable_of(body: dict[str, Json]) -> Sendable:
    """Return a body and what it means."""
    return Sendable(body, meaning(body))


def request_for(sendable: Sendable, prices: Prices | None, *, is_final: bool) -> Request:
    """Return what would be sent: a body with its predicted tier, billable seconds, price and
    fingerprint.

    The fingerprint is None for a body that is not final: one that `is_pending`, or one with local
    files that nobody has looked at. `with_files_seen` adds it then.
    """
    body, what = sendable
    tier = _shared(predict(what))
    return Request(
        body=body,
        fingerprint=_fingerprint(what) if is_final else None,
        predicted_tier=tier,
        seconds=what.billed_s,
        price=price(prices, tier, what.billed_s) if prices else None,
    )


@lru_cache(maxsize=1024)
def _shared(text: str) -> str:
    """Return one text for equal ones: a manifest has few tiers and lengths, and many shots."""
    return text


def with_files_seen(request: Request, sendable: Sendable) -> Request:
    """Return a request whose local files have been looked at since it was made, and which waits for
    nothing else.
    """
    counted = _fingerprint(sendable.meaning)
    # `replace` does the same, but takes three times as long.
    return Request(request.body, counted, request.predicted_tier, request.seconds, request.price)


def is_pending(body: Mapping[str, Json]) -> bool:
    """Return True if a body holds what only a run can know: another shot's result, or a purchase
    of which it takes the video.
    """
    return _holds_pending(body) or chained.is_open(body)


def _holds_pending(value: Json) -> bool:
    if type(value) is dict:
        return any(map(_holds_pending, value.values()))
    return any(map(_holds_pending, value)) if type(value) is list else type(value) is Pending


def finish(
    request: Request, resolve: Callable[[Reference], str], purchase_of: Callable[[str], str]
) -> Request:
    """Return the final form of a request that needs what other shots make.

    `resolve` returns the text of a Reference, `purchase_of` the uid of the purchase of a shot id.
    In the fingerprint a Reference counts as that purchase: the URL's own text may change from reply
    to reply.
    """
    if request.fingerprint is not None:
        return request
    known = chained.bound(request.body, purchase_of)
    bought = _resolved(known, lambda ref: f"\0{purchase_of(ref.shot)}\0{ref.attribute}")
    body = _resolved(known, resolve)
    return replace(request, body=body, fingerprint=fingerprint(bought))


def fingerprint(body: Mapping[str, Json]) -> str:
    """Return `sha256:<hex>` over the body's meaning: equal for bodies that buy the same video. A
    local file counts by its content, whatever its path.
    """
    return _fingerprint(meaning(body))


def _fingerprint(what: Meaning) -> str:
    values = what.as_json()
    # The places of addresses, as a body has them.
    places = {**what.top, "metadata": what.metadata}
    by_content = dict(_as_counted(places))
    values["metadata"] = by_content.pop("metadata")
    values["top"] = by_content
    return _digest(values)


def _as_counted(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a body in which local files and videos of other shots are what a fingerprint counts of
    them.
    """
    for path, value in list(addresses(body)):
        if type(value) is dict:
            room = chained if "from" in value else held_files
            body = put(body, path, room.counted(value))
    return body


def canonical(value: Json) -> bytes:
    """Return JSON with sorted keys and no spaces, in UTF-8."""
    return _CANONICAL.encode(value).encode()


# Made once: `json.dumps` makes another for every call that asks for more than its defaults.
_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def _digest(value: Json) -> str:
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


# How a value changes on its way from the field to the body; what is not listed goes as it is.
def _switch(audio: Json) -> str:
    return "Enabled" if audio else "Disabled"


def _seconds(seconds: Json) -> str:
    return _shared(str(seconds))


def _scene(_: Json) -> Json:
    return KINDS["motion"].scene_type


def _file_info(file: Mapping[str, Json]) -> dict[str, Json]:
    """Return an entry of `files` in the form of the document's 3.4."""
    rest = {key: value for key, value in file.items() if key not in ("video", "image")}
    for name, category in (("video", "Video"), ("image", "Image")):
        if name in file:
            return {"type": "Url", "category": category, "url": file[name], **rest}
    return {"type": "File", **rest}


def _file_infos(files: list[Mapping[str, Json]]) -> list[Json]:
    return [_file_info(file) for file in files]


def _ext_info(cuts: list[Mapping[str, Json]]) -> str:
    """Return the document's 6.13: JSON inside a string inside JSON."""
    prompts = [
        {"index": index, "prompt": cut["prompt"], "duration": str(cut["seconds"])}
        for index, cut in enumerate(cuts, 1)
    ]
    inner = {"multi_prompt": prompts, "shot_type": "customize", "multi_shot": True}
    return _compact({"AdditionalParameters": _compact(inner)})


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_CONVERT: dict[tuple[str, Path], Callable[[Any], Json]] = {
    ("seconds", ("seconds",)): _seconds,
    ("seconds", (*OUTPUT_CONFIG, "duration")): int,
    ("audio", (*OUTPUT_CONFIG, "audio_generation")): _switch,
    ("motion_video", SCENE_TYPE): _scene,
    ("files", ("metadata", "file_infos")): _file_infos,
    ("cuts", ("metadata", "ext_info")): _ext_info,
}
# Each field with a place of its value in the body.
_HOMES = tuple((name, place) for name, field in SHOT.items() for place in field.places if place)
# The same by the first step of the place, since each path of a local file is looked up.
_HOMES_BELOW: Final[Mapping[Any, list[tuple[str, Path]]]] = {
    first: [home for home in _HOMES if home[1][0] == first]
    for first in dict.fromkeys(place[0] for _, place in _HOMES)
}
# Each field with the mapping it goes into (the body itself, metadata or output_config) and its key
# there.
_PLACES = tuple(
    (name, place[:-1], str(place[-1]), _CONVERT.get((name, place)))
    for name, place in _HOMES
    if name not in ("model", "prompt", "output_config")
)


def body_of(fields: Mapping[str, Json], kind: str) -> dict[str, Json]:
    """Return the gateway's body for a shot's rendered fields."""
    if kind == "request":
        return dict(fields["request"])
    fields = _settled(fields)
    parts: dict[Path, dict[str, Json]] = {(): _words(fields), METADATA: {}, OUTPUT_CONFIG: {}}
    if KINDS[kind].scene_type:
        parts[METADATA]["scene_type"] = KINDS[kind].scene_type
    for name, part, key, convert in _PLACES:
        if name in fields:
            value = fields[name]
            parts[part][key] = convert(value) if convert else value
    body, metadata, config = parts[()], parts[METADATA], parts[OUTPUT_CONFIG]
    config |= fields.get("output_config", {})
    if config:
        metadata["output_config"] = config
    if metadata:
        body["metadata"] = metadata
    return _merged(body, fields["extra"]) if "extra" in fields else body


def _settled(fields: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the fields and what follows from them: cuts carry the style and add up to
    the seconds.
    """
    cuts = fields.get("cuts")
    if not cuts:
        return fields
    settled = dict(fields)
    if "style" in fields:
        settled["cuts"] = [
            {**cut, "prompt": styled(cut["prompt"], fields["style"])} for cut in cuts
        ]
    settled.setdefault("seconds", sum(int(cut["seconds"]) for cut in cuts))
    return settled


def _words(fields: Mapping[str, Json]) -> dict[str, Json]:
    """Return the model and the prompt, with which a body begins."""
    named = {"model": fields["model"]} if "model" in fields else {}
    if "prompt" not in fields:
        return named
    prompt = fields["prompt"]
    if "style" in fields:
        prompt = styled(prompt, fields["style"])
    if fields.get("prompt_as") == "content":
        return {**named, "content": [{"type": "text", "text": prompt}]}
    return {**named, "prompt": prompt}


_FULL_WIDTH_ENDS = "\u3002\uff01\uff1f\uff1b\uff1a\uff0c\u3001\u2026"  # 。 ! ? ; : , 、 …


def styled(prompt: str, style: str) -> str:
    """Return the prompt with the style appended, joined as the prompt's last character asks for.

    A Pending stays one.
    """
    last = prompt.rstrip()[-1:]
    if last in _FULL_WIDTH_ENDS:
        glue = ""
    elif last in ".!?;:,":
        glue = " "
    else:
        glue = "\uff0c" if last > "\u2e7f" else ", "
    if not isinstance(prompt, Pending) and not isinstance(style, Pending):
        return prompt.rstrip() + glue + style
    return Pending([*_texts(prompt), glue, *_texts(style)])


def _texts(text: str) -> tuple[str | Reference, ...]:
    return text.parts if isinstance(text, Pending) else (text,)


def _merged(below: Mapping[str, Json], above: Mapping[str, Json]) -> dict[str, Json]:
    """Return `above` over `below`: mappings merge, all other values replace."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)
        merged[key] = value
    return merged


def _resolved(value: Json, resolve: Callable[[Reference], str]) -> Json:
    """Return the value with every Pending in it made text."""
    if isinstance(value, Pending):
        return "".join(part if isinstance(part, str) else resolve(part) for part in value.parts)
    if isinstance(value, dict):
        return {key: _resolved(item, resolve) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, resolve) for item in value]
    return value


def leaves(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield every scalar (and empty collection) of a JSON value with its path."""
    if not value or not isinstance(value, (Mapping, list)):
        yield path, value
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in items:
        yield from leaves(item, (*path, key))


def author_path(fields: Mapping[str, Json], kind: str, path: Path) -> Path:
    """Return where the author wrote what is at `path` of the body, as a path of fields."""
    if kind == "request":
        return ("request", *path)
    if _holds(fields.get("extra"), path):
        return ("extra", *path)
    for name, place in _HOMES_BELOW.get(path[0], ()) if path else ():
        if name in fields and path[: len(place)] == place:
            return (name, *_inner(fields, name, path[len(place) :]))
    implied = _IMPLIED.get(path, "")
    return (implied,) if implied in fields else ()


# The field that sets a value whose own field is missing.
_IMPLIED: dict[Path, str] = {
    SCENE_TYPE: "kind",
    ("seconds",): "cuts",
    (*OUTPUT_CONFIG, "duration"): "cuts",
}


def _inner(fields: Mapping[str, Json], name: str, rest: Path) -> Path:
    """Return the part of a path below a field, where the field's shape is not the body's."""
    if name != "files" or len(rest) < 2:
        return rest
    file = fields["files"][rest[0]]
    return (rest[0], next((key for key in ("video", "image", "file_id") if key in file), rest[1]))


def _holds(value: Json, path: Path) -> bool:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return value is not None


def origins(shot: Shot, kind: str) -> dict[str, tuple[Path, Mark]]:
    """Return, by JSON pointer, the field that sets each value of the body and that
    field's place.
    """
    found: dict[str, tuple[Path, Mark]] = {}
    for path, _ in leaves(body_of(shot.fields, kind)):
        source = author_path(shot.fields, kind, path)
        found[pointer(path)] = (source, shot.node.at(*source).mark)
    return found


def pointer(path: Path) -> str:
    """Return a path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)

"""The published schemas: equal to what is generated, valid, and of one mind with the checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from klingflow.api.schemas import NAMES, generate
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import lock_line
from klingflow.manifest.fields import KINDS
from klingflow.manifest.schema import strict
from klingflow.manifest.source import parse
from klingflow.manifest.values import content_of
from klingflow.model import Json
from tests.gateway_doc import example_bodies
from tests.one_shot import CLIP, PICTURE
from tests.purchases import intent, submitted

_ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_schema_is_what_is_generated(name: str) -> None:
    """`schemas/` is never edited by hand."""
    committed = json.loads((_ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    assert committed == generate(name)


@pytest.mark.parametrize("schema", [*map(generate, NAMES), *map(strict, KINDS)])
def test_a_schema_is_one(schema: Json) -> None:
    """Every schema is valid draft 2020-12."""
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "path", sorted((_ROOT / "pipelines").rglob("*.yaml")), ids=lambda path: path.name
)
def test_editors_accept_every_pipeline(path: Path) -> None:
    """The authoring schema takes what klingflow takes, expressions and all."""
    content = content_of(parse(path.read_text("utf-8"), path.name))
    if "tiers" in content:
        assert list(Draft202012Validator(generate("prices")).iter_errors(content)) == []
    elif "shots" in content:
        assert list(Draft202012Validator(generate("manifest")).iter_errors(content)) == []


@pytest.mark.parametrize("name", example_bodies())
def test_the_request_schema_takes_the_documents_bodies(name: str) -> None:
    """All fourteen."""
    assert Draft202012Validator(generate("request")).is_valid(example_bodies()[name])


def test_a_lock_holds_lines_of_its_schema() -> None:
    """What the ledger writes is what the schema says."""
    schema = Draft202012Validator(generate("lock"))
    used = lock_header("a-lineage", 1, 2, {"0123456789abcdef": "2026-11-27T01:00:00.000Z"})
    for line in (
        used,
        lock_header("a-lineage", 1, 2),
        lock_line(intent("a")),
        lock_line(submitted("b")),
    ):
        assert list(schema.iter_errors(json.loads(line))) == []


_SHOTS: dict[str, tuple[Json, Json]] = {  # one that is right, one that is wrong
    "text": ({"model": "m", "prompt": "x"}, {"model": "m"}),
    "image": ({"model": "m", "image": PICTURE}, {"model": "m", "image": "data:x"}),
    "images": ({"model": "m", "images": [PICTURE]}, {"model": "m", "images": [PICTURE] * 4}),
    "frames": ({"model": "m", "last_frame": PICTURE}, {"model": "m", "image": PICTURE}),
    "motion": ({"model": "m", "motion_video": CLIP}, {"model": "m", "motion_level": "max"}),
    "avatar": ({"model": "m", "image": PICTURE}, {"model": "m", "motion_video": CLIP}),
    "lip-sync": ({"model": "m", "image": PICTURE}, {"model": "m", "audio": "loud"}),
    "reference": ({"model": "m", "files": [{"video": CLIP}]}, {"model": "m", "files": []}),
    "multi-shot": (
        {"model": "m", "cuts": [{"seconds": 1, "prompt": "x"}]},
        {"model": "m", "cuts": [{}]},
    ),
    "request": ({"request": {"model": "m"}}, {"model": "m"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_own_strict_schema(kind: str) -> None:
    """It takes a shot of its kind and refuses a wrong one."""
    good, bad = _SHOTS[kind]
    validator = Draft202012Validator(strict(kind))
    assert (validator.is_valid(good), validator.is_valid(bad)) == (True, False)

"""What is accepted without jsonschema is what jsonschema has nothing against."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from klingflow.manifest import prices
from klingflow.manifest.accepts import accepts
from klingflow.manifest.body import BODY
from klingflow.manifest.fields import ABOUT, CUT, SHOT
from klingflow.manifest.limits import RUN
from klingflow.manifest.sections import TOP
from klingflow.manifest.settings import GATEWAY
from klingflow.manifest.shapes import URL
from klingflow.manifest.violations import violations
from klingflow.model import Json, Pending, Reference


def parts(schema: Json) -> Iterator[Json]:
    """A schema and all in it."""
    yield schema
    inner = [
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    for part in inner:
        if isinstance(part, dict):
            yield from parts(part)


FIELDS = [*SHOT.values(), *RUN.values(), *GATEWAY.values(), *TOP.values(), *ABOUT]
SCHEMAS = [
    part
    for whole in (BODY, prices.SCHEMA, *(f.schema for f in FIELDS if f))
    for part in parts(whole)
]
KEYS = sorted({key for schema in SCHEMAS for key in schema.get("properties", ())} | {"5", "x"})
CHOICES = sorted({str(choice) for schema in SCHEMAS for choice in schema.get("enum", ())})
WORDS = [
    "",
    " ",
    "0",
    "5",
    "12345",
    "https://a.example/b",
    "HTTP://x",
    "ftp://x",
    "5s",
    "30/1m",
    "0.6",
    "x" * 513,
]
PENDING = Pending((Reference("a", "video_url"),))
SCALARS = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        5,
        5.0,
        0.6,
        float("nan"),
        float("inf"),
        PENDING,
        *WORDS,
        *CHOICES,
    ]
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.sampled_from(SCHEMAS), VALUES)
def test_what_is_accepted_breaks_no_keyword(schema: Json, value: Json) -> None:
    if accepts(schema, value):
        assert list(violations(schema, value)) == []


@given(st.sampled_from(SCHEMAS), VALUES)
def test_what_breaks_no_keyword_is_accepted(schema: Json, value: Json) -> None:
    """But for 5.0, which jsonschema finds among choices that have 5."""
    if not list(violations(schema, value)) and not isinstance(value, float):
        assert accepts(schema, value)


def test_a_keyword_that_is_not_known_accepts_nothing() -> None:
    assert accepts(CUT, {"seconds": 5, "prompt": "雨"})
    assert not accepts({**CUT, "maxProperties": 2}, {"seconds": 5, "prompt": "雨"})
    assert not accepts(URL, "www.example.com")


def test_a_manifest_without_mistakes_does_not_import_jsonschema(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text('currency: CNY\ntiers: { "*": { per_second: 0.6 } }\n')
    images = "images: ['https://a.example/b.png']"
    shots = f"shots: {{ a: {{ prompt: rain, seconds: 5, {images}, tags: [wet] }} }}\n"
    film = tmp_path / "film.yaml"
    film.write_text(
        "version: 1\nprices: prices.yaml\ndefaults: { model: kling-3.0-omni }\n" + shots
    )
    code = (
        "import sys, klingflow; klingflow.plan(klingflow.load(sys.argv[1]));"
        " print('jsonschema' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(film)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

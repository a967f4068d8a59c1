"""Everything in pipelines/: the examples that people copy are checked, priced and bought to the end
in the sandbox.
"""

from __future__ import annotations

import json
import re
import shutil
import zlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from klingflow.gateway.mp4 import check
from klingflow.manifest.prices import parse as parse_prices
from klingflow.manifest.prices import price
from klingflow.manifest.source import parse
from klingflow.manifest.values import content_of
from klingflow.terminal import cli_cut
from tests.films import opened
from tests.harness import FAST, Pipeline, charges, pipeline_at, sandboxed
from tests.stills import REFS, STILLS, still

PIPELINES = Path(__file__).parent.parent / "pipelines"
FILES = sorted(
    p.relative_to(PIPELINES).as_posix()
    for at in ("", "scenes")
    for p in (PIPELINES / at).glob("*.yaml")
)
MANIFESTS = [name for name in FILES if "/" not in name and name != "prices.yaml"]
# The document's fourteen bodies stand there as they are, with all that is doubtful about them.
AS_DOCUMENTED = "gateway-examples.yaml"
# It names local files, which a gateway reads from a store, and the sandbox by itself.
WITH_STILLS = "last-ferry.yaml"


def copied(folder: Path) -> None:
    """The pipelines in a folder of their own, without what was made beside them."""
    beside = shutil.ignore_patterns("outputs", ".klingflow", "*.lock")
    shutil.copytree(PIPELINES, folder, dirs_exist_ok=True, ignore=beside)


def hurry(manifest: Path) -> None:
    """Give a copied manifest the limits of tests. Its caps stay, so that they are tried too."""
    text = manifest.read_text(encoding="utf-8")
    content = content_of(parse(text, manifest.name))
    without = re.sub(r"^run:.*\n(?:[ #].*\n|\n)*", "", text, flags=re.MULTILINE)
    run = json.dumps({**content.get("run", {}), **FAST})
    manifest.write_text(f"{without}\nrun: {run}\n", encoding="utf-8")


def test_the_files_are_found() -> None:
    """A renamed folder does not make these tests pass by finding nothing."""
    wanted = {"quickstart.yaml", "neon-rain.yaml", "postcards.yaml", "products.yaml", AS_DOCUMENTED}
    assert wanted | {WITH_STILLS, "guitu.yaml", "lighthouse.yaml"} <= set(MANIFESTS)
    assert {"scenes/act2.yaml", "scenes/act3.yaml"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_an_editor_checks_each_file_by_the_schema_that_its_first_line_names(name: str) -> None:
    """The schema is where the line says, and finds nothing wrong."""
    path = PIPELINES / name
    text = path.read_text(encoding="utf-8")
    line = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert line
    schema = json.loads((path.parent / line[1]).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content_of(parse(text, name)))


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_manifest_is_valid_and_its_comments_name_every_warning(
    name: str, tmp_path: Path
) -> None:
    """Whoever tries an example is not left alone with a warning."""
    copied(tmp_path)
    found = pipeline_at(tmp_path).data("validate", name)
    codes = {diagnostic["code"] for diagnostic in found["diagnostics"]}
    text = (PIPELINES / name).read_text(encoding="utf-8")
    comments = " ".join(line for line in text.splitlines() if line.startswith("#"))
    assert name == AS_DOCUMENTED or {code for code in codes if code not in comments} == set()


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_tier_has_a_price_and_the_cap_suffices(name: str, tmp_path: Path) -> None:
    """No example costs "unknown", and none stops at its own max_spend."""
    copied(tmp_path)
    plan = pipeline_at(tmp_path).data("plan", name)
    text = (PIPELINES / "prices.yaml").read_text(encoding="utf-8")
    prices = parse_prices(parse(text, "prices.yaml"))
    tiers = {(action["predicted_tier"], action["seconds"]) for action in plan["actions"]}
    assert tiers
    assert [tier for tier, seconds in tiers if price(prices, tier, seconds) is None] == []
    content = content_of(parse((PIPELINES / name).read_text(encoding="utf-8"), name))
    if "prices" in content:
        assert plan["cost"]["unknown"] == 0
        assert Decimal(plan["cost"]["amounts"]["CNY"]) <= content.get("run", {}).get(
            "max_spend", Decimal("inf")
        )


@pytest.mark.parametrize("name", [name for name in MANIFESTS if name != WITH_STILLS])
def test_each_manifest_runs_to_the_end_in_the_sandbox(name: str, tmp_path: Path) -> None:
    """As many charges as shots, every tier as foretold, and every video in place."""
    copied(tmp_path)
    hurry(tmp_path / name)
    with sandboxed(tmp_path) as (film, sandbox):
        wanted = film.data("render", name)["shots"]
        film.do("run", name, "-y")
        record = film.data("status", name)["shots"]
        billed = {charge["task_id"]: charge["tier"] for charge in charges(sandbox)}
        assert len(charges(sandbox)) == len(wanted)
        assert [(s["id"], s["take"]) for s in record] == [(s["id"], s["take"]) for s in wanted]
        assert {shot["state"] for shot in record} == {"done"}
        assert {shot["task_id"]: shot["billed_tier"] for shot in record} == billed
        assert [s["id"] for s in record if s["billed_tier"] != s["predicted_tier"]] == []
        assert [check(tmp_path / shot["file"]) for shot in record] == [None] * len(wanted)
        assert len(film.videos()) == len(wanted)


def test_a_film_with_local_stills_runs_to_the_end_in_the_sandbox(tmp_path: Path) -> None:
    """Scenes, lines, takes, cuts and stills: what an export needs."""
    copied(tmp_path)
    hurry(tmp_path / WITH_STILLS)
    film = pipeline_at(tmp_path)
    wanted = film.data("render", WITH_STILLS)["shots"]
    film.do("run", WITH_STILLS, "--sandbox", "-y")
    record = film.data("status", WITH_STILLS, "--sandbox")["shots"]
    assert [(s["id"], s["take"], "done") for s in wanted] == [
        (s["id"], s["take"], s["state"]) for s in record
    ]
    assert [s["id"] for s in record if s["billed_tier"] != s["predicted_tier"]] == []
    _exports_whole(film, {s["id"]: s["seconds"] for s in record})


def _exports_whole(film: Pipeline, seconds: Mapping[str, int]) -> None:
    """Every form of an export is made, and read by something other than what wrote it. `seconds`
    are those of the shots.
    """
    for form in cli_cut.FORMS:
        said = film.do("export", WITH_STILLS, "--to", form, "--sandbox", "-o", f"cut/{form}")
        assert f"cut/{form}: {len(seconds)} shots, " in said
    cut, whole = film.folder / "cut", sum(seconds.values())
    assert opened(cut / "mp4")["seconds"] == whole
    assert len(ElementTree.parse(cut / "fcp7").findall(".//video/track/clipitem")) == len(seconds)
    assert (cut / "edl").read_text(encoding="utf-8").count("* FROM CLIP NAME:") == len(seconds)
    assert len(list((cut / "folder").glob("*.mp4"))) == len(seconds)
    draft = json.loads((cut / "jianying" / "draft_content.json").read_text(encoding="utf-8"))
    assert draft["duration"] == whole * 1_000_000


def test_the_stills_are_those_that_the_tests_draw() -> None:
    """`python -m tests.stills` draws them again. Their pixels are compared: zlib may change."""
    drawn = {f"{name}.png": pixels(still(name)) for name in STILLS}
    assert {p.name: pixels(p.read_bytes()) for p in REFS.iterdir()} == drawn


def pixels(png: bytes) -> bytes:
    """The rows of a PNG with one block of data."""
    begin = png.index(b"IDAT") + 4
    return zlib.decompress(png[begin : png.index(b"IEND") - 8])

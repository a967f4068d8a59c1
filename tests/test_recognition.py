"""Files that are no manifest: what they are is said, with what to give instead."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile
from klingflow.manifest.recognition import Found, of_name, of_text, of_tree
from klingflow.manifest.source import parse

MANIFEST = "version: 1\nshots:\n  a: { model: kling-3.0, prompt: x }\n"
PRICES = "currency: CNY\ntiers: { '*': { per_request: 9 } }\n"


def said(path: str, files: Mapping[str, str]) -> list[str]:
    """The code and the message of each mistake."""
    with pytest.raises(ManifestError) as refused:
        compile(path, files.__getitem__, variables={}, environ={})
    return [f"{d.code}: {d.message}" for d in refused.value.diagnostics]


@pytest.mark.parametrize(
    ("path", "text", "what"),
    [
        (
            "film.lock",
            '{"klingflow_lock":1,"serial":1}\n{"shot":"a"}\n',
            "the ledger of a manifest; give the manifest itself: film.yaml",
        ),
        (
            "film.pruned.jsonl",
            '{"shot":"a","take":1}\n',
            "the ledger of a manifest; give the manifest itself",
        ),
        (
            "film.journal",
            'db25b694 {"runner":{"pid":1}}\n',
            "the journal of a ledger; give the manifest itself",
        ),
        (
            "log.jsonl",
            '{"at": "2026-01-01T00:00:00Z", "event": "intent"}\n',
            "the log of a run; give the manifest itself",
        ),
        (
            "manifest.json",
            '{"klingflow_run_manifest": 1, "shots": []}',
            "the record of a run; give the manifest itself",
        ),
        (
            "p.json",
            '{"klingflow_plan": 1, "shots": []}',
            "a saved plan; run it by 'klingflow run --plan p.json'",
        ),
        (
            "r.json",
            '{"shots": [{"id": "a", "body": {}, "fingerprint": "x"}]}',
            "what `klingflow render` printed; give the manifest itself",
        ),
        (
            "s.json",
            '{"$schema": "https://json-schema.org/", "properties": {}}',
            "a JSON schema; give the manifest itself",
        ),
        (
            "film.picks.yaml",
            "- { shot: a, take: 1 }\n",
            "a file of picks; give the manifest itself: film.yaml",
        ),
        (
            "prices.yaml",
            PRICES,
            "a file of prices; write 'prices: prices.yaml' in a manifest, and give that manifest",
        ),
        (
            "rows.csv",
            "sku,name\n1,a\n",
            "a table of rows; make a manifest of it by 'klingflow init --from rows.csv', or write"
            " 'foreach: rows.csv' in a shot, and give that manifest",
        ),
        (
            "body.json",
            '{"model": "kling-3.0", "prompt": "x"}',
            "the body of a request; write it in a manifest as 'shots: { s01: { request: { … } } }'",
        ),
        (
            "env",
            "KLINGFLOW_API_KEY=x\n",
            "a file of settings for the environment; give the manifest itself",
        ),
        ("a.png", "", "a picture; give the manifest itself"),
        ("a.mp4", "", "a video; give the manifest itself"),
    ],
)
def test_another_file_is_named_for_what_it_is(path: str, text: str, what: str) -> None:
    """One mistake with what to give instead, at the file's first character."""
    assert said(path, {path: text}) == [f"other-file: {path} is {what}"]


def test_a_workbook_is_named_with_the_menu_that_makes_a_table_of_it() -> None:
    """Row "商品.xlsx" of the reported inputs, given in the manifest's place."""
    (read,), (not_read,) = said("商品.xlsx", {}), said("商品.xls", {})
    assert read == (
        "other-file: 商品.xlsx is an Excel workbook; make a manifest of it by 'klingflow init"
        " --from 商品.xlsx', or write 'foreach: 商品.xlsx' in a shot, and give that manifest"
    )
    assert not_read.startswith("other-file: 商品.xls is an Excel workbook; save it as CSV (")


@pytest.mark.parametrize(
    ("top", "files", "what"),
    [
        (
            "include: prices.yaml",
            {"prices.yaml": PRICES},
            "prices.yaml is a file of prices; an included file has vars:, presets: and shots:",
        ),
        (
            "include: film.lock",
            {"film.lock": '{"klingflow_lock":1}'},
            "film.lock is the ledger of a manifest;"
            " an included file has vars:, presets: and shots:",
        ),
        (
            "prices: b.yaml",
            {"b.yaml": MANIFEST},
            "b.yaml is a manifest; a file of prices has currency: and tiers:",
        ),
    ],
)
def test_what_a_manifest_names_is_named_for_what_it_is(
    top: str, files: dict[str, str], what: str
) -> None:
    """At the name in the manifest."""
    assert said("m.yaml", {"m.yaml": f"{top}\n{MANIFEST}", **files}) == [f"other-file: {what}"]


@pytest.mark.parametrize(
    "document",
    [
        {"version": 1, "model": "kling-3.0", "prompt": "x"},
        {"shots": {"a": {"model": "kling-3.0", "prompt": "x"}}},
        {"vars": {"tiers": 1}},
        {"version": 1, "tiers": {}, "currency": "CNY"},
        [{"id": "a", "prompt": "x"}],
        {},
    ],
)
def test_what_may_be_a_manifest_is_read_as_one(document: object) -> None:
    """Its own mistakes say more than a guess."""
    text = json.dumps(document)
    assert of_text("m.json", text) is None and of_tree(parse(text, "m.json"), "manifest") is None


def test_prices_are_prices_where_prices_are_wanted() -> None:
    """With a mistake in them, too."""
    root = parse("tiers: { '*': { per_request: 9 } }", "prices.yaml")
    assert of_tree(root, "prices") is None
    assert isinstance(of_tree(root, "manifest"), Found) and of_name("prices.yaml") is None

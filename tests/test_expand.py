"""Layers, matrices, rows, takes and names."""

from __future__ import annotations

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.drafts import Draft
from klingflow.manifest.entry import Document
from klingflow.manifest.expand import MAX_SHOTS, expand
from klingflow.manifest.source import parse
from klingflow.manifest.template import Renderer
from klingflow.model import Json, Reference


def expanded(text: str, **variables: Json) -> tuple[list[Draft], list[Diagnostic]]:
    """The Drafts of a document that is not checked any further."""
    root = parse(text, "f").value
    sections = {
        name: root[name].value if name in root else {} for name in ("vars", "presets", "shots")
    }
    renderer = Renderer(sections["vars"], variables)
    return expand(
        Document(
            "neon",
            root.get("defaults"),
            sections["presets"],
            sections["shots"],
            root.get("output"),
            lambda *_: None,
        ),
        renderer,
    )


def drafts(text: str) -> list[Draft]:
    made, found = expanded(text)
    assert found == []
    return made


def test_a_merged_value_keeps_the_place_where_it_was_written() -> None:
    (made,) = drafts(
        "presets:\n  wide: { output_config: { class_id: 1 } }\n"
        "shots:\n  a: { use: wide, output_config: { x: 1 } }"
    )
    assert made.node.at("output_config", "class_id").mark == Mark("f", 2, 38)
    assert made.node.at("output_config", "x").mark == Mark("f", 4, 39)
    assert made.mark == Mark("f", 4, 3)


def test_tags_add_up_over_the_layers_and_null_drops_those_below() -> None:
    made = drafts(
        "defaults: { tags: all }\npresets: { p: { tags: [p, q] } }\n"
        "shots:\n  a: { use: p, tags: [a, q] }\n  b: { use: p }\n  c: { tags: null }\n  d: {}"
    )
    assert [draft.tags for draft in made] == [
        ("all", "p", "q", "a"),
        ("all", "p", "q"),
        (),
        ("all",),
    ]


def test_a_null_that_an_expression_makes_deletes_as_a_written_one() -> None:
    (made,) = drafts(
        "shots: { a: { audio: '${{ none }}', extra: { x: '${{ none }}', y: 1 }, prompt: x } }"
    )
    assert made.fields == {"extra": {"y": 1}, "prompt": "x"}


def test_what_is_about_the_shot_is_not_among_its_fields() -> None:
    (made,) = drafts(
        "shots: { a: { prompt: x, scene: S, title: T, note: N, tags: t, takes: 1,"
        " dialogue: [D], output: o.mp4 } }"
    )
    assert (made.fields, made.about) == (
        {"prompt": "x"},
        {"scene": "S", "title": "T", "note": "N", "dialogue": ["D"]},
    )


def test_takes_of_one_body_share_their_fields() -> None:
    same, again, first, second = drafts(
        "shots:\n  a: { prompt: x, takes: 2 }\n  b: { prompt: '${{ shot.take }}', takes: 2 }"
    )
    assert same.fields is again.fields
    assert (first.fields, second.fields) == ({"prompt": 1}, {"prompt": 2})
    assert [same.output, again.output] == ["outputs/neon/a.mp4", "outputs/neon/a-2.mp4"]


def test_references_and_after_are_kept_apart_and_each_once() -> None:
    shot = "{ x: '${{ shots.a.task_id }}', y: ['${{ shots.a.task_id }}'], after: b }"
    text = f"shots:\n  a: {{}}\n  b: {{}}\n  c: {shot}"
    made = drafts(text)[2]
    assert (made.references, made.after) == ((Reference("a", "task_id"),), ("b",))


def test_an_id_is_one_however_its_accents_are_written() -> None:
    """A manifest from a Mac, and a colleague's `after`, name one shot."""
    nfd, nfc = "cafe\u0301", "caf\u00e9"
    text = (
        f"shots:\n  {nfd}: {{}}\n  b: {{ after: {nfd}, x: \"${{{{ shots['{nfd}'].task_id }}}}\" }}"
    )
    first, second = drafts(text)
    assert (first.id, second.after, second.references) == (
        nfc,
        (nfc,),
        (Reference(nfc, "task_id"),),
    )


def test_a_chain_of_ten_thousand_shots_is_no_cycle() -> None:
    text = "shots:\n  s0: {}\n" + "".join(
        f"  s{i}: {{ after: s{i - 1} }}\n" for i in range(1, 10_000)
    )
    assert len(drafts(text)) == 10_000


def test_too_many_shots_are_told_once_and_not_made() -> None:
    """Ten thousand rows times ninety thousand cells would take hours."""
    axes = "{ a: '${{ range(99) }}', b: '${{ range(99) }}' }"
    made, found = expanded(f"shots:\n  a: {{ takes: 100, matrix: {axes} }}\n  b: {{}}")
    assert len(made) == MAX_SHOTS
    assert [(d.code, d.mark.line) for d in found] == [("too-many-shots", 2), ("too-many-shots", 3)]


def test_a_broken_shot_leaves_the_others_standing_and_its_id_known() -> None:
    made, found = expanded(
        "shots:\n  a: { prompt: '${{ x }}' }\n  b: { after: a }\n"
        "  c: { matrix: 1 }\n  d: { after: c@1 }"
    )
    assert [(draft.id, draft.spoiled) for draft in made] == [
        ("a", True),
        ("b", False),
        ("d", False),
    ]
    assert [d.code for d in found] == ["undefined", "bad-matrix"]

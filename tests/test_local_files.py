"""Local files in a manifest: where they are looked for, how they count, what is said of them."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile
from klingflow.manifest.held_files import is_path, records
from klingflow.manifest.local_files import Seen, remembered
from klingflow.model import Json, LocalFile, Manifest

HERO = LocalFile("refs/hero.png", 1000, "a" * 64, "png", 640, 360)
FILES = {
    "refs/hero.png": HERO,
    "act2/refs/hero.png": LocalFile("", 1000, "b" * 64, "png", 640, 360),
    "../shared/hero.png": LocalFile("", 1000, "c" * 64, "png", 640, 360),
    "copy.png": LocalFile("copy.png", 1000, "a" * 64, "png", 640, 360),
    "big.png": LocalFile("big.png", 10_000_001, "d" * 64, "png", 640, 360),
    "film.mp4": LocalFile("film.mp4", 100_000_000, "e" * 64, "mp4"),
    "long.mov": LocalFile("long.mov", 100_000_001, "f" * 64, "mov"),
    "no-sides.jpg": LocalFile("no-sides.jpg", 1000, "f" * 64, "jpg"),
    "tall.webp": LocalFile("tall.webp", 1000, "f" * 64, "webp", 300, 750),
    "taller.webp": LocalFile("taller.webp", 1000, "f" * 64, "webp", 300, 751),
}


def look(paths: Collection[str]) -> Seen:
    return {path: FILES[path] for path in paths if path in FILES}


def compiled(
    text: str, *, strict: bool = False, stored: bool = True, files: dict[str, str] | None = None
) -> Manifest:
    known = {"films/m.yaml": f"version: 1\ndefaults: {{ model: kling-3.0, prompt: x }}\n{text}"}
    known |= {f"films/{name}": content for name, content in (files or {}).items()}
    return compile(
        "films/m.yaml",
        known.__getitem__,
        variables={},
        environ={},
        look=look,
        strict=strict,
        stored=stored,
    )


def image(text: str) -> Json:
    """The image of a shot as it stands in the body."""
    return compiled(f"shots: {{ a: {{ image: {text} }} }}").requests[0].body["image"]


def complaints(fields: str, *, strict: bool = False, stored: bool = True) -> list[str]:
    """What is said of a shot, without its place."""
    try:
        found = compiled(f"shots: {{ a: {{ {fields} }} }}", strict=strict, stored=stored).warnings
    except ManifestError as error:
        found = tuple(error.diagnostics)
    return [f"{one.severity}[{one.code}] {one.message}" for one in found]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("refs/a.png", True),
        ("./林夏 1.png", True),
        ("../shared/a.png", True),
        ("a/12:30.png", True),
        ("https://x.example/a.png", False),
        ("oss://x/a.png", False),
        ("data:image/png;base64,AA==", False),
        ("C:/a.png", False),
        ("refs\\a.png", False),
        ("/srv/a.png", False),
        ("~/a.png", False),
        ("//cdn.example.com/a.png", False),
        (" a.png", False),
        ("a\n.png", False),
        ("", False),
    ],
)
def test_a_text_without_a_scheme_is_a_path(text: str, is_one: bool) -> None:
    """One that means the same file on every machine."""
    assert is_path(text) == is_one


def test_a_file_stands_in_the_body_with_its_content() -> None:
    """No address is in it, and none is written down."""
    assert image("./refs/../refs/hero.png") == {"file": "refs/hero.png", "sha256": "a" * 64}
    assert image("../shared/hero.png") == {"file": "../shared/hero.png", "sha256": "c" * 64}


def test_a_path_begins_at_the_file_that_says_it() -> None:
    """An act in a folder of its own has its stills beside it."""
    made = compiled(
        "include: [act2/shots.yaml]\nshots: { a: { image: refs/hero.png } }",
        files={"act2/shots.yaml": "shots: { b: { image: refs/hero.png } }"},
    )
    assert [request.body["image"]["file"] for request in made.requests] == [
        "refs/hero.png",
        "act2/refs/hero.png",
    ]


def test_the_fingerprint_counts_the_content() -> None:
    """A file that is renamed or copied buys nothing; another one under its name does."""

    def fingerprint(text: str) -> str | None:
        return compiled(f"shots: {{ a: {{ image: {text} }} }}").requests[0].fingerprint

    assert fingerprint("refs/hero.png") == fingerprint("copy.png")
    assert fingerprint("refs/hero.png") != fingerprint("../shared/hero.png")
    assert fingerprint("refs/none.png") != fingerprint("refs/nil.png")


def test_what_a_ledger_knows_stands_for_a_file_that_is_not_here() -> None:
    """Then a colleague's clone has the same fingerprint."""
    here = compiled("shots: { a: { image: refs/hero.png } }")
    clone = compiled("shots: { a: { image: refs/gone.png } }")
    again = remembered(clone, lambda: {"refs/gone.png": "a" * 64})
    assert again.requests[0].fingerprint == here.requests[0].fingerprint
    assert again.requests[0].body["image"] == {"file": "refs/gone.png", "sha256": "a" * 64}
    assert remembered(here, lambda: {"refs/hero.png": "0" * 64}) is here


def test_a_pasted_body_may_hold_paths_wherever_it_may_hold_addresses() -> None:
    """Each is one record."""
    made = compiled(
        "shots: { a: { request: { model: kling-3.0-omni, prompt: x, input_reference: copy.png,"
        " content: [{ type: image_url, image_url: { url: copy.png } }], metadata: {"
        " last_frame_url: copy.png, file_infos: [{ type: Url, category: Video, url: film.mp4 }] }"
        " } } }"
    )
    body = made.requests[0].body
    assert [record["file"] for _, record in records(body)] == ["copy.png"] * 2 + [
        "copy.png",
        "film.mp4",
    ]


OMNI = "model: kling-3.0-omni"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("image: refs/hero.png", []),
        ("image: tall.webp", []),
        (f"{OMNI}, files: [{{ video: film.mp4 }}]", []),
        ("model: kling-2.5, motion_video: film.mp4, image: copy.png", []),
        (
            "image: big.png",
            ["error[file-size] 'big.png' has 10.0 MB; the service takes images of at most 10 MB"],
        ),
        (
            f"{OMNI}, files: [{{ video: long.mov }}]",
            [
                "error[file-size] 'long.mov' has 100.0 MB; the service takes videos of at most"
                " 100 MB"
            ],
        ),
        (
            "image: film.mp4",
            [
                "error[file-type] 'film.mp4' is by its bytes a .mp4; the gateway takes PNG, JPEG or"
                " WebP here"
            ],
        ),
        (
            "image: no-sides.jpg",
            ["error[file-type] 'no-sides.jpg' does not say how large it is; save it again"],
        ),
        (
            "image: taller.webp",
            [
                "error[image-ratio] 'taller.webp' is 300x751; the service takes images between"
                " 1:2.5 and 2.5:1"
            ],
        ),
        (
            "image: no.png",
            [
                "warning[no-such-file] 'no.png': there is no such file; put it there, or write"
                " where it is"
            ],
        ),
    ],
)
def test_a_file_is_judged_as_the_service_would(fields: str, said: list[str]) -> None:
    """Before anything is sent, and without network."""
    assert complaints(fields) == said


def test_a_missing_file_is_a_mistake_only_where_it_is_asked_for() -> None:
    """`validate` asks; who only looks at a plan may have no stills."""
    (said,) = complaints("image: no.png", strict=True)
    assert said.startswith("error[no-such-file]")


def test_the_services_limits_can_be_lifted() -> None:
    """It may know better tomorrow."""
    (said,) = complaints("image: taller.webp, allow: [image-ratio]")
    assert said.startswith("warning[image-ratio]")


def test_a_file_without_a_store_is_warned_of_once_in_a_shot() -> None:
    """A plan needs none."""
    found = complaints(f"{OMNI}, images: [copy.png, refs/hero.png]", stored=False)
    assert found == [
        "warning[no-store] the gateway cannot read a local file: name a store in assets:, or set"
        " KLINGFLOW_UPLOAD"
    ]

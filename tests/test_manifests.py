"""Manifests as a command names them."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow import Diagnostic, ManifestError, Mark, UsageError
from klingflow.terminal.manifests import for_good, load_all, show_warnings, titles, variables
from klingflow.terminal.options import Options
from tests.one_shot import manifest_of

GOOD = "version: 1\nvars: {who: x}\nshots: {a: {model: kling-2.5, prompt: '${{ vars.who }}'}}\n"
BAD = "version: 1\nshots: {a: {promt: x}}\n"


def written(folder: Path, **texts: str) -> list[str]:
    """The paths of manifests with these texts."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return [str(folder / f"{name}.yaml") for name in texts]


def test_the_mistakes_of_all_manifests_come_together(tmp_path: Path) -> None:
    """With the texts that they are in."""
    files = written(tmp_path, one=BAD, good=GOOD, two=BAD)
    with pytest.raises(ManifestError) as raised:
        load_all(files, Options())
    assert {d.mark.file for d in raised.value.diagnostics} == {files[0], files[2]}
    assert raised.value.sources.keys() == {files[0], files[2]}


def test_manifests_are_loaded_in_order_with_their_variables(tmp_path: Path) -> None:
    manifests = load_all(written(tmp_path, b=GOOD, a=GOOD), Options(variables=("who=me",)))
    assert [(m.name, m.requests[0].body["prompt"]) for m in manifests] == [("b", "me"), ("a", "me")]


def test_one_manifest_is_not_named_twice(tmp_path: Path) -> None:
    """Not by another path either."""
    (file,) = written(tmp_path, film=GOOD)
    with pytest.raises(UsageError, match="named twice"):
        load_all([file, str(tmp_path / "x" / ".." / "film.yaml")], Options())


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("k=v", "v"),
        ("k=", ""),
        ("k=0123", "0123"),
        ("k= x ", " x "),
        ("k='5'", "'5'"),
        ("k=a=b", "a=b"),
        (" k =v", "v"),
    ],
)
def test_a_value_is_what_was_typed(typed: str, value: str) -> None:
    """The manifest says what kind it has to be."""
    assert variables([typed]) == {"k": value}


@pytest.mark.parametrize("typed", ["k", "=v", " =v"])
def test_a_variable_has_a_name_and_a_value(typed: str) -> None:
    with pytest.raises(UsageError, match="name=value"):
        variables([typed])


def test_manifests_are_called_by_name_or_where_that_is_not_enough_by_path() -> None:
    """Two of one name are each called by their paths."""
    film = manifest_of(model="kling-2.5", prompt="x")
    films = [replace(film, path=path, name=path[2]) for path in ("1/a", "2/b", "3/a")]
    assert titles(films) == {"1/a": "1/a", "2/b": "b", "3/a": "3/a"}


def test_warnings_are_shown_with_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr."""
    film = manifest_of(model="kling-2.5", prompt="x")
    odd = Diagnostic(Mark("m.yaml", 1, 2), "odd", "it is odd", "warning")
    show_warnings(replace(film, warnings=(odd,), sources={"m.yaml": "text"}))
    assert capsys.readouterr() == ("", f"{odd}\n    1 | text\n      |  ^\n")


def test_a_warning_that_the_command_itself_turns_into_words_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run refuses what it cannot send: a warning before the error would say it twice."""
    film = manifest_of(model="kling-2.5", prompt="x")
    odd = [Diagnostic(Mark("m.yaml", 1, 2), c, "it is odd", "warning") for c in ("odd", "no-store")]
    show_warnings(replace(film, warnings=tuple(odd), sources={}), without="no-store")
    assert capsys.readouterr().err.splitlines() == [str(odd[0])]


def test_a_process_of_our_own_never_collects_what_it_loads() -> None:
    """What was made stays until the end, and the collector goes on."""
    assert gc.isenabled()
    gc.unfreeze()
    try:
        with for_good():
            made = [[] for _ in range(1000)]  # type: ignore[var-annotated]  # what the collector tracks
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(made)
    finally:
        gc.unfreeze()


def test_a_warning_is_shown_once_and_counted_thereafter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Over all the manifests of a command: a preset's hits 200 shots, an include's every film."""
    film = manifest_of(model="kling-2.5", prompt="x")
    odd = [
        Diagnostic(Mark("m.yaml", n, 1), "odd", "it is odd", "warning", subject=f"shot '{n}'")
        for n in range(1, 4)
    ]
    film = replace(film, warnings=tuple(odd), sources={})
    show_warnings(film, film)
    assert capsys.readouterr().err.splitlines() == [
        "m.yaml:1:1: warning[odd]: shot '1': it is odd",
        "        and 5 more such; klingflow validate shows each",
    ]

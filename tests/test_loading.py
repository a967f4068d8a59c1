"""A manifest from its file, by a program that has garbage of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

import klingflow
from klingflow import ManifestError, UsageError
from klingflow.api.loading import load, without_collector

FILM = (
    "version: 1\nvars: {who: nobody}\nshots: {a: {model: kling-2.5, prompt: '${{ vars.who }}'}}\n"
)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.yaml"
    path.write_text(FILM, encoding="utf-8")
    return path


def bad(film: Path) -> None:
    film.write_text("version: 1\nshots: {a: {promt: x}}\n", encoding="utf-8")
    with pytest.raises(ManifestError):
        load(film)


def good(film: Path) -> None:
    klingflow.plan(load(film))


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("call", [good, bad])
def test_a_program_keeps_its_collector(
    film: Path, call: Callable[[Path], None], enabled: bool
) -> None:
    """On or off as it was, and nothing of the program's is kept from it for good."""
    frozen, was = gc.get_freeze_count(), gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        call(film)
        assert (gc.isenabled(), gc.get_freeze_count()) == (enabled, frozen)
    finally:
        (gc.enable if was else gc.disable)()


def test_nothing_is_collected_meanwhile() -> None:
    """Looking for cycles would take a quarter of the time."""
    with without_collector():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_variables_win_over_the_manifests(film: Path) -> None:
    assert load(film).requests[0].body["prompt"] == "nobody"
    assert load(film, variables={"who": "me"}).requests[0].body["prompt"] == "me"


def test_other_folders_are_allowed_by_the_environment_that_is_handed_in(
    film: Path, tmp_path: Path
) -> None:
    """And only by whole paths."""
    with pytest.raises(UsageError, match="KLINGFLOW_READ_BELOW"):
        load(film, environ={"KLINGFLOW_READ_BELOW": "relative"})
    assert load(film, environ={"KLINGFLOW_READ_BELOW": str(tmp_path)}).name == "film"


def test_prices_that_the_environment_names_may_lie_anywhere(film: Path, tmp_path: Path) -> None:
    """The user typed the path, as that of the manifest."""
    prices = tmp_path / "elsewhere" / ".mine"
    prices.parent.mkdir()
    prices.write_text("currency: CNY\ntiers: { '*': { per_request: 9 } }")
    made = load(film, environ={"KLINGFLOW_PRICES": str(prices)})
    assert made.prices and (made.prices.file, made.prices.overrules) == (str(prices), True)
    assert load(film, environ={"KLINGFLOW_PRICES": ""}).prices is None


def test_prices_of_the_environment_that_are_not_there_are_a_mistake(film: Path) -> None:
    """It names the variable and the file."""
    with pytest.raises(ManifestError) as raised:
        load(film, environ={"KLINGFLOW_PRICES": "/nowhere/prices.yaml"})
    assert str(raised.value) == (
        "KLINGFLOW_PRICES:1:1: error[unreadable]: /nowhere/prices.yaml cannot be read:"
        " there is no such file: there is no folder '/nowhere'"
    )


def test_a_file_that_is_not_there_is_a_mistake_with_a_place(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as raised:
        load(tmp_path / "gone.yaml")
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.mark.file == str(tmp_path / "gone.yaml")

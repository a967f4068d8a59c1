"""`lock move`, and what a rename looks like to a user: in the ledger, in words and on disk."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from klingflow.api.loading import load
from klingflow.api.moving import move
from klingflow.api.planning import plan
from klingflow.api.pruning import prune
from klingflow.api.reporting import status, why
from klingflow.api.site import Wish, now, site_of
from klingflow.errors import NothingSelected
from klingflow.ledger.lifecycle import placed
from klingflow.ledger.store import open_ledger, read
from klingflow.ledger.unite import Telling, unite
from klingflow.model import Purchase
from tests.harness import Pipeline, pipeline_at
from tests.keeping import write
from tests.purchases import LATER, done


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A manifest of one shot, `night`, of whose body the ledger has a purchase as `alley`."""
    film = pipeline_at(tmp_path)
    film.write({"night": {"prompt": "x"}})
    (request,) = load(film.manifest).requests
    with open_ledger(site_of(film.manifest, Wish()).paths, now) as ledger:
        write(ledger, done("alley", fingerprint=str(request.fingerprint)), done("other"))
    return film


def known(pipeline: Pipeline) -> list[Purchase]:
    return [*read(site_of(pipeline.manifest, Wish()).paths).purchases.values()]


def test_a_renamed_shot_is_kept_and_every_command_says_what_it_was(pipeline: Pipeline) -> None:
    """Before a run has written that down, too."""
    film = load(pipeline.manifest)
    action, other = plan(film).actions
    assert (action.verb, other.verb) == ("download", "orphan")
    assert "was alley" in action.reason
    shot = status(film, Wish())["shots"][0]
    assert (shot["id"], shot["was"]) == ("night", {"shot": "alley", "take": 1})
    says = why(film, "night", Wish())["says"]
    assert says == "night was alley and has not changed since it was bought (task_alley)."
    assert {p.key for p in known(pipeline)} == {"alley", "other"}


def test_what_goes_over_to_another_take_is_not_pruned(pipeline: Pipeline) -> None:
    found, did = prune(load(pipeline.manifest), Wish(), lambda found: True)
    assert ([p.key for p in found.pruned], did) == (["other"], True)
    assert [(p.key, p.was and p.was.key) for p in known(pipeline)] == [("night", "alley")]
    with pytest.raises(NothingSelected):
        prune(load(pipeline.manifest), Wish(select=["alley"]), lambda found: True)


def test_a_persons_move_is_written_and_a_dry_run_is_not(pipeline: Pipeline) -> None:
    pipeline.write({"night": {"prompt": "x"}, "day": {"prompt": "y"}})
    film = load(pipeline.manifest)
    (would,) = move(film, "other", "day", Wish(), dry_run=True)
    assert (would.before, would.purchase.key) == ("other", "day")
    assert {p.key for p in known(pipeline)} == {"alley", "other"}
    move(film, "other", "day", Wish(), dry_run=False)
    assert {p.key for p in known(pipeline)} == {"night", "day"}


HEAD = "version: 1\nname: film\n"
MODEL = "model: kling-3.0, seconds: 5, resolution: 720P, aspect_ratio: '16:9'"
POSTCARD = "prompt: '${{ matrix.city }} ${{ matrix.light }}'"
AD = f"{MODEL}, foreach: ads.csv, key: '${{{{ row.sku }}}}', prompt: '${{{{ row.name }}}}'"


def postcards(axes: str) -> dict[str, str]:
    """A film of postcards over these axes."""
    return {"film.yaml": f"shots: {{ p: {{ {MODEL}, matrix: {{ {axes} }}, {POSTCARD} }} }}"}


# What a film was bought as, and what it is called now, by file; nothing is to be bought again.
RENAMES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a shot": (
        {"film.yaml": f"shots: {{ alley: {{ {MODEL}, prompt: x }} }}"},
        {"film.yaml": f"shots: {{ alley-night: {{ {MODEL}, prompt: x }} }}"},
    ),
    "a swap": (
        {"film.yaml": f"shots: {{ a: {{ {MODEL}, prompt: x }}, b: {{ {MODEL}, prompt: y }} }}"},
        {"film.yaml": f"shots: {{ b: {{ {MODEL}, prompt: x }}, a: {{ {MODEL}, prompt: y }} }}"},
    ),
    "a matrix axis renamed": (
        {
            "film.yaml": f"shots: {{ p: {{ {MODEL}, matrix: {{ city: [SH, HK], light: [x, y] }},"
            f" {POSTCARD} }} }}"
        },
        {
            "film.yaml": f"shots: {{ p: {{ {MODEL}, matrix: {{ zone: [SH, HK], light: [x, y] }},"
            f" {POSTCARD.replace('city', 'zone')} }} }}"
        },
    ),
    "matrix values in another order": (
        postcards("city: [SH, HK], light: [x]"),
        postcards("light: [x], city: [HK, SH]"),
    ),
    "an axis added with one value": (
        postcards("city: [SH, HK], light: [x]"),
        postcards("city: [SH, HK], light: [x], more: [1]"),
    ),
    "a key column reformatted": (
        {"film.yaml": f"shots: {{ ad: {{ {AD} }} }}", "ads.csv": "sku,name\n001,cup\n002,pen\n"},
        {"film.yaml": f"shots: {{ ad: {{ {AD} }} }}", "ads.csv": "sku,name\n1,cup\n2,pen\n"},
    ),
    "a shot moved into an include": (
        {"film.yaml": f"shots: {{ a: {{ {MODEL}, prompt: x }}, b: {{ {MODEL}, prompt: y }} }}"},
        {
            "film.yaml": f"include: [act.yaml]\nshots: {{ a: {{ {MODEL}, prompt: x }} }}",
            "act.yaml": f"shots: {{ act-b: {{ {MODEL}, prompt: y }} }}",
        },
    ),
    "takes split into shots": (
        {"film.yaml": f"shots: {{ a: {{ {MODEL}, prompt: x, takes: 2 }} }}"},
        {"film.yaml": f"shots: {{ a1: {{ {MODEL}, prompt: x }}, a2: {{ {MODEL}, prompt: x }} }}"},
    ),
}


def lay(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        head = HEAD if name == "film.yaml" else ""
        (folder / name).write_text(head + text, "utf-8")
    return folder / "film.yaml"


@pytest.mark.parametrize(("before", "after"), RENAMES.values(), ids=RENAMES)
def test_what_is_only_called_otherwise_is_not_bought_again(
    tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    film = lay(tmp_path / "film", before)
    buy_all(film)
    made = plan(load(lay(tmp_path / "film", after)))
    assert {action.verb for action in made.actions} == {"download"}


def buy_all(film: Path) -> None:
    """Have every take of a manifest in its ledger, delivered."""
    bought = [
        done(shot.id, take=shot.take, fingerprint=str(request.fingerprint))
        for shot, request in load(film)
    ]
    with open_ledger(site_of(film, Wish()).paths, now) as ledger:
        write(ledger, *bought)


def test_a_manifest_renamed_with_its_lock_and_a_folder_moved_buy_nothing(tmp_path: Path) -> None:
    film = lay(tmp_path / "film", RENAMES["a swap"][0])
    buy_all(film)
    film.with_suffix(".lock").rename(film.with_name("ep1.lock"))
    film = film.rename(film.with_name("ep1.yaml"))
    assert {action.verb for action in plan(load(film)).actions} == {"download"}
    (tmp_path / "film").rename(tmp_path / "elsewhere")
    made = plan(load(tmp_path / "elsewhere/ep1.yaml"))
    assert {action.verb for action in made.actions} == {"download"}


def test_two_colleagues_who_moved_one_purchase_differently_end_in_one_ledger(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Whoever merges whom: the last move counts, and the other's shot is not paid for twice."""
    other = pipeline_at(tmp_path / "anna")
    other.write({"dusk": {"prompt": "x"}})
    other.lock.write_bytes(pipeline.lock.read_bytes())
    ours = known(pipeline)
    moved = {p.uid: placed(p, LATER, shot="night") for p in ours if p.key == "alley"}
    theirs = {
        p.uid: placed(p, "2026-06-08T06:54:00.000Z", shot="dusk") for p in ours if p.key == "alley"
    }
    rerolled = [p for p in ours if p.key != "alley"]
    tellings = [
        Telling([*moved.values(), *rerolled]),
        Telling([*theirs.values(), done("alley", attempt=2)]),
    ]
    told = [unite(order).purchases for order in permutations(tellings)]
    assert told[0] == told[1]
    assert [p.key for p in told[0]] == ["alley", "dusk", "other"]

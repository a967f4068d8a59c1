"""What `pick`, `reject` and `unpick` do to a picks file, decided on and done."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from klingflow.api import picking as commands
from klingflow.api.gallery import look
from klingflow.api.loading import load
from klingflow.api.planning import plan as plan_of
from klingflow.api.reporting import status
from klingflow.api.site import Wish, site_of
from klingflow.decide.picking import Target, naming, on_file, pick, reject, target_of, unpick
from klingflow.errors import KlingflowError, UsageError
from klingflow.ledger.book import Book
from klingflow.manifest.amending import Change
from klingflow.model import Manifest, PickLine, Plan
from klingflow.pages.watching import Watch
from tests.harness import pipeline_at
from tests.keeping import keep
from tests.planned import OTHER, plan, shot
from tests.purchases import done, doubtful, submitted, succeeded

TWO = (shot("a"), shot("a", take=2))
FIRST, SECOND = done("a", uid="u1"), succeeded("a", take=2, uid="u2")
BOOK = Book([FIRST, SECOND])


def planned(*lines: PickLine) -> Plan:
    """The plan of two takes that are bought, with these lines."""
    return plan([FIRST, SECOND], *TWO, picks=lines)


def line(take: int, purchase: str = "", *, rejects: bool = False, note: str = "") -> PickLine:
    """A line about a take of `a`."""
    return PickLine("a", take, rejects, note, purchase)


@pytest.mark.parametrize(
    ("text", "target"),
    [("a", Target("a")), ("a#1", Target("a", 1)), ("a#12", Target("a", 12))],
)
def test_a_shot_or_one_take_of_it_is_named(text: str, target: Target) -> None:
    """`a` means all its takes, as a selection does; `a#1` the first."""
    assert target_of(text) == target


def test_a_pick_names_its_purchase() -> None:
    """So that a take which is bought again inherits none."""
    change, chosen = pick(planned(), BOOK, Target("a", 2))
    assert (change, chosen) == (Change(add=(line(2, "u2"),)), SECOND)


def test_a_pick_takes_the_place_of_others_of_its_shot() -> None:
    """And of a rejection of the same video; the rejection of another one stays."""
    lines = [line(1, "u1"), line(2, "u2", rejects=True), line(1, "u1", rejects=True)]
    change, _ = pick(planned(*lines), BOOK, Target("a", 2))
    assert change == Change(frozenset({0, 1}), add=(line(2, "u2"),))


def test_a_pick_that_is_there_stays_as_it_is_written() -> None:
    """Its line gets the purchase, if it names none."""
    change, _ = pick(planned(line(2)), BOOK, Target("a", 2))
    assert on_file(change, [line(2)]) == Change(named={0: "u2"})
    assert not on_file(change, [line(2, "u2")])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target("a"), "a has 2 takes; name one: a#1, a#2"),
        (Target("a", 3), "a has takes 1, 2, not 3"),
        (Target("aa", 1), "there is no shot 'aa'; did you mean 'a'?"),
    ],
)
def test_a_pick_names_one_take(target: Target, said: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError) as caught:
        pick(planned(), BOOK, target)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("purchase", "said"),
    [
        (None, "a has no video yet: nothing is bought for it"),
        (submitted("a"), "a has no video to pick: it is submitted"),
        (doubtful("a"), "a has no video to pick: it is in doubt"),
    ],
)
def test_only_a_video_can_be_picked(purchase: object, said: str) -> None:
    """What is not finished may be anything."""
    bought = [purchase] if purchase else []
    with pytest.raises(UsageError) as caught:
        pick(plan(bought, shot("a")), Book(bought), Target("a"))  # type: ignore[arg-type]  # by case
    assert str(caught.value) == said


def test_a_rejection_takes_the_place_of_a_pick() -> None:
    """Of the same purchase; and of all takes of the shot where none is named."""
    change, rejected = reject(planned(line(2, "u2")), BOOK, [Target("a")], "手变形")
    lines = tuple(line(n, f"u{n}", rejects=True, note="手变形") for n in (1, 2))
    assert (change, rejected) == (Change(frozenset({0}), add=lines), [FIRST, SECOND])


@pytest.mark.parametrize(("note", "stays"), [("", True), ("dark", True), ("bright", False)])
def test_a_rejection_that_is_there_keeps_its_note(note: str, stays: bool) -> None:
    """Another note takes its place."""
    change, _ = reject(
        planned(line(1, "u1", rejects=True, note="dark")), BOOK, [Target("a", 1)], note
    )
    assert bool(change.drop) is not stays
    assert bool(change.add) is not stays


def test_a_rejection_needs_a_video() -> None:
    """What is on its way stands."""
    bought = [submitted("a")]
    with pytest.raises(UsageError, match="a has no video to reject yet"):
        reject(plan(bought, shot("a")), Book(bought), [Target("a")], "")


def test_all_that_was_said_is_taken_back() -> None:
    """Of a purchase by where it stands now, of a line that means none by its own words."""
    old = done("a", uid="u0", fingerprint=OTHER)
    book = Book([FIRST, SECOND, old])
    lines = [line(1, "u1"), line(2, "u2", rejects=True), line(1, "u0"), line(7), line(1, "u9")]
    assert unpick(lines, book, [Target("a", 1)]).drop == {0, 2, 4}
    assert unpick(lines, book, [Target("a")]).drop == {0, 1, 2, 3, 4}
    assert unpick(lines, book, [Target("b")]).drop == set()


def test_a_run_names_the_purchases_that_lines_mean() -> None:
    """A line that was written meanwhile means what the next plan says."""
    picks = planned(line(2)).terms.picks
    assert naming(picks, [line(1), line(2)]) == Change(named={1: "u2"})


# ---------------------------------------------------------------- on disk


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Two takes of `a`, both bought and here."""
    film = pipeline_at(tmp_path)
    film.write({"a": {"prompt": "x", "takes": 2}, "b": {"prompt": "y", "after": "a"}})
    made = load(film.manifest)
    fingerprint = made.requests[0].fingerprint or ""
    bought = [succeeded("a", take, uid=f"u{take}", fingerprint=fingerprint) for take in (1, 2)]
    keep(site_of(film.manifest, Wish()).paths, *bought)
    return made


def picks_of(manifest: Manifest) -> Path:
    return site_of(manifest.path, Wish()).paths.picks


def test_picks_are_written_beside_the_manifest(manifest: Manifest) -> None:
    """A line a take, for people and for git."""
    commands.pick(manifest, "a#2", Wish())
    commands.reject(manifest, ["a#1"], "手变形", Wish())
    assert picks_of(manifest).read_text(encoding="utf-8") == (
        "- { shot: a, take: 2, purchase: u2 }\n"
        "- { shot: a, take: 1, reject: true, note: 手变形, purchase: u1 }\n"
    )


def test_a_status_says_what_is_picked(manifest: Manifest) -> None:
    """And which take stands for its shot."""
    commands.pick(manifest, "a#2", Wish())
    told = [(s["id"], s["take"], s["pick"], s["counts"]) for s in status(manifest, Wish())["shots"]]
    assert told == [("a", 1, "open", False), ("a", 2, "picked", True), ("b", 1, "open", True)]


def test_takes_are_selected_by_picks(manifest: Manifest) -> None:
    """By what is said of the present video."""
    commands.pick(manifest, "a#2", Wish())
    keys = [a.key for a in plan_of(manifest, Wish(select=["pick:picked"])).actions]
    assert keys == ["a#2"]


def test_what_is_taken_back_leaves_the_rest(manifest: Manifest) -> None:
    """Comments and lines of others stay where they are."""
    path = picks_of(manifest)
    path.write_text("# ours\n- { shot: a, take: 1 }   # first\n- { shot: b, take: 1 }\n", "utf-8")
    assert commands.unpick(manifest, ["a"], Wish()).changed
    assert path.read_text("utf-8") == "# ours\n# first\n- { shot: b, take: 1 }\n"
    assert not commands.unpick(manifest, ["a"], Wish()).changed


def test_a_page_that_is_open_keeps_what_an_editor_writes(manifest: Manifest) -> None:
    """It shows it, and adds its own lines; a file in the midst of being edited is left alone."""
    watch = Watch(lambda: look(load(manifest.path), Wish()))
    path = picks_of(manifest)
    path.write_text("# ours\n- { shot: a, take: 1 }\n", "utf-8")
    assert watch.again()
    assert [take["pick"] for take in watch.gallery.data["takes"]] == ["picked", "open", "open"]
    commands.reject(manifest, ["a#2"], "", Wish(), "u2")
    text = path.read_text("utf-8")
    assert text.startswith("# ours\n- { shot: a, take: 1 }\n") and "take: 2, reject" in text
    path.write_text("# ours\n- { shot: a,", "utf-8")
    assert watch.again() and "picks.yaml" in watch.trouble
    with pytest.raises(KlingflowError):
        commands.pick(manifest, "a#2", Wish(), "", "u2")
    assert path.read_text("utf-8") == "# ours\n- { shot: a,"


def test_two_colleagues_who_pick_differently_are_in_dispute(manifest: Manifest) -> None:
    """git keeps the lines of both; what needs the shot is held until one of them is picked."""
    path = picks_of(manifest)
    folder = path.parent

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text("*.picks.yaml merge=union\n", "utf-8")
    path.write_text("# of the second screening\n", "utf-8")
    git("add", ".")
    git("commit", "-qm", "begin")
    git("checkout", "-qb", "anna")
    commands.pick(manifest, "a#1", Wish())
    git("commit", "-qam", "first")
    git("checkout", "-q", "main")
    commands.pick(manifest, "a#2", Wish())
    git("commit", "-qam", "second")
    git("merge", "-q", "anna")
    made = plan_of(manifest)
    assert [v.word for v in made.verdicts.values()] == ["disputed", "disputed"]
    assert made.by_key["b"].verb == "held"
    commands.pick(manifest, "a#1", Wish())
    assert path.read_text("utf-8") == (
        "# of the second screening\n- { shot: a, take: 1, purchase: u1 }\n"
    )
    assert plan_of(manifest).by_key["b"].verb == "create"
